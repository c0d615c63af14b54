#include "lib/disk/gpt.h"

#include "test.h"

#define SECTORS 100000

static const struct clo_guid disk = { { 0xd1, 0x5c } };

static struct clo_gpt_partition partition(const struct clo_guid *type, uint64_t first,
                                          uint64_t last, const char *name)
{
    struct clo_gpt_partition partition = { .type = *type, .first_lba = first, .last_lba = last };

    partition.guid.bytes[0] = (uint8_t)first;
    snprintf(partition.name, sizeof partition.name, "%s", name);
    return partition;
}

static void make(struct clo_buffer *head, struct clo_buffer *tail)
{
    struct clo_gpt_partition partitions[] = {
        partition(&clo_gpt_type_esp, 2048, 9999, "esp"),
        partition(&clo_gpt_type_root_x86_64, 10000, 50000, "root-ä"),
    };
    struct clo_error err;

    partitions[1].attributes = 1ULL << 59; /* GROWFS */
    if (!clo_gpt_write(&disk, SECTORS, partitions, 2, head, tail, &err))
        fail_msg("%s", err.text);
}

static void test_write_and_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *found;
    struct clo_error err;

    (void)state;
    make(&head, &tail);
    CHECK(head.size == CLO_GPT_HEAD_SIZE && tail.size == CLO_GPT_TAIL_SIZE, "sizes");
    CHECK(head.data[450] == 0xee && head.data[510] == 0x55 && head.data[511] == 0xaa,
          "protective MBR");
    CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), err.text);
    CHECK(gpt->count == 2 && gpt->disk_sectors == SECTORS, "count");
    CHECK(clo_guid_equal(&gpt->disk, &disk), "disk");
    CHECK(gpt->partitions[1].first_lba == 10000 && gpt->partitions[1].last_lba == 50000 &&
                  gpt->partitions[1].attributes == 1ULL << 59,
          "root");
    CHECK(strcmp(gpt->partitions[1].name, "root-ä") == 0, gpt->partitions[1].name);
    CHECK(clo_gpt_find(gpt, &clo_gpt_type_esp, &found, &err) && found == &gpt->partitions[0],
          "find");
    CHECK(!clo_gpt_find(gpt, &clo_gpt_type_root_arm64, &found, &err), "none");
    CHECK(strcmp(err.text, "GPT: no partition of type b921b045-1df0-41c3-af44-4c6f280d3fae") == 0,
          err.text);
    /* The backup header says that it lies at the end, and has the same entries. */
    CHECK(memcmp(tail.data, head.data + 2 * (size_t)CLO_GPT_SECTOR, 16384) == 0, "entries");
    CHECK(memcmp(tail.data + 16384, "EFI PART", 8) == 0, "backup header");
    struct clo_reader r = clo_reader(clo_bytes_slice(clo_buffer_bytes(&tail), 16384, 92));
    r.at = 24;
    CHECK(clo_read_le64(&r) == SECTORS - 1 && clo_read_le64(&r) == 1, "where they lie");
}

static void test_two_of_a_type(void **state)
{
    const struct clo_gpt_partition partitions[] = {
        partition(&clo_gpt_type_esp, 2048, 3000, "a"),
        partition(&clo_gpt_type_esp, 3001, 4000, "b"),
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *found;
    struct clo_error err;

    (void)state;
    CHECK(clo_gpt_write(&disk, SECTORS, partitions, 2, &head, &tail, &err), err.text);
    CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), err.text);
    CHECK(!clo_gpt_find(gpt, &clo_gpt_type_esp, &found, &err), "which?");
    CHECK(strncmp(err.text, "GPT: more than one partition of type c12a7328", 45) == 0, err.text);
}

