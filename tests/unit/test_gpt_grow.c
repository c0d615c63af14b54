/* What each tool leaves of a table. The numbers of the cases are those that the tools gave for such
 * disks; tests/cli/measure_disk.sh runs them. */
#include "lib/base/put.h"
#include "lib/disk/gpt.h"

#include "test.h"

#define SECTORS 65536

static const struct clo_guid disk = { { 0xd1, 0x5c } };

struct layout {
    uint64_t root_last;
    uint64_t data_first; /* 0: there is no third partition */
    uint64_t first_usable;
    uint64_t last_usable;
};

static const struct layout plain = { .root_last = 63487, .first_usable = 34, .last_usable = 65502 };
/* As GPT fdisk leaves it: as much kept free at the end as at the beginning. */
static const struct layout mirrored = { .root_last = 40003,
                                        .first_usable = 2048,
                                        .last_usable = 63488 };
static const struct layout three = {
    .root_last = 20003, .data_first = 30005, .first_usable = 2048, .last_usable = 65502
};

static struct clo_gpt_partition partition(const struct clo_guid *type, uint64_t first,
                                          uint64_t last, const char *name)
{
    struct clo_gpt_partition partition = { .type = *type, .first_lba = first, .last_lba = last };

    partition.guid.bytes[0] = (uint8_t)first;
    snprintf(partition.name, sizeof partition.name, "%s", name);
    return partition;
}

static void put_le64(uint8_t *at, uint64_t value)
{
    clo_put_le32(at, (uint32_t)value);
    clo_put_le32(at + 4, (uint32_t)(value >> 32));
}

static void make(const struct layout *layout, struct clo_buffer *head)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    const struct clo_gpt_partition partitions[] = {
        partition(&clo_gpt_type_esp, 2048, 10239, "esp"),
        partition(&clo_gpt_type_root_x86_64, 10240, layout->root_last, "root"),
        partition(&clo_gpt_type_root_arm64, layout->data_first, 40000, "7"),
    };
    struct clo_error err;

    if (!clo_gpt_write(&disk, SECTORS, partitions, layout->data_first == 0 ? 2 : 3, head, &tail,
                       &err))
        fail_msg("%s", err.text);
    uint8_t *header = head->data + CLO_GPT_SECTOR;
    put_le64(header + 40, layout->first_usable);
    put_le64(header + 48, layout->last_usable);
    clo_put_le32(header + 16, 0);
    clo_put_le32(header + 16, clo_crc32(0, clo_bytes(header, 92)));
}

static uint64_t le64_at(const struct clo_buffer *head, size_t at)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(clo_buffer_bytes(head), at, 8));

    return clo_read_le64(&r);
}

