/* Each register against what its profile says, worked out here a second time from single extends. The
 * VM tests hold the same predictions against firmware, stub and kernel that really measure. */
#include "cloister/authenticode.h"
#include "cloister/reference.h"
#include "lib/disk/gpt.h"

#include "predict_maker.h"
#include "uki_maker.h"

static const struct clo_uki_parts parts = {
    .osrel = { (const uint8_t *)"ID=x", 4 },
    .cmdline = { (const uint8_t *)"quiet", 5 },
    .initrd = { (const uint8_t *)"an initrd", 9 },
    .kernel = { (const uint8_t *)"kernel", 6 },
};

/* Stub 252: .uname and .sbat are not measured yet, and nothing is added to the initrd. */
static void test_user_space(void **state)
{
    static const char *const phases[][2] = {
        { "enter-initrd", CLO_PHASE_ENTER_INITRD },
        { "leave-initrd", CLO_PHASE_LEAVE_INITRD },
        { "sysinit", CLO_PHASE_SYSINIT },
        { "ready", CLO_PHASE_READY },
    };
    static const enum clo_hash hashes[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    const struct {
        const char *name;
        struct clo_bytes data;
    } sections[] = { { ".linux", parts.kernel },
                     { ".osrel", parts.osrel },
                     { ".cmdline", parts.cmdline },
                     { ".initrd", parts.initrd } };

    (void)state;
    uki_make(&uki, 252, parts);
    const struct clo_prediction from = {
        .name = "demo", .uki = clo_buffer_bytes(&uki), .banks = hashes, .bank_count = 2
    };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    for (size_t b = 0; b < CLO_COUNT(hashes); b++) {
        struct clo_pcr_bank bank;
        clo_pcr_reset(&bank, hashes[b]);
        for (size_t i = 0; i < CLO_COUNT(sections); i++) {
            clo_pcr_measure(&bank, 11, clo_bytes(sections[i].name, strlen(sections[i].name) + 1));
            clo_pcr_measure(&bank, 11, sections[i].data);
        }
        for (size_t i = 0; i < CLO_COUNT(phases); i++) {
            clo_pcr_measure(&bank, 11, clo_bytes_text(phases[i][0]));
            is_value(reference, 11, phases[i][1], &bank, phases[i][1]);
        }
        clo_pcr_measure(&bank, 9, clo_bytes("q\0u\0i\0e\0t\0\0\0", 12));
        clo_pcr_measure(&bank, 9, parts.initrd);
        is_value(reference, 9, "", &bank, "PCR 9");
        is_value(reference, 8, "", &bank, "PCR 8");
        is_value(reference, 12, "", &bank, "PCR 12: nothing from the host");
        is_value(reference, 13, "", &bank, "PCR 13");
        is_value(reference, 14, "", &bank, "PCR 14");
    }
    struct clo_digest none;
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 5, "", &none), "no disk was given");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 7, "", &none), "no variables were");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 15, "", &none), "no key was");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 0, "", &none), "of firmware nothing");
}

/* The kernel inside goes through LoadImage() only in stubs before 258, and only where Secure Boot is
 * off. */
static void test_programs(void **state)
{
    static const struct {
        unsigned version;
        bool is_off, measures_kernel;
    } cases[] = { { 257, false, false }, { 257, true, true }, { 258, true, false } };
    static const struct pe_section inner[] = { { ".text", { (const uint8_t *)"kernel", 6 } } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    struct clo_uki_parts with_kernel = parts;

    (void)state;
    pe_make(&kernel, inner, 1);
    with_kernel.kernel = clo_buffer_bytes(&kernel);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
        struct clo_pcr_bank bank;
        struct clo_digest digest;
        struct clo_error err;
        uki_make(&uki, cases[i].version, with_kernel);
        const struct clo_prediction from = { .name = "demo",
                                             .uki = clo_buffer_bytes(&uki),
                                             .is_secure_boot_off = cases[i].is_off };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        clo_pcr_reset(&bank, CLO_HASH_SHA256);
        clo_pcr_measure(&bank, 4, clo_bytes_text("Calling EFI Application from Boot Option"));
        clo_pcr_measure(&bank, 4, clo_bytes("\0\0\0\0", 4));
        CHECK(clo_pe_parse(clo_buffer_bytes(&uki), pe, &err), err.text);
        CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err), err.text);
        clo_pcr_extend(&bank, 4, &digest);
        if (cases[i].measures_kernel) {
            CHECK(clo_pe_parse(clo_buffer_bytes(&kernel), pe, &err), err.text);
            CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err), err.text);
            clo_pcr_extend(&bank, 4, &digest);
        }
        is_value(reference, 4, "", &bank, "PCR 4");
    }
}

