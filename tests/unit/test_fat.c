#include "lib/disk/fat.h"

#include "test.h"

/* A volume of one sector per cluster: the boot sector, one table, (FAT16) a root folder of 16
 * entries, then clusters: 2 EFI, 3 BOOT, 4 and 5 the program, 6 a text. */
struct volume {
    struct clo_buffer bytes;
    size_t table, root, data;
};

static void put(struct clo_buffer *out, size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out->data[at + i] = (uint8_t)(value >> (8 * i));
}

static void put_entry(struct volume *volume, size_t at, const char *name, uint8_t attributes,
                      uint32_t cluster, uint32_t size)
{
    memcpy(volume->bytes.data + at, name, 11);
    volume->bytes.data[at + 11] = attributes;
    put(&volume->bytes, at + 20, cluster >> 16, 2);
    put(&volume->bytes, at + 26, cluster, 2);
    put(&volume->bytes, at + 28, size, 4);
}

static size_t cluster_at(const struct volume *volume, uint32_t cluster)
{
    return volume->data + (size_t)(cluster - 2) * 512;
}

static void link_cluster(struct volume *volume, bool is_32, uint32_t cluster, uint32_t next)
{
    size_t width = is_32 ? 4 : 2;

    put(&volume->bytes, volume->table + cluster * width, next, width);
}

static void make(struct volume *volume, bool is_32)
{
    size_t clusters = 5000;
    size_t table_sectors = (clusters + 2) * (is_32 ? 4 : 2) / 512 + 1;

    *volume = (struct volume){ .table = 512 };
    volume->root = 512 + table_sectors * 512;
    volume->data = volume->root + (is_32 ? 0 : 512);
    size_t size = volume->data + clusters * 512;
    clo_buffer_zero(&volume->bytes, size);
    if (!clo_buffer_ok(&volume->bytes))
        fail_msg("out of memory");
    put(&volume->bytes, 11, 512, 2);
    put(&volume->bytes, 13, 1, 1);
    put(&volume->bytes, 14, 1, 2);
    put(&volume->bytes, 16, 1, 1);
    put(&volume->bytes, 17, is_32 ? 0 : 16, 2);
    put(&volume->bytes, 19, is_32 ? 0 : size / 512, 2);
    put(&volume->bytes, 22, is_32 ? 0 : table_sectors, 2);
    put(&volume->bytes, 32, is_32 ? size / 512 : 0, 4);
    put(&volume->bytes, 36, is_32 ? table_sectors : 0, 4);
    put(&volume->bytes, 44, is_32 ? 7 : 0, 4); /* FAT32's root is a chain too */
    put(&volume->bytes, 510, 0xaa55, 2);

    uint32_t end = is_32 ? 0x0fffffff : 0xffff;
    size_t root = is_32 ? cluster_at(volume, 7) : volume->root;
    put_entry(volume, root, "CLOISTER   ", 0x08, 0, 0);
    put_entry(volume, root + 32, "EFI        ", 0x10, 2, 0);
    put_entry(volume, root + 64, "A       TXT", 0x20, 6, 5);
    put_entry(volume, cluster_at(volume, 2), "BOOT       ", 0x10, 3, 0);
    put_entry(volume, cluster_at(volume, 3), "B\0O\0O\0T\0X\0\0", 0x0f, 0, 0);
    put_entry(volume, cluster_at(volume, 3) + 32, "BOOTX64 EFI", 0x20, 4, 700);
    memset(volume->bytes.data + cluster_at(volume, 4), '1', 512);
    memset(volume->bytes.data + cluster_at(volume, 5), '2', 512);
    memcpy(volume->bytes.data + cluster_at(volume, 6), "hello", 5);
    for (uint32_t cluster = 2; cluster <= 7; cluster++)
        link_cluster(volume, is_32, cluster, cluster == 4 ? 5 : end);
}

static void volume_free(struct volume *volume)
{
    clo_buffer_free(&volume->bytes);
}