static void test_tools(void **state)
{
    static const struct {
        const char *name;
        const struct layout *layout;
        struct clo_gpt_growth growth;
        uint64_t alternate, last_usable, root_last;
    } cases[] = {
        { "sfdisk --relocate", &plain, { 131072, 0, CLO_GPT_SFDISK }, 131071, 131038, 63487 },
        { "sfdisk", &plain, { 131072, 2, CLO_GPT_SFDISK }, 131071, 131038, 131038 },
        { "sfdisk, an odd size", &plain, { 131075, 2, CLO_GPT_SFDISK }, 131074, 131041, 131041 },
        { "sfdisk, the same size", &plain, { SECTORS, 2, CLO_GPT_SFDISK }, 65535, 65502, 65502 },
        { "sfdisk keeps what it does not move",
          &mirrored,
          { SECTORS, 2, CLO_GPT_SFDISK },
          65535,
          63488,
          63488 },
        { "sfdisk, moved", &mirrored, { 131077, 2, CLO_GPT_SFDISK }, 131076, 131043, 131043 },
        { "sfdisk, before another", &three, { 131077, 2, CLO_GPT_SFDISK }, 131076, 131043, 30004 },
        { "growpart", &plain, { 200001, 2, CLO_GPT_GROWPART }, 200000, 199967, 199967 },
        { "growpart, a little", &plain, { SECTORS, 2, CLO_GPT_GROWPART }, 65535, 65502, 63487 },
        { "growpart writes nothing then",
          &plain,
          { SECTORS + 16, 2, CLO_GPT_GROWPART },
          65535,
          65502,
          63487 },
        { "growpart, 1 MiB", &plain, { SECTORS + 33, 2, CLO_GPT_GROWPART }, 65568, 65535, 65535 },
        { "growpart makes the label anew",
          &mirrored,
          { SECTORS, 2, CLO_GPT_GROWPART },
          65535,
          65502,
          65502 },
        { "growpart, before another",
          &three,
          { SECTORS, 2, CLO_GPT_GROWPART },
          65535,
          65502,
          30004 },
        { "sgdisk -e", &plain, { 131072, 0, CLO_GPT_SGDISK }, 131071, 131038, 63487 },
        { "sgdisk", &plain, { 131075, 2, CLO_GPT_SGDISK }, 131074, 131041, 131041 },
        { "sgdisk -e, mirrored", &mirrored, { 131077, 0, CLO_GPT_SGDISK }, 131076, 129029, 40003 },
        { "sgdisk -e, the same size", &three, { SECTORS, 0, CLO_GPT_SGDISK }, 65535, 63488, 20003 },
        { "repart, down", &plain, { 131072, 2, CLO_GPT_REPART }, 131071, 131038, 131031 },
        { "repart, to the last but one",
          &plain,
          { 131075, 2, CLO_GPT_REPART },
          131074,
          131041,
          131039 },
        { "repart, exact", &plain, { 200001, 2, CLO_GPT_REPART }, 200000, 199967, 199967 },
        { "repart, the same size", &mirrored, { SECTORS, 2, CLO_GPT_REPART }, 65535, 63488, 63487 },
        { "repart has nothing to do", &plain, { 131072, 0, CLO_GPT_REPART }, 65535, 65502, 63487 },
        { "cloister, less than 1 MiB",
          &plain,
          { SECTORS + 2047, 2, CLO_GPT_CLOISTER },
          65535,
          65502,
          63487 },
        { "cloister, 1 MiB, down",
          &plain,
          { SECTORS + 2048, 2, CLO_GPT_CLOISTER },
          67583,
          67550,
          67543 },
        { "cloister, no room before the next",
          &plain,
          { 131072, 1, CLO_GPT_CLOISTER },
          65535,
          65502,
          63487 },
        { "no room before the next", &plain, { 131072, 1, CLO_GPT_SFDISK }, 131071, 131038, 63487 },
        { "beyond 2 TiB",
          &plain,
          { UINT64_C(0x200000000), 2, CLO_GPT_SFDISK },
          UINT64_C(0x1ffffffff),
          UINT64_C(0x1ffffffde),
          UINT64_C(0x1ffffffde) },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
        struct clo_error err;
        make(cases[i].layout, &head);
        bool ok = clo_gpt_grow(clo_buffer_bytes(&head), &cases[i].growth, &grown, &err);
        CHECK(ok, cases[i].name);
        CHECK(grown.size == CLO_GPT_HEAD_SIZE, cases[i].name);
        CHECK(clo_gpt_parse(clo_buffer_bytes(&grown), gpt, &err), cases[i].name);
        CHECK(le64_at(&grown, 544) == cases[i].alternate, cases[i].name);
        CHECK(le64_at(&grown, 560) == cases[i].last_usable, cases[i].name);
        CHECK(gpt->partitions[1].last_lba == cases[i].root_last, cases[i].name);
        /* Nothing else moved, but in the protective MBR by cloister-init. */
        if (cases[i].growth.tool == CLO_GPT_CLOISTER)
            memcpy(grown.data + 458, head.data + 458, 4);
        static const size_t changed[][2] = {
            { 528, 4 }, { 544, 8 }, { 560, 8 }, { 600, 4 }, { 1024 + 128 + 40, 8 }
        };
        for (size_t k = 0; k < CLO_COUNT(changed); k++)
            memcpy(grown.data + changed[k][0], head.data + changed[k][0], changed[k][1]);
        CHECK(memcmp(grown.data, head.data, CLO_GPT_HEAD_SIZE) == 0, cases[i].name);
    }
}

