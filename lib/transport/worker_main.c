/* Is this process a worker, and for whom? The loops that are the other end of each transport's wire. A function
 * platform's loop finds its place here, beside that of process: . */
#include <sdf/function.h>

#include <stdio.h>

#include "transport/transport.h"

SDF_API int sdf_worker_requested(void)
{
    return transport_process_requested();
}

SDF_API int sdf_worker_main(void)
{
    if (transport_process_requested())
        return transport_process_main();
    fprintf(stderr, "sdf worker: nobody started this process as a worker; call sdf_worker_main() only after "
                    "sdf_worker_requested() returned 1\n");
    return 1;
}
