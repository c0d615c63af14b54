/* What a boot through shim leaves, worked out a second time. tests/vm/registers.sh holds the same predictions
 * against a shim that really measures. */
#include "lib/base/put.h"
#include "shim_boot_maker.h"

#define RUNTIME 0x7U /* attributes of a variable that the running system may write */

/* Where there are none, an entry that nothing hashes to. */
static struct clo_bytes no_entry(struct clo_buffer *out)
{
    static const uint8_t zeros[32];
    struct clo_error err;

    CHECK(clo_signature_list_add(&clo_guid_cert_sha256, &clo_guid_shim_lock, clo_bytes(zeros, 32),
                                 out, &err),
          err.text);
    return clo_buffer_bytes(out);
}

static struct clo_bytes entry_of(const struct clo_buffer *list)
{
    return clo_bytes_slice(clo_buffer_bytes(list), 28, list->size);
}

/* PCR 7 up to where shim begins. */
static void firmware_events(struct clo_pcr_bank *bank, bool is_off)
{
    static const uint8_t states[] = { 0, 1 };
    struct clo_bytes list = is_off ? clo_bytes(NULL, 0) : clo_buffer_bytes(&db.list);

    clo_pcr_reset(bank, CLO_HASH_SHA256);
    variable_event(bank, "SecureBoot", &clo_guid_global_variable, clo_bytes(&states[!is_off], 1));
    variable_event(bank, "PK", &clo_guid_global_variable, list);
    variable_event(bank, "KEK", &clo_guid_global_variable, list);
    variable_event(bank, "db", &clo_guid_image_security, list);
    variable_event(bank, "dbx", &clo_guid_image_security, clo_bytes(NULL, 0));
    clo_pcr_measure(bank, 7, clo_bytes("\0\0\0\0", 4));
    if (!is_off)
        variable_event(bank, "db", &clo_guid_image_security, entry_of(&db.list));
}

static void level_event(struct clo_pcr_bank *bank, const char *level)
{
    variable_event(bank, "SbatLevel", &clo_guid_shim_lock, clo_bytes_text(level));
}

static void program(struct clo_pcr_bank *bank, struct clo_bytes image)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_digest digest;
    struct clo_error err;

    CHECK(clo_pe_parse(image, pe, &err), err.text);
    CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err), err.text);
    clo_pcr_extend(bank, 4, &digest);
}

/* Firmware logs the db entry for shim, and shim logs it once more: each has a list of its own. */
static void test_by_db(void **state)
{
    static const uint8_t yes = 1;
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    struct clo_pcr_bank bank;

    (void)state;
    make(&boot, (struct shim_parts){ .ident = NULL }, &db, false);
    const struct clo_prediction in = from(&boot);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    variable_event(&bank, "db", &clo_guid_image_security, entry_of(&db.list));
    is_value(reference, 7, "", &bank, "PCR 7");
    clo_pcr_measure(&bank, 4, clo_bytes_text("Calling EFI Application from Boot Option"));
    clo_pcr_measure(&bank, 4, clo_bytes("\0\0\0\0", 4));
    program(&bank, clo_buffer_bytes(&boot.shim));
    program(&bank, clo_buffer_bytes(&boot.uki));
    is_value(reference, 4, "", &bank, "PCR 4: not the kernel inside");
    struct clo_bytes list = no_entry(&none);
    clo_pcr_measure(&bank, 14, list);
    clo_pcr_measure(&bank, 14, list);
    clo_pcr_measure(&bank, 14, clo_bytes(&yes, 1));
    is_value(reference, 14, "", &bank, "PCR 14");
    const json_t *shim = json_object_get(clo_reference_json(reference), "shim");
    const char *version = json_string_value(json_object_get(shim, "version"));
    CHECK(version != NULL && strcmp(version, "16.1") == 0, "which shim");
}

static void test_by_mok(void **state)
{
    static const uint8_t yes = 1;
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    set(&boot, "MokList", CLO_EFIVAR_BOOT, clo_buffer_bytes(&mok.list));
    make(&boot, (struct shim_parts){ .ident = NULL }, &mok, false);
    struct clo_prediction in = from(&boot);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    variable_event(&bank, "MokListRT", &clo_guid_shim_lock, entry_of(&mok.list));
    is_value(reference, 7, "", &bank, "PCR 7");
    clo_pcr_measure(&bank, 14, clo_buffer_bytes(&mok.list));
    clo_pcr_measure(&bank, 14, no_entry(&none));
    clo_pcr_measure(&bank, 14, clo_bytes(&yes, 1));
    is_value(reference, 14, "", &bank, "PCR 14");
    struct clo_reference_event event;
    CHECK(clo_reference_event_at(reference, 14, "", 0, &event), "MokList's event");
    CHECK(strcmp(event.text, "1 certificate (CN=owner), 0 hashes") == 0, event.text);

    /* One that is given goes before the store's. */
    struct clo_reference *other = NULL;
    in.mok_list = clo_buffer_bytes(&db.list);
    CHECK(!clo_reference_predict(&in, &other, &err), "the owner's key is no longer there");
    CHECK(strncmp(err.text, "PCR 7: UKI: no key in db or MokList", 35) == 0, err.text);
}