/* From 262 on the stub puts a secret of the machine's into the initrd, which PCR 9 covers: no value is
 * better than a wrong one. */
static void test_boot_secret(void **state)
{
    static const struct {
        unsigned version;
        bool is_told;
    } cases[] = { { 257, true }, { 261, true }, { 262, false }, { 263, false } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        struct clo_reference_event event;
        struct clo_digest value;
        uki_make(&uki, cases[i].version, parts);
        const struct clo_prediction from = { .name = "demo", .uki = clo_buffer_bytes(&uki) };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        const json_t *why = json_object_get(
                json_object_get(clo_reference_json(reference), "not_predicted"), "9");
        CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 9, "", &value) == cases[i].is_told,
              "value");
        CHECK(clo_reference_lists_events(reference, 9) == cases[i].is_told, "events");
        CHECK((why == NULL) == cases[i].is_told, "why");
        CHECK(why == NULL || strstr(json_string_value(why), "a secret") != NULL, "why");
        CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 12, "", &value) &&
                      clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_ENTER_INITRD,
                                          &value) &&
                      clo_reference_event_at(reference, 11, CLO_PHASE_ENTER_INITRD, 0, &event),
              "the others");
    }
}

static void test_partition_table(void **state)
{
    static const struct clo_guid disk = { { 1 } };
    const struct clo_gpt_partition esp = {
        .type = clo_gpt_type_esp, .first_lba = 2048, .last_lba = 4000, .name = "esp"
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer event = { 0 };
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    uki_make(&uki, 257, parts);
    CHECK(clo_gpt_write(&disk, 8192, &esp, 1, &head, &tail, &err), err.text);
    const struct clo_prediction from = { .name = "demo",
                                         .uki = clo_buffer_bytes(&uki),
                                         .disk_head = clo_buffer_bytes(&head) };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    clo_buffer_append(&event, clo_bytes(head.data + 512, 92));
    clo_buffer_le64(&event, 1);
    clo_buffer_append(&event, clo_bytes(head.data + 1024, 128));
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_measure(&bank, 5, clo_bytes("\0\0\0\0", 4));
    clo_pcr_measure(&bank, 5, clo_buffer_bytes(&event));
    clo_pcr_measure(&bank, 5, clo_bytes_text("Exit Boot Services Invocation"));
    clo_pcr_measure(&bank, 5, clo_bytes_text("Exit Boot Services Returned with Success"));
    is_value(reference, 5, "", &bank, "PCR 5");
}

/* --- PCR 7 --- */

/* The state, and PK, KEK and db of the same lists; dbx is empty. */
static void start_pcr_7(struct clo_pcr_bank *bank, const uint8_t *state, struct clo_bytes lists)
{
    clo_pcr_reset(bank, CLO_HASH_SHA256);
    variable_event(bank, "SecureBoot", &clo_guid_global_variable, clo_bytes(state, 1));
    variable_event(bank, "PK", &clo_guid_global_variable, lists);
    variable_event(bank, "KEK", &clo_guid_global_variable, lists);
    variable_event(bank, "db", &clo_guid_image_security, lists);
    variable_event(bank, "dbx", &clo_guid_image_security, clo_bytes(NULL, 0));
}

static void test_secure_boot(void **state)
{
    static const uint8_t on[] = { 1 };
    CLO_CLEANUP(owner_free) struct owner owner = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signed_uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer variables = { 0 };
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    owner_make(&owner);
    enroll(&owner, &variables);
    uki_make(&uki, 257, parts);
    uki_make(&signed_uki, 257, parts);
    CHECK(clo_authenticode_sign(&signed_uki, owner.key, owner.certificate, CLO_HASH_SHA256, &err),
          err.text);
    struct clo_prediction from = { .name = "demo",
                                   .uki = clo_buffer_bytes(&signed_uki),
                                   .varstore = clo_buffer_bytes(&variables) };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    struct clo_bytes list = clo_buffer_bytes(&owner.list);
    start_pcr_7(&bank, on, list);
    clo_pcr_measure(&bank, 7, clo_bytes("\0\0\0\0", 4));
    variable_event(&bank, "db", &clo_guid_image_security, clo_bytes_slice(list, 28, list.size));
    is_value(reference, 7, "", &bank, "PCR 7");

    /* The database of timestamps is measured where there is one. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer with_dbt = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    const struct clo_efivar dbt = { .name = "dbt",
                                    .vendor = clo_guid_image_security,
                                    .attributes = CLO_EFIVAR_SECURE,
                                    .data = list };
    CHECK(clo_varstore_parse(from.varstore, &store, &err), err.text);
    CHECK(clo_varstore_write(store, &dbt, 1, &with_dbt, &err), err.text);
    from.varstore = clo_buffer_bytes(&with_dbt);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *timed = predict(&from);
    start_pcr_7(&bank, on, list);
    variable_event(&bank, "dbt", &clo_guid_image_security, list);
    clo_pcr_measure(&bank, 7, clo_bytes("\0\0\0\0", 4));
    variable_event(&bank, "db", &clo_guid_image_security, clo_bytes_slice(list, 28, list.size));
    is_value(timed, 7, "", &bank, "PCR 7 with dbt");

    /* A UKI that this firmware would not start has no prediction. */
    struct clo_reference *none = NULL;
    from.uki = clo_buffer_bytes(&uki);
    CHECK(!clo_reference_predict(&from, &none, &err) && none == NULL, "unsigned");
    CHECK(err.status == CLO_ERR_REFUSED && strncmp(err.text, "PCR 7: UKI: not signed", 22) == 0,
          err.text);
}

static void test_secure_boot_off(void **state)
{
    static const uint8_t off[] = { 0 };
    static const struct pe_section inner[] = { { ".text", { (const uint8_t *)"kernel", 6 } } };
    CLO_CLEANUP(owner_free) struct owner nobody = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer variables = { 0 };
    struct clo_uki_parts with_kernel = parts;
    struct clo_pcr_bank bank;

    (void)state;
    pe_make(&kernel, inner, 1);
    with_kernel.kernel = clo_buffer_bytes(&kernel);
    enroll(&nobody, &variables);
    uki_make(&uki, 257, with_kernel);
    const struct clo_prediction from = { .name = "demo",
                                         .uki = clo_buffer_bytes(&uki),
                                         .varstore = clo_buffer_bytes(&variables) };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    start_pcr_7(&bank, off, clo_bytes(NULL, 0));
    clo_pcr_measure(&bank, 7, clo_bytes("\0\0\0\0", 4));
    is_value(reference, 7, "", &bank, "PCR 7, without an authority");
}

static void test_volume_key(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_pcr_bank bank;
    struct clo_digest measurement;

    (void)state;
    uki_make(&uki, 257, parts);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("measured"), &measurement);
    const struct clo_prediction from = { .name = "demo",
                                         .uki = clo_buffer_bytes(&uki),
                                         .volume_key_measurements = &measurement,
                                         .volume_key_count = 1,
                                         .volume_key_text = "cryptsetup:root:UUID" };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    is_value(reference, 15, CLO_PHASE_ENTER_INITRD, &bank, "before the disk is opened");
    clo_pcr_extend(&bank, 15, &measurement);
    is_value(reference, 15, CLO_PHASE_LEAVE_INITRD, &bank, "and after");
}

