/* What OVMF, systemd's stub and Linux's EFI stub measure of an image, event by event.
 *
 * TCG PC Client Platform Firmware Profile 1.06 section 3.3.4; edk2 (SecurityPkg Tcg2Dxe,
 * DxeTpm2MeasureBootLib); systemd TPM2_PCR_MEASUREMENTS and src/boot/cpio.c; Linux
 * drivers/firmware/efi/libstub/efi-stub-helper.c. */
#include "cloister/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/authenticode.h"
#include "cloister/efivar.h"
#include "cloister/gpt.h"
#include "cloister/uki.h"
#include "handover.h"

#define HASHES_MAX        4
#define TEXT_MAX          4096
#define STUB_LOADS_ITSELF 258 /* and no longer through LoadImage() */

struct prediction {
    const struct clo_prediction *inputs;
    enum clo_hash hashes[HASHES_MAX];
    size_t bank_count;
    struct clo_pcr_bank banks[HASHES_MAX];
    json_t *events; /* PCR → array */
    json_t *pcrs;   /* hash → PCR → value */
    bool failed;    /* out of memory while building JSON */
};

/* --- One event --- */

struct event {
    unsigned pcr;
    const char *type;
    const char *name;
    struct clo_bytes text; /* shown when it is short; may be empty */
    const char *phase;
};

static json_t *events_of(struct prediction *p, unsigned pcr)
{
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    json_t *list = json_object_get(p->events, key);
    if (list == NULL) {
        list = json_array();
        p->failed = json_object_set_new(p->events, key, list) != 0 || p->failed;
    }
    return list;
}

/* Only for people: left out where it is long, no UTF-8, or has a NUL inside. */
static void set_text(json_t *json, const char *key, struct clo_bytes text)
{
    while (text.size > 0 && text.data[text.size - 1] == 0)
        text.size--;
    if (text.size == 0 || text.size > TEXT_MAX || memchr(text.data, 0, text.size) != NULL)
        return;
    json_t *string = json_stringn((const char *)text.data, text.size);
    if (string != NULL)
        json_object_set_new(json, key, string);
}

/* Extends every bank by its digest, and writes the event down. */
static void extend(struct prediction *p, const struct event *event,
                   const struct clo_digest *digests)
{
    json_t *values = json_object();
    json_t *json = json_pack("{s:s, s:s, s:o}", "type", event->type, "name", event->name, "digests",
                             values);

    for (size_t i = 0; i < p->bank_count; i++) {
        clo_pcr_extend(&p->banks[i], event->pcr, &digests[i]);
        p->failed = json_object_set_new(values, clo_hash_name(digests[i].hash),
                                        clo_json_hex(clo_digest_bytes(&digests[i]))) != 0 ||
                    p->failed;
    }
    set_text(json, "text", event->text);
    if (event->phase != NULL)
        json_object_set_new(json, "from", json_string(event->phase));
    p->failed = json_array_append_new(events_of(p, event->pcr), json) != 0 || p->failed;
}

static void measure(struct prediction *p, const struct event *event, const struct clo_bytes *parts,
                    size_t count)
{
    struct clo_digest digests[HASHES_MAX];

    for (size_t i = 0; i < p->bank_count; i++)
        clo_hash_many(p->hashes[i], parts, count, &digests[i]);
    extend(p, event, digests);
}

static void measure_text(struct prediction *p, unsigned pcr, const char *type, const char *name,
                         const char *text)
{
    struct clo_bytes bytes = clo_bytes_text(text);
    struct event event = { .pcr = pcr, .type = type, .name = name, .text = bytes };

    measure(p, &event, &bytes, 1);
}

static void measure_separator(struct prediction *p, unsigned pcr)
{
    static const uint8_t zeros[4];
    struct clo_bytes bytes = clo_bytes(zeros, sizeof zeros);
    struct event event = { .pcr = pcr, .type = "EV_SEPARATOR", .name = "separator" };

    measure(p, &event, &bytes, 1);
}