/* What shim carries goes before what its owner added. */
static void test_vendor(void **state)
{
    CLO_CLEANUP(boot_free) struct boot certificate = { .count = 0 };
    CLO_CLEANUP(boot_free) struct boot lists = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer own = { 0 };
    struct clo_bytes der = clo_certificate_der(mok.certificate);
    struct clo_pcr_bank bank;

    (void)state;
    clo_signature_list_x509(&clo_guid_shim_lock, der, &own);
    set(&certificate, "MokList", CLO_EFIVAR_BOOT, clo_buffer_bytes(&mok.list));
    make(&certificate,
         (struct shim_parts){ .allowed = der, .forbidden = clo_buffer_bytes(&db.list) }, &mok,
         true);
    const struct clo_prediction a = from(&certificate);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *first = predict(&a);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    clo_buffer_append(&whole, clo_buffer_bytes(&own));
    clo_buffer_append(&whole, clo_buffer_bytes(&mok.list));
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_measure(&bank, 14, clo_buffer_bytes(&whole));
    clo_pcr_measure(&bank, 14, clo_buffer_bytes(&db.list));
    clo_pcr_measure(&bank, 14, clo_bytes("\1", 1));
    is_value(first, 14, "", &bank, "a vendor's certificate and dbx");

    make(&lists, (struct shim_parts){ .allowed = clo_buffer_bytes(&mok.list) }, &mok, false);
    const struct clo_prediction b = from(&lists);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *second = predict(&b);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    variable_event(&bank, "vendor_db", &clo_guid_image_security, entry_of(&mok.list));
    is_value(second, 7, "", &bank, "a vendor's lists are a database of their own");
}

/* By its certificate, which MokListRT has in it. Ubuntu's does not show its dbx. */
static void test_vendor_certificate(void **state)
{
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer own = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer forbidden = { 0 };
    struct clo_bytes der = clo_certificate_der(mok.certificate);
    uint8_t hash[32] = { 1 };
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    clo_signature_list_x509(&clo_guid_shim_lock, der, &own);
    CHECK(clo_signature_list_add(&clo_guid_cert_sha256, &clo_guid_shim_lock, clo_bytes(hash, 32),
                                 &forbidden, &err),
          err.text);
    make(&boot,
         (struct shim_parts){ .allowed = der,
                              .forbidden = clo_buffer_bytes(&forbidden),
                              .sbat = "sbat,1,SBAT\nshim,4,x\nshim.ubuntu,1,x\n" },
         &mok, false);
    const struct clo_prediction in = from(&boot);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    variable_event(&bank, "MokListRT", &clo_guid_shim_lock, entry_of(&own));
    is_value(reference, 7, "", &bank, "PCR 7");
    clo_pcr_measure(&bank, 14, clo_buffer_bytes(&own));
    clo_pcr_measure(&bank, 14, no_entry(&none));
    clo_pcr_measure(&bank, 14, clo_bytes("\1", 1));
    is_value(reference, 14, "", &bank, "PCR 14 without the vendor's dbx");
}

/* Shim's own check turned off: said in both registers, and then nothing allows what is started. */
static void test_variables(void **state)
{
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    struct clo_pcr_bank bank;

    (void)state;
    set_byte(&boot, "MokSBState", 1);
    set_byte(&boot, "MokPolicy", 1);
    set_byte(&boot, "MokListTrusted", 1);
    set(&boot, "MokList", RUNTIME, clo_buffer_bytes(&mok.list)); /* shim deletes it */
    set(&boot, "SbatLevel", CLO_EFIVAR_BOOT, clo_bytes_text("sbat,1,2030010100\nshim,4\n"));
    make(&boot, (struct shim_parts){ .ident = NULL }, NULL, false);
    const struct clo_prediction in = from(&boot);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
    firmware_events(&bank, false);
    variable_event(&bank, "MokSBState", &clo_guid_shim_lock, clo_bytes("\1", 1));
    level_event(&bank, "sbat,1,2030010100\nshim,4\n");
    is_value(reference, 7, "", &bank, "PCR 7");
    struct clo_bytes list = no_entry(&none);
    clo_pcr_measure(&bank, 14, list);
    clo_pcr_measure(&bank, 14, list);
    clo_pcr_measure(&bank, 14, clo_bytes("\1", 1)); /* MokSBState */
    clo_pcr_measure(&bank, 14,
                    clo_bytes("\1", 1)); /* MokPolicy; MokListTrusted is there, so not logged */
    is_value(reference, 14, "", &bank, "PCR 14");
}