static void test_write_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t first[2], last[2];
        const char *error;
    } cases[] = {
        { "inside the table",
          { 33, 100 },
          { 50, 200 },
          "GPT: partition 1: sectors 33 to 50 are outside the usable ones" },
        { "inside the backup",
          { 34, 100 },
          { 50, SECTORS - 33 },
          "GPT: partition 2: sectors 100 to 99967 are outside the usable ones" },
        { "backwards",
          { 34, 200 },
          { 50, 100 },
          "GPT: partition 2: sectors 200 to 100 are outside the usable ones" },
        { "overlapping", { 34, 50 }, { 50, 100 }, "GPT: partition 2 overlaps another" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct clo_gpt_partition partitions[] = {
            partition(&clo_gpt_type_esp, cases[i].first[0], cases[i].last[0], "a"),
            partition(&clo_gpt_type_root_x86_64, cases[i].first[1], cases[i].last[1], "b"),
        };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
        struct clo_error err;
        CHECK(!clo_gpt_write(&disk, SECTORS, partitions, 2, &head, &tail, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    struct clo_error err;
    CHECK(!clo_gpt_write(&disk, 68, NULL, 0, &head, &tail, &err), "a disk without room");
    const struct clo_gpt_partition wide =
            partition(&clo_gpt_type_esp, 2048, 3000, "a name of thirty-seven characters, x");
    const struct clo_gpt_partition wider =
            partition(&clo_gpt_type_esp, 2048, 3000, "a name of thirty-seven characters, xy");
    CHECK(clo_gpt_write(&disk, SECTORS, &wide, 1, &head, &tail, &err), err.text);
    CHECK(!clo_gpt_write(&disk, SECTORS, &wider, 1, &head, &tail, &err), "a name too long");
    CHECK(strstr(err.text, "too long or no UTF-8") != NULL, err.text);
}

/* Every byte of header and entries is under a checksum. */
static void test_changed(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_error err;

    (void)state;
    make(&head, &tail);
    for (size_t i = CLO_GPT_SECTOR; i < head.size; i += i < 2048 ? 1 : 61) {
        bool is_padding = i >= CLO_GPT_SECTOR + 92 && i < 2 * CLO_GPT_SECTOR;
        head.data[i] ^= 0x10;
        CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err) == is_padding, "changed");
        head.data[i] ^= 0x10;
    }
    for (size_t size = 0; size < head.size; size++)
        CHECK(!clo_gpt_parse(clo_bytes_slice(clo_buffer_bytes(&head), 0, size), gpt, &err), "cut");
    head.data[CLO_GPT_SECTOR] = 'x';
    CHECK(!clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), "no table");
    CHECK(strcmp(err.text, "GPT: no \"EFI PART\" at sector 1") == 0, err.text);
    uint8_t kept[8];
    memcpy(kept, head.data + 4096, sizeof kept);
    memcpy(head.data + 4096, "EFI PART", 8);
    CHECK(!clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), "large sectors");
    CHECK(strcmp(err.text, "GPT: of a disk with sectors of 4096 bytes, only 512 are read") == 0,
          err.text);
    memcpy(head.data + 4096, kept, sizeof kept);
    head.data[CLO_GPT_SECTOR] = 'E';
    head.data[CLO_GPT_SECTOR + 40] ^= 1;
    CHECK(!clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), "checksum");
    CHECK(strcmp(err.text, "GPT: the header's checksum does not hold") == 0, err.text);
    head.data[CLO_GPT_SECTOR + 40] ^= 1;
    head.data[1024] ^= 1;
    CHECK(!clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), "checksum");
    CHECK(strcmp(err.text, "GPT: the entries' checksum does not hold") == 0, err.text);
}

static void test_event(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer event = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_error err;

    (void)state;
    make(&head, &tail);
    CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), err.text);
    CHECK(clo_gpt_event(gpt, &event, &err), err.text);
    CHECK(event.size == 92 + 8 + 2 * 128, "size");
    CHECK(memcmp(event.data, head.data + 512, 92) == 0, "header");
    CHECK(event.data[92] == 2 && clo_bytes_all(clo_bytes(event.data + 93, 7), 0), "count");
    CHECK(memcmp(event.data + 100, head.data + 1024, 256) == 0, "entries in use");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_parse), cmocka_unit_test(test_two_of_a_type),
        cmocka_unit_test(test_write_refused),   cmocka_unit_test(test_changed),
        cmocka_unit_test(test_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