/* --- PCR 4: what firmware starts --- */

static bool measure_image(struct prediction *p, const struct clo_pe *pe, const char *name,
                          struct clo_error *err)
{
    struct clo_digest digests[HASHES_MAX];
    struct event event = { .pcr = 4, .type = "EV_EFI_BOOT_SERVICES_APPLICATION", .name = name };

    for (size_t i = 0; i < p->bank_count; i++)
        if (!clo_authenticode_digest(pe, p->hashes[i], &digests[i], err))
            return clo_wrap(err, "%s", name);
    extend(p, &event, digests);
    return true;
}

/* The inner kernel goes through LoadImage() in stubs before 258. With Secure Boot on, the stub's
 * override answers before the firmware's measuring handler does; with it off, nothing overrides. */
static bool predict_4(struct prediction *p, const struct clo_uki *uki, bool secure_boot,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *kernel = NULL;

    measure_text(p, 4, "EV_EFI_ACTION", "boot attempt", "Calling EFI Application from Boot Option");
    measure_separator(p, 4);
    if (!measure_image(p, &uki->pe, "UKI", err))
        return false;
    if (secure_boot || uki->stub_version >= STUB_LOADS_ITSELF)
        return true;
    kernel = malloc(sizeof *kernel);
    if (kernel == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_pe_parse(clo_pe_section_find(&uki->pe, ".linux")->data, kernel, err))
        return clo_wrap(err, ".linux");
    return measure_image(p, kernel, "the kernel inside the UKI", err);
}

/* --- PCR 5: the partition table, and leaving the firmware --- */

static bool predict_5(struct prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct event event = { .pcr = 5, .type = "EV_EFI_GPT_EVENT", .name = "partition table" };

    if (gpt == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_gpt_parse(p->inputs->disk_head, gpt, err) || !clo_gpt_event(gpt, &data, err))
        return false;
    struct clo_bytes bytes = clo_buffer_bytes(&data);
    measure_separator(p, 5);
    measure(p, &event, &bytes, 1);
    measure_text(p, 5, "EV_EFI_ACTION", "leaving the firmware", "Exit Boot Services Invocation");
    measure_text(p, 5, "EV_EFI_ACTION", "left the firmware",
                 "Exit Boot Services Returned with Success");
    return true;
}

/* --- PCR 7: Secure Boot's state and keys, and which of them let the UKI start --- */

/* UEFI_VARIABLE_DATA, section 10.4.2 of the profile. */
static bool variable_data(const char *name, const struct clo_guid *vendor, struct clo_bytes value,
                          struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };

    if (!clo_utf16_write(name, &wide, err))
        return false;
    clo_buffer_append(out, clo_bytes(vendor->bytes, sizeof vendor->bytes));
    clo_buffer_le64(out, wide.size / 2);
    clo_buffer_le64(out, value.size);
    clo_buffer_append(out, clo_buffer_bytes(&wide));
    clo_buffer_append(out, value);
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

static bool measure_variable(struct prediction *p, const char *type, const char *event_name,
                             const char *name, const struct clo_guid *vendor,
                             struct clo_bytes value, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct event event = { .pcr = 7, .type = type, .name = event_name };

    if (!variable_data(name, vendor, value, &data, err))
        return false;
    struct clo_bytes bytes = clo_buffer_bytes(&data);
    measure(p, &event, &bytes, 1);
    return true;
}

/* The db entry whose key signed the UKI: what firmware logs as the authority. */
static bool find_authority(const struct clo_uki *uki, struct clo_bytes db,
                           struct clo_signature_entry *out, struct clo_error *err)
{
    for (size_t i = 0; clo_signature_list_at(db, i, out, err); i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_error ignored;
        enum clo_hash hash;
        if (clo_guid_equal(&out->type, &clo_guid_cert_x509) &&
            clo_certificate_parse(out->data, &certificate, &ignored) &&
            clo_authenticode_verify(&uki->pe, certificate, &hash, &ignored))
            return true;
    }
    if (err->status != CLO_OK)
        return clo_wrap(err, "db");
    return clo_fail(err, CLO_ERR_REFUSED,
                    "the UKI is not signed by a key in the variable store's db: firmware would "
                    "refuse it");
}

