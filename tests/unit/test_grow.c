/* A root that grows, on files in place of devices. What is written is recorded, so that each moment in which the power may go is looked at:
 * there is always a whole table, and the next boot ends where this one would have. */
#include "guest/grow.h"

#include <fcntl.h>
#include <openssl/hmac.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/disk/integrity.h"

#include "test.h"

#define MIB        ((uint64_t)1 << 20)
#define SECTORS    ((uint64_t)8 * 2048)
#define GROWN      ((uint64_t)21 * 2048 + 5)
#define ROOT_FIRST 6144
#define PAYLOAD    MIB

static struct clo_scratch scratch;
static char path[4300];

/* --- What is written, in order --- */

static struct write {
    uint64_t at;
    size_t size;
    uint8_t *bytes;
} writes[256];
static size_t write_count;
static bool is_recorded;

static ssize_t record(int fd, const void *bytes, size_t size, off_t at)
{
    if (is_recorded && write_count < CLO_COUNT(writes)) {
        struct write *write = &writes[write_count++];
        *write = (struct write){ (uint64_t)at, size, malloc(size) };
        memcpy(write->bytes, bytes, size);
    }
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

/* With offsets of 64 bits its symbol is pwrite64: what the library under test calls, too. */
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return record(fd, bytes, size, at);
}

static void forget(void)
{
    for (size_t i = 0; i < write_count; i++)
        free(writes[i].bytes);
    write_count = 0;
    is_recorded = false;
}

/* --- A disk --- */

static const struct clo_guid disk_guid = { { 0xd1, 0x5c } };

static void make_table(uint64_t sectors, uint64_t root_last, struct clo_buffer *head,
                       struct clo_buffer *tail)
{
    struct clo_gpt_partition partitions[] = {
        { .type = clo_gpt_type_esp,
          .guid = { { 1 } },
          .first_lba = 2048,
          .last_lba = ROOT_FIRST - 1,
          .name = "esp" },
        { .type = clo_gpt_type_root_x86_64,
          .guid = { { 2 } },
          .first_lba = ROOT_FIRST,
          .last_lba = root_last,
          .name = "root" },
    };
    struct clo_error err;

    CHECK(clo_gpt_write(&disk_guid, sectors, partitions, 2, head, tail, &err), err.text);
}

/* As a cloud copies it: the image, and room after it. */
static int make_disk(struct clo_buffer *head)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    head->size = 0;
    make_table(SECTORS, SECTORS - 2049, head, &tail);
    assert_int_equal(ftruncate(fd, (off_t)(GROWN * 512)), 0);
    assert_int_equal(pwrite(fd, head->data, head->size, 0), head->size);
    assert_int_equal(pwrite(fd, tail.data, tail.size, (off_t)(SECTORS * 512 - tail.size)),
                     tail.size);
    return fd;
}

static void read_at(int fd, uint64_t at, size_t size, struct clo_buffer *out)
{
    struct clo_error err;

    out->size = 0;
    CHECK(clo_fd_read(fd, at, size, out, &err), err.text);
}

/* --- The table --- */

/* Made anew for the larger disk, it is the same, byte for byte; so is its backup. */
static void check_grown(int fd, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer is = { 0 };

    make_table(GROWN, (GROWN - 33) / 8 * 8 - 1, &head, &tail);
    read_at(fd, 0, CLO_GPT_HEAD_SIZE, &is);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&is), clo_buffer_bytes(&head)), name);
    read_at(fd, GROWN * 512 - CLO_GPT_TAIL_SIZE, CLO_GPT_TAIL_SIZE, &is);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&is), clo_buffer_bytes(&tail)), name);
}

static void test_table(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    struct clo_error err = { 0 };
    CLO_CLEANUP(clo_fd_close) int fd = make_disk(&before);

    (void)state;
    CHECK(clo_grow_table(fd, clo_buffer_bytes(&before), GROWN * 512, &head, &err), err.text);
    check_grown(fd, "grown");
    CHECK(head.size == CLO_GPT_HEAD_SIZE, "what was written is told");
    before.size = 0;
    clo_buffer_append(&before, clo_buffer_bytes(&head));
    head.size = 0;
    CHECK(clo_grow_table(fd, clo_buffer_bytes(&before), GROWN * 512, &head, &err), err.text);
    CHECK(head.size == 0, "there is no room left");
}

/* What image build leaves after the root is no reason to write a table, nor is a footer; nor a disk that was cut. */
static void test_no_room(void **state)
{
    static const uint64_t sizes[] = { SECTORS, SECTORS + 1, SECTORS + 2047, SECTORS - 8 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    struct clo_error err = { 0 };
    CLO_CLEANUP(clo_fd_close) int fd = make_disk(&before);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
        is_recorded = true;
        CHECK(clo_grow_table(fd, clo_buffer_bytes(&before), sizes[i] * 512, &head, &err), err.text);
        CHECK(head.size == 0 && write_count == 0, "nothing is written");
        forget();
    }
}

