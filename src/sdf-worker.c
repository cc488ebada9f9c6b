/* sdf-worker: a worker program for hosts that are no C program of their own, or that keep their functions in modules.
 * It loads shared objects that export
 *     int sdf_module_register(sdf_error **err);
 * which registers their functions, and then serves tasks: process:4?command=sdf-worker --module ./functions.so
 * Not here: anything that a worker does. That is sdf_worker_main, in the library. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <sdf/sdf.h>

typedef int (*module_register_fn)(sdf_error **err);

static int usage(FILE *out, int code)
{
    fputs("usage: sdf-worker [--module FILE.so]...\n"
          "Serves tasks to the program that starts it; it is not started by hand but named in a transport:\n"
          "    process:4?command=sdf-worker --module ./functions.so\n"
          "  --module FILE.so  load FILE.so and call its int sdf_module_register(sdf_error **err)\n"
          "  --help            this text\n"
          "  --version         the library's version\n",
          out);
    return code;
}

/* Modules stay loaded: the functions they registered are theirs. */
static int load_module(const char *path)
{
    sdf_error *err = NULL;
    module_register_fn module_register = NULL;
    void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!module) {
        fprintf(stderr, "sdf-worker: %s\n", dlerror());
        return 1;
    }
    void *symbol = dlsym(module, "sdf_module_register");
    if (!symbol) {
        fprintf(stderr, "sdf-worker: %s has no sdf_module_register, so it is no module\n", path);
        return 1;
    }
    memcpy(&module_register, &symbol, sizeof(symbol));
    if (module_register(&err) != SDF_OK || err) {
        fprintf(stderr, "sdf-worker: %s could not register its functions: %s\n", path, sdf_error_text(err));
        sdf_error_free(err);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help"))
            return usage(stdout, 0);
        if (!strcmp(argv[i], "--version"))
            return printf("sdf-worker %s\n", sdf_version()) < 0;
        bool known = !strcmp(argv[i], "--module");
        if (!known || i + 1 == argc) {
            fprintf(stderr, "sdf-worker: %s %s\n", argv[i], known ? "lacks its FILE.so" : "is no option");
            return usage(stderr, 2);
        }
        if (load_module(argv[++i]))
            return 1;
    }
    if (sdf_worker_requested())
        return sdf_worker_main();
    fputs("sdf-worker: nobody started this process as a worker\n", stderr);
    return usage(stderr, 2);
}
