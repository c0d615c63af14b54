#include "image/subject.h"

#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>

#include "cpio_maker.h"
#include "fat_maker.h"
#include "gzip_maker.h"
#include "lib/base/put.h"
#include "lib/disk/gpt.h"
#include "pe_maker.h"
#include "shim_maker.h"
#include "test.h"

#define CONFIG "CONFIG_DM_CRYPT=m\nCONFIG_EFI=y\n"

static struct clo_scratch scratch;

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static const char *put(const char *name, struct clo_bytes bytes)
{
    static char path[4300];
    struct clo_error err;

    snprintf(path, sizeof path, "%s/%s", scratch.path, name);
    CHECK(clo_file_write(path, bytes, 0644, &err), err.text);
    return path;
}

/* A bzImage whose payload is not packed, with its release and, if wanted, its configuration. */
static void make_kernel(struct clo_buffer *out, bool with_config)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };

    clo_buffer_text(&payload, "vmlinux Linux version 6.12.0-test (me)");
    if (with_config) {
        clo_buffer_text(&payload, "IKCFG_ST");
        gzip_pack(CONFIG, &payload);
        clo_buffer_text(&payload, "IKCFG_ED");
    }
    clo_buffer_zero(out, 1024);
    out->data[0x1f1] = 1;
    memcpy(out->data + 0x202, "HdrS\x0f\x02", 6);
    clo_put_le32(out->data + 0x248, 0);
    clo_put_le32(out->data + 0x24c, (uint32_t)payload.size);
    clo_buffer_append(out, clo_buffer_bytes(&payload));
}

static void make_uki(struct clo_buffer *out, bool with_config)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };

    make_kernel(&kernel, with_config);
    cpio_file(&initrd, "lib/modules/dm-crypt.ko", "x");
    cpio_end(&initrd);
    const struct pe_section sections[] = {
        pe_stub[0],
        pe_stub[1],
        { ".cmdline", clo_bytes("quiet lockdown=integrity\n\0\0\0hidden", 34) },
        { ".initrd", clo_buffer_bytes(&initrd) },
        { ".linux", clo_buffer_bytes(&kernel) },
    };
    pe_make(out, sections, CLO_COUNT(sections));
}

static const char *named(const struct clo_subject *subject, const char *name)
{
    const char *value = json_string_value(json_object_get(subject->named, name));

    return value == NULL ? "-" : value;
}

static bool add(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CHECK(clo_subject_new(subject, err), err->text);
    return clo_subject_add(subject, path, err);
}

static bool has_config(const struct clo_subject *subject)
{
    return subject->config != NULL &&
           strcmp(clo_kconfig_get(subject->config, "DM_CRYPT"), "m") == 0;
}

