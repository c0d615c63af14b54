#include "lib/unpack/cpio.h"

#include <zstd.h>

#include "cpio_maker.h"
#include "test.h"

#define LIMIT ((size_t)1 << 20)

/* Collects "name=data;". */
static bool collect(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    struct clo_buffer *out = context;

    (void)err;
    clo_buffer_printf(out, "%s=%.*s;", entry->name, (int)entry->data.size,
                      entry->data.size == 0 ? "" : (const char *)entry->data.data);
    return true;
}

static void put_packed(struct clo_buffer *out, struct clo_bytes plain)
{
    uint8_t packed[65536];

    size_t size = ZSTD_compress(packed, sizeof packed, plain.data, plain.size, 3);
    clo_buffer_append(out, clo_bytes(packed, size));
}

/* Microcode first, plain; then two packed archives, and a plain one, padded in different ways. */
static void make(struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };

    cpio_file(out, "kernel/x86/microcode/AuthenticAMD.bin", "ucode");
    cpio_end(out);
    clo_buffer_align(out, 512);
    cpio_put(&first, "./lib", 0040755, clo_bytes(NULL, 0));
    cpio_file(&first, "./lib/dm-crypt.ko.xz", "x");
    cpio_end(&first);
    put_packed(out, clo_buffer_bytes(&first));
    clo_buffer_align(out, 4);
    cpio_file(&second, "/init", "#!");
    cpio_end(&second);
    put_packed(out, clo_buffer_bytes(&second));
    cpio_file(out, "etc/hostname", "h");
    cpio_end(out);
}

static void test_walk(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer seen = { 0 };
    struct clo_error err;

    (void)state;
    make(&initrd);
    CHECK(clo_initrd_walk(clo_buffer_bytes(&initrd), LIMIT, collect, &seen, &err), err.text);
    CHECK(strcmp(clo_buffer_string(&seen),
                 "kernel/x86/microcode/AuthenticAMD.bin=ucode;lib=;lib/dm-crypt.ko.xz=x;init=#!;"
                 "etc/hostname=h;") == 0,
          clo_buffer_string(&seen));
}

/* A truncation either fails, or ends after an archive: then it gave fewer entries. */
static void test_every_truncation(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    size_t whole = 0;

    (void)state;
    make(&initrd);
    for (size_t cut = 0; cut < initrd.size; cut++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer seen = { 0 };
        CLO_CLEANUP(clo_freep) uint8_t *copy = malloc(cut + 1);
        struct clo_error err;
        memcpy(copy, initrd.data, cut);
        if (clo_initrd_walk(clo_bytes(copy, cut), LIMIT, collect, &seen, &err))
            whole++;
        CHECK(strstr(clo_buffer_string(&seen), "etc/hostname") == NULL || cut + 128 >= initrd.size,
              "it has seen no entry that is not there");
    }
    /* Nothing; after the microcode (with up to 3 bytes of padding and the zeros); after each of the packed ones. */
    CHECK(whole > 4 && whole < 512, "some are whole");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *entry, *error;
    } cases[] = {
        { "no cpio", "hello world", "initrd: at byte 0: not compressed in a way that is known" },
        { "the old format", "070707000000", "initrd: cpio: no entry at byte 0" },
        { "a digit that is none", "07070100000000000081a40000000g",
          "initrd: cpio: entry at byte 0: damaged header" },
        { "only a beginning", "070701000000", "initrd: cpio: entry at byte 0: damaged header" },
        { "a size without end",
          "070701000000000000000000000000000000000000000100000000fffffff000000000000000000000000000"
          "0000000000000500000000init",
          "initrd: cpio: entry at byte 0: cut short" },
        { "no name",
          "0707010000000000000000000000000000000000000001000000000000000000000000000000000000000000"
          "0"
          "000000000000000000000",
          "initrd: cpio: entry at byte 0: its name is too long or no text" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer seen = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        struct clo_error err;
        clo_buffer_text(&in, cases[i].entry);
        if (i == 5) /* it is whole but for the name */
            clo_buffer_align(&in, 4);
        CHECK(!clo_initrd_walk(clo_buffer_bytes(&in), LIMIT, collect, &seen, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_limits(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer seen = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    struct clo_error err;

    (void)state;
    for (int i = 0; i < 100; i++)
        cpio_file(&plain, "a", "the same again and again");
    cpio_end(&plain);
    put_packed(&initrd, clo_buffer_bytes(&plain));
    CHECK(!clo_initrd_walk(clo_buffer_bytes(&initrd), plain.size - 1, collect, &seen, &err),
          "a small file that is a large one");
    CHECK(strncmp(err.text, "initrd: at byte 0: unpacks to more than", 39) == 0, err.text);
    CHECK(clo_initrd_walk(clo_buffer_bytes(&initrd), plain.size + 1, collect, &seen, &err),
          err.text);
    clo_buffer_free(&plain);
    clo_buffer_text(&plain, "no archive at all, but text");
    clo_buffer_free(&initrd);
    put_packed(&initrd, clo_buffer_bytes(&plain));
    CHECK(!clo_initrd_walk(clo_buffer_bytes(&initrd), LIMIT, collect, &seen, &err), "packed text");
    CHECK(strcmp(err.text, "initrd: what is packed at byte 0 is not a cpio") == 0, err.text);
}

static bool pass_over(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    (void)entry;
    (void)context;
    (void)err;
    return true;
}

/* A small file that fills memory: it must not get far. */
static void test_bomb(void **state)
{
    static const struct {
        const char *name;
        size_t mebibytes;
        size_t before; /* plain archives in front of it count for its size */
        bool is_read;
    } cases[] = {
        { "as much as a small one may", 63, 0, true },
        { "a bomb", 66, 0, false },
        { "sixteen times its size", 66, (size_t)5 << 20, true },
        { "more than that", 90, (size_t)5 << 20, false },
    };
    static char zeros[1 << 20];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
        struct clo_error err;
        clo_buffer_zero(&initrd, cases[i].before);
        for (size_t k = 0; k < cases[i].mebibytes; k++)
            cpio_put(&plain, "a", 0100644, clo_bytes(zeros, sizeof zeros));
        cpio_end(&plain);
        put_packed(&initrd, clo_buffer_bytes(&plain));
        bool ok =
                clo_initrd_walk(clo_buffer_bytes(&initrd), (size_t)1 << 30, pass_over, NULL, &err);
        CHECK(ok == cases[i].is_read, cases[i].name);
        CHECK(ok || strstr(err.text, "unpacks to more than ") != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),    cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bomb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
