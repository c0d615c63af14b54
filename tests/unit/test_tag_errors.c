/* What the kernel's log says of sectors that were changed: its own lines alone count. */
#include "guest/tag_errors.h"

#include "device/file.h"
#include "test.h"

static void test_lines(void **state)
{
    static const struct {
        const char *line;
        uint64_t count, first;
    } cases[] = {
        { "3,641,1234567,-;device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR, sector 4096", 1,
          4096 },
        { "3,641,1,-;device-mapper: crypt: 254:1: INTEGRITY AEAD ERROR, sector 0", 1, 0 },
        { "3,641,1,-;device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR", 0, 0 },
        { "6,641,1,-;EXT4-fs (dm-1): mounted filesystem", 0, 0 },
        { "4,641,1,-;something: INTEGRITY AEAD ERROR, sector 7", 0, 0 },
        { "", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_tag_errors errors = { 0 };
        clo_tag_errors_line(cases[i].line, &errors);
        CHECK(errors.count == cases[i].count && errors.first == cases[i].first, cases[i].line);
    }
}

static void test_first(void **state)
{
    struct clo_tag_errors errors = { 0 };

    (void)state;
    clo_tag_errors_line("3,1,1,-;device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR, sector 16",
                        &errors);
    clo_tag_errors_line("3,2,2,-;device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR, sector 8",
                        &errors);
    CHECK(errors.count == 2 && errors.first == 16, "the first is kept");
    clo_tag_errors_read("/none", &errors);
    CHECK(errors.count == 0, "no log, no errors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