static void test_configs_and_kernels(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer gzip = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    struct clo_error err;

    (void)state;
    gzip_pack(CONFIG, &gzip);
    make_kernel(&kernel, true);
    make_kernel(&plain, false);
    const struct {
        const char *name;
        struct clo_bytes bytes;
        bool has_config;
        const char *release;
    } cases[] = {
        { "config", clo_bytes_text(CONFIG), true, "" },
        { "config.gz", clo_buffer_bytes(&gzip), true, "" },
        { "vmlinuz", clo_buffer_bytes(&kernel), true, "6.12.0-test" },
        { "vmlinuz-without", clo_buffer_bytes(&plain), false, "6.12.0-test" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        CHECK(add(&subject, put(cases[i].name, cases[i].bytes), &err), err.text);
        CHECK(has_config(&subject) == cases[i].has_config, cases[i].name);
        CHECK(subject.about[CLO_AUDIT_KCONFIG] && !subject.about[CLO_AUDIT_UKI], cases[i].name);
        CHECK(strcmp(subject.release, cases[i].release) == 0, subject.release);
    }
}

static void test_cmdline(void **state)
{
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(add(&subject, put("cmdline", clo_bytes_text("quiet root=/dev/vda\n")), &err), err.text);
    CHECK(strcmp(subject.cmdline, "quiet root=/dev/vda") == 0 && subject.about[CLO_AUDIT_CMDLINE] &&
                  !subject.about[CLO_AUDIT_KCONFIG],
          subject.cmdline);
}

static void test_uki(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    struct clo_error err;

    (void)state;
    make_uki(&uki, true);
    CHECK(add(&subject, put("uki.efi", clo_buffer_bytes(&uki)), &err), err.text);
    CHECK(has_config(&subject), "its kernel's configuration");
    CHECK(strcmp(subject.cmdline, "quiet lockdown=integrity") == 0, subject.cmdline);
    CHECK(json_object_get(subject.modules, "dm_crypt") != NULL, "its initrd's modules");
    CHECK(strcmp(named(&subject, "uki.signed"), "no") == 0, "signed");
    CHECK(strcmp(named(&subject, "uki.stub_version"), "257") == 0, "stub");
    CHECK(strcmp(named(&subject, "uki.sbat"), "absent") == 0, "sbat");
    CHECK(strcmp(named(&subject, "uki.initrd"), "present") == 0, "initrd");
}

/* What is given alongside counts before what the subject says. */
static void test_beside(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    struct clo_error err;

    (void)state;
    make_uki(&uki, true);
    cpio_file(&initrd, "lib/modules/xts.ko", "x");
    cpio_end(&initrd);
    CHECK(clo_subject_new(&subject, &err), err.text);
    CHECK(clo_subject_add(&subject, put("config", clo_bytes_text("CONFIG_DM_CRYPT=y\n")), &err),
          err.text);
    CHECK(clo_subject_add_cmdline(&subject, "mine", &err), err.text);
    CHECK(clo_subject_add_initrd(&subject, put("initrd", clo_buffer_bytes(&initrd)), &err),
          err.text);
    CHECK(clo_subject_add(&subject, put("uki.efi", clo_buffer_bytes(&uki)), &err), err.text);
    CHECK(strcmp(clo_kconfig_get(subject.config, "DM_CRYPT"), "y") == 0, "configuration");
    CHECK(strcmp(subject.cmdline, "mine") == 0, "command line");
    CHECK(json_object_size(subject.modules) == 2, "both initrds");
}

/* --- Packages --- */

static void put_entry(struct archive *archive, const char *path, struct clo_bytes data)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)data.size);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, data.data, data.size), (la_ssize_t)data.size);
    archive_entry_free(entry);
}

struct member {
    const char *path;
    const char *text; /* NULL: a kernel with a configuration */
};

/* A .deb with these files: data.tar.xz in an ar archive. */
static struct clo_bytes make_deb(const struct member *members, size_t count, uint8_t *out,
                                 size_t size)
{
    static uint8_t tar[65536];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    struct archive *archive = archive_write_new();
    size_t used = 0;

    make_kernel(&kernel, true);
    archive_write_set_format_gnutar(archive);
    archive_write_add_filter_xz(archive);
    assert_int_equal(archive_write_open_memory(archive, tar, sizeof tar, &used), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++)
        put_entry(archive, members[i].path,
                  members[i].text == NULL ? clo_buffer_bytes(&kernel)
                                          : clo_bytes_text(members[i].text));
    archive_write_close(archive);
    archive_write_free(archive);
    size_t tar_size = used;
    archive = archive_write_new();
    archive_write_set_format_ar_svr4(archive);
    assert_int_equal(archive_write_open_memory(archive, out, size, &used), ARCHIVE_OK);
    put_entry(archive, "debian-binary", clo_bytes_text("2.0\n"));
    put_entry(archive, "data.tar.xz", clo_bytes(tar, tar_size));
    archive_write_close(archive);
    archive_write_free(archive);
    return clo_bytes(out, used);
}

