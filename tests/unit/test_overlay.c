#include "image/overlay.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "device/file.h"
#include "test.h"

#define FIRST ((uint64_t)512)
#define SIZE  ((uint64_t)(5 * CLO_OVERLAY_BLOCK + 1000))

static char path[] = "/tmp/overlay-XXXXXX";
static uint8_t model[SIZE];

static void open_overlay(struct clo_container *disk, struct clo_overlay **overlay)
{
    struct clo_error err;

    if (!clo_container_open(path, disk, &err) ||
        !clo_overlay_new(disk, FIRST, SIZE, "/tmp", overlay, &err))
        fail_msg("%s", err.text);
}

/* Writes anywhere, of any size, and reads what a plain array would have; the disk below stays as it was. */
static void test_like_an_array(void **state)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = NULL;
    static uint8_t piece[SIZE], before[FIRST + SIZE], after[FIRST + SIZE];
    struct clo_error err;

    (void)state;
    open_overlay(&disk, &overlay);
    CHECK(pread(disk.fd, before, sizeof before, 0) == (ssize_t)sizeof before, "the disk");
    memcpy(model, before + FIRST, SIZE);
    srand(7);
    for (int i = 0; i < 500; i++) {
        size_t at = (size_t)rand() % SIZE;
        size_t size = (size_t)rand() % (SIZE - at) % (i % 2 == 0 ? 100 : SIZE);
        for (size_t k = 0; k < size; k++)
            piece[k] = (uint8_t)rand();
        CHECK(clo_overlay_write(overlay, at, piece, size, &err), err.text);
        memcpy(model + at, piece, size);
        at = (size_t)rand() % SIZE;
        size = (size_t)rand() % (SIZE - at);
        CHECK(clo_overlay_read(overlay, at, piece, size, &err), err.text);
        CHECK(memcmp(piece, model + at, size) == 0, "another byte than was written");
    }
    CHECK(pread(disk.fd, after, sizeof after, 0) == (ssize_t)sizeof after &&
                  memcmp(before, after, sizeof after) == 0,
          "the disk was written to");
}

static void test_bounds(void **state)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = NULL;
    CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *beyond = NULL;
    uint8_t bytes[2] = { 0 };
    struct clo_error err;

    (void)state;
    open_overlay(&disk, &overlay);
    CHECK(clo_overlay_size(overlay) == SIZE, "its size");
    CHECK(!clo_overlay_read(overlay, SIZE - 1, bytes, 2, &err), "a read beyond");
    CHECK(!clo_overlay_write(overlay, SIZE - 1, bytes, 2, &err), "a write beyond");
    CHECK(!clo_overlay_write(overlay, UINT64_MAX, bytes, 2, &err), "a write far away");
    CHECK(!clo_overlay_new(&disk, FIRST + 1, SIZE, "/tmp", &beyond, &err), "beyond the disk");
}

/* Equal if the same was written, in whichever order. */
static void test_digest(void **state)
{
    uint8_t sums[3][32];
    struct clo_error err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
        CLO_CLEANUP(clo_overlay_freep) struct clo_overlay *overlay = NULL;
        open_overlay(&disk, &overlay);
        CHECK(clo_overlay_write(overlay, i == 0 ? 10 : 9000, "a", 1, &err), err.text);
        CHECK(clo_overlay_write(overlay, i == 0 ? 9000 : 10, i == 2 ? "b" : "a", 1, &err),
              err.text);
        CHECK(clo_overlay_digest(overlay, sums[i], &err), err.text);
    }
    CHECK(memcmp(sums[0], sums[1], 32) == 0, "another order");
    CHECK(memcmp(sums[0], sums[2], 32) != 0, "other bytes");
}

static int begin(void **state)
{
    static uint8_t disk[FIRST + SIZE];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < sizeof disk; i++)
        disk[i] = (uint8_t)(i * 31 >> 3);
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0 ||
                           !clo_file_write(path, clo_bytes(disk, sizeof disk), 0600, &err)
                   ? -1
                   : 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_an_array),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_digest),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
