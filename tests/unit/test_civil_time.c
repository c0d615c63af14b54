#include "lib/base/civil_time.h"
#include "test.h"

static void test_times(void **state)
{
    static const struct {
        const char *name;
        int year, month, day, hour, minute, second;
        int64_t wanted;
    } cases[] = {
        { "the epoch", 1970, 1, 1, 0, 0, 0, 0 },
        { "the second before", 1969, 12, 31, 23, 59, 59, -1 },
        { "the end of 32 bits", 2038, 1, 19, 3, 14, 7, INT32_MAX },
        { "a leap day", 2024, 2, 29, 12, 0, 0, 1709208000 },
        { "a century that is leap", 2000, 2, 29, 0, 0, 0, 951782400 },
        { "the year 0", 0, 1, 1, 0, 0, 0, -62167219200 },
        { "the last of four digits", 9999, 12, 31, 23, 59, 59, 253402300799 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        int64_t out = 0;
        CHECK(clo_civil_time(cases[i].year, cases[i].month, cases[i].day, cases[i].hour,
                             cases[i].minute, cases[i].second, &out),
              cases[i].name);
        CHECK(out == cases[i].wanted, cases[i].name);
    }
}

static void test_no_times(void **state)
{
    static const struct {
        const char *name;
        int year, month, day, hour, minute, second;
    } cases[] = {
        { "before the year 0", -1, 1, 1, 0, 0, 0 },
        { "month 0", 2026, 0, 1, 0, 0, 0 },
        { "month 13", 2026, 13, 1, 0, 0, 0 },
        { "day 0", 2026, 1, 0, 0, 0, 0 },
        { "31 April", 2026, 4, 31, 0, 0, 0 },
        { "29 February", 2026, 2, 29, 0, 0, 0 },
        { "29 February of a century", 2100, 2, 29, 0, 0, 0 },
        { "hour 24", 2026, 1, 1, 24, 0, 0 },
        { "hour -1", 2026, 1, 1, -1, 0, 0 },
        { "minute 60", 2026, 1, 1, 0, 60, 0 },
        { "minute -1", 2026, 1, 1, 0, -1, 0 },
        { "a leap second", 2016, 12, 31, 23, 59, 60 },
        { "second -1", 2026, 1, 1, 0, 0, -1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        int64_t out = 1;
        CHECK(!clo_civil_time(cases[i].year, cases[i].month, cases[i].day, cases[i].hour,
                              cases[i].minute, cases[i].second, &out),
              cases[i].name);
        CHECK(out == 1, cases[i].name);
    }
}

static void test_read(void **state)
{
    static const struct {
        const char *text, *rest; /* NULL: refused */
        int64_t wanted;
    } cases[] = {
        { "2026-01-31T12:00:00Z", "Z", 1769860800 },
        { "2026-01-31t12:00:00", "", 1769860800 },
        { "2026-01-31 12:00:00.5+01:00", ".5+01:00", 1769860800 },
        { "2026-02-30T12:00:00Z", NULL, 0 },
        { "2026-01-31T24:00:00Z", NULL, 0 },
        { "2026-01-31T12:00:60Z", NULL, 0 },
        { " 026-01-31T12:00:00Z", NULL, 0 },
        { "+026-01-31T12:00:00Z", NULL, 0 },
        { "2026-1-31T12:00:00Z", NULL, 0 },
        { "2026-01-31X12:00:00Z", NULL, 0 },
        { "2026-01-31T12.00:00Z", NULL, 0 },
        { "2026-01-31T12:00", NULL, 0 },
        { "", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const char *rest = NULL;
        int64_t out = 0;
        bool ok = clo_civil_time_read(cases[i].text, &out, &rest);
        CHECK(ok == (cases[i].rest != NULL), cases[i].text);
        CHECK(!ok || (out == cases[i].wanted && strcmp(rest, cases[i].rest) == 0), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
