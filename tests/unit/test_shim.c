#include "cloister/shim.h"

#include "cloister/efivar.h"
#include "shim_maker.h"

static bool is_text(struct clo_bytes bytes, const char *text)
{
    return clo_bytes_equal(bytes, clo_bytes_text(text));
}

static void test_sections(void **state)
{
    static const uint8_t certificate[] = { 0x30, 0x82, 0, 2, 5, 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    struct clo_shim shim;
    struct clo_error err;

    (void)state;
    clo_signature_list_x509(&clo_guid_shim_lock, clo_bytes(certificate, 6), &lists);
    shim_make(&file, (struct shim_parts){ .allowed = clo_bytes(certificate, 6),
                                          .forbidden = clo_buffer_bytes(&lists) });
    CHECK(clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), err.text);
    CHECK(clo_shim_is(&shim.pe), "it is one");
    CHECK(strcmp(shim.version, "16.1") == 0 && shim.major == 16 && shim.minor == 1, shim.version);
    CHECK(clo_bytes_equal(shim.certificate, clo_bytes(certificate, 6)), "a certificate");
    CHECK(shim.db.size == 0, "then no lists");
    CHECK(clo_bytes_equal(shim.dbx, clo_buffer_bytes(&lists)), "what is forbidden");
    CHECK(is_text(shim.level_automatic, SHIM_AUTOMATIC), "automatic");
    CHECK(is_text(shim.level_latest, SHIM_LATEST), "latest");
    CHECK(is_text(shim.sbat, SHIM_SBAT), "generations");

    /* The other way to build one: with signature lists of its vendor's. */
    clo_buffer_free(&file);
    shim_make(&file, (struct shim_parts){ .allowed = clo_buffer_bytes(&lists) });
    CHECK(clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), err.text);
    CHECK(clo_bytes_equal(shim.db, clo_buffer_bytes(&lists)), "lists");
    CHECK(shim.certificate.size == 0 && shim.dbx.size == 0, "then no certificate");

    /* Wherever the file is cut, it fails or every view lies inside. */
    for (size_t size = 0; size < file.size; size++) {
        struct clo_bytes cut = clo_bytes(file.data, size);
        if (!clo_shim_parse(cut, &shim, &err))
            continue;
        CHECK(shim.db.data + shim.db.size <= file.data + size, "cut");
    }
}

static void test_refused(void **state)
{
    static const char level[] =
            "\0\0\0\0\x08\0\0\0\x1b\0\0\0sbat,1,2025021800\n\0sbat,1,2025051000\n";
    static const struct {
        const char *name;
        struct clo_bytes ident, level, vendor;
        const char *error;
    } cases[] = {
        { "no vendor's section",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { NULL, 0 },
          "is not a shim: section .vendor_cert is missing" },
        { "no version",
          { (const uint8_t *)"UEFI SHIM\n", 10 },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".data.ident: it does not say its version" },
        { "a version that is none",
          { (const uint8_t *)"$Version: x", 11 },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".data.ident: no version after \"$Version: \"" },
        { "15.7",
          { (const uint8_t *)"$Version: 15.7 $", 16 },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          "shim 15.7: from 15.8 on (those before are revoked: SBAT shim,4)" },
        { "a vendor's section cut short",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0", 15 },
          ".vendor_cert: 15 bytes" },
        { "a certificate that ends beyond it",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\x05\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0abcd", 20 },
          ".vendor_cert: what is allowed: 5 bytes at 16, it has 20" },
        { "what is forbidden begins beyond it",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x11\0\0\0", 16 },
          ".vendor_cert: what is forbidden: 0 bytes at 17, it has 16" },
        { "neither certificate nor lists",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\x04\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0abcd", 20 },
          ".vendor_cert: signature list at byte 0: wrong sizes" },
        { "what is forbidden is not a list",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)level, sizeof level },
          { (const uint8_t *)"\0\0\0\0\x04\0\0\0\x10\0\0\0\x10\0\0\0abcd", 20 },
          ".vendor_cert: signature list at byte 0: wrong sizes" },
        { "no levels",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { NULL, 0 },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".sbatlevel: 0 bytes" },
        { "levels of another version",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)"\x01\0\0\0\x08\0\0\0\x08\0\0\0sbat,", 17 },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".sbatlevel: version 1" },
        { "a level without its end",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)"\0\0\0\0\x08\0\0\0\x08\0\0\0sbat,1,2", 20 },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".sbatlevel: no level at 8" },
        { "a level far away",
          { (const uint8_t *)SHIM_IDENT, sizeof SHIM_IDENT },
          { (const uint8_t *)"\0\0\0\0\x08\0\0\0\xff\xff\xff\xffsbat,1,2\0", 21 },
          { (const uint8_t *)"\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0\0\0", 16 },
          ".sbatlevel: no level at 4294967295" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_shim shim;
        struct clo_error err;
        shim_make_from(&file, cases[i].ident, cases[i].level, cases[i].vendor,
                       clo_bytes_text(SHIM_SBAT));
        CHECK(!clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), cases[i].name);
        if (strcmp(err.text, cases[i].error) != 0)
            print_error("got: %s\n", err.text);
        CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
    }
}

