#include "cloister/base.h"

#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

static void a_secret_holds_what_it_was_given(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *copy = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *fresh = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *empty = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes_text("passphrase"), &copy, &err), "copy");
    CHECK(clo_bytes_equal(clo_secret_bytes(copy), clo_bytes_text("passphrase")), "its bytes");
    CHECK(clo_secret_new(5000, &fresh, &err), "new");
    CHECK(clo_secret_size(fresh) == 5000 && clo_bytes_all(clo_secret_bytes(fresh), 0), "zeroed");
    memset(clo_secret_data(fresh), 0xaa, 5000);
    CHECK(clo_bytes_all(clo_secret_bytes(fresh), 0xaa), "written");
    CHECK(clo_secret_copy(clo_bytes(NULL, 0), &empty, &err), "empty");
    CHECK(clo_secret_size(empty) == 0 && clo_secret_data(empty) != NULL, "empty");
}

static void an_impossible_size_fails(void **state)
{
    struct clo_secret *secret = NULL;
    struct clo_error err;

    (void)state;
    CHECK(!clo_secret_new(SIZE_MAX, &secret, &err) && secret == NULL, "overflow");
    assert_string_equal(err.text, "secret: too large");
    CHECK(!clo_secret_new(SIZE_MAX / 4, &secret, &err) && secret == NULL, "more than there is");
    assert_string_equal(err.text, "out of memory for a secret");
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
}

/* "dd" among the VmFlags of /proc/self/smaps: left out of core dumps. */
static bool is_left_out_of_dumps(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    bool left_out = false;

    if (maps == NULL)
        skip();
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long start;
        unsigned long end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            left_out = strstr(line, " dd") != NULL;
    }
    fclose(maps);
    return left_out;
}

static void a_secret_is_not_dumped_and_goes_away(void **state)
{
    struct clo_secret *secret = NULL;
    struct clo_error err;
    unsigned char in_core;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes_text("key"), &secret, &err), "copy");
    uint8_t *data = clo_secret_data(secret);
    CHECK(is_left_out_of_dumps(data), "MADV_DONTDUMP");
    clo_secret_freep(&secret);
    CHECK(secret == NULL, "the pointer is cleared");
    CHECK(mincore(data, 1, &in_core) != 0, "its page is unmapped");
    clo_secret_freep(&secret); /* NULL is accepted */
}

static void wiping_reaches_every_byte(void **state)
{
    uint8_t bytes[67];

    (void)state;
    memset(bytes, 0xff, sizeof bytes);
    clo_wipe(bytes + 1, sizeof bytes - 2);
    CHECK(clo_bytes_all(clo_bytes(bytes + 1, sizeof bytes - 2), 0), "wiped");
    CHECK(bytes[0] == 0xff && bytes[sizeof bytes - 1] == 0xff, "and no more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_holds_what_it_was_given),
        cmocka_unit_test(an_impossible_size_fails),
        cmocka_unit_test(a_secret_is_not_dumped_and_goes_away),
        cmocka_unit_test(wiping_reaches_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