static bool predict_7(struct prediction *p, const struct clo_uki *uki,
                      const struct clo_varstore *store, bool secure_boot, struct clo_error *err)
{
    const struct {
        const char *name;
        const struct clo_guid *vendor;
    } variables[] = {
        { "PK", &clo_guid_global_variable },
        { "KEK", &clo_guid_global_variable },
        { "db", &clo_guid_image_security },
        { "dbx", &clo_guid_image_security },
    };
    const char *type = "EV_EFI_VARIABLE_DRIVER_CONFIG";
    uint8_t state = secure_boot;
    struct clo_signature_entry authority;

    if (!measure_variable(p, type, "SecureBoot", "SecureBoot", &clo_guid_global_variable,
                          clo_bytes(&state, 1), err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(variables); i++) {
        const struct clo_efivar *variable =
                clo_varstore_find(store, variables[i].name, variables[i].vendor);
        struct clo_bytes value = variable == NULL ? clo_bytes(NULL, 0) : variable->data;
        if (!measure_variable(p, type, variables[i].name, variables[i].name, variables[i].vendor,
                              value, err))
            return false;
    }
    measure_separator(p, 7);
    if (!secure_boot)
        return true;
    const struct clo_efivar *db = clo_varstore_find(store, "db", &clo_guid_image_security);
    return find_authority(uki, db == NULL ? clo_bytes(NULL, 0) : db->data, &authority, err) &&
           measure_variable(p, "EV_EFI_VARIABLE_AUTHORITY",
                            "authority: the db entry of the UKI's key", "db",
                            &clo_guid_image_security, authority.whole, err);
}

/* --- PCR 9: what the kernel's own stub was handed --- */

static bool predict_9(struct prediction *p, const struct clo_uki *uki, struct clo_error *err)
{
    CLO_CLEANUP(handover_initrd_free) struct handover_initrd initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };

    if (!handover_cmdline(uki, &text, err) || !handover_initrd(uki, &initrd, err))
        return false;
    const char *string = clo_buffer_string(&text);
    if (string == NULL || !clo_utf16_write(string, &wide, err))
        return clo_fail(err, CLO_ERR_FORMAT, ".cmdline is no UTF-8");
    clo_buffer_le16(&wide, 0);
    if (!clo_buffer_ok(&wide))
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    struct event options = { .pcr = 9,
                             .type = "EV_EVENT_TAG",
                             .name = "kernel command line",
                             .text = clo_buffer_bytes(&text) };
    struct clo_bytes options_bytes = clo_buffer_bytes(&wide);
    measure(p, &options, &options_bytes, 1);
    struct event event = { .pcr = 9, .type = "EV_EVENT_TAG", .name = "initrd" };
    if (initrd.count > 0)
        measure(p, &event, initrd.parts, initrd.count);
    return true;
}

/* --- PCR 11: the UKI's sections, then the phases of the boot --- */

static void measure_phase(struct prediction *p, const char *word, const char *path)
{
    struct clo_bytes bytes = clo_bytes_text(word);
    char name[64];

    snprintf(name, sizeof name, "phase %s", word);
    struct event event = { .pcr = 11, .type = "phase", .name = name, .text = bytes, .phase = path };
    measure(p, &event, &bytes, 1);
}

