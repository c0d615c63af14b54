/* What a boot from a disk starts: firmware's file, shim's second stage by each of its ways, and companions. */
#include "lib/predict/boot_disk.h"

#include "fat_maker.h"
#include "lib/disk/gpt.h"
#include "shim_maker.h"
#include "test.h"
#include "uki_maker.h"

/* What the files of the cases hold, by a letter. */
static struct contents {
    struct clo_buffer uki;    /* 'U': of stub 257 */
    struct clo_buffer old;    /* 'O': of stub 252 */
    struct clo_buffer shim;   /* 'S' */
    struct clo_buffer plain;  /* 'P': a program that is neither */
    struct clo_buffer addon;  /* 'A': for another kernel */
    struct clo_buffer loader; /* 'B': systemd-boot */
    struct clo_buffer grub;   /* 'G' */
} contents;

static void make_addon(struct clo_buffer *out)
{
    const struct pe_section sections[] = {
        { ".cmdline", clo_bytes_text("more") },
        { ".uname", clo_bytes_text("9.9.9") },
    };

    pe_make(out, sections, CLO_COUNT(sections));
}

static void make_loaders(void)
{
    static const char magic[] = "#### LoaderInfo: systemd-boot 257.1 ####";
    static const char sbat[] = "sbat,1,SBAT Version,sbat,1,x\ngrub,5,FSF,grub,2.12,x\n";
    const struct pe_section loader[] = { { ".sdmagic", clo_bytes_text(magic) } };
    const struct pe_section grub[] = { { ".sbat", clo_bytes_text(sbat) } };

    pe_make(&contents.loader, loader, 1);
    pe_make(&contents.grub, grub, 1);
}

static int set_up(void **state)
{
    static char kernel[1024];
    const struct pe_section plain[] = { { ".text", clo_bytes_text("code") } };
    struct clo_uki_parts parts = { .cmdline = clo_bytes_text("quiet"),
                                   .uname = clo_bytes_text("6.12.0") };

    (void)state;
    memcpy(kernel + 514, "HdrS", 4);
    parts.kernel = clo_bytes(kernel, sizeof kernel);
    uki_make(&contents.uki, 257, parts);
    uki_make(&contents.old, 252, parts);
    shim_make(&contents.shim, (struct shim_parts){ 0 });
    pe_make(&contents.plain, plain, CLO_COUNT(plain));
    make_addon(&contents.addon);
    make_loaders();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_buffer_free(&contents.uki);
    clo_buffer_free(&contents.old);
    clo_buffer_free(&contents.shim);
    clo_buffer_free(&contents.plain);
    clo_buffer_free(&contents.addon);
    clo_buffer_free(&contents.loader);
    clo_buffer_free(&contents.grub);
    return 0;
}

/* A letter stands for what is above; anything else is text, in UTF-16 as shim's lists are. */
static struct clo_bytes content(const char *what, struct clo_buffer *text)
{
    const struct {
        char letter;
        const struct clo_buffer *bytes;
    } known[] = { { 'U', &contents.uki },   { 'O', &contents.old },   { 'S', &contents.shim },
                  { 'P', &contents.plain }, { 'A', &contents.addon }, { 'B', &contents.loader },
                  { 'G', &contents.grub } };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (what[0] == known[i].letter && what[1] == '\0')
            return clo_buffer_bytes(known[i].bytes);
    if (what[0] == '=') /* as it is */
        clo_buffer_text(text, what + 1);
    for (const char *at = what[0] == '=' ? "" : what; *at != '\0'; at++)
        clo_buffer_le16(text, (uint8_t)*at);
    return clo_buffer_bytes(text);
}

#define FILES_MAX 8
struct file {
    const char *path, *what;
};

static void make_esp(const struct file files[FILES_MAX], struct clo_buffer *out)
{
    struct clo_buffer texts[FILES_MAX] = { { 0 } };
    struct fat_file made[FILES_MAX];
    size_t count = 0;

    for (; count < FILES_MAX && files[count].path != NULL; count++)
        made[count] =
                (struct fat_file){ files[count].path, content(files[count].what, &texts[count]) };
    if (!fat_make(out, made, count))
        fail_msg("a volume");
    for (size_t i = 0; i < FILES_MAX; i++)
        clo_buffer_free(&texts[i]);
}

