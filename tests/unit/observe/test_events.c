/* Events: their fields and JSON, and the bounded queue. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "observe/event.h"

static sdf_event *make(sdf_event_kind kind, int64_t job)
{
    sdf_event *e = event_new(kind);
    assert_non_null(e);
    event_number(e, "job", job);
    return e;
}

static void test_fields_and_json(void **state)
{
    sdf_event *e = make(SDF_EVENT_TASK_FAILED, 7);
    event_number(e, "code", -13);
    event_label(e, "map#3 \"parse\"");
    event_message(e, "line\nwith \x01 and \xff");
    assert_int_equal(sdf_event_get_kind(e), SDF_EVENT_TASK_FAILED);
    assert_int_equal(sdf_event_number(e, "code"), -13);
    assert_int_equal(sdf_event_number(e, "nothing"), 0);
    cJSON *json = cJSON_Parse(sdf_event_json(e));
    assert_non_null(json);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "event")), "task_failed");
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "job")), 7);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "label")), "map#3 \"parse\"");
    assert_null(strchr(sdf_event_json(e), '\n'));
    cJSON_Delete(json);
    event_free(e);
    assert_int_equal(sdf_event_get_kind(NULL), 0);
    assert_string_equal(sdf_event_json(NULL), "{}");
}

static void test_too_many_fields(void **state)
{
    sdf_event *e = event_new(SDF_EVENT_WARNING);
    for (int i = 0; i < 2 * EVENT_FIELDS_MAX; i++)
        event_number(e, "field", i);
    assert_int_equal(e->count, EVENT_FIELDS_MAX);
    event_free(e);
}

static void test_progress_is_replaced(void **state)
{
    event_queue *q = event_queue_new();
    for (int i = 0; i < 100; i++) {
        sdf_event *e = make(SDF_EVENT_PROGRESS, i % 2);
        event_number(e, "tasks_done", i);
        event_queue_push(q, e);
    }
    for (int job = 0; job < 2; job++) {
        sdf_event *e = event_queue_pop(q);
        assert_int_equal(sdf_event_number(e, "job"), job);
        assert_int_equal(sdf_event_number(e, "tasks_done"), 98 + job);
        event_free(e);
    }
    assert_null(event_queue_pop(q));
    event_queue_free(q);
}

static void test_failures_are_never_dropped(void **state)
{
    event_queue *q = event_queue_new();
    for (int i = 0; i < 10000; i++) {
        event_queue_push(q, make(SDF_EVENT_STAGE_STARTED, i));
        event_queue_push(q, make(SDF_EVENT_TASK_FAILED, i));
    }
    event_queue_push(q, make(SDF_EVENT_JOB_FINISHED, 1));
    int failures = 0, stages = 0, finished = 0;
    for (sdf_event *e; (e = event_queue_pop(q)); event_free(e)) {
        failures += e->kind == SDF_EVENT_TASK_FAILED;
        stages += e->kind == SDF_EVENT_STAGE_STARTED;
        finished += e->kind == SDF_EVENT_JOB_FINISHED;
    }
    assert_int_equal(failures, 10000);
    assert_int_equal(finished, 1);
    assert_true(stages > 0 && stages < 10000);
    event_queue_free(q);
}

static void *push_many(void *queue)
{
    for (int i = 0; i < 5000; i++)
        event_queue_push(queue, make(SDF_EVENT_TASK_FAILED, i));
    return NULL;
}

static void test_two_threads(void **state)
{
    event_queue *q = event_queue_new();
    pthread_t threads[2];
    int popped = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, q), 0);
    while (popped < 10000) {
        sdf_event *e = event_queue_pop(q);
        popped += e != NULL;
        event_free(e);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_null(event_queue_pop(q));
    event_queue_free(q);
}

/* Not a terminal: a line at the end of the job, a line for a failure, nothing in place. */
static void test_plain_progress(void **state)
{
    int ends[2];
    char text[2048] = "";
    assert_int_equal(pipe(ends), 0);
    sdf_progress *p = sdf_progress_new(ends[1]);
    sdf_event *e = make(SDF_EVENT_JOB_STARTED, 1);
    sdf_progress_event(e, p);
    event_free(e);
    e = make(SDF_EVENT_TASK_FAILED, 1);
    event_message(e, "it broke");
    sdf_progress_event(e, p);
    event_free(e);
    e = make(SDF_EVENT_JOB_FINISHED, 1);
    event_number(e, "tasks_done", 4);
    event_number(e, "tasks_total", 4);
    event_number(e, "record_errors", 17);
    sdf_progress_event(e, p);
    event_free(e);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "it broke"));
    assert_non_null(strstr(text, "4/4 tasks"));
    assert_non_null(strstr(text, "17 record errors"));
    assert_null(strchr(text, '\r'));
    sdf_progress_free(p);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_and_json),           cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_progress_is_replaced),      cmocka_unit_test(test_failures_are_never_dropped),
        cmocka_unit_test(test_two_threads),               cmocka_unit_test(test_plain_progress),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