static void predict_sections(struct prediction *p, const struct clo_uki *uki)
{
    const struct clo_pe_section *section;

    for (size_t i = 0; (section = clo_uki_measured(uki, i)) != NULL; i++) {
        char name[64];
        struct clo_bytes title = clo_bytes(section->name, strlen(section->name) + 1);
        snprintf(name, sizeof name, "name of section %s", section->name);
        struct event first = { .pcr = 11, .type = "EV_IPL", .name = name };
        measure(p, &first, &title, 1);
        snprintf(name, sizeof name, "section %s", section->name);
        bool is_text =
                strcmp(section->name, ".cmdline") == 0 || strcmp(section->name, ".uname") == 0;
        struct event second = { .pcr = 11,
                                .type = "EV_IPL",
                                .name = name,
                                .text = is_text ? section->data : clo_bytes(NULL, 0) };
        measure(p, &second, &section->data, 1);
    }
}

/* --- Values --- */

static void set_value(struct prediction *p, size_t bank, unsigned pcr, const char *phase)
{
    const char *hash = clo_hash_name(p->hashes[bank]);
    json_t *values = json_object_get(p->pcrs, hash);
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    json_t *value = clo_json_hex(clo_digest_bytes(&p->banks[bank].values[pcr]));
    if (phase == NULL) {
        p->failed = json_object_set_new(values, key, value) != 0 || p->failed;
        return;
    }
    json_t *phases = json_object_get(values, key);
    if (phases == NULL) {
        phases = json_object();
        p->failed = json_object_set_new(values, key, phases) != 0 || p->failed;
    }
    p->failed = json_object_set_new(phases, phase, value) != 0 || p->failed;
}

static void set_values(struct prediction *p, unsigned pcr, const char *phase)
{
    for (size_t i = 0; i < p->bank_count; i++)
        set_value(p, i, pcr, phase);
}

static void predict_11_and_15(struct prediction *p, const struct clo_uki *uki)
{
    static const struct {
        const char *word;
        const char *path;
    } phases[] = {
        { "enter-initrd", CLO_PHASE_ENTER_INITRD },
        { "leave-initrd", CLO_PHASE_LEAVE_INITRD },
        { "sysinit", CLO_PHASE_SYSINIT },
        { "ready", CLO_PHASE_READY },
    };

    predict_sections(p, uki);
    for (size_t i = 0; i < CLO_COUNT(phases); i++) {
        measure_phase(p, phases[i].word, phases[i].path);
        set_values(p, 11, phases[i].path);
    }
    if (p->inputs->volume_key_measurements == NULL)
        return;
    set_values(p, 15, CLO_PHASE_ENTER_INITRD);
    struct event event = { .pcr = 15,
                           .type = "volume-key",
                           .name = "volume key of the root",
                           .text = p->inputs->volume_key_text == NULL
                                           ? clo_bytes(NULL, 0)
                                           : clo_bytes_text(p->inputs->volume_key_text),
                           .phase = CLO_PHASE_LEAVE_INITRD };
    extend(p, &event, p->inputs->volume_key_measurements);
    set_values(p, 15, CLO_PHASE_LEAVE_INITRD);
}

static bool is_secure_boot_on(const struct clo_varstore *store)
{
    /* edk2: with a platform key and SecureBootEnable, the firmware enforces. */
    for (size_t i = 0; i < clo_varstore_count(store); i++) {
        const struct clo_efivar *variable = clo_varstore_at(store, i);
        if (strcmp(variable->name, "SecureBootEnable") == 0 && variable->data.size == 1)
            return variable->data.data[0] == 1 &&
                   clo_varstore_find(store, "PK", &clo_guid_global_variable) != NULL;
    }
    return false;
}

