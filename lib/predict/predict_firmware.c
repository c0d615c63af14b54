/* What OVMF measures of an image: TCG PC Client Platform Firmware Profile 1.06 section 3.3.4; edk2
 * (SecurityPkg Tcg2Dxe, DxeTpm2MeasureBootLib). */
#include "lib/predict/predict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/signature_list.h"
#include "lib/disk/gpt.h"
#include "lib/predict/predict_shim.h"
#include "lib/uki/stub.h"

/* --- PCR 4: what firmware starts --- */

static bool measure_image(struct prediction *p, const struct clo_pe *pe, const char *name,
                          struct clo_error *err)
{
    struct clo_digest digests[RECORD_BANKS_MAX];
    struct record_event event = { .reg = 4,
                                  .type = "EV_EFI_BOOT_SERVICES_APPLICATION",
                                  .name = name };

    for (size_t i = 0; i < p->record.bank_count; i++)
        if (!clo_authenticode_digest(pe, p->record.hashes[i], &digests[i], err))
            return clo_wrap(err, "%s", name);
    record_extend(&p->record, &event, digests);
    return true;
}

/* By shim, once or twice, which checks it for GRUB. */
static bool measure_grub_kernel(struct prediction *p, struct clo_error *err)
{
    for (unsigned i = 0; i < predict_grub_kernel_logs(p); i++)
        if (!measure_image(p, p->kernel, "kernel", err))
            return false;
    return true;
}

/* The inner kernel goes through LoadImage() in stubs before 258. With Secure Boot on, the stub's
 * override answers before the firmware's measuring handler does; with it off, nothing overrides. Where
 * shim has put its own LoadImage() in place, that knows the kernel as a part of the UKI, and does not
 * measure it either. Add-ons always do, before the kernel. */
bool predict_4(struct prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *kernel = NULL;

    record_text(&p->record, 4, "EV_EFI_ACTION", "boot attempt",
                "Calling EFI Application from Boot Option");
    record_separator(&p->record, 4);
    if (p->shim != NULL && !measure_image(p, &p->shim->shim.pe, "shim", err))
        return false;
    if (p->loader_pe != NULL && !measure_image(p, p->loader_pe, "boot loader", err))
        return false;
    if (p->loader.kind == LOADER_GRUB)
        return measure_grub_kernel(p, err);
    if (p->kernel != NULL)
        return measure_image(p, p->kernel, "kernel", err);
    if (!measure_image(p, &p->uki->pe, "UKI", err))
        return false;
    for (size_t i = 0; i < p->companions.addon_count; i++) {
        const struct companion_addon *addon = &p->companions.addons[i];
        char name[300];
        snprintf(name, sizeof name, "add-on %s", addon->name);
        if (!measure_image(p, &addon->pe, name, err))
            return false;
    }
    if (p->is_secure_boot_on || stub_does(p->uki->stub_version, STUB_LOADS_ITSELF))
        return true;
    kernel = malloc(sizeof *kernel);
    if (kernel == NULL)
        return clo_out_of_memory(err);
    if (!clo_pe_parse(clo_pe_section_find(&p->uki->pe, ".linux")->data, kernel, err))
        return clo_wrap(err, ".linux");
    return measure_image(p, kernel, "the kernel inside the UKI", err);
}

/* --- PCR 5: the partition table, and leaving the firmware --- */

bool predict_5(struct prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct record_event event = { .reg = 5, .type = "EV_EFI_GPT_EVENT", .name = "partition table" };

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(p->inputs->disk_head, gpt, err) || !clo_gpt_event(gpt, &data, err))
        return false;
    struct clo_bytes bytes = clo_buffer_bytes(&data);
    event.data = bytes;
    record_separator(&p->record, 5);
    record_bytes(&p->record, &event, bytes);
    predict_loader_conf(p);
    record_text(&p->record, 5, "EV_EFI_ACTION", "leaving the firmware",
                "Exit Boot Services Invocation");
    record_text(&p->record, 5, "EV_EFI_ACTION", "left the firmware",
                "Exit Boot Services Returned with Success");
    return true;
}

/* --- PCR 7: Secure Boot's state and keys, and which of them let the UKI start --- */

static bool is_made_by(const struct clo_authenticode_signature *signature,
                       const struct clo_signature_entry *entry)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error ignored;

    return clo_guid_equal(&entry->type, &clo_guid_cert_x509) &&
           clo_certificate_parse(entry->data, &certificate, &ignored) &&
           clo_authenticode_signature_verify(signature, certificate, &ignored);
}

/* The db entry that firmware logs as the authority: of the first signature whose key is there. */
static bool find_authority(const struct clo_pe *pe, struct clo_bytes db,
                           struct clo_signature_entry *out, struct clo_error *err)
{
    struct clo_authenticode_walk signatures = clo_authenticode_walk(pe->certificates);
    struct clo_authenticode_signature signature;
    struct clo_digest digest;
    enum clo_next next;