static void test_packages(void **state)
{
    static const struct {
        const char *name;
        struct member members[2];
        const char *release, *error;
    } cases[] = {
        { "config",
          { { "./boot/config-6.1-x", CONFIG }, { "./boot/vmlinuz-6.1-x", "k" } },
          "6.1-x",
          NULL },
        { "only-a-kernel",
          { { "./usr/lib/modules/6.2-y/vmlinuz", NULL }, { "./a", "b" } },
          "6.12.0-test",
          NULL }, /* as it says of itself */
        { "next to-its-modules",
          { { "lib/modules/6.3/config", CONFIG }, { "lib/modules/6.3/x/config", "no" } },
          "6.3",
          NULL },
        { "absolute names",
          { { "/usr/lib/modules/6.3/config", CONFIG }, { "//boot/other", "o" } },
          "6.3",
          NULL },
        { "neither",
          { { "./usr/share/doc/x", "d" }, { "./boot/other", "o" } },
          "",
          "package: neither a kernel nor its configuration in it; where they are split" },
        { "a kernel that was split from its configuration",
          { { "./boot/vmlinuz-6.4.0-z", "Linux version 6.4.0-z (a@b) #1\n" }, { "./a", "b" } },
          "",
          "package: has a kernel without its configuration: --config gives it, "
          "boot/config-6.4.0-z of linux-modules-" },
        { "two-kernels",
          { { "./boot/config-6.1", CONFIG }, { "./boot/config-6.2", CONFIG } },
          "",
          "package: kernels of two releases, 6.1 and 6.2" },
    };
    static uint8_t deb[131072];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        struct clo_error err;
        struct clo_bytes bytes = make_deb(cases[i].members, 2, deb, sizeof deb);
        bool ok = add(&subject, put(cases[i].name, bytes), &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || (has_config(&subject) && strcmp(subject.release, cases[i].release) == 0),
              cases[i].name);
    }
    struct clo_bytes whole = make_deb(cases[0].members, 2, deb, sizeof deb);
    for (size_t cut = 8; cut < whole.size; cut += 7) {
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        struct clo_error err;
        if (!add(&subject, put("cut", clo_bytes(deb, cut)), &err))
            CHECK(strstr(err.text, "package: ") != NULL, err.text);
    }
}

/* --- Disks --- */

#define SECTORS 8192

static void make_disk(const struct clo_guid *type, const char *magic, size_t at, size_t size,
                      struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    struct clo_gpt_partition partitions[] = {
        { .type = *type, .first_lba = 2048, .last_lba = 4095, .name = "one" },
        { .type = clo_gpt_type_root_x86_64, .first_lba = 4096, .last_lba = 6143, .name = "root" },
    };
    static const struct clo_guid disk = { { 1 } };
    struct clo_error err;

    partitions[0].guid.bytes[0] = 2;
    partitions[1].guid.bytes[0] = 3;
    CHECK(clo_gpt_write(&disk, SECTORS, partitions, 2, out, &tail, &err), err.text);
    clo_buffer_zero(out, (size_t)SECTORS * CLO_GPT_SECTOR - out->size);
    memcpy(out->data + 2048 * (size_t)CLO_GPT_SECTOR + at, magic, size);
    memcpy(out->data + 4096 * (size_t)CLO_GPT_SECTOR + 0x438, "\x53\xef", 2);
}