/* A name that begins before the strings, after them, or is not a number names no section. */
static void test_names(void **state)
{
    static const char *const names[] = { "/999999", "/", "/x", "/27x", "/-1" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_shim shim;
        struct clo_error err;
        shim_make(&file, (struct shim_parts){ .ident = NULL });
        memset(file.data + PE_SECTIONS + 3 * 40, 0, 8);
        memcpy(file.data + PE_SECTIONS + 3 * 40, names[i], strlen(names[i]));
        CHECK(!clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), names[i]);
        CHECK(strcmp(err.text, "is not a shim: section .vendor_cert is missing") == 0, err.text);
    }
}

static void test_level(void **state)
{
    static const struct {
        const char *name, *current;
        uint8_t policy;
        bool is_off;
        const char *after;
    } cases[] = {
        { "the first boot", "", 0, false, SHIM_AUTOMATIC },
        { "an older one", "sbat,1,2021030218\n", 0, false, SHIM_AUTOMATIC },
        { "as old", "sbat,1,2025021800\nshim,9\n", 0, false, "sbat,1,2025021800\nshim,9\n" },
        { "a newer one", "sbat,1,2030010100\n", 0, false, "sbat,1,2030010100\n" },
        { "a newer version of an older date", "sbat,2,2021030218\n", 0, false,
          "sbat,2,2021030218\n" },
        { "a longer version", "sbat,10,2021030218\n", 0, false, "sbat,10,2021030218\n" },
        { "an older version", "sbat,0,2030010100\n", 0, false, "sbat,0,2030010100\n" },
        { "without its line feed", "sbat,1,2030010100", 0, false, SHIM_AUTOMATIC },
        { "too short", "sbat,1,2030\n", 0, false, SHIM_AUTOMATIC },
        { "something else", "SBAT,1,2030010100\n\n\n", 0, false, SHIM_AUTOMATIC },
        { "without a date", "sbat,1202102030218\n\n\n", 0, false, SHIM_AUTOMATIC },
        { "the latest is asked for", "", 1, false, SHIM_LATEST },
        { "automatic is", "", 2, false, SHIM_AUTOMATIC },
        { "a reset is, with Secure Boot", "sbat,1,2030010100\n", 3, false, "sbat,1,2030010100\n" },
        { "without Secure Boot", "sbat,1,2030010100\n", 0, true, "sbat,1,2021030218\n" },
        { "a reset without Secure Boot", "sbat,1,2030010100\n", 3, true, "sbat,1,2021030218\n" },
        { "the latest without Secure Boot", "", 1, true, SHIM_LATEST },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_shim shim;
    struct clo_error err;

    (void)state;
    shim_make(&file, (struct shim_parts){ .ident = NULL });
    CHECK(clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(is_text(clo_shim_level(&shim, clo_bytes_text(cases[i].current), cases[i].policy,
                                     !cases[i].is_off),
                      cases[i].after),
              cases[i].name);
}

/* Versions are numbers as texts: the longer is the newer. */
static void test_level_version(void **state)
{
    static const char candidate[] = "sbat,10,2025021800\n";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_shim shim;
    struct clo_error err;

    (void)state;
    shim_make(&file, (struct shim_parts){ .automatic = candidate });
    CHECK(clo_shim_parse(clo_buffer_bytes(&file), &shim, &err), err.text);
    CHECK(is_text(clo_shim_level(&shim, clo_bytes_text("sbat,9,2030010100\n"), 0, true), candidate),
          "9 is older than 10");
}

static void test_line(void **state)
{
    static const struct {
        const char *name, *text, *file, *options, *error;
    } cases[] = {
        { "Debian's", "shimx64.efi,debian,,This is the boot entry for debian\n", "shimx64.efi", "",
          NULL },
        { "options", "shimx64.efi,title,\\uki.efi quiet,comment", "shimx64.efi", "\\uki.efi quiet",
          NULL },
        { "empty lines first", "\r\n\nuki.efi\r\nother.efi", "uki.efi", "", NULL },
        { "nothing", "\n\n", "", "", "names no file" },
        { "no file's name", ",title,options\n", "", "", "names no file" },
        { "not ASCII", "sh\xe9m.efi,x\n", "", "", "letter 0x00e9 at byte 6: not ASCII in UTF-16" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer csv = { 0 };
        struct clo_shim_line line;
        struct clo_error err;
        clo_buffer_le16(&csv, 0xfeff);
        for (const char *at = cases[i].text; *at != '\0'; at++)
            clo_buffer_le16(&csv, (uint8_t)*at);
        bool ok = clo_shim_line(clo_buffer_bytes(&csv), &line, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!ok || strcmp(line.file, cases[i].file) == 0, cases[i].name);
        CHECK(!ok || strcmp(line.options, cases[i].options) == 0, cases[i].name);
        CHECK(!ok || line.is_only == (strstr(cases[i].text, "other.efi") == NULL), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_level),
        cmocka_unit_test(test_level_version), cmocka_unit_test(test_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