static void test_read(void **state)
{
    (void)state;
    for (int is_32 = 0; is_32 < 2; is_32++) {
        CLO_CLEANUP(volume_free) struct volume volume = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer program = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        make(&volume, is_32);
        struct clo_bytes in = clo_buffer_bytes(&volume.bytes);
        CHECK(clo_fat_read(in, "EFI/BOOT/BOOTX64.EFI", 1000, &program, &err), err.text);
        CHECK(program.size == 700 && program.data[511] == '1' && program.data[512] == '2',
              "two clusters");
        CHECK(clo_fat_read(in, "a.txt", 5, &text, &err), err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&text), clo_bytes_text("hello")), "any case");
    }
}

/* Where an entry lies, and that a file is another one once its entry leads there. */
static void test_find(void **state)
{
    (void)state;
    for (int is_32 = 0; is_32 < 2; is_32++) {
        CLO_CLEANUP(volume_free) struct volume volume = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_fat_entry program, other;
        enum clo_fat_part part;
        uint32_t cluster_size;
        uint64_t room, before;
        struct clo_error err;
        bool is_there;
        make(&volume, is_32);
        struct clo_bytes in = clo_buffer_bytes(&volume.bytes);
        CHECK(clo_fat_find(in, "EFI/BOOT/BOOTX64.EFI", &program, &is_there, &err), err.text);
        CHECK(is_there && program.offset == cluster_at(&volume, 3) + 32 && program.cluster == 4 &&
                      program.size == 700 && !program.is_directory,
              "the program's entry");
        CHECK(clo_fat_find(in, "a.txt", &other, &is_there, &err), err.text);
        CHECK(is_there && other.offset == (is_32 ? cluster_at(&volume, 7) : volume.root) + 64,
              "an entry of the root");
        CHECK(clo_fat_find(in, "EFI", &other, &is_there, &err) && is_there && other.is_directory,
              "a folder's entry");
        CHECK(clo_fat_find(in, "EFI/NONE", &other, &is_there, &err) && !is_there, "none");
        CHECK(clo_fat_find(in, "", &other, &is_there, &err) && !is_there, "the root");
        CHECK(clo_fat_part_at(in, 0, &part, &err) && part == CLO_FAT_TABLES, "the tables");
        CHECK(clo_fat_part_at(in, cluster_at(&volume, 5) + 511, &part, &err) &&
                      part == CLO_FAT_USED,
              "a used cluster");
        CHECK(clo_fat_part_at(in, cluster_at(&volume, 8), &part, &err) && part == CLO_FAT_FREE,
              "a free cluster");
        CHECK(clo_fat_room(in, &before, &cluster_size, &err) && cluster_size == 512, "room");
        link_cluster(&volume, is_32, 8, is_32 ? 0x0fffffff : 0xffff);
        CHECK(clo_fat_room(in, &room, &cluster_size, &err) && room == before - 512, "less room");
        clo_fat_lead_to(volume.bytes.data + program.offset, 6, 5);
        CHECK(clo_fat_read(in, "EFI/BOOT/BOOTX64.EFI", 1000, &text, &err), err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&text), clo_bytes_text("hello")), "another file");
    }
}

