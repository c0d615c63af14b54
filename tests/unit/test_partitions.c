#include "guest/partitions.h"

#include <sys/stat.h>

#include "table_maker.h"

static const struct {
    const char *name;
    const char *types[3]; /* of the table that the kernel sees */
    uint64_t root_at;
    unsigned disk;
    const char *compared; /* NULL: the same */
    const char *kinds;    /* NULL: as built */
} cases[] = {
    { "as it was", { ESP, ROOT }, 4096, 1, NULL, NULL },
    { "swap added",
      { ESP, ROOT, SWAP },
      4096,
      1,
      "differs from what the firmware measured: partition 3, swap \"p3\", was added",
      "partition 3, swap \"p3\", is not one that the image was built with" },
    { "home added",
      { ESP, ROOT, HOME },
      4096,
      1,
      "differs from what the firmware measured: partition 3, home \"p3\", was added",
      "partition 3, home \"p3\", is not one that the image was built with" },
    { "a second root",
      { ESP, ROOT, ROOT },
      4096,
      1,
      "differs from what the firmware measured: partition 3, root \"p3\", was added",
      "partition 3, root \"p3\", is not one that the image was built with" },
    { "root moved",
      { ESP, ROOT },
      8192,
      1,
      "differs from what the firmware measured: partition 2, root \"p2\", was changed",
      NULL },
    { "root gone",
      { ESP },
      4096,
      1,
      "differs from what the firmware measured: a partition is gone",
      "the image's root partition is missing" },
    { "another disk", { ESP, ROOT }, 4096, 2, "the firmware measured another disk's", NULL },
};

static size_t make_case(size_t i, struct table *table)
{
    struct clo_gpt_partition partitions[3];
    size_t count = 0;

    for (; count < 3 && cases[i].types[count] != NULL; count++)
        partitions[count] = made(cases[i].types[count], (unsigned)count + 1,
                                 count == 1 ? cases[i].root_at : 2048 + 16384 * (uint64_t)count);
    make_table(table, cases[i].disk, partitions, count);
    return count;
}

static void check(bool ok, const struct clo_error *err, const char *error, const char *name)
{
    if (!ok && (error == NULL || strcmp(err->text, error) != 0))
        print_error("got: %s\n", err->text);
    CHECK(ok == (error == NULL), name);
    CHECK(ok || strcmp(err->text, error) == 0, name);
}

static void test_compare(void **state)
{
    static const char *const kinds[] = { "esp", "root" };
    static struct table measured, now;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_table_register is = { .hash = CLO_HASH_SHA256, .index = 5 };
    struct clo_table_events events;
    struct clo_error err;

    (void)state;
    make_case(0, &measured);
    make_log(&measured.gpt, &log, &is);
    if (!clo_partitions_measured(clo_buffer_bytes(&log), &is, &events, &err))
        fail_msg("%s", err.text);
    assert_int_equal(events.count, 1);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        make_case(i, &now);
        bool ok = clo_partitions_compare(&now.gpt, &events, &err);
        check(ok, &err, cases[i].compared, cases[i].name);
        ok = clo_partitions_check_kinds(&now.gpt, kinds, CLO_COUNT(kinds), &err);
        check(ok, &err, cases[i].kinds, cases[i].name);
        free_table(&now);
    }
    free_table(&measured);
}

/* The log is the host's or the firmware's word until it leads to the register. */
static void test_log_is_held_against_the_register(void **state)
{
    static struct table table;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lie = { 0 };
    struct clo_table_register is = { .hash = CLO_HASH_SHA256, .index = 5 };
    struct clo_table_events events;
    struct clo_error err;

    (void)state;
    make_case(0, &table);
    make_log(&table.gpt, &log, &is);
    is.value.bytes[0] ^= 1;
    assert_false(clo_partitions_measured(clo_buffer_bytes(&log), &is, &events, &err));
    assert_string_equal(err.text, "the event log does not lead to the register that has the table");
    is.value.bytes[0] ^= 1;
    /* The digests as before, the data another. */
    clo_buffer_append(&lie, clo_buffer_bytes(&log));
    lie.data[lie.size - 1] ^= 1;
    assert_false(clo_partitions_measured(clo_buffer_bytes(&lie), &is, &events, &err));
    assert_string_equal(err.text,
                        "the event log's partition table is not the one that was measured");
    free_table(&table);
}

/* --- The kernel's view --- */

static void put_number(const char *root, const char *partition, const char *attribute,
                       uint64_t value)
{
    char path[4600], text[32];
    struct clo_error err;

    snprintf(path, sizeof path, "%s/vda/%s", root, partition);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/vda/%s/%s", root, partition, attribute);
    snprintf(text, sizeof text, "%llu\n", (unsigned long long)value);
    assert_true(clo_file_write(path, clo_bytes_text(text), 0600, &err));
}

static void put_partition(const char *root, const char *name, uint64_t number, uint64_t start)
{
    put_number(root, name, "partition", number);
    put_number(root, name, "start", start);
    put_number(root, name, "size", 2048);
}

static void test_kernel(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { 0 };
    static struct table table;
    struct clo_error err;
    char path[4200];

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    snprintf(path, sizeof path, "%s/vda", scratch.path);
    assert_int_equal(mkdir(path, 0700), 0);
    make_case(0, &table);
    put_partition(scratch.path, "vda1", 1, 2048);
    assert_false(clo_partitions_check_kernel(scratch.path, "vda", &table.gpt, &err));
    assert_string_equal(err.text, "the kernel has 1 partitions, the table 2");
    put_partition(scratch.path, "vda2", 2, 4096);
    if (!clo_partitions_check_kernel(scratch.path, "vda", &table.gpt, &err))
        fail_msg("%s", err.text);
    put_partition(scratch.path, "vda2", 2, 4097);
    assert_false(clo_partitions_check_kernel(scratch.path, "vda", &table.gpt, &err));
    assert_string_equal(err.text, "the kernel has a partition that the table has not: vda2");
    put_partition(scratch.path, "vda2", 2, 4096);
    put_partition(scratch.path, "vda3", 3, 8192);
    assert_false(clo_partitions_check_kernel(scratch.path, "vda", &table.gpt, &err));
    assert_string_equal(err.text, "the kernel has a partition that the table has not: vda3");
    free_table(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_log_is_held_against_the_register),
        cmocka_unit_test(test_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
