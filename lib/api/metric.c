/* Totals by name, for jobs and contexts. */
#include <stddef.h>

#include "api/internal.h"

typedef struct metric {
    const char *name;
    size_t offset; /* in driver_totals */
} metric;

#define TOTAL(field)                                                                                                   \
    {                                                                                                                  \
#field, offsetof(driver_totals, field)                                                                         \
    }
#define TASK(field)                                                                                                    \
    {                                                                                                                  \
#field, offsetof(driver_totals, tasks_metrics) + offsetof(task_metrics, field)                                 \
    }
#define TASK_AS(name, field)                                                                                           \
    {                                                                                                                  \
        name, offsetof(driver_totals, tasks_metrics) + offsetof(task_metrics, field)                                   \
    }

static const metric metrics[] = {
    TOTAL(jobs),
    TOTAL(stages),
    TOTAL(tasks),
    TOTAL(attempts),
    TOTAL(failed_attempts),
    TASK_AS("records_read", records_in),
    TASK(bytes_read),
    TASK_AS("records_written", records_out),
    TASK(bytes_written),
    TASK_AS("records_shuffled", shuffle_records_out),
    TASK_AS("bytes_shuffled", shuffle_bytes_out),
    TASK_AS("records_fetched", shuffle_records_in),
    TASK_AS("bytes_fetched", shuffle_bytes_in),
    TASK_AS("bytes_spilled", spilled_bytes),
    TASK(spills),
    TASK(peak_memory),
    TASK(peak_rss),
    TASK(cpu_us),
    TASK(wall_us),
    TASK(store_reads),
    TASK(store_writes),
    TASK(store_throttled),
    TASK(record_errors),
};

int metric_find(const char *name, const driver_totals *t, uint64_t elapsed_ms, uint64_t *value)
{
    if (!strcmp(name, "elapsed_ms")) {
        *value = elapsed_ms;
        return SDF_OK;
    }
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if (!strcmp(metrics[i].name, name)) {
            memcpy(value, (const char *)t + metrics[i].offset, sizeof *value);
            return SDF_OK;
        }
    }
    return SDF_E_NOT_FOUND;
}

static int totals_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    driver_get_totals(c->driver, arg);
    return SDF_OK;
}

int sdf_context_metric(sdf_context *context, const char *name, uint64_t *value)
{
    if (!context || !name || !value)
        return SDF_E_INVALID;
    driver_totals t = {0};
    int rc = context_look(context, totals_on_driver, &t, NULL);
    if (rc)
        return rc;
    pthread_mutex_lock(&context->lock);
    uint64_t elapsed_ms = context->elapsed_ms;
    pthread_mutex_unlock(&context->lock);
    return metric_find(name, &t, elapsed_ms, value);
}