static void test_refused(void **state)
{
    static const struct layout late = { .root_last = 65000,
                                        .first_usable = 2048,
                                        .last_usable = 65502 };
    static const struct {
        const char *name;
        const struct layout *layout;
        struct clo_gpt_growth growth;
        const char *error;
    } cases[] = {
        { "smaller",
          &plain,
          { SECTORS - 1, 2, CLO_GPT_SFDISK },
          "GPT: a disk of 65536 sectors grown to 65535" },
        { "no such partition", &plain, { 131072, 3, CLO_GPT_SFDISK }, "GPT: no partition 3" },
        { "an entry that is not in use",
          &plain,
          { 131072, 128, CLO_GPT_SFDISK },
          "GPT: no partition 128" },
        { "outside the table", &plain, { 131072, 129, CLO_GPT_SFDISK }, "GPT: no partition 129" },
        { "sgdisk would leave too little",
          &late,
          { SECTORS, 0, CLO_GPT_SGDISK },
          "grown: GPT: partition 2: sectors 10240 to 65000 are outside the usable ones" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
        struct clo_error err;
        make(cases[i].layout, &head);
        CHECK(!clo_gpt_grow(clo_buffer_bytes(&head), &cases[i].growth, &grown, &err),
              cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(grown.size == 0, cases[i].name);
        for (size_t size = 0; size < head.size; size += 97)
            CHECK(!clo_gpt_grow(clo_bytes_slice(clo_buffer_bytes(&head), 0, size), &cases[i].growth,
                                &grown, &err),
                  "cut");
    }
}

static void test_pick(void **state)
{
    static const struct {
        const char *which;
        uint32_t number; /* 0: refused */
        const char *error;
    } cases[] = {
        { "1", 1, NULL },
        { "2", 2, NULL },
        { "root", 2, NULL },
        { "7", 0,
          "GPT: no partition has the number, GUID or name \"7\"" }, /* a name, and no number */
        { "00000800-0000-0000-0000-000000000000", 0, "GPT: no partition has the number, GUID or" },
        { "00000000-0000-0000-0000-000000000000", 0, "GPT: more than one partition is \"0000" },
        { "00000035-0000-0000-0000-000000000000", 3, NULL },
        { "0", 0, "GPT: no partition has the number, GUID or name \"0\"" },
        { "4294967298", 0, "GPT: no partition" }, /* 2 in 32 bits */
        { "", 0, "GPT: no partition" },
        { "Root", 0, "GPT: no partition" },
        { "2 ", 0, "GPT: no partition" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *found;
    struct clo_error err;

    (void)state;
    make(&three, &head);
    CHECK(clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        bool ok = clo_gpt_pick(gpt, cases[i].which, &found, &err);
        CHECK(ok == (cases[i].number != 0), cases[i].which);
        CHECK(!ok || found->number == cases[i].number, cases[i].which);
        CHECK(ok || strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, err.text);
    }
    snprintf(gpt->partitions[0].name, sizeof gpt->partitions[0].name, "root");
    CHECK(!clo_gpt_pick(gpt, "root", &found, &err), "two of the name");
    CHECK(strcmp(err.text, "GPT: more than one partition is \"root\"") == 0, err.text);
}

static void test_names(void **state)
{
    static const char *const names[] = { "sfdisk", "growpart", "sgdisk", "repart" };
    enum clo_gpt_tool tool;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(names); i++)
        CHECK(clo_gpt_tool_from_name(names[i], &tool) && tool == (enum clo_gpt_tool)i, names[i]);
    CHECK(!clo_gpt_tool_from_name("parted", &tool) && !clo_gpt_tool_from_name("", &tool), "others");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pick),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