/* A level that the running system could write is not kept; without Secure Boot none is. */
static void test_level(void **state)
{
    static const struct {
        const char *name;
        uint32_t attributes;
        bool is_off;
        const char *expected;
    } cases[] = {
        { "kept", CLO_EFIVAR_BOOT, false, "sbat,1,2030010100\n" },
        { "written by whom?", RUNTIME, false, SHIM_AUTOMATIC },
        { "Secure Boot off", CLO_EFIVAR_BOOT, true, "sbat,1,2021030218\n" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
        struct clo_pcr_bank bank;
        set(&boot, "SbatLevel", cases[i].attributes, clo_bytes_text("sbat,1,2030010100\n"));
        make(&boot, (struct shim_parts){ .ident = NULL }, &db, cases[i].is_off);
        const struct clo_prediction in = from(&boot);
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
        firmware_events(&bank, cases[i].is_off);
        level_event(&bank, cases[i].expected);
        if (!cases[i].is_off)
            variable_event(&bank, "db", &clo_guid_image_security, entry_of(&db.list));
        is_value(reference, 7, "", &bank, cases[i].name);
    }
}

/* Shim looks at every signature, and logs each one's key; a hash comes before them all. */
static void test_signatures(void **state)
{
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    struct clo_digest digest;
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    set(&boot, "MokList", CLO_EFIVAR_BOOT, clo_buffer_bytes(&mok.list));
    make(&boot, (struct shim_parts){ .ident = NULL }, &mok, false);
    CHECK(clo_pe_parse(clo_buffer_bytes(&boot.uki), pe, &err), err.text);
    CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err), err.text);
    clo_buffer_append(&table, pe->certificates);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };
    CHECK(clo_authenticode_make(&digest, db.key, db.certificate, &second, &err), err.text);
    clo_authenticode_entry(clo_buffer_bytes(&second), &table);
    size_t at = pe->certificate_entry_offset;
    boot.uki.size = (size_t)pe->certificate_offset;
    clo_buffer_append(&boot.uki, clo_buffer_bytes(&table));
    clo_put_le32(boot.uki.data + at + 4, (uint32_t)table.size);
    struct clo_prediction in = from(&boot);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *both = predict(&in);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    struct clo_pcr_bank by_hash = bank;
    variable_event(&bank, "MokListRT", &clo_guid_shim_lock, entry_of(&mok.list));
    variable_event(&bank, "db", &clo_guid_image_security, entry_of(&db.list));
    is_value(both, 7, "", &bank, "two signatures");

    CHECK(clo_signature_list_add(&clo_guid_cert_sha256, &clo_guid_shim_lock,
                                 clo_digest_bytes(&digest), &lists, &err),
          err.text);
    in.mok_list = clo_buffer_bytes(&lists);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *hashed = predict(&in);
    variable_event(&by_hash, "MokListRT", &clo_guid_shim_lock, entry_of(&lists));
    is_value(hashed, 7, "", &by_hash, "its hash");
}

/* Stubs hand add-ons to shim, which starts one without .sbat; a key is logged once. */
static void test_addon(void **state)
{
    static const struct pe_section sections[] = { { ".text", { (const uint8_t *)"code", 4 } },
                                                  { ".cmdline", { (const uint8_t *)"x", 1 } } };
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer addon = { 0 };
    struct clo_pcr_bank bank;

    (void)state;
    set(&boot, "MokList", CLO_EFIVAR_BOOT, clo_buffer_bytes(&mok.list));
    make(&boot, (struct shim_parts){ .ident = NULL }, &mok, false);
    pe_make(&addon, sections, 2);
    sign(&addon, &mok, CLO_HASH_SHA256);
    const struct clo_companion companion = { .place = CLO_COMPANION_BESIDE,
                                             .name = "a.addon.efi",
                                             .data = clo_buffer_bytes(&addon) };
    struct clo_prediction in = from(&boot);
    in.companions = &companion;
    in.companion_count = 1;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&in);
    firmware_events(&bank, false);
    level_event(&bank, SHIM_AUTOMATIC);
    variable_event(&bank, "MokListRT", &clo_guid_shim_lock, entry_of(&mok.list));
    is_value(reference, 7, "", &bank, "PCR 7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_db),      cmocka_unit_test(test_by_mok),
        cmocka_unit_test(test_vendor),     cmocka_unit_test(test_vendor_certificate),
        cmocka_unit_test(test_variables),  cmocka_unit_test(test_level),
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_addon),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
