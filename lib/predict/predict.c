/* What OVMF, shim, systemd's stub and Linux's EFI stub measure of an image, event by event, as a reference
 * file: predict_firmware.c, predict_shim.c and predict_stub.c say what, record.c writes it down. */
#include "lib/predict/predict.h"

#include <stdlib.h>

#include "cloister/encoding.h"
#include "lib/predict/predict_shim.h"
#include "lib/uki/stub.h"

/* Of these the stub measures what the machine it runs on asks for. */
static bool check_sections(const struct clo_uki *uki, struct clo_error *err)
{
    static const char *const chosen_late[] = { ".dtbauto", ".efifw" };

    for (size_t i = 0; i < CLO_COUNT(chosen_late); i++)
        if (clo_pe_section_find(&uki->pe, chosen_late[i]) != NULL)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "PCR 11 of a UKI with %s depends on the machine", chosen_late[i]);
    return true;
}

static bool predict_all(struct prediction *p, struct clo_error *err)
{
    static const unsigned stubs[] = { 8, 9, 12, 13, 14 };

    predict_loader_unseen(p);
    if (p->uki != NULL && !check_sections(p->uki, err))
        return false;
    if (p->inputs->firmware.size > 0 && !predict_ovmf(p, err))
        return false;
    if (p->store != NULL) {
        if (!predict_7(p, err))
            return clo_wrap(err, "PCR 7");
        record_set_value(&p->record, 7, NULL);
    }
    if (!predict_4(p, err))
        return clo_wrap(err, "PCR 4");
    record_set_value(&p->record, 4, NULL);
    if (p->inputs->disk_head.size > 0) {
        if (!predict_5(p, err))
            return clo_wrap(err, "PCR 5");
        record_set_value(&p->record, 5, NULL);
    }
    if (!(p->loader.kind == LOADER_GRUB ? predict_grub(p, err)
          : p->kernel != NULL           ? predict_kernel(p, err)
                                        : predict_9_12_13(p, err)))
        return false;
    if (p->shim != NULL)
        shim_measure_lists(p);
    /* Nothing else may move these: a command line from SMBIOS, or companions that were not named. */
    for (size_t i = 0; i < CLO_COUNT(stubs); i++)
        record_set_value(&p->record, stubs[i], NULL);
    if (p->uki != NULL)
        predict_11(p);
    predict_15(p);
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
        record_set_text(json, "cmdline", cmdline->data);
    return json;
}

static json_t *describe_shim(const struct clo_prediction *inputs, const struct shim_boot *boot)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, inputs->shim, &digest);
    return json_pack("{s:o, s:s}", "sha256", clo_json_hex(clo_digest_bytes(&digest)), "version",
                     boot->shim.version);
}

static bool choose_banks(struct prediction *p, struct clo_error *err)
{
    static const enum clo_hash by_default[] = { CLO_HASH_SHA256 };
    const struct clo_prediction *inputs = p->inputs;
    const enum clo_hash *hashes = inputs->banks == NULL ? by_default : inputs->banks;

    size_t count = inputs->banks == NULL ? CLO_COUNT(by_default) : inputs->bank_count;

    if (count == 0 || count > RECORD_BANKS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu banks", count);
    if (inputs->volume_key_measurements != NULL && inputs->volume_key_count != count)
        return clo_fail(err, CLO_ERR_USAGE, "%zu volume key measurements for %zu banks",
                        inputs->volume_key_count, count);
    for (size_t i = 0; i < count; i++)
        if (clo_hash_size(hashes[i]) == 0)
            return clo_fail(err, CLO_ERR_USAGE, "no such bank");
    record_begin(&p->record, hashes, count);
    return true;
}

static void prediction_freep(struct prediction **p)
{
    if (*p != NULL) {
        companions_free(&(*p)->companions);
        shim_boot_free((*p)->shim);
        record_free(&(*p)->record);
        free((*p)->loader_pe);
        free((*p)->kernel);
        if ((*p)->script != NULL)
            grub_script_free((*p)->script);
        free((*p)->script);
        clo_buffer_free(&(*p)->passed);
    }
    free(*p);
}

/* A UKI, unless the loader starts a kernel. */
static bool read_uki(struct prediction *p, struct clo_uki *uki, struct clo_error *err)
{
    const struct clo_prediction *from = p->inputs;

    if (p->kernel != NULL || p->loader.kind == LOADER_GRUB)
        return true;
    if (!clo_uki_parse(from->uki, uki, err))
        return clo_wrap(err, "UKI");
    if (!stub_does(uki->stub_version, STUB_MEASURES))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "UKI: stub \"%s\": from systemd 252 on",
                        uki->stub);
    p->uki = uki;
    if (!predict_loader_passes(p, err))
        return clo_wrap(err, "boot loader");
    if (!predict_options(p, err))
        return clo_wrap(err, "UKI");
    return companions_parse(uki, from->companions, from->companion_count, &p->companions, err);
}

static json_t *describe_loader(const struct prediction *p)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, p->inputs->loader, &digest);
    return json_pack("{s:o, s:s}", "sha256", clo_json_hex(clo_digest_bytes(&digest)), "version",
                     p->loader.name);
}

bool clo_reference_predict(const struct clo_prediction *from, struct clo_reference **out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    CLO_CLEANUP(prediction_freep) struct prediction *p = calloc(1, sizeof *p);
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (uki == NULL || p == NULL)
        return clo_out_of_memory(err);
    p->inputs = from;
    p->is_secure_boot_on = !from->is_secure_boot_off;
    if (from->varstore.size > 0) {
        if (!clo_varstore_parse(from->varstore, &store, err))
            return clo_wrap(err, "variable store");
        p->store = store;
        p->is_secure_boot_on = predict_is_secure_boot_on(store);
    }
    if (from->shim.size == 0 && (from->mok_list.size > 0 || from->mok_list_x.size > 0))
        return clo_fail(err, CLO_ERR_USAGE, "MokList or MokListX, and no shim that reads them");
    if (from->shim.size > 0 && !shim_boot_read(p, &p->shim, err))
        return clo_wrap(err, "shim");
    if (!choose_banks(p, err))
        return false;
    if (!predict_loader_read(p, err))
        return clo_wrap(err, "boot loader");
    if (!read_uki(p, uki, err) || !predict_all(p, err))
        return false;
    json = json_pack("{s:i, s:s, s:s, s:o*, s:O, s:O}", "cloister_reference", 1, "name", from->name,
                     "origin", "prediction", "uki", p->uki == NULL ? NULL : describe_uki(from, uki),
                     "events", p->record.events, "pcrs", p->record.values);
    if (json == NULL || p->record.failed)
        return clo_out_of_memory(err);
    if (from->created != NULL)
        json_object_set_new(json, "created", json_string(from->created));
    if (from->host_inputs != NULL)
        json_object_set_new(json, "host_inputs", json_deep_copy(from->host_inputs));
    if (p->shim != NULL)
        json_object_set_new(json, "shim", describe_shim(from, p->shim));
    if (p->loader_pe != NULL)
        json_object_set_new(json, "loader", describe_loader(p));
    if (json_object_size(p->record.not_predicted) > 0)
        json_object_set(json, "not_predicted", p->record.not_predicted);
    /* Through the reader: what we write must be what we accept. */
    return clo_json_write(json, &text, err) &&
           clo_reference_parse(clo_buffer_bytes(&text), out, err);
}