static bool predict_all(struct prediction *p, const struct clo_uki *uki, struct clo_error *err)
{
    static const unsigned empty[] = { 8, 12, 13, 14 };
    /* Of these the stub measures what the machine it runs on asks for. */
    static const char *const chosen_late[] = { ".dtbauto", ".efifw" };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    bool secure_boot = !p->inputs->is_secure_boot_off;

    for (size_t i = 0; i < CLO_COUNT(chosen_late); i++)
        if (clo_pe_section_find(&uki->pe, chosen_late[i]) != NULL)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "PCR 11 of a UKI with %s depends on the "
                            "machine",
                            chosen_late[i]);
    if (p->inputs->varstore.size > 0) {
        if (!clo_varstore_parse(p->inputs->varstore, &store, err))
            return clo_wrap(err, "variable store");
        secure_boot = is_secure_boot_on(store);
        if (!predict_7(p, uki, store, secure_boot, err))
            return clo_wrap(err, "PCR 7");
        set_values(p, 7, NULL);
    }
    if (!predict_4(p, uki, secure_boot, err))
        return clo_wrap(err, "PCR 4");
    set_values(p, 4, NULL);
    if (p->inputs->disk_head.size > 0) {
        if (!predict_5(p, err))
            return clo_wrap(err, "PCR 5");
        set_values(p, 5, NULL);
    }
    if (!predict_9(p, uki, err))
        return false;
    set_values(p, 9, NULL);
    predict_11_and_15(p, uki);
    /* The command line from SMBIOS, add-ons, credentials and extensions would move these. */
    for (size_t i = 0; i < CLO_COUNT(empty); i++) {
        (void)events_of(p, empty[i]);
        set_values(p, empty[i], NULL);
    }
    return true;
}

static json_t *describe_uki(const struct clo_prediction *inputs, const struct clo_uki *uki)
{
    const struct clo_pe_section *cmdline = clo_pe_section_find(&uki->pe, ".cmdline");
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, inputs->uki, &digest);
    json_t *json = json_pack("{s:o, s:s, s:I}", "sha256", clo_json_hex(clo_digest_bytes(&digest)),
                             "stub", uki->stub, "bytes", (json_int_t)inputs->uki.size);
    if (cmdline != NULL)
        set_text(json, "cmdline", cmdline->data);
    return json;
}

static bool choose_banks(struct prediction *p, struct clo_error *err)
{
    static const enum clo_hash by_default[] = { CLO_HASH_SHA256 };
    const struct clo_prediction *inputs = p->inputs;
    const enum clo_hash *hashes = inputs->banks == NULL ? by_default : inputs->banks;

    p->bank_count = inputs->banks == NULL ? CLO_COUNT(by_default) : inputs->bank_count;
    if (p->bank_count == 0 || p->bank_count > HASHES_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu banks", p->bank_count);
    if (inputs->volume_key_measurements != NULL && inputs->volume_key_count != p->bank_count)
        return clo_fail(err, CLO_ERR_USAGE, "%zu volume key measurements for %zu banks",
                        inputs->volume_key_count, p->bank_count);
    for (size_t i = 0; i < p->bank_count; i++) {
        if (clo_hash_size(hashes[i]) == 0)
            return clo_fail(err, CLO_ERR_USAGE, "no such bank");
        p->hashes[i] = hashes[i];
        clo_pcr_reset(&p->banks[i], hashes[i]);
        json_object_set_new(p->pcrs, clo_hash_name(hashes[i]), json_object());
    }
    return true;
}

bool clo_reference_predict(const struct clo_prediction *from, struct clo_reference **out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    CLO_CLEANUP(clo_freep) struct prediction *p = calloc(1, sizeof *p);
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (uki == NULL || p == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_uki_parse(from->uki, uki, err))
        return clo_wrap(err, "UKI");
    if (uki->stub_version < 252)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "UKI: stub \"%s\": from systemd 252 on",
                        uki->stub);
    p->inputs = from;
    p->events = json_object();
    p->pcrs = json_object();
    json = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o}", "cloister_reference", 1, "name", from->name,
                     "origin", "prediction", "uki", describe_uki(from, uki), "events", p->events,
                     "pcrs", p->pcrs);
    if (json == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (from->created != NULL)
        json_object_set_new(json, "created", json_string(from->created));
    if (!choose_banks(p, err) || !predict_all(p, uki, err))
        return false;
    if (p->failed)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    /* Through the reader: what we write must be what we accept. */
    return clo_json_write(json, &text, err) &&
           clo_reference_parse(clo_buffer_bytes(&text), out, err);
}
