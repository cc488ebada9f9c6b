/* Settings as the library uses them: every property of the table, parsed. */
#ifndef API_CONFIG_H
#define API_CONFIG_H

#include <sdf/context.h>

typedef struct settings {
    const char *transport, *store, *scratch; /* the config's */
    const char *compression, *exchange;
    uint64_t memory, split_bytes, inline_limit, block_bytes, cut_records, broadcast_bytes;
    uint64_t partitions, concurrency, retries, reruns;
    int64_t task_timeout, backoff, cut_after; /* ms */
} settings;

/* The values in force; they live as long as the config. Fails with what was wrong with the configuration file or the
 * environment. */
int config_settings(const sdf_config *config, settings *out, sdf_error **err);
sdf_config *config_copy(const sdf_config *config);

#endif