    while ((next = predict_signature_next(&signatures, &signature, err)) == CLO_NEXT_ITEM) {
        if (!clo_authenticode_digest(pe, signature.digest.hash, &digest, err))
            return false;
        if (!clo_digest_equal(&digest, &signature.digest))
            continue;
        struct clo_signature_walk walk = clo_signature_walk(db);
        enum clo_next entry;
        while ((entry = clo_signature_next(&walk, out, err)) == CLO_NEXT_ITEM)
            if (is_made_by(&signature, out))
                return true;
        if (entry == CLO_NEXT_FAILED)
            return clo_wrap(err, "db");
    }
    if (next == CLO_NEXT_FAILED)
        return false;
    return clo_fail(err, CLO_ERR_REFUSED,
                    "not signed by a key in the variable store's db: firmware would refuse it");
}

/* What firmware starts itself. */
static bool measure_authority(struct prediction *p, struct authorities *authorities,
                              const struct clo_pe *pe, const char *name, struct clo_error *err)
{
    const struct clo_efivar *db = clo_varstore_find(p->store, "db", &clo_guid_image_security);
    struct clo_signature_entry authority;
    char text[300];

    if (!find_authority(pe, db == NULL ? clo_bytes(NULL, 0) : db->data, &authority, err))
        return clo_wrap(err, "%s", name);
    snprintf(text, sizeof text, "authority: the db entry of the %s's key", name);
    const struct predict_variable variable = { .type = CLO_EV_EFI_VARIABLE_AUTHORITY,
                                               .title = text,
                                               .name = "db",
                                               .vendor = &clo_guid_image_security,
                                               .value = authority.whole };
    return predict_authority(p, authorities, &variable, err) || clo_wrap(err, "%s", name);
}

static bool measure_addons(struct prediction *p, struct authorities *authorities,
                           struct clo_error *err)
{
    for (size_t i = 0; i < p->companions.addon_count; i++) {
        const struct companion_addon *addon = &p->companions.addons[i];
        char name[300];
        snprintf(name, sizeof name, "add-on %s", addon->name);
        if (!(p->shim != NULL ? shim_measure_authority(p, &addon->pe, name, true, err)
                              : measure_authority(p, authorities, &addon->pe, name, err)))
            return false;
    }
    return true;
}

static bool measure_state(struct prediction *p, struct clo_error *err)
{
    uint8_t is_on = p->is_secure_boot_on;

    for (size_t i = 0; i < PREDICT_SECURE_VARIABLES; i++) {
        const struct secure_variable *one = &predict_secure_variables[i];
        const struct clo_efivar *found = clo_varstore_find(p->store, one->name, one->vendor);
        if (found == NULL && one->is_optional)
            continue;
        struct predict_variable variable = { .type = CLO_EV_EFI_VARIABLE_DRIVER_CONFIG,
                                             .title = one->name,
                                             .name = one->name,
                                             .vendor = one->vendor,
                                             .value = found == NULL ? clo_bytes(NULL, 0)
                                                                    : found->data };
        if (i == 0)
            variable.value = clo_bytes(&is_on, 1);
        if (!predict_variable(p, &variable, err))
            return false;
    }
    record_separator(&p->record, 7);
    return true;
}

bool predict_7(struct prediction *p, struct clo_error *err)
{
    struct authorities authorities = { .count = 0 };

    if (!measure_state(p, err))
        return false;
    if (p->shim != NULL) {
        if (p->is_secure_boot_on &&
            !measure_authority(p, &authorities, &p->shim->shim.pe, "shim", err))
            return false;
        if (!shim_measure_variables(p, err))
            return false;
        if (p->loader.kind == LOADER_GRUB)
            return p->script == NULL ||
                   (shim_measure_authority(p, p->loader_pe, "boot loader", false, err) &&
                    shim_measure_authority(p, p->kernel, "kernel", true, err));
        return shim_measure_authority(p, &p->uki->pe, "UKI", false, err) &&
               measure_addons(p, &authorities, err);
    }
    if (!p->is_secure_boot_on || p->loader.kind == LOADER_GRUB) /* not predicted without shim */
        return true;
    if (p->loader_pe != NULL &&
        !measure_authority(p, &authorities, p->loader_pe, "boot loader", err))
        return false;
    if (p->kernel != NULL)
        return measure_authority(p, &authorities, p->kernel, "kernel", err);
    return measure_authority(p, &authorities, &p->uki->pe, "UKI", err) &&
           measure_addons(p, &authorities, err);
}

bool predict_is_secure_boot_on(const struct clo_varstore *store)
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