static void must_refuse(const struct volume *volume, const char *path, const char *error)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    if (clo_fat_read(clo_buffer_bytes(&volume->bytes), path, 1000, &out, &err))
        fail_msg("%s is read: %s", path, error);
    CHECK(err.status == CLO_ERR_FORMAT || err.status == CLO_ERR_UNSUPPORTED, err.text);
    CHECK(strcmp(err.text, error) == 0, err.text);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *error;
    } cases[] = {
        { "EFI/BOOT/BOOTAA64.EFI", "FAT volume: there is no EFI/BOOT/BOOTAA64.EFI" },
        { "EFI/BOOT", "FAT volume: EFI/BOOT is a folder" },
        { "", "FAT volume:  is a folder" },
        { "A.TXT/X", "FAT volume: there is no A.TXT/X" },
        { "CLOISTER", "FAT volume: there is no CLOISTER" },
        { "A.LONGEXTENSION", "FAT volume: there is no A.LONGEXTENSION" },
        { "ANAMETOOLONG.TXT", "FAT volume: there is no ANAMETOOLONG.TXT" },
    };
    CLO_CLEANUP(volume_free) struct volume volume = { 0 };

    (void)state;
    make(&volume, false);
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        must_refuse(&volume, cases[i].path, cases[i].error);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint64_t value;
        size_t size;
        const char *error;
    } cases[] = {
        { "no magic", 510, 0, 2, "is not a FAT volume" },
        { "sectors of 100 bytes", 11, 100, 2, "is not a FAT volume" },
        { "sectors of 8192 bytes", 11, 8192, 2, "is not a FAT volume" },
        { "no clusters", 13, 0, 1, "is not a FAT volume" },
        { "three sectors per cluster", 13, 3, 1, "is not a FAT volume" },
        { "no boot sector", 14, 0, 2, "is not a FAT volume" },
        { "no table", 16, 0, 1, "is not a FAT volume" },
        { "larger than the partition", 19, 6000, 2, "FAT volume: larger than its partition" },
        { "table larger than the volume", 22, 6000, 2, "FAT volume: larger than its partition" },
        { "FAT12", 19, 4000, 2, "FAT12 volume" },
        { "table too short", 22, 2, 2, "FAT volume: its table is too short" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(volume_free) struct volume volume = { 0 };
        make(&volume, false);
        put(&volume.bytes, cases[i].at, cases[i].value, cases[i].size);
        must_refuse(&volume, "A.TXT", cases[i].error);
    }
}

static void test_chains(void **state)
{
    static const struct {
        const char *name;
        uint32_t from, to;
        const char *path, *error;
    } cases[] = {
        { "ends early", 4, 0xffff, "EFI/BOOT/BOOTX64.EFI",
          "FAT volume: EFI/BOOT/BOOTX64.EFI: the chain ends 188 bytes early" },
        { "goes to a free cluster", 4, 0, "EFI/BOOT/BOOTX64.EFI",
          "FAT volume: EFI/BOOT/BOOTX64.EFI: cluster 0: the chain is broken" },
        { "leaves the volume", 4, 5002, "EFI/BOOT/BOOTX64.EFI",
          "FAT volume: EFI/BOOT/BOOTX64.EFI: cluster 5002: the chain is broken" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(volume_free) struct volume volume = { 0 };
        make(&volume, false);
        link_cluster(&volume, false, cases[i].from, cases[i].to);
        must_refuse(&volume, cases[i].path, cases[i].error);
    }
}

/* A folder whose chain is a loop, and in which nothing ends the search: read up to the largest size
 * that a folder has. */
static void test_folder_loops(void **state)
{
    CLO_CLEANUP(volume_free) struct volume volume = { 0 };

    (void)state;
    make(&volume, false);
    link_cluster(&volume, false, 2, 2);
    for (size_t at = 0; at < 512; at += 32)
        put_entry(&volume, cluster_at(&volume, 2) + at, "X          ", 0x20, 6, 5);
    must_refuse(&volume, "EFI/BOOT/BOOTX64.EFI", "FAT volume: there is no EFI/BOOT/BOOTX64.EFI");
}

static void test_limits(void **state)
{
    CLO_CLEANUP(volume_free) struct volume volume = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    make(&volume, false);
    CHECK(!clo_fat_read(clo_buffer_bytes(&volume.bytes), "EFI/BOOT/BOOTX64.EFI", 699, &out, &err),
          "limit");
    CHECK(strcmp(err.text, "FAT volume: EFI/BOOT/BOOTX64.EFI has 700 bytes, at most 699 are "
                           "read") == 0,
          err.text);
    for (size_t size = 0; size < 1024; size++)
        CHECK(!clo_fat_read(clo_bytes_slice(clo_buffer_bytes(&volume.bytes), 0, size), "A.TXT", 9,
                            &out, &err),
              "cut");
}

/* --- Folders and long names --- */

static uint8_t checksum_of(const char *short_name)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < 11; i++)
        sum = (uint8_t)(((sum & 1) << 7) + (sum >> 1) + (uint8_t)short_name[i]);
    return sum;
}