static void test_refused(void **state)
{
    static const enum clo_hash none[] = { CLO_HASH_NONE };
    static const struct pe_section late[] = {
        { ".sdmagic", { (const uint8_t *)PE_SDMAGIC, sizeof PE_SDMAGIC } },
        { ".linux", { (const uint8_t *)"kernel", 6 } },
        { ".cmdline", { (const uint8_t *)"quiet", 5 } },
        { ".dtbauto", { (const uint8_t *)"tree", 4 } },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer old = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer no_cmdline = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer with_dtb = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer good = { 0 };
    struct clo_digest digest = { .hash = CLO_HASH_SHA256 };

    (void)state;
    uki_make(&old, 251, parts);
    uki_make(&no_cmdline, 257, (struct clo_uki_parts){ .kernel = parts.kernel });
    uki_make(&good, 257, parts);
    pe_make(&with_dtb, late, CLO_COUNT(late));
    const struct {
        struct clo_prediction from;
        const char *error;
    } cases[] = {
        { { .uki = clo_bytes_text("text") }, "UKI: is not a PE file: \"MZ\" is missing" },
        { { .uki = clo_buffer_bytes(&old) },
          "UKI: stub \"systemd-stub 251.1\": from systemd 252 "
          "on" },
        { { .uki = clo_buffer_bytes(&no_cmdline) },
          "the UKI has no .cmdline: what starts it chooses the command line" },
        { { .uki = clo_buffer_bytes(&with_dtb) },
          "PCR 11 of a UKI with .dtbauto depends on the machine" },
        { { .uki = clo_buffer_bytes(&good), .banks = none, .bank_count = 1 }, "no such bank" },
        { { .uki = clo_buffer_bytes(&good), .banks = none, .bank_count = 0 }, "0 banks" },
        { { .uki = clo_buffer_bytes(&good),
            .volume_key_measurements = &digest,
            .volume_key_count = 2 },
          "2 volume key measurements for 1 banks" },
        { { .uki = clo_buffer_bytes(&good), .disk_head = clo_bytes_text("short") },
          "PCR 5: GPT: 5 bytes, at least 17408 needed" },
        { { .uki = clo_buffer_bytes(&good), .varstore = clo_bytes_text("short") },
          "variable store: no firmware volume with variables" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_prediction from = cases[i].from;
        struct clo_reference *reference = NULL;
        struct clo_error err;
        from.name = "demo";
        CHECK(!clo_reference_predict(&from, &reference, &err) && reference == NULL, cases[i].error);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* --- What a boot entry passes: profiles and command lines --- */

/* A UKI of two profiles: sections of the second hide those of the base. */
static void make_profiles(unsigned version, struct clo_buffer *out)
{
    char magic[80];

    snprintf(magic, sizeof magic, "#### LoaderInfo: systemd-stub %u.1 ####", version);
    const struct pe_section sections[] = {
        { ".sdmagic", clo_bytes_text(magic) },      { ".linux", clo_bytes_text("kernel") },
        { ".cmdline", clo_bytes_text("quiet") },    { ".profile", clo_bytes_text("ID=main") },
        { ".profile", clo_bytes_text("ID=debug") }, { ".cmdline", clo_bytes_text("debug") },
    };
    pe_make(out, sections, CLO_COUNT(sections));
}

static void measure_sections(struct clo_pcr_bank *bank, const char *cmdline, const char *profile)
{
    const struct {
        const char *name;
        const char *data;
    } sections[] = { { ".linux", "kernel" }, { ".cmdline", cmdline }, { ".profile", profile } };

    for (size_t i = 0; i < CLO_COUNT(sections); i++) {
        clo_pcr_measure(bank, 11, clo_bytes(sections[i].name, strlen(sections[i].name) + 1));
        clo_pcr_measure(bank, 11, clo_bytes_text(sections[i].data));
    }
    clo_pcr_measure(bank, 11, clo_bytes_text("enter-initrd"));
}

static void test_load_options(void **state)
{
    static const struct {
        const char *options;
        bool is_off;         /* Secure Boot */
        const char *section; /* the .cmdline that PCR 11 has */
        const char *profile;
        const char *wide; /* what PCR 12 is extended with, UTF-16 with its NUL; NULL: nothing */
        size_t wide_size;
        bool is_tag;
        const char *kernel; /* the kernel's command line, first letter of it */
    } cases[] = {
        { NULL, false, "quiet", "ID=main", NULL, 0, false, "q" },
        { "@0", false, "quiet", "ID=main", NULL, 0, false, "q" },
        { "@1", false, "debug", "ID=debug", "1\0\0", 4, true, "d" },
        { "x", false, "quiet", "ID=main", NULL, 0, false, "q" }, /* the UKI's own wins */
        { "x", true, "quiet", "ID=main", "x\0\0", 4, false, "x" },
        { "@1x", true, "quiet", "ID=main", "@\0001\0x\0\0", 8, false, "@" }, /* no profile */
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };

    (void)state;
    make_profiles(258, &uki);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct clo_prediction from = { .name = "demo",
                                             .uki = clo_buffer_bytes(&uki),
                                             .load_options = cases[i].options,
                                             .is_secure_boot_off = cases[i].is_off };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        const char *name = cases[i].options == NULL ? "none" : cases[i].options;
        struct clo_reference_event event;
        struct clo_pcr_bank bank;
        clo_pcr_reset(&bank, CLO_HASH_SHA256);
        measure_sections(&bank, cases[i].section, cases[i].profile);
        is_value(reference, 11, CLO_PHASE_ENTER_INITRD, &bank, name);
        if (cases[i].wide != NULL)
            clo_pcr_measure(&bank, 12, clo_bytes(cases[i].wide, cases[i].wide_size));
        is_value(reference, 12, "", &bank, name);
        CHECK(clo_reference_event_at(reference, 12, "", 0, &event) == (cases[i].wide != NULL),
              name);
        if (cases[i].wide != NULL)
            CHECK((strcmp(event.type, "EV_EVENT_TAG") == 0) == cases[i].is_tag, event.type);
        CHECK(clo_reference_event_at(reference, 9, "", 0, &event), name);
        CHECK(event.text != NULL && event.text[0] == cases[i].kernel[0], event.text);
    }
}

/* Stubs before 257 see one list of sections, and of two of a name 256 takes the first, older ones the
 * last. */
static void test_old_stubs(void **state)
{
    static const struct {
        unsigned version;
        const char *cmdline;
    } cases[] = { { 252, "debug" }, { 255, "debug" }, { 256, "quiet" } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        struct clo_pcr_bank bank;
        make_profiles(cases[i].version, &uki);
        const struct clo_prediction from = { .name = "demo", .uki = clo_buffer_bytes(&uki) };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        clo_pcr_reset(&bank, CLO_HASH_SHA256);
        clo_pcr_measure(&bank, 11, clo_bytes(".linux", 7));
        clo_pcr_measure(&bank, 11, clo_bytes_text("kernel"));
        clo_pcr_measure(&bank, 11, clo_bytes(".cmdline", 9));
        clo_pcr_measure(&bank, 11, clo_bytes_text(cases[i].cmdline));
        clo_pcr_measure(&bank, 11, clo_bytes_text("enter-initrd"));
        is_value(reference, 11, CLO_PHASE_ENTER_INITRD, &bank, cases[i].cmdline);
    }
}

static void test_load_options_refused(void **state)
{
    static const struct {
        unsigned version;
        const char *options, *error;
    } cases[] = {
        { 258, "@2", "UKI: load options \"@2\": the UKI has 2 profiles" },
        { 258, "@99999999999 x", "UKI: load options \"@99999999999 x\": the UKI has 2 profiles" },
        { 256, "@1", NULL }, /* to a stub without profiles no more than a word */
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_error err;
        make_profiles(cases[i].version, &uki);
        const struct clo_prediction from = { .name = "demo",
                                             .uki = clo_buffer_bytes(&uki),
                                             .load_options = cases[i].options };
        bool ok = clo_reference_predict(&from, &reference, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].options);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* Companions move PCRs 12 and 13, and are in the kernel's initrd. */
static void test_companions(void **state)
{
    static const struct clo_companion items[] = {
        { CLO_COMPANION_BESIDE, "a.cred", { (const uint8_t *)"1", 1 } },
        { CLO_COMPANION_BESIDE, "b.raw", { (const uint8_t *)"2", 1 } },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_digest without[3];
    struct clo_digest with[3];

    (void)state;
    uki_make(&uki, 258, parts);
    struct clo_prediction from = { .name = "demo", .uki = clo_buffer_bytes(&uki) };
    for (int pass = 0; pass < 2; pass++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        static const unsigned pcrs[] = { 9, 12, 13 };
        for (size_t i = 0; i < CLO_COUNT(pcrs); i++)
            CHECK(clo_reference_value(reference, CLO_HASH_SHA256, pcrs[i], "",
                                      pass == 0 ? &without[i] : &with[i]),
                  "value");
        if (pass == 1) {
            struct clo_reference_event event;
            CHECK(clo_reference_event_at(reference, 12, "", 0, &event) &&
                          strcmp(event.name, "Credentials initrd") == 0,
                  event.name);
            CHECK(clo_reference_event_at(reference, 13, "", 0, &event) &&
                          strcmp(event.name, "System extension initrd") == 0,
                  event.name);
        }
        from.companions = items;
        from.companion_count = CLO_COUNT(items);
    }
    for (size_t i = 0; i < CLO_COUNT(with); i++)
        CHECK(!clo_digest_equal(&with[i], &without[i]), "moves");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_space),           cmocka_unit_test(test_programs),
        cmocka_unit_test(test_boot_secret),          cmocka_unit_test(test_partition_table),
        cmocka_unit_test(test_secure_boot),          cmocka_unit_test(test_secure_boot_off),
        cmocka_unit_test(test_volume_key),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_load_options),         cmocka_unit_test(test_old_stubs),
        cmocka_unit_test(test_load_options_refused), cmocka_unit_test(test_companions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
