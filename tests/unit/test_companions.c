/* The archives are held against bytes written out by hand, the order of the rest by name. What firmware,
 * stub and kernel really measure of companions is tried in tests/vm/registers.sh. */
#include "lib/predict/companions.h"

#include "uki_maker.h"

static struct clo_uki *uki_of(unsigned version, struct clo_buffer *file)
{
    struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error err;

    uki_make(file, version,
             (struct clo_uki_parts){ .kernel = clo_bytes_text("k"),
                                     .cmdline = clo_bytes_text("quiet"),
                                     .uname = clo_bytes_text("6.1.0") });
    if (uki == NULL || !clo_uki_parse(clo_buffer_bytes(file), uki, &err))
        fail_msg("no UKI");
    return uki;
}

static void test_archive(void **state)
{
    static const char expected[] = "070701"
                                   "00000001"
                                   "0000416d"
                                   "00000000"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000007"
                                   "00000000"
                                   ".extra\0"
                                   "\0\0\0"
                                   "070701"
                                   "00000002"
                                   "00004140"
                                   "00000000"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000013"
                                   "00000000"
                                   ".extra/credentials\0"
                                   "\0\0\0"
                                   "070701"
                                   "00000003"
                                   "00008100"
                                   "00000000"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "0000001a"
                                   "00000000"
                                   ".extra/credentials/A.cred\0"
                                   "1\0\0\0"
                                   "070701"
                                   "00000004"
                                   "00008100"
                                   "00000000"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000005"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "0000001a"
                                   "00000000"
                                   ".extra/credentials/b.cred\0"
                                   "hello\0\0\0"
                                   "070701"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000001"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "00000000"
                                   "0000000B"
                                   "00000000"
                                   "TRAILER!!!\0\0\0";
    static const struct clo_companion items[] = {
        { CLO_COMPANION_BESIDE, "b.cred", { (const uint8_t *)"hello", 5 } },
        { CLO_COMPANION_BESIDE, "A.cred", { (const uint8_t *)"1", 1 } },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = uki_of(257, &file);
    CLO_CLEANUP(companions_free) struct companions found = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(companions_parse(uki, items, CLO_COUNT(items), &found, &err), err.text);
    const struct companion_archive *archive = &found.archives[0];
    CHECK(archive->pcr == 12 && strcmp(archive->name, "Credentials initrd") == 0, archive->name);
    CHECK(archive->bytes.size == sizeof expected, "its size");
    CHECK(memcmp(archive->bytes.data, expected, sizeof expected) == 0, "its bytes");
    for (size_t i = 1; i < COMPANION_ARCHIVES; i++)
        CHECK(found.archives[i].bytes.size == 0, found.archives[i].name);
}

/* Which archive takes what, in which stub. */
static void test_places(void **state)
{
    static const struct {
        enum clo_companion_place place;
        const char *name;
        unsigned version;
        int archive; /* -1: refused */
        unsigned pcr;
    } cases[] = {
        { CLO_COMPANION_BESIDE, "a.cred", 252, 0, 12 },
        { CLO_COMPANION_BESIDE, "A.CRED", 257, 0, 12 },
        { CLO_COMPANION_CREDENTIALS, "a.cred", 257, 1, 12 },
        { CLO_COMPANION_BESIDE, "a.raw", 257, 2, 13 },
        { CLO_COMPANION_BESIDE, "a.sysext.raw", 257, 2, 13 },
        { CLO_COMPANION_BESIDE, "a.confext.raw", 257, 4, 12 },
        { CLO_COMPANION_BESIDE, "a.confext.raw", 255, 2, 13 },
        { CLO_COMPANION_EXTENSIONS, "a.raw", 259, 3, 13 },
        { CLO_COMPANION_EXTENSIONS, "a.confext.raw", 259, 5, 12 },
        { CLO_COMPANION_EXTENSIONS, "a.raw", 257, -1, 0 },
        { CLO_COMPANION_ADDONS, "a.cred", 257, -1, 0 },
        { CLO_COMPANION_BESIDE, "a.addon.efi", 253, -1, 0 },
        { CLO_COMPANION_BESIDE, "a.txt", 257, -1, 0 },
        { CLO_COMPANION_BESIDE, ".cred", 257, -1, 0 },
        { CLO_COMPANION_BESIDE, "x/a.cred", 257, -1, 0 },
        { CLO_COMPANION_BESIDE, "caf\303\251.cred", 257, -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_uki *uki = uki_of(cases[i].version, &file);
        CLO_CLEANUP(companions_free) struct companions found = { 0 };
        const struct clo_companion item = { cases[i].place, cases[i].name, clo_bytes_text("x") };
        struct clo_error err;
        bool ok = companions_parse(uki, &item, 1, &found, &err);
        CHECK(ok == (cases[i].archive >= 0), cases[i].name);
        for (int k = 0; ok && k < COMPANION_ARCHIVES; k++) {
            CHECK((found.archives[k].bytes.size > 0) == (k == cases[i].archive), cases[i].name);
            CHECK(k != cases[i].archive || found.archives[k].pcr == cases[i].pcr, cases[i].name);
        }
    }
}

/* --- Add-ons --- */

struct addon_spec {
    const char *cmdline, *uname, *section; /* NULL: left out */
};

static void make_addon(const struct addon_spec *spec, struct clo_buffer *out)
{
    struct pe_section sections[4] = { { ".text", clo_bytes_text("code") } };
    size_t count = 1;

    if (spec->cmdline != NULL)
        sections[count++] = (struct pe_section){ ".cmdline", clo_bytes_text(spec->cmdline) };
    if (spec->uname != NULL)
        sections[count++] = (struct pe_section){ ".uname", clo_bytes_text(spec->uname) };
    if (spec->section != NULL)
        sections[count++] = (struct pe_section){ spec->section, clo_bytes_text("data") };
    pe_make(out, sections, count);
}

/* Global ones first, each folder by name; one for another kernel is loaded, and passed over. */
static void test_addons(void **state)
{
    static const struct {
        enum clo_companion_place place;
        const char *name;
        struct addon_spec spec;
    } addons[] = {
        { CLO_COMPANION_BESIDE, "b.addon.efi", { " b \n", NULL, NULL } },
        { CLO_COMPANION_BESIDE, "a.addon.efi", { "a", "6.1.0", NULL } },
        { CLO_COMPANION_ADDONS, "z.addon.efi", { "z", NULL, NULL } },
        { CLO_COMPANION_BESIDE, "other.addon.efi", { "other", "6.12", NULL } },
    };
    static const char *const order[] = { "z.addon.efi", "a.addon.efi", "b.addon.efi",
                                         "other.addon.efi" };
    struct clo_buffer files[CLO_COUNT(addons)] = { 0 };
    struct clo_companion items[CLO_COUNT(addons)];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = uki_of(257, &file);
    CLO_CLEANUP(companions_free) struct companions found = { 0 };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(addons); i++) {
        make_addon(&addons[i].spec, &files[i]);
        items[i] = (struct clo_companion){ addons[i].place, addons[i].name,
                                           clo_buffer_bytes(&files[i]) };
    }
    CHECK(companions_parse(uki, items, CLO_COUNT(items), &found, &err), err.text);
    CHECK(found.addon_count == CLO_COUNT(order), "count");
    for (size_t i = 0; i < found.addon_count; i++)
        CHECK(strcmp(found.addons[i].name, order[i]) == 0, found.addons[i].name);
    CHECK(found.addons[2].is_applied && !found.addons[3].is_applied, "for another kernel");
    CHECK(clo_companion_is_for(&items[1], uki) && clo_companion_is_for(&items[0], uki) &&
                  !clo_companion_is_for(&items[3], uki),
          "for another kernel");
    CHECK(companions_cmdline(&found, &text, &err), err.text);
    CHECK(strcmp(clo_buffer_string(&text), "z a b") == 0, clo_buffer_string(&text));
    for (size_t i = 0; i < CLO_COUNT(files); i++)
        clo_buffer_free(&files[i]);
}

static void test_refused(void **state)
{
    static const struct {
        unsigned version;
        struct addon_spec spec;
        const char *error;
    } cases[] = {
        { 257, { "a", NULL, ".linux" }, "add-on a.addon.efi: is a whole UKI" },
        { 257,
          { NULL, NULL, ".dtb" },
          "add-on a.addon.efi: a device tree's effect depends on the machine" },
        { 256,
          { NULL, NULL, ".initrd" },
          "add-on a.addon.efi: .initrd and .ucode are for stubs from 257 on" },
    };
    static const struct clo_companion twice[] = {
        { CLO_COMPANION_BESIDE, "a.cred", { (const uint8_t *)"1", 1 } },
        { CLO_COMPANION_BESIDE, "A.cred", { (const uint8_t *)"2", 1 } },
    };
    static const struct clo_companion no_pe = { CLO_COMPANION_BESIDE,
                                                "a.addon.efi",
                                                { (const uint8_t *)"MZ", 2 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer good = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *newest = uki_of(257, &good);
    CLO_CLEANUP(companions_free) struct companions found = { 0 };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer addon = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_uki *uki = uki_of(cases[i].version, &file);
        make_addon(&cases[i].spec, &addon);
        const struct clo_companion item = { CLO_COMPANION_BESIDE, "a.addon.efi",
                                            clo_buffer_bytes(&addon) };
        CHECK(!companions_parse(uki, &item, 1, &found, &err), cases[i].error);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer foreign = { 0 };
    make_addon(&(struct addon_spec){ "a", NULL, NULL }, &foreign);
    uint8_t *signature = memmem(foreign.data, foreign.size, "PE\0\0", 4);
    signature[4] = 0x64;
    signature[5] = 0xaa;
    const struct clo_companion arm = { CLO_COMPANION_BESIDE, "a.addon.efi",
                                       clo_buffer_bytes(&foreign) };
    CHECK(!companions_parse(newest, &arm, 1, &found, &err) &&
                  strcmp(err.text, "add-on a.addon.efi: is for machine 0xaa64, the UKI for "
                                   "0x8664") == 0,
          err.text);
    CHECK(!companions_parse(newest, twice, 2, &found, &err) &&
                  strcmp(err.text, "companion A.cred: is there twice") == 0,
          err.text);
    CHECK(!companions_parse(newest, &no_pe, 1, &found, &err) &&
                  strncmp(err.text, "add-on a.addon.efi: ", 20) == 0,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_addons),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