#define BOOT "EFI/BOOT/"
#define SHIM                    \
    {                           \
        BOOT "BOOTX64.EFI", "S" \
    }

static void test_find(void **state)
{
    static const struct {
        const char *name;
        struct file files[FILES_MAX];
        const char *options; /* NULL: none */
        const char *error;   /* NULL: found */
        const char *path, *left;
        bool has_shim, is_by_fallback;
    } cases[] = {
        { .name = "firmware starts it",
          { { BOOT "BOOTX64.EFI", "U" } },
          .path = BOOT "BOOTX64.EFI" },
        { .name = "whatever it is", { { BOOT "BOOTX64.EFI", "P" } }, .path = BOOT "BOOTX64.EFI" },
        { .name = "in any case of letters",
          { { "efi/boot/bootx64.efi", "U" } },
          .path = BOOT "BOOTX64.EFI" },
        { .name = "on Arm", { { BOOT "BOOTAA64.EFI", "U" } }, .path = BOOT "BOOTAA64.EFI" },
        { .name = "with its options",
          { { BOOT "BOOTX64.EFI", "U" } },
          "@1 quiet",
          NULL,
          BOOT "BOOTX64.EFI",
          "@1 quiet" },
        { .name = "nothing", { { "EFI/Linux/", "" } }, .error = "EFI/BOOT/BOOTX64.EFI" },
        { .name = "a folder of its name",
          { { BOOT "BOOTX64.EFI/", "" } },
          .error = BOOT "BOOTX64.EFI" },
        { .name = "shim's default",
          { SHIM, { BOOT "grubx64.efi", "U" } },
          NULL,
          NULL,
          BOOT "grubx64.efi",
          .has_shim = true },
        { .name = "shim's default on Arm",
          { { BOOT "BOOTAA64.EFI", "S" }, { BOOT "grubaa64.efi", "U" } },
          NULL,
          NULL,
          BOOT "grubaa64.efi",
          .has_shim = true },
        { .name = "no second stage", { SHIM }, .error = "shim's second stage: " },
        { .name = "a second stage that is not a UKI",
          { SHIM, { BOOT "grubx64.efi", "P" } },
          .error = "grubx64.efi: shim starts it, and it is neither a UKI nor GRUB" },
        { .name = "systemd-boot after shim, which was never seen",
          { SHIM, { BOOT "grubx64.efi", "B" }, { "EFI/Linux/a.efi", "U" } },
          .error = "is not predicted; a UKI in its place is" },
        { .name = "systemd-boot, and one UKI",
          { { BOOT "BOOTX64.EFI", "B" }, { "EFI/Linux/a.efi", "U" } },
          .path = "EFI/Linux/a.efi" },
        { .name = "systemd-boot, and the default of two",
          { { BOOT "BOOTX64.EFI", "B" },
            { "EFI/Linux/a.efi", "U" },
            { "EFI/Linux/b.efi", "U" },
            { "loader/loader.conf", "=default b.efi\n" } },
          .path = "EFI/Linux/b.efi" },
        { .name = "systemd-boot, and two without a default",
          { { BOOT "BOOTX64.EFI", "B" }, { "EFI/Linux/a.efi", "U" }, { "EFI/Linux/b.efi", "U" } },
          .error = "2 entries, and loader.conf names none of them" },
        { .name = "systemd-boot, and nothing",
          { { BOOT "BOOTX64.EFI", "B" } },
          .error = "0 entries" },
        { .name = "systemd-boot, and a kernel",
          { { BOOT "BOOTX64.EFI", "B" },
            { "loader/entries/a.conf", "=linux /k\ninitrd /i\noptions ro\n" },
            { "k", "P" },
            { "i", "=an initrd" } },
          NULL,
          NULL,
          "k",
          "initrd=\\i ro" },
        { .name = "systemd-boot, and a kernel that is not there",
          { { BOOT "BOOTX64.EFI", "B" },
            { "loader/entries/a.conf", "=linux /k\ninitrd /i\noptions ro\n" } },
          .error = "there is no k" },
        { .name = "GRUB, and no script",
          { SHIM, { BOOT "grubx64.efi", "G" } },
          NULL,
          NULL,
          BOOT "grubx64.efi",
          .has_shim = true },
        { .name = "named by the boot entry",
          { SHIM, { BOOT "other.efi", "U" } },
          "other.efi @1",
          NULL,
          BOOT "other.efi",
          "@1",
          .has_shim = true },
        { .name = "named by its whole path",
          { SHIM, { "EFI/debian/other.efi", "U" } },
          "\\EFI\\debian\\other.efi",
          NULL,
          "EFI/debian/other.efi",
          "",
          .has_shim = true },
        { .name = "named with a backslash, next to shim",
          { SHIM, { BOOT "other.efi", "U" } },
          "\\other.efi",
          NULL,
          BOOT "other.efi",
          "",
          .has_shim = true },
        { .name = "named by options.csv",
          { SHIM, { BOOT "other.efi", "U" }, { BOOT "options.csv", "other.efi,a title,\n" } },
          NULL,
          NULL,
          BOOT "other.efi",
          "",
          .has_shim = true },
        { .name = "the boot entry goes before options.csv",
          { SHIM, { BOOT "one.efi", "U" }, { BOOT "options.csv", "other.efi,a title,\n" } },
          "one.efi",
          NULL,
          BOOT "one.efi",
          "",
          .has_shim = true },
        { .name = "options.csv that names nothing",
          { SHIM, { BOOT "grubx64.efi", "U" }, { BOOT "options.csv", ",a title\n" } },
          .error = "EFI/BOOT/options.csv: names no file" },
        { .name = "more keys for shim",
          { SHIM, { BOOT "grubx64.efi", "U" }, { BOOT "shim_certificate_1.efi", "P" } },
          .error = "shim_certificate_1.efi: shim takes keys or revocations from it" },
        { .name = "revocations for shim",
          { SHIM, { BOOT "grubx64.efi", "U" }, { BOOT "Revocations.efi", "P" } },
          .error = "Revocations.efi: shim takes keys or revocations from it" },
        { .name = "fallback",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/debian/BOOTX64.CSV", "shimx64.efi,debian,,\n" },
            { "EFI/debian/shimx64.efi", "S" },
            { "EFI/debian/grubx64.efi", "U" },
            { BOOT "grubx64.efi", "P" } },
          NULL,
          NULL,
          "EFI/debian/grubx64.efi",
          "",
          .has_shim = true,
          .is_by_fallback = true },
        { .name = "fallback's options",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/debian/BOOTX64.CSV", "shimx64.efi,debian,uki.efi @1,\n" },
            { "EFI/debian/shimx64.efi", "S" },
            { "EFI/debian/uki.efi", "U" } },
          NULL,
          NULL,
          "EFI/debian/uki.efi",
          "@1",
          .has_shim = true,
          .is_by_fallback = true },
        { .name = "fallback without a list",
          { SHIM, { BOOT "fbx64.efi", "P" } },
          .error = "0 folders have a BOOTX64.CSV" },
        { .name = "its list in a hidden folder, or in shim's own",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/.x/BOOTX64.CSV", "shimx64.efi,a,,\n" },
            { BOOT "BOOTX64.CSV", "shimx64.efi,a,,\n" } },
          .error = "0 folders have a BOOTX64.CSV" },
        { .name = "two lists",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/a/BOOTX64.CSV", "shimx64.efi,a,,\n" },
            { "EFI/b/BOOTX64.CSV", "shimx64.efi,b,,\n" } },
          .error = "2 folders have a BOOTX64.CSV" },
        { .name = "a list of two lines",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/a/BOOTX64.CSV", "shimx64.efi,a,,\nshimy64.efi,b,,\n" } },
          .error = "EFI/a/BOOTX64.CSV: several lines" },
        { .name = "a list that starts what is not a shim",
          { SHIM,
            { BOOT "fbx64.efi", "P" },
            { "EFI/a/BOOTX64.CSV", "shimx64.efi,a,,\n" },
            { "EFI/a/shimx64.efi", "U" } },
          .error = "EFI/a/shimx64.efi: fallback's boot entry starts no shim" },
        { .name = "a list that starts what is not there",
          { SHIM, { BOOT "fbx64.efi", "P" }, { "EFI/a/BOOTX64.CSV", "shimx64.efi,a,,\n" } },
          .error = "EFI/a/shimx64.efi" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer esp = { 0 };
        CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { .path = "" };
        struct clo_error err = { 0 };
        make_esp(cases[i].files, &esp);
        bool ok = clo_boot_disk_find(clo_buffer_bytes(&esp), cases[i].options, &boot, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        if (!ok)
            continue;
        CHECK(strcasecmp(boot.path, cases[i].path) == 0, cases[i].name);
        CHECK(strcmp(boot.options, cases[i].left == NULL ? "" : cases[i].left) == 0, boot.options);
        CHECK((boot.shim.size > 0) == cases[i].has_shim, cases[i].name);
        CHECK(boot.is_by_fallback == cases[i].is_by_fallback, cases[i].name);
        CHECK(boot.loader.size > 0 || boot.uki.size > 0, cases[i].name);
    }
}

