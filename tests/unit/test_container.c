#include "device/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "test.h"
#include "vhd_maker.h"

/* A file of ours on disk, for the time of a test. */
static char path[] = "/tmp/container-XXXXXX";

static void put_file(const uint8_t *bytes, size_t size)
{
    struct clo_error err;

    if (!clo_file_write(path, clo_bytes(bytes, size), 0600, &err))
        fail_msg("%s", err.text);
}

static bool open_file(struct clo_container *out, struct clo_error *err)
{
    return clo_container_open(path, out, err);
}

/* Header, first table, second table at cluster 2, data at 3 and 4. */
static uint8_t *make_qcow2(void)
{
    uint8_t *file = calloc(1, QCOW2_MAKER_FILE);

    if (file == NULL)
        fail_msg("out of memory");
    qcow2_maker_head(file);
    qcow2_maker_put(file + QCOW2_MAKER_CLUSTER, 8, 2 * QCOW2_MAKER_CLUSTER);
    qcow2_maker_put(file + 2 * QCOW2_MAKER_CLUSTER + 8, 8, 3 * QCOW2_MAKER_CLUSTER);
    qcow2_maker_put(file + 2 * QCOW2_MAKER_CLUSTER + 16, 8, 4 * QCOW2_MAKER_CLUSTER);
    memset(file + 3 * QCOW2_MAKER_CLUSTER, 'a', QCOW2_MAKER_CLUSTER);
    memset(file + 4 * QCOW2_MAKER_CLUSTER, 'b', QCOW2_MAKER_CLUSTER);
    return file;
}

static void test_qcow2(void **state)
{
    CLO_CLEANUP(clo_freep) uint8_t *file = make_qcow2();
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    uint8_t bytes[20], plain[20];
    uint64_t size;
    bool is_hole;
    struct clo_error err;

    (void)state;
    put_file(file, QCOW2_MAKER_FILE);
    CHECK(open_file(&container, &err), err.text);
    CHECK(container.kind == CLO_CONTAINER_QCOW2 && container.size == QCOW2_MAKER_DISK, "kind");
    CHECK(clo_container_read(&container, 2 * QCOW2_MAKER_CLUSTER - 10, bytes, 20, &err), err.text);
    CHECK(memcmp(bytes, "aaaaaaaaaabbbbbbbbbb", 20) == 0, "over the border of two clusters");
    CHECK(clo_container_extent(&container, 0, &size, &is_hole, &err) && is_hole &&
                  size == QCOW2_MAKER_CLUSTER,
          "a hole");
    CHECK(clo_container_extent(&container, size, &size, &is_hole, &err) && !is_hole &&
                  size == 2 * QCOW2_MAKER_CLUSTER,
          "data");
    CHECK(!clo_container_read(&container, QCOW2_MAKER_DISK - 10, bytes, 20, &err), "beyond");
    CHECK(clo_container_unpack(&container, &fd, &err), err.text);
    CHECK(pread(fd, plain, 20, (off_t)(2 * QCOW2_MAKER_CLUSTER - 10)) == 20 &&
                  memcmp(plain, "aaaaaaaaaabbbbbbbbbb", 20) == 0 &&
                  lseek(fd, 0, SEEK_END) == (off_t)QCOW2_MAKER_DISK,
          "unpacked");
}

