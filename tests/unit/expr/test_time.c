/* year, month, date and hour: what they take apart and what they refuse, day by day against the C library's calendar.
 */
#include "exprs.h"

#include <time.h>

static const char *on(const char *function, const char *text)
{
    char call[128];
    expr_input in = plain_input(SDF_NULL, SDF_BYTES);
    snprintf(call, sizeof call, "%s(value)", function);
    return evaluate(call, &in, text);
}

static void test_parts(void **state)
{
    (void)state;
    assert_string_equal(on("year", "2015-02-28 23:59:60"), "2015");
    assert_string_equal(on("month", "2015-02-28 23:59:60"), "2015-02");
    assert_string_equal(on("date", "2015-02-28T23:59:60Z"), "2015-02-28");
    assert_string_equal(on("hour", "2015-02-28T23:59:60"), "23");
    assert_string_equal(on("hour", "2015-02-28 07:00:00.125"), "07");
    assert_string_equal(on("hour", "2015-02-28 07:00:00.5+05:30"), "07");
    assert_string_equal(on("date", "2000-02-29"), "2000-02-29");
    assert_string_equal(on("month", "0000-01-01"), "0000-01");
    assert_string_equal(on("is_null", ""), "false");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "2015",
                                        "2015-2-03",
                                        "2015-13-01",
                                        "2015-00-10",
                                        "2015-02-29",
                                        "1900-02-29",
                                        "2015-04-31",
                                        "2015-04-00",
                                        "2015/04/01",
                                        "15-04-01 ",
                                        " 2015-04-01",
                                        "2015-04-01 ",
                                        "2015-04-01 7:00:00",
                                        "2015-04-01 24:00:00",
                                        "2015-04-01 00:60:00",
                                        "2015-04-01 00:00:61",
                                        "2015-04-01 00:00:00 ",
                                        "2015-04-01 00:00:00.",
                                        "2015-04-01 00:00:00.5x",
                                        "2015-04-01 00:00:00+5",
                                        "2015-04-01 00:00:00+24:00",
                                        "2015-04-01x00:00:00",
                                        "2015-04-01 00:00",
                                        "abc"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        static const char *const functions[] = {"year", "month", "date", "hour"};
        for (size_t f = 0; f < 4; f++)
            if (!strstr(on(functions[f], texts[i]), "bad: "))
                fail_msg("%s(\"%s\") is taken", functions[f], texts[i]);
    }
    assert_non_null(strstr(on("hour", "2015-04-01"), "bad: ")); /* a date has no hour */
    assert_non_null(strstr(on("hour", "noon"), "noon"));        /* the reason shows what was read */
    assert_non_null(strstr(on("hour", "noon"), "YYYY-MM-DD"));
}

static void test_calendar(void **state)
{
    (void)state;
    for (int day = -200; day < 60000; day += 13) { /* 1969 to 2134 */
        time_t at = (time_t)day * 86400 + 3600 * (((day % 24) + 24) % 24);
        struct tm tm;
        char text[32], want[16];
        gmtime_r(&at, &tm);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
        strftime(want, sizeof want, "%H", &tm);
        assert_string_equal(on("hour", text), want);
        strftime(want, sizeof want, "%Y-%m", &tm);
        assert_string_equal(on("month", text), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_calendar),
    };
    return cmocka_run_group_tests_name("expr time", tests, NULL, NULL);
}