/* An ESP on a disk of its own, from sector 64. */
static void make_disk(const struct file files[FILES_MAX], struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    struct clo_gpt_partition esp = { .type = clo_gpt_type_esp,
                                     .first_lba = 64,
                                     .last_lba = 63 + FAT_MAKER_SIZE / 512 };
    static const struct clo_guid disk = { { 1 } };
    struct clo_error err;

    esp.guid.bytes[0] = 2;
    if (!clo_gpt_write(&disk, esp.last_lba + 34, &esp, 1, &head, &tail, &err))
        fail_msg("%s", err.text);
    clo_buffer_append(out, clo_buffer_bytes(&head));
    clo_buffer_zero(out, (size_t)30 * 512);
    make_esp(files, out);
    clo_buffer_append(out, clo_buffer_bytes(&tail));
    if (!clo_buffer_ok(out))
        fail_msg("out of memory");
}

static void test_companions(void **state)
{
    static const struct {
        const char *name;
        struct file files[FILES_MAX];
        const char *taken;   /* in the order in which they are found */
        const char *remarks; /* in full */
    } cases[] = {
        { "none", { { BOOT "BOOTX64.EFI", "U" } }, "", "" },
        { "each in its place",
          { { BOOT "BOOTX64.EFI", "U" },
            { BOOT "BOOTX64.EFI.extra.d/a.cred", "a" },
            { BOOT "BOOTX64.EFI.extra.d/b.raw", "b" },
            { "loader/credentials/c.cred", "c" } },
          "c.cred@2 a.cred@0 b.raw@0 ",
          "" },
        { "not by their suffix, hidden, or a folder",
          { { BOOT "BOOTX64.EFI", "U" },
            { BOOT "BOOTX64.EFI.extra.d/a.txt", "a" },
            { BOOT "BOOTX64.EFI.extra.d/.b.cred", "b" },
            { BOOT "BOOTX64.EFI.extra.d/c.cred/", "" },
            { "loader/credentials/d.raw", "d" },
            { "loader/addons/e.cred", "e" } },
          "",
          "" },
        { "of another file next to it",
          { { BOOT "BOOTX64.EFI", "U" }, { BOOT "BOOTAA64.EFI.extra.d/a.cred", "a" } },
          "",
          "" },
        { "next to the UKI that shim starts",
          { SHIM,
            { BOOT "grubx64.efi", "U" },
            { BOOT "grubx64.efi.extra.d/a.cred", "a" },
            { BOOT "BOOTX64.EFI.extra.d/b.cred", "b" } },
          "a.cred@0 ",
          "" },
        { "for another kernel",
          { { BOOT "BOOTX64.EFI", "U" }, { "loader/addons/x.addon.efi", "A" } },
          "x.addon.efi@1 ",
          "x.addon.efi: its .uname is another kernel's: the stub ignores it\n" },
        { "where an old stub does not look",
          { { BOOT "BOOTX64.EFI", "O" },
            { "loader/addons/x.addon.efi", "A" },
            { "loader/credentials/c.cred", "c" } },
          "c.cred@2 ",
          "x.addon.efi: the UKI's stub (systemd-stub 252.1) does not look at it there\n" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer remarks = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer taken = { 0 };
        CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { .path = "" };
        struct clo_error err = { 0 };
        make_disk(cases[i].files, &disk);
        bool ok = clo_boot_disk_read(clo_buffer_bytes(&disk), NULL, &boot, &remarks, &err);
        CHECK(ok, err.text);
        for (size_t k = 0; k < boot.companions.count; k++)
            clo_buffer_printf(&taken, "%s@%d ", boot.companions.items[k].name,
                              (int)boot.companions.items[k].place);
        CHECK(strcmp(clo_buffer_string(&taken), cases[i].taken) == 0, cases[i].name);
        CHECK(strcmp(clo_buffer_string(&remarks), cases[i].remarks) == 0, cases[i].name);
        for (size_t k = 0; k < boot.companions.count; k++)
            CHECK(boot.companions.items[k].data.size > 0, cases[i].name);
    }
}

static void test_too_many(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer esp = { 0 };
    struct clo_companion_set set = { .count = 0 };
    struct fat_file files[CLO_COMPANIONS_MAX + 1];
    char names[CLO_COMPANIONS_MAX + 1][64];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        snprintf(names[i], sizeof names[i], "loader/credentials/%zu.cred", i);
        files[i] = (struct fat_file){ names[i], clo_bytes_text("x") };
    }
    if (!fat_make(&esp, files, CLO_COMPANIONS_MAX))
        fail_msg("a volume");
    CHECK(clo_companion_set_find(clo_buffer_bytes(&esp), "none", &set, &err), err.text);
    CHECK(set.count == CLO_COMPANIONS_MAX, "as many as there may be");
    clo_companion_set_free(&set);
    esp.size = 0;
    if (!fat_make(&esp, files, CLO_COMPANIONS_MAX + 1))
        fail_msg("a volume");
    CHECK(!clo_companion_set_find(clo_buffer_bytes(&esp), "none", &set, &err), "one more");
    CHECK(strstr(err.text, "128.cred: more than 128 companions") != NULL, err.text);
    clo_companion_set_free(&set);
}

static void test_disks(void **state)
{
    static const struct file files[FILES_MAX] = { { BOOT "BOOTX64.EFI", "U" } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer remarks = { 0 };
    static char options[5000];

    (void)state;
    make_disk(files, &disk);
    memset(options, 'x', sizeof options - 1);
    const struct {
        const char *name;
        size_t size;
        const char *options, *error;
    } cases[] = {
        { "whole", disk.size, NULL, NULL },
        { "without its table's copy", disk.size - CLO_GPT_TAIL_SIZE, NULL, NULL },
        { "cut inside the partition", disk.size - CLO_GPT_TAIL_SIZE - 512, NULL,
          "the image was cut short" },
        { "cut after the table", CLO_GPT_HEAD_SIZE, NULL, "the image was cut short" },
        { "cut in the table", CLO_GPT_HEAD_SIZE - 1, NULL, "" },
        { "nothing", 0, NULL, "" },
        { "options that are too long", disk.size, options, "load options: at most 4095 letters" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { .path = "" };
        struct clo_error err = { 0 };
        bool ok = clo_boot_disk_read(clo_bytes(disk.data, cases[i].size), cases[i].options, &boot,
                                     &remarks, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_companions),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_disks),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