/* What lies about itself: refused when it is read, and never read outside of the file. */
static void test_qcow2_lies(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "a cluster beyond the end", 2 * QCOW2_MAKER_CLUSTER + 8, 5 * QCOW2_MAKER_CLUSTER,
          "qcow2: a cluster at byte 327680: beyond the file's end" },
        { "a table beyond the end", QCOW2_MAKER_CLUSTER, 5 * QCOW2_MAKER_CLUSTER,
          "qcow2: a table at byte 327680: beyond the file's end" },
        { "noise that is said to be compressed", 2 * QCOW2_MAKER_CLUSTER + 8,
          1ULL << 62 | 3 * QCOW2_MAKER_CLUSTER,
          "qcow2: a compressed cluster at byte 196608: cannot be unpacked" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_freep) uint8_t *file = make_qcow2();
        CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
        uint8_t bytes[20];
        struct clo_error err;
        qcow2_maker_put(file + cases[i].at, 8, cases[i].value);
        put_file(file, QCOW2_MAKER_FILE);
        CHECK(open_file(&container, &err), err.text);
        CHECK(!clo_container_read(&container, QCOW2_MAKER_CLUSTER, bytes, 20, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* One table of clusters named four times over, and one cluster of data named by each entry. */
static void test_bombs(void **state)
{
    CLO_CLEANUP(clo_freep) uint8_t *file = make_qcow2();
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_container_close) struct clo_container tables = { .fd = -1 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct clo_error err;

    (void)state;
    qcow2_maker_put(file + 24, 8, 8192 * QCOW2_MAKER_CLUSTER);
    for (size_t i = 0; i < 8192; i++)
        qcow2_maker_put(file + 2 * QCOW2_MAKER_CLUSTER + 8 * i, 8, 3 * QCOW2_MAKER_CLUSTER);
    put_file(file, QCOW2_MAKER_FILE);
    CHECK(open_file(&container, &err), err.text);
    CHECK(!clo_container_unpack(&container, &fd, &err), "512 MiB out of 320 KiB");
    CHECK(strcmp(err.text, "qcow2: unpacks to more than 1200 times the file's size") == 0,
          err.text);
    qcow2_maker_put(file + 36, 4, 6);
    for (size_t i = 0; i < 6; i++)
        qcow2_maker_put(file + QCOW2_MAKER_CLUSTER + 8 * i, 8, 2 * QCOW2_MAKER_CLUSTER);
    put_file(file, QCOW2_MAKER_FILE);
    CHECK(!open_file(&tables, &err), "six tables in five clusters");
    CHECK(strcmp(err.text, "qcow2: more tables than fit in the file") == 0, err.text);
}

/* The same, of zeros, which cost no space. */
static void test_bomb_of_zeros(void **state)
{
    CLO_CLEANUP(clo_freep) uint8_t *file = make_qcow2();
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct clo_error err;

    (void)state;
    qcow2_maker_put(file + 24, 8, 8192 * QCOW2_MAKER_CLUSTER);
    memset(file + 3 * QCOW2_MAKER_CLUSTER, 0, QCOW2_MAKER_CLUSTER);
    for (size_t i = 0; i < 8192; i++)
        qcow2_maker_put(file + 2 * QCOW2_MAKER_CLUSTER + 8 * i, 8, 3 * QCOW2_MAKER_CLUSTER);
    put_file(file, QCOW2_MAKER_FILE);
    CHECK(open_file(&container, &err), err.text);
    CHECK(!clo_container_unpack(&container, &fd, &err), "512 MiB of zeros out of 320 KiB");
    CHECK(strcmp(err.text, "qcow2: unpacks to more than 1200 times the file's size") == 0,
          err.text);
}

/* A compressed cluster of two stored blocks, 65535 bytes and one, in 129 sectors of which the entry names the further ones. */
static void put_compressed(uint8_t *file)
{
    static const uint8_t first[] = { 0, 0xff, 0xff, 0, 0 }, second[] = { 1, 1, 0, 0xfe, 0xff };
    uint8_t *at = file + 3 * QCOW2_MAKER_CLUSTER;

    memcpy(at, first, sizeof first);
    memset(at + 5, 'z', 65535);
    memcpy(at + 5 + 65535, second, sizeof second);
    at[5 + 65535 + 5] = 'z';
    qcow2_maker_put(file + 2 * QCOW2_MAKER_CLUSTER + 8, 8,
                    1ULL << 62 | 128ULL << 54 | 3 * QCOW2_MAKER_CLUSTER);
}

/* Read in small steps, it is unpacked each time: 1200 times the file is 6000 times the cluster. */
static void test_bomb_of_steps(void **state)
{
    CLO_CLEANUP(clo_freep) uint8_t *file = make_qcow2();
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    struct clo_error err = { 0 };
    uint8_t bytes[16];
    size_t steps = 0;

    (void)state;
    put_compressed(file);
    put_file(file, QCOW2_MAKER_FILE);
    CHECK(open_file(&container, &err), err.text);
    while (steps < 7000 &&
           clo_container_read(&container, QCOW2_MAKER_CLUSTER, bytes, sizeof bytes, &err))
        steps++;
    CHECK(steps == 6000, "how often it was unpacked");
    CHECK(bytes[0] == 'z', "what is in it");
    CHECK(strcmp(err.text, "qcow2: unpacks to more than 1200 times the file's size") == 0,
          err.text);
}

static void test_vhd(void **state)
{
    CLO_CLEANUP(clo_freep) uint8_t *file = calloc(1, VHD_MAKER_FILE);
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    uint8_t bytes[20];
    uint64_t size;
    bool is_hole;
    struct clo_error err;

    (void)state;
    if (file == NULL)
        fail_msg("out of memory");
    vhd_maker_footer(file, 2 * VHD_MAKER_BLOCK, 3);
    vhd_maker_header(file + 512, 2);
    qcow2_maker_put(file + 1536, 4, CLO_VHD_UNUSED);
    qcow2_maker_put(file + 1540, 4, 4);
    memset(file + 2048 + 512, 'a', VHD_MAKER_BLOCK);
    put_file(file, VHD_MAKER_FILE);
    CHECK(open_file(&container, &err), err.text);
    CHECK(container.kind == CLO_CONTAINER_VHD_DYNAMIC && container.size == 2 * VHD_MAKER_BLOCK,
          "kind");
    CHECK(clo_container_read(&container, VHD_MAKER_BLOCK - 10, bytes, 20, &err), err.text);
    CHECK(memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0aaaaaaaaaa", 20) == 0, "over the border");
    CHECK(clo_container_extent(&container, 0, &size, &is_hole, &err) && is_hole &&
                  size == VHD_MAKER_BLOCK,
          "a hole");
}

/* A fixed one is told by its end; a raw disk that happens to end alike is raw. */
static void test_fixed(void **state)
{
    static uint8_t file[4096 + 512];

    (void)state;
    for (int i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
        struct clo_error err;
        vhd_maker_footer(file + 4096, 4096, 2);
        file[4096 + 64] ^= (uint8_t)i;
        put_file(file, sizeof file);
        CHECK(open_file(&container, &err), err.text);
        CHECK(container.kind == (i == 0 ? CLO_CONTAINER_VHD : CLO_CONTAINER_RAW) &&
                      container.size == (i == 0 ? 4096 : sizeof file),
              "kind");
    }
}

static void test_others(void **state)
{
    static const struct {
        const char *head, *error;
    } cases[] = {
        { "COWD",
          "is a VMDK (COWD) container: 'qemu-img convert -O qcow2' gives one that is read" },
        { "KDMV", "VMDK: version 0: 1 to 3 are read" },
        { "vhdxfile", "VHDX: neither header's checksum holds" },
        { "# Disk DescriptorFile\ncreateType=\"vmfs\"\nRW 8 FLAT \"missing\" 0\n",
          "VMDK: missing: No such file or directory" },
        { "QFI\xfb", "qcow2: the header is cut short" },
        { "conectix", "VHD: \"conectix\" is missing" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
        struct clo_error err;
        put_file((const uint8_t *)cases[i].head, strlen(cases[i].head));
        CHECK(!open_file(&container, &err), cases[i].head);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qcow2),         cmocka_unit_test(test_qcow2_lies),
        cmocka_unit_test(test_bombs),         cmocka_unit_test(test_bomb_of_zeros),
        cmocka_unit_test(test_bomb_of_steps), cmocka_unit_test(test_vhd),
        cmocka_unit_test(test_fixed),         cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