/* Firmware (edk2's PartitionDxe): a primary table that does not hold is made again from the backup in the last sectors. */
static void repair(int fd)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    struct clo_error err;

    read_at(fd, 0, CLO_GPT_HEAD_SIZE, &head);
    if (clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err))
        return;
    read_at(fd, GROWN * 512 - CLO_GPT_TAIL_SIZE, CLO_GPT_TAIL_SIZE, &tail);
    memcpy(head.data + 1024, tail.data, CLO_GPT_TAIL_SIZE - 512);
    uint8_t *header = head.data + 512;
    memcpy(header, tail.data + CLO_GPT_TAIL_SIZE - 512, 512);
    uint64_t numbers[] = { 1, GROWN - 1, 2 };
    memcpy(header + 24, &numbers[0], 8);
    memcpy(header + 32, &numbers[1], 8);
    memcpy(header + 72, &numbers[2], 8);
    memset(header + 16, 0, 4);
    uint32_t crc = clo_crc32(0, clo_bytes(header, 92));
    memcpy(header + 16, &crc, 4);
    CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), err.text);
    assert_int_equal(pwrite(fd, head.data, head.size, 0), head.size);
}

/* All writes up to this one, and so many sectors of it. */
static void replay(int fd, size_t last, size_t sectors)
{
    for (size_t i = 0; i < last; i++)
        assert_int_equal(syscall(SYS_pwrite64, fd, writes[i].bytes, writes[i].size, writes[i].at),
                         writes[i].size);
    if (sectors > 0)
        assert_int_equal(
                syscall(SYS_pwrite64, fd, writes[last].bytes, sectors * 512, writes[last].at),
                sectors * 512);
}

static void test_cut_short(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    struct clo_error err = { 0 };
    int fd = make_disk(&before);

    (void)state;
    is_recorded = true;
    CHECK(clo_grow_table(fd, clo_buffer_bytes(&before), GROWN * 512, &head, &err), err.text);
    is_recorded = false;
    close(fd);
    CHECK(write_count == 2, "backup and table");
    for (size_t last = 0; last < write_count; last++)
        for (size_t sectors = 0; sectors <= writes[last].size / 512; sectors++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer now = { 0 };
            CLO_CLEANUP(clo_fd_close) int again = make_disk(&before);
            replay(again, last, sectors);
            repair(again);
            read_at(again, 0, CLO_GPT_HEAD_SIZE, &now);
            head.size = 0;
            CHECK(clo_grow_table(again, clo_buffer_bytes(&now), GROWN * 512, &head, &err),
                  err.text);
            check_grown(again, "cut short, and finished");
        }
    forget();
}

/* A file is not a device, which is all that is missing. A size that the image does not name leaves the disk alone, and so does an image
 * with tags that does not say from what it grows: its next boot would find a table that is not the measured one. */
static void test_disk(void **state)
{
    const struct clo_guest_grow any = { .is_any = true };
    const struct clo_guest_grow said = { .is_any = true, .from = { .provided = MIB } };
    const struct clo_guest_grow never = { 0 };
    const struct clo_guest_grow other = { .sizes = { GROWN * 512 + 512 }, .count = 1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    bool is_allowed = true;
    struct clo_error err = { 0 };

    (void)state;
    close(make_disk(&before));
    is_recorded = true;
    CHECK(clo_grow_disk(&other, false, path, clo_buffer_bytes(&before), &head, &is_allowed, &err),
          err.text);
    CHECK(!is_allowed && head.size == 0 && write_count == 0, "another size");
    is_allowed = true;
    CHECK(clo_grow_disk(&any, true, path, clo_buffer_bytes(&before), &head, &is_allowed, &err),
          err.text);
    CHECK(!is_allowed && head.size == 0 && write_count == 0, "tags, and no word of from what");
    forget();
    CHECK(!clo_grow_disk(&any, false, path, clo_buffer_bytes(&before), &head, &is_allowed, &err) &&
                  strstr(err.text, "cannot be grown: partition 2 cannot be resized") != NULL,
          err.text);
    CHECK(!clo_grow_disk(&any, false, "/nowhere", clo_buffer_bytes(&before), &head, &is_allowed,
                         &err),
          "no device");
    CHECK(clo_grow_is_unsaid(&any, true) && !clo_grow_is_unsaid(&any, false), "no tags");
    CHECK(!clo_grow_is_unsaid(&said, true) && !clo_grow_is_unsaid(&never, true), "it is said");
    CHECK(!clo_grow_disk(&said, true, path, clo_buffer_bytes(&before), &head, &is_allowed, &err) &&
                  strstr(err.text, "cannot be grown: partition 2 cannot be resized") != NULL,
          err.text);
}

/* --- Tags --- */

static const uint8_t volume_key[96] = { [0] = 7, [64] = 9, [95] = 1 };

static void make_tagged(uint64_t size, unsigned block, struct clo_disk *disk,
                        struct clo_integrity *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct clo_error err;

    memset(disk, 0, sizeof *disk);
    snprintf(disk->device, sizeof disk->device, "%.60s", path);
    disk->luks.payload_offset = PAYLOAD;
    disk->luks.sector_size = block;
    strcpy(disk->luks.integrity, CLO_LUKS2_HMAC);
    CHECK(clo_integrity_plan(size, block, 32, out, &err), err.text);
    CHECK(clo_integrity_write(out, &superblock, &err), err.text);
    assert_int_equal(ftruncate(fd, (off_t)(PAYLOAD + size)), 0);
    assert_int_equal(pwrite(fd, superblock.data, superblock.size, PAYLOAD), superblock.size);
}

static void check_tag(int fd, const struct clo_integrity *is, uint64_t at)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tag = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    uint8_t text[24 + 4096] = { 0 }, expected[32];
    uint64_t number = at / 512;

    memcpy(text, &number, 8);
    memcpy(text + 8, &number, 8);
    read_at(fd, PAYLOAD + clo_integrity_data_at(is, at), is->block_size, &data);
    memcpy(text + 24, data.data, data.size);
    HMAC(EVP_sha256(), volume_key + 64, 32, text, 24 + is->block_size, expected, NULL);
    read_at(fd, PAYLOAD + clo_integrity_tag_at(is, at), 32, &tag);
    CHECK(memcmp(tag.data, expected, 32) == 0, "a tag of what was gained");
}