/* Two parts of a long name, the second first, in front of its entry. */
static void put_long_entry(struct volume *volume, size_t at, const char *short_name,
                           const char *long_name, uint8_t checksum)
{
    static const uint8_t offsets[] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
    size_t size = strlen(long_name);

    for (unsigned part = 2; part >= 1; part--, at += 32) {
        uint8_t *entry = volume->bytes.data + at;
        memset(entry, 0, 32);
        entry[0] = (uint8_t)(part == 2 ? 0x42 : 1);
        entry[11] = 0x0f;
        entry[13] = checksum;
        for (size_t i = 0; i < sizeof offsets; i++) {
            size_t from = (part - 1) * 13 + i;
            entry[offsets[i]] = from < size ? (uint8_t)long_name[from] : from == size ? 0 : 0xff;
            entry[offsets[i] + 1] = from <= size ? 0 : 0xff;
        }
    }
    put_entry(volume, at, short_name, 0x20, 6, 5);
}

struct listing {
    char text[600];
    size_t stop_after;
};

static bool add_name(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);

    snprintf(listing->text + used, sizeof listing->text - used, "%s%s ", name,
             is_directory ? "/" : "");
    return listing->stop_after == 0 || --listing->stop_after > 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "enough");
}

static void test_list(void **state)
{
    static const struct {
        const char *path, *names;
    } cases[] = {
        { "", "EFI/ A.TXT " },
        { "efi/boot", "BOOTX64.EFI bootx64.efi.extra.d readme.TXT NEW~1.EFI " },
        { "EFI/BOOT/bootx64.efi.extra.d", "" }, /* a file */
        { "loader/addons", "" },                /* is not there */
    };

    (void)state;
    for (int is_32 = 0; is_32 < 2; is_32++) {
        CLO_CLEANUP(volume_free) struct volume volume = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        make(&volume, is_32);
        size_t at = cluster_at(&volume, 3) + 64;
        put_long_entry(&volume, at, "BOOTX6~1D  ", "bootx64.efi.extra.d",
                       checksum_of("BOOTX6~1D  "));
        put_entry(&volume, at + 96, "\xe5LD     EFI", 0x20, 6, 5); /* deleted */
        put_entry(&volume, at + 128, "README  TXT", 0x20, 6, 5);
        volume.bytes.data[at + 128 + 12] = 0x08;
        put_long_entry(&volume, at + 160, "NEW~1   EFI", "of another entry", 0x11);
        for (size_t i = 0; i < CLO_COUNT(cases); i++) {
            struct listing listing = { .stop_after = 0 };
            CHECK(clo_fat_list(clo_buffer_bytes(&volume.bytes), cases[i].path, add_name, &listing,
                               &err),
                  err.text);
            CHECK(strcmp(listing.text, cases[i].names) == 0, listing.text);
        }
        CHECK(clo_fat_read(clo_buffer_bytes(&volume.bytes), "EFI/BOOT/BootX64.efi.extra.D", 9,
                           &text, &err),
              err.text);
        struct listing listing = { .stop_after = 1 };
        CHECK(!clo_fat_list(clo_buffer_bytes(&volume.bytes), "", add_name, &listing, &err) &&
                      strcmp(err.text, "FAT volume: /EFI: enough") == 0,
              err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),   cmocka_unit_test(test_paths),
        cmocka_unit_test(test_find),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_chains), cmocka_unit_test(test_folder_loops),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