static void test_disks(void **state)
{
    static const struct {
        const char *name, *type, *magic;
        size_t at, size;
        const char *fact, *value;
    } cases[] = {
        { "data", "0fc63daf-8483-4772-8e79-3d69d8477de4", "XFSB", 0, 4, "image.clear_partitions",
          "one" },
        { "encrypted", "0fc63daf-8483-4772-8e79-3d69d8477de4", "LUKS\xba\xbe\0\x02", 0, 8,
          "image.clear_partitions", "none" },
        { "swap", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "SWAPSPACE2", 4086, 10, "image.swap",
          "one" },
        { "boot", "bc13c2ff-59e6-4262-a352-b275fd6f7172", "\x53\xef", 0x438, 2, "image.boot",
          "one" },
        { "root", "0fc63daf-8483-4772-8e79-3d69d8477de4", "", 0, 0, "image.root", "clear" },
        { "verity", "0fc63daf-8483-4772-8e79-3d69d8477de4", "verity\0\0", 0, 8, "image.root",
          "verity" },
        { "no-esp", "0fc63daf-8483-4772-8e79-3d69d8477de4", "", 0, 0, "image.esp", "absent" },
        { "bad-esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "", 0, 0, "image.uki",
          "is not a FAT volume" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        struct clo_guid type;
        struct clo_error err;
        CHECK(clo_guid_read(cases[i].type, &type, &err), err.text);
        make_disk(&type, cases[i].magic, cases[i].at, cases[i].size, &disk);
        CHECK(add(&subject, put(cases[i].name, clo_buffer_bytes(&disk)), &err), err.text);
        CHECK(subject.about[CLO_AUDIT_IMAGE], cases[i].name);
        CHECK(strstr(named(&subject, cases[i].fact), cases[i].value) != NULL,
              named(&subject, cases[i].fact));
        clo_subject_free(&subject);
        CHECK(!add(&subject, put(cases[i].name, clo_bytes(disk.data, 2100 * 512)), &err),
              "cut short");
        CHECK(strstr(err.text, "cut short at byte") != NULL, err.text);
    }
}

/* The UKI is the one that is started: by firmware, by a shim, or, where neither says which, the only one that a boot
 * loader would find. */
static void test_esp(void **state)
{
    static const struct {
        const char *name;
        struct {
            const char *path;
            char what; /* 'U': a UKI; 'S': a shim; 'B': systemd-boot; 'P': another program */
        } files[4];
        const char *uki, *loader;
    } cases[] = {
        { "firmware", { { "EFI/BOOT/BOOTX64.EFI", 'U' } }, "present", "none" },
        { "on Arm", { { "EFI/BOOT/BOOTAA64.EFI", 'U' } }, "present", "none" },
        { "shim",
          { { "EFI/BOOT/BOOTX64.EFI", 'S' }, { "EFI/BOOT/grubx64.efi", 'U' } },
          "present",
          "none" },
        { "shim by fallback, whose list is missing",
          { { "EFI/BOOT/BOOTX64.EFI", 'S' },
            { "EFI/BOOT/fbx64.efi", 'P' },
            { "EFI/BOOT/grubx64.efi", 'U' } },
          "0 folders have a BOOTX64.CSV",
          NULL },
        { "a loader",
          { { "EFI/BOOT/BOOTX64.EFI", 'P' }, { "EFI/Linux/one.efi", 'U' } },
          "present",
          "present" },
        { "systemd-boot and its one UKI",
          { { "EFI/BOOT/BOOTX64.EFI", 'B' }, { "EFI/Linux/one.efi", 'U' } },
          "present",
          "present" },
        { "shim and a loader",
          { { "EFI/BOOT/BOOTX64.EFI", 'S' },
            { "EFI/BOOT/grubx64.efi", 'P' },
            { "EFI/Linux/one.efi", 'U' } },
          "present",
          "present" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer shim = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer loader = { 0 };
    const struct pe_section section = { ".text", clo_bytes_text("code") };
    const struct pe_section marked[] = {
        section, { ".sdmagic", clo_bytes_text("#### LoaderInfo: systemd-boot 257.1 ####") }
    };

    (void)state;
    pe_make(&loader, marked, CLO_COUNT(marked));
    make_uki(&uki, true);
    shim_make(&shim, (struct shim_parts){ 0 });
    pe_make(&plain, &section, 1);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        struct clo_gpt_partition esp = { .type = clo_gpt_type_esp,
                                         .first_lba = 34,
                                         .last_lba = 33 + FAT_MAKER_SIZE / CLO_GPT_SECTOR };
        const struct clo_guid guid = { { 1 } };
        struct fat_file files[4];
        struct clo_error err;
        size_t count = 0;
        for (; count < 4 && cases[i].files[count].path != NULL; count++) {
            char what = cases[i].files[count].what;
            const struct clo_buffer *bytes = what == 'U'   ? &uki
                                             : what == 'S' ? &shim
                                             : what == 'B' ? &loader
                                                           : &plain;
            files[count] = (struct fat_file){ cases[i].files[count].path, clo_buffer_bytes(bytes) };
        }
        esp.guid.bytes[0] = 2;
        CHECK(clo_gpt_write(&guid, esp.last_lba + 34, &esp, 1, &disk, &tail, &err), err.text);
        CHECK(fat_make(&disk, files, count), "a volume");
        clo_buffer_append(&disk, clo_buffer_bytes(&tail));
        CHECK(add(&subject, put("esp.img", clo_buffer_bytes(&disk)), &err), err.text);
        CHECK(strstr(named(&subject, "image.uki"), cases[i].uki) != NULL,
              named(&subject, "image.uki"));
        CHECK(cases[i].loader == NULL ||
                      strcmp(named(&subject, "image.loader"), cases[i].loader) == 0,
              cases[i].name);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *error;
    } cases[] = {
        { "text", "two\nlines\n", 10, "neither a kernel configuration" },
        { "nothing", "", 0, "neither a kernel configuration" },
        { "elf",
          "\x7f"
          "ELF nothing",
          12, "is not a kernel: neither a release nor a configuration" },
        { "mz", "MZ nothing", 10, "PE" },
        { "gzip", "\x1f\x8b\x08\0", 4, "gzip: damaged or cut short" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        struct clo_error err;
        CHECK(!add(&subject, put(cases[i].name, clo_bytes(cases[i].bytes, cases[i].size)), &err),
              cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

/* What the kernel makes of a line: cut after its last whole word before 2048 bytes, and put together with
 * what is compiled in. */
static void test_in_force(void **state)
{
    static const struct {
        const char *name, *config, *start;
        size_t words; /* "x=y " so many times after the start */
        const char *end, *in_force_end;
        bool is_whole;
    } cases[] = {
        { "short", "", "quiet", 0, " lockdown=integrity", "quiet lockdown=integrity", true },
        { "2047 bytes", "", "q=y ", 509, "1234567", " 1234567", true },
        { "2048 bytes", "", "q=y ", 509, "x=y last", " x=y x=y", false },
        { "far too long", "", "quiet ", 600, "lockdown=confidentiality", " x=y x=y", false },
        { "a quoted word is one", "", "a \"", 600, "\" lockdown=integrity", "a", false },
        { "compiled in", "CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=\"debug\"\n", "quiet", 0, "",
          "debug quiet", true },
        { "compiled in instead",
          "CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=\"debug\"\nCONFIG_CMDLINE_OVERRIDE=y\n", "quiet",
          0, " lockdown=integrity", "debug", true },
        { "not compiled in", "# CONFIG_CMDLINE_BOOL is not set\n", "quiet", 0, "", "quiet", true },
        { "together too long", "CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=\"debug\"\n", "q=y ", 509,
          "1234567", " 1", false },
        { "AArch64: only where none is given", "CONFIG_CMDLINE=\"debug\"\n", "quiet", 0, "",
          "quiet", true },
        { "AArch64: after it", "CONFIG_CMDLINE=\"debug\"\nCONFIG_CMDLINE_EXTEND=y\n", "quiet", 0,
          "", "quiet debug", true },
        { "AArch64: instead", "CONFIG_CMDLINE=\"debug\"\nCONFIG_CMDLINE_FORCE=y\n", "quiet", 0, "",
          "debug", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
        struct clo_audit_facts facts;
        struct clo_error err;
        CHECK(clo_subject_new(&subject, &err), err.text);
        clo_buffer_text(&line, cases[i].start);
        for (size_t k = 0; k < cases[i].words; k++)
            clo_buffer_text(&line, "x=y ");
        clo_buffer_text(&line, cases[i].end);
        CHECK(*cases[i].config == '\0' ||
                      clo_kconfig_parse(clo_bytes_text(cases[i].config), &subject.config, &err),
              err.text);
        CHECK(clo_subject_add_cmdline(&subject, clo_buffer_string(&line), &err), err.text);
        clo_subject_facts(&subject, &facts);
        size_t size = strlen(facts.cmdline);
        size_t end = strlen(cases[i].in_force_end);
        CHECK(size < 2048 && size >= end &&
                      strcmp(facts.cmdline + size - end, cases[i].in_force_end) == 0,
              cases[i].name);
        const char *whole = json_string_value(json_object_get(facts.named, "kernel.cmdline_whole"));
        CHECK(whole != NULL && strcmp(whole, cases[i].is_whole ? "yes" : "no") == 0, cases[i].name);
    }
}

/* A machine that runs shows what it has in force: nothing is added to that. */
static void test_in_force_of_a_guest(void **state)
{
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    struct clo_audit_facts facts;
    struct clo_error err;

    (void)state;
    CHECK(clo_subject_new(&subject, &err), err.text);
    subject.about[CLO_AUDIT_GUEST] = true;
    CHECK(clo_kconfig_parse(clo_bytes_text("CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE=\"debug\"\n"),
                            &subject.config, &err),
          err.text);
    clo_subject_facts(&subject, &facts);
    CHECK(facts.cmdline == NULL && json_object_get(facts.named, "kernel.cmdline_whole") == NULL,
          "not known");
    CHECK(clo_subject_add_cmdline(&subject, "debug quiet", &err), err.text);
    clo_subject_facts(&subject, &facts);
    CHECK(strcmp(facts.cmdline, "debug quiet") == 0, facts.cmdline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs_and_kernels),
        cmocka_unit_test(test_cmdline),
        cmocka_unit_test(test_uki),
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_esp),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_in_force_of_a_guest),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