/* The one superblock is written last, and nothing of the tags lies where there was data before: cut short, it is the disk that it was. */
static void check_order(const struct clo_integrity *was)
{
    uint64_t end =
            PAYLOAD + clo_integrity_data_at(was, was->provided - was->block_size) + was->block_size;
    uint64_t first_tag = PAYLOAD + clo_integrity_tag_at(was, was->provided);

    CHECK(write_count > 2 && writes[write_count - 1].at == PAYLOAD, "the superblock, last");
    for (size_t i = 0; i + 1 < write_count; i++)
        CHECK(writes[i].at >= end ||
                      (i > 0 && writes[i].at >= first_tag && writes[i].at + writes[i].size <= end),
              "where nothing was");
}

static void grow_tagged(uint64_t first, uint64_t to, unsigned block)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    struct clo_integrity was, is;
    struct clo_disk disk;
    struct clo_error err = { 0 };
    uint64_t gained;

    CHECK(clo_secret_copy(clo_bytes(volume_key, sizeof volume_key), &key, &err), err.text);
    make_tagged(first, block, &disk, &was);
    const struct clo_grow_from from = { was.provided, was.journal_sections };
    CHECK(clo_grow_tags(&disk, &from, key, &gained, &err) && gained == 0, "as large as it was");
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)(PAYLOAD + to)), 0);
    /* The backup of the old table lay where there is data now. */
    assert_int_equal(pwrite(fd, "EFI PART", 8, (off_t)(PAYLOAD + first + MIB - 512)), 8);
    is_recorded = true;
    CHECK(clo_grow_tags(&disk, &from, key, &gained, &err), err.text);
    is_recorded = false;
    check_order(&was);
    forget();
    read_at(fd, PAYLOAD, CLO_INTEGRITY_SUPERBLOCK, &superblock);
    CHECK(clo_integrity_parse(clo_buffer_bytes(&superblock), to, &is, &err), err.text);
    CHECK(is.provided == was.provided + gained && is.first == was.first, "as it was, and larger");
    CHECK(clo_integrity_data_at(&is, is.provided + block) > to - MIB - 65536, "all that there is");
    for (uint64_t at = was.provided; at < is.provided; at += block)
        check_tag(fd, &is, at);
    CHECK(clo_grow_tags(&disk, &from, key, &gained, &err) && gained == 0, "once");
}

static void test_tags(void **state)
{
    (void)state;
    grow_tagged(24 * MIB, 61 * MIB, 4096);
    grow_tagged(24 * MIB, 26 * MIB, 512);
    grow_tagged(5 * MIB, 24 * MIB, 4096);
}

