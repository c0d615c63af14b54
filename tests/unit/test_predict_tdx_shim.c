/* RTMRs of a boot through shim: registers and order as in published logs of such guests. */
#include "lib/disk/gpt.h"

#include "eventlog_maker.h"
#include "shim_boot_maker.h"

static const enum clo_hash sha384 = CLO_HASH_SHA384;

static void is_rtmr(const struct clo_reference *reference, unsigned rtmr,
                    const struct clo_pcr_bank *bank)
{
    char name[CLO_REGISTER_NAME];
    struct clo_digest value;

    clo_register_name(CLO_REGISTER_RTMR(rtmr), name);
    CHECK(clo_reference_value(reference, sha384, CLO_REGISTER_RTMR(rtmr), "", &value), name);
    CHECK(clo_digest_equal(&value, &bank->values[rtmr]), name);
}

static void image(struct clo_pcr_bank *bank, struct clo_bytes file)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_digest digest;
    struct clo_error err;

    CHECK(clo_pe_parse(file, pe, &err), err.text);
    CHECK(clo_authenticode_digest(pe, sha384, &digest, &err), err.text);
    clo_pcr_extend(bank, 1, &digest);
}

/* What variable_event() measures into PCR 7, into RTMR 0. */
static void authority(struct clo_pcr_bank *bank, const char *name, const struct clo_guid *vendor,
                      struct clo_bytes value)
{
    bank->values[7] = bank->values[0];
    variable_event(bank, name, vendor, value);
    bank->values[0] = bank->values[7];
}

static void test_shim(void **state)
{
    static const char action[] = "Calling EFI Application from Boot Option";
    CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    static const uint8_t zeros[32];
    struct clo_reference_event event;
    struct clo_pcr_bank bank;
    struct clo_error err;
    size_t count = 0;

    (void)state;
    set(&boot, "MokList", CLO_EFIVAR_BOOT, clo_buffer_bytes(&mok.list));
    make(&boot, (struct shim_parts){ .ident = NULL }, &mok, false);
    log_header(&file, &sha384, 1);
    log_event_of(&file, 2, CLO_EV_EFI_ACTION, &sha384, 1, clo_bytes_text(action),
                 clo_bytes_text(action));
    log_event_of(&file, 1, CLO_EV_EFI_VARIABLE_AUTHORITY, &sha384, 1, clo_bytes_text("other"),
                 clo_bytes_text("other"));
    log_event_of(&file, 2, CLO_EV_EFI_BOOT_SERVICES_APPLICATION, &sha384, 1, clo_bytes_text("x"),
                 clo_bytes_text("x"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), err.text);
    struct clo_tdx_prediction in = { .name = "shim",
                                     .uki = clo_buffer_bytes(&boot.uki),
                                     .shim = clo_buffer_bytes(&boot.shim),
                                     .varstore = clo_buffer_bytes(&boot.store),
                                     .given = log };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CHECK(clo_reference_predict_tdx(&in, &reference, &err), err.text);
    clo_pcr_reset(&bank, sha384);
    authority(&bank, "db", &clo_guid_image_security,
              clo_bytes_slice(clo_buffer_bytes(&db.list), 28, db.list.size));
    authority(&bank, "SbatLevel", &clo_guid_shim_lock, clo_bytes_text(SHIM_AUTOMATIC));
    authority(&bank, "MokListRT", &clo_guid_shim_lock,
              clo_bytes_slice(clo_buffer_bytes(&mok.list), 28, mok.list.size));
    is_rtmr(reference, 0, &bank);
    clo_pcr_measure(&bank, 1, clo_bytes_text(action));
    image(&bank, clo_buffer_bytes(&boot.shim));
    image(&bank, clo_buffer_bytes(&boot.uki));
    is_rtmr(reference, 1, &bank);
    CHECK(clo_signature_list_add(&clo_guid_cert_sha256, &clo_guid_shim_lock, clo_bytes(zeros, 32),
                                 &none, &err),
          err.text);
    clo_pcr_measure(&bank, 2, clo_buffer_bytes(&mok.list));
    clo_pcr_measure(&bank, 2, clo_buffer_bytes(&none));
    clo_pcr_measure(&bank, 2, clo_bytes("\1", 1));
    for (; clo_reference_event_at(reference, CLO_REGISTER_RTMR(2), "", count, &event); count++)
        if (count >= 3)
            clo_pcr_extend(&bank, 2, &event.digests[0]);
    is_rtmr(reference, 2, &bank);
    CHECK(count > 3, "then the stub's");

    struct clo_reference *nothing = NULL;
    in.uki = clo_bytes(NULL, 0);
    CHECK(!clo_reference_predict_tdx(&in, &nothing, &err), "nothing that it starts");
    CHECK(strcmp(err.text, "a shim without the UKI that it starts") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shim),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
