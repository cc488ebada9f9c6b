/* The version of the library that runs. */
#include <sdf/base.h>

#define TEXT_OF(x)            #x
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *sdf_version(void)
{
    return VERSION_TEXT(SDF_VERSION_MAJOR, SDF_VERSION_MINOR, SDF_VERSION_PATCH);
}