static void test_tags_refused(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *plain_key = NULL;
    struct clo_integrity was;
    struct clo_disk disk;
    struct clo_error err = { 0 };
    uint64_t gained = 1;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes(volume_key, 96), &key, &err), err.text);
    CHECK(clo_secret_copy(clo_bytes(volume_key, 64), &plain_key, &err), err.text);
    make_tagged(24 * MIB, 4096, &disk, &was);
    const struct clo_grow_from from = { was.provided, was.journal_sections };
    CHECK(!clo_grow_tags(&disk, &from, plain_key, &gained, &err) &&
                  strstr(err.text, "a volume key of 64 bytes") != NULL,
          err.text);
    disk.luks.sector_size = 512;
    CHECK(!clo_grow_tags(&disk, &from, key, &gained, &err) &&
                  strstr(err.text, "tags of 32 bytes for sectors of 4096") != NULL,
          err.text);
    disk.luks.payload_offset = 100 * MIB;
    CHECK(!clo_grow_tags(&disk, &from, key, &gained, &err) && strstr(err.text, "too small") != NULL,
          err.text);
    strcpy(disk.luks.integrity, CLO_LUKS2_AEAD);
    strcpy(disk.luks.cipher, CLO_LUKS2_GCM);
    CHECK(!clo_grow_tags(&disk, &from, key, &gained, &err) &&
                  strstr(err.text, "a root of aes-gcm-random cannot grow") != NULL,
          err.text);
    disk.luks.integrity[0] = '\0';
    CHECK(clo_grow_tags(&disk, &from, key, &gained, &err) && gained == 0, "no tags");
}

/* A superblock is the host's: one that says less than the image had would get it tags for sectors that have content. */
static void test_superblock_of_the_hosts(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_integrity was, told;
    struct clo_disk disk;
    struct clo_error err = { 0 };
    uint64_t gained;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes(volume_key, 96), &key, &err), err.text);
    make_tagged(40 * MIB, 4096, &disk, &was);
    const struct clo_grow_from from = { was.provided, was.journal_sections };
    for (int i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
        CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
        told = was;
        told.provided -= i == 0 ? 4096 : 0;
        told.journal_sections -= i == 1 ? 1 : 0; /* moves all that comes after it */
        CHECK(clo_integrity_write(&told, &superblock, &err), err.text);
        assert_int_equal(pwrite(fd, superblock.data, superblock.size, PAYLOAD), superblock.size);
        is_recorded = true;
        CHECK(!clo_grow_tags(&disk, &from, key, &gained, &err), "a superblock of the host's");
        CHECK(write_count == 0 && err.status == CLO_ERR_REFUSED &&
                      strstr(err.text, "the image was built with") != NULL,
              err.text);
        forget();
    }
}

/* An image of an older program, whose UKI was made anew: it starts as it is, and grows by nothing. */
static void test_from_is_not_said(void **state)
{
    const struct clo_grow_from none = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_integrity was;
    struct clo_disk disk;
    struct clo_error err = { 0 };
    uint64_t gained = 1;

    (void)state;
    CHECK(clo_secret_copy(clo_bytes(volume_key, 96), &key, &err), err.text);
    make_tagged(24 * MIB, 4096, &disk, &was);
    is_recorded = true;
    CHECK(clo_grow_tags(&disk, &none, key, &gained, &err) && gained == 0, err.text);
    assert_int_equal(truncate(path, PAYLOAD + 40 * MIB), 0);
    CHECK(!clo_grow_tags(&disk, &none, key, &gained, &err), "grown from what is not said");
    CHECK(write_count == 0 && gained == 0 && err.status == CLO_ERR_REFUSED &&
                  strstr(err.text, "does not say from what it grows") != NULL,
          err.text);
    forget();
}

/* --- The file system --- */

static void test_files(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    uint64_t before, after;
    struct clo_error err;

    (void)state;
    close(make_disk(&head));
    CHECK(!clo_grow_files("/proc", path, &before, &after, &err) &&
                  strstr(err.text, "/proc: the file system cannot be grown") != NULL,
          err.text);
    CHECK(!clo_grow_files("/nowhere", path, &before, &after, &err), "no folder");
}

/* --- What the image says --- */

static void test_parse(void **state)
{
    static const struct {
        const char *name, *json, *error;
    } cases[] = {
        { "any", "\"any\"", NULL },
        { "one size", "[1073741824]", NULL },
        { "another word", "\"yes\"", "neither \"any\" nor a list" },
        { "a number", "7", "neither" },
        { "no sizes", "[]", "no sizes" },
        { "not a number", "[\"1G\"]", "entry 0: not the size" },
        { "half a sector", "[1073741824, 1000]", "entry 1: not the size" },
        { "nothing", "[0]", "entry 0" },
        { "nine", "[512,512,512,512,512,512,512,512,512]", "more than 8" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        struct clo_guest_grow grow = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_guest_grow_parse(json, &grow, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(clo_grow_allows(&grow, 1073741824) == ok, cases[i].name);
        CHECK(clo_grow_allows(&grow, 512) == (i == 0), cases[i].name);
    }
}

static int start(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    snprintf(path, sizeof path, "%s/disk", scratch.path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_tags_refused),
        cmocka_unit_test(test_superblock_of_the_hosts),
        cmocka_unit_test(test_from_is_not_said),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, start, end);
}
