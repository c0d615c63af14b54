#include "cloister/base.h"

#include "test.h"

static void slices_stay_inside(void **state)
{
    static const struct {
        const char *name;
        size_t at, size, expected_at, expected_size;
    } cases[] = {
        { "the whole", 0, 5, 0, 5 },
        { "the middle", 1, 3, 1, 3 },
        { "longer than what is left", 3, 9, 3, 2 },
        { "a size that would overflow the sum", 2, SIZE_MAX, 2, 3 },
        { "at the end", 5, 1, 5, 0 },
        { "beyond the end", SIZE_MAX, SIZE_MAX, 5, 0 },
    };
    struct clo_bytes in = clo_bytes("abcde", 5);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_bytes out = clo_bytes_slice(in, cases[i].at, cases[i].size);
        CHECK(out.data == in.data + cases[i].expected_at, cases[i].name);
        CHECK(out.size == cases[i].expected_size, cases[i].name);
    }
    struct clo_bytes none = clo_bytes_slice(clo_bytes(NULL, 0), 3, 4);
    CHECK(none.data == NULL && none.size == 0, "a slice of nothing");
}

static void comparisons_agree(void **state)
{
    static const struct {
        const char *name, *a, *b;
        bool equal;
    } cases[] = {
        { "both empty", "", "", true },
        { "the same", "key", "key", true },
        { "the first differs", "key", "Key", false },
        { "the last differs", "key", "kez", false },
        { "a prefix", "key", "keys", false },
        { "empty and not", "", "k", false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_bytes a = clo_bytes_text(cases[i].a);
        struct clo_bytes b = clo_bytes_text(cases[i].b);
        CHECK(clo_bytes_equal(a, b) == cases[i].equal, cases[i].name);
        CHECK(clo_bytes_equal_secret(a, b) == cases[i].equal, cases[i].name);
    }
    CHECK(clo_bytes_equal(clo_bytes(NULL, 0), clo_bytes("", 0)), "NULL and empty");
    CHECK(clo_bytes_equal_secret(clo_bytes(NULL, 0), clo_bytes("", 0)), "NULL and empty");
}

static void one_other_byte_is_seen(void **state)
{
    uint8_t bytes[33] = { 0 };

    (void)state;
    CHECK(clo_bytes_all(clo_bytes(bytes, sizeof bytes), 0), "all zero");
    CHECK(clo_bytes_all(clo_bytes(NULL, 0), 7), "an empty view");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0x80;
        CHECK(!clo_bytes_all(clo_bytes(bytes, sizeof bytes), 0), "one byte set");
        bytes[i] = 0;
    }
}

static void overflow_is_reported(void **state)
{
    static const struct {
        const char *name;
        size_t a, b;
        bool adds, multiplies;
    } cases[] = {
        { "small", 3, 4, true, true },
        { "zero and the largest", 0, SIZE_MAX, true, true },
        { "one and the largest", 1, SIZE_MAX, false, true },
        { "halves", SIZE_MAX / 2 + 1, 2, true, false },
        { "largest twice", SIZE_MAX, SIZE_MAX, false, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        size_t sum = 99;
        size_t product = 99;
        CHECK(clo_add(cases[i].a, cases[i].b, &sum) == cases[i].adds, cases[i].name);
        CHECK(sum == (cases[i].adds ? cases[i].a + cases[i].b : 99), cases[i].name);
        CHECK(clo_mul(cases[i].a, cases[i].b, &product) == cases[i].multiplies, cases[i].name);
        CHECK(product == (cases[i].multiplies ? cases[i].a * cases[i].b : 99), cases[i].name);
    }
}

static void taking_leaves_nothing_behind(void **state)
{
    char *text = strdup("owned");

    (void)state;
    char *taken = CLO_TAKE(text);
    CHECK(text == NULL && strcmp(taken, "owned") == 0, "CLO_TAKE");
    clo_freep(&taken);
    CHECK(taken == NULL, "clo_freep");
    clo_freep(&taken); /* nothing to free is not a fault */
}

static void crc_32(void **state)
{
    (void)state;
    CHECK(clo_crc32(0, clo_bytes_text("123456789")) == 0xcbf43926, "the usual check");
    CHECK(clo_crc32(clo_crc32(0, clo_bytes_text("1234")), clo_bytes_text("56789")) == 0xcbf43926,
          "in two parts");
    CHECK(clo_crc32(0, clo_bytes(NULL, 0)) == 0, "of nothing");
}

static void endings_ignore_case(void **state)
{
    (void)state;
    assert_true(clo_ends_with("BOOTX64.EFI", ".efi"));
    assert_true(clo_ends_with(".efi", ".efi"));
    assert_true(clo_ends_with("", ""));
    assert_false(clo_ends_with("efi", ".efi"));
    assert_false(clo_ends_with("a.efi.bak", ".efi"));
    assert_false(clo_ends_with("", ".efi"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_stay_inside),           cmocka_unit_test(comparisons_agree),
        cmocka_unit_test(one_other_byte_is_seen),       cmocka_unit_test(overflow_is_reported),
        cmocka_unit_test(taking_leaves_nothing_behind), cmocka_unit_test(crc_32),
        cmocka_unit_test(endings_ignore_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
