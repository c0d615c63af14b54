/* A TDX guest's registers, predicted: the frame. predict_tdx_firmware.c knows what firmware measures
 * of the machine, predict_tdx_boot.c what it starts and what that measures. */
#include "lib/predict/predict_tdx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/uki.h"
#include "lib/predict/predict.h"
#include "lib/reference/reference_internal.h"
#include "lib/uki/stub.h"

#define KERNEL_MEASURES_CC_1 6 /* Linux's EFI stub from 6.9 on */
#define KERNEL_MEASURES_CC_2 9

/* --- MRTD --- */

static void set_order(struct tdx_prediction *p, json_t *values, enum clo_tdx_page_order order,
                      const char *name)
{
    struct clo_digest digest;

    clo_tdvf_mrtd(p->tdvf, order, &digest);
    p->record.failed =
            json_object_set_new(values, name, clo_json_hex(clo_digest_bytes(&digest))) != 0 ||
            p->record.failed;
}

static void predict_mr_td(struct tdx_prediction *p)
{
    const struct clo_tdx_prediction *inputs = p->inputs;

    if (p->tdvf == NULL) {
        record_not_named(&p->record, "mr_td", "no firmware image was given");
        return;
    }
    json_t *values = json_object();
    if (!inputs->is_page_order_known || !inputs->is_two_pass)
        set_order(p, values, CLO_TDX_SINGLE_PASS, "single-pass");
    if (!inputs->is_page_order_known || inputs->is_two_pass)
        set_order(p, values, CLO_TDX_TWO_PASS, "two-pass");
    p->record.failed =
            json_object_set_new(p->record.values, "mr_td", values) != 0 || p->record.failed;
}

/* --- Inputs --- */

static bool read_firmware(struct tdx_prediction *p, struct clo_error *err)
{
    struct clo_bytes varstore = p->inputs->varstore;

    if (p->inputs->firmware.size > 0) {
        p->tdvf = malloc(sizeof *p->tdvf);
        if (p->tdvf == NULL)
            return clo_out_of_memory(err);
        if (!clo_tdvf_parse(p->inputs->firmware, p->tdvf, err)) {
            free(p->tdvf);
            p->tdvf = NULL;
            return clo_wrap(err, "firmware");
        }
        const struct clo_tdvf_section *cfv = clo_tdvf_find(p->tdvf, CLO_TDVF_CFV);
        if (cfv != NULL)
            p->cfv = cfv->data;
        if (cfv != NULL && varstore.size > cfv->memory_size)
            return clo_fail(err, CLO_ERR_USAGE,
                            "variable store of 0x%zx bytes: the firmware image has room for 0x%llx",
                            varstore.size, (unsigned long long)cfv->memory_size);
    }
    if (varstore.size > 0) {
        p->cfv = varstore;
        return clo_varstore_parse(varstore, &p->store, err) || clo_wrap(err, "variable store");
    }
    /* td-shim's and MigTD's have none in their configuration volume. MRTD does not depend on it. */
    if (p->cfv.size > 0 && !clo_varstore_parse(p->cfv, &p->store, &p->no_store)) {
        clo_wrap(&p->no_store, "firmware: CFV");
        p->cfv = clo_bytes(NULL, 0);
    }
    return true;
}

/* A kernel that does not say its release is taken for a new one. */
static bool measures_cc(struct clo_bytes kernel)
{
    char release[128];
    unsigned major;
    unsigned minor;

    if (!clo_kernel_release(kernel, release, sizeof release) ||
        sscanf(release, "%u.%u", &major, &minor) != 2)
        return true;
    return major > KERNEL_MEASURES_CC_1 ||
           (major == KERNEL_MEASURES_CC_1 && minor >= KERNEL_MEASURES_CC_2);
}

static bool read_uki(struct tdx_prediction *p, struct clo_error *err)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    const struct clo_prediction from = {
        .name = p->inputs->name,
        .uki = p->inputs->uki,
        .shim = p->inputs->shim,
        .disk_head = p->inputs->disk_head,
        .companions = p->inputs->companions,
        .companion_count = p->inputs->companion_count,
        .load_options = p->inputs->load_options,
        .varstore = p->inputs->is_secure_boot_absent ? clo_bytes(NULL, 0) : p->cfv,
        .is_secure_boot_off = p->inputs->is_secure_boot_absent,
        .banks = &bank,
        .bank_count = 1,
    };

    if (uki == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(p->inputs->uki, uki, err))
        return clo_wrap(err, "UKI");
    p->stub_measures = stub_does(uki->stub_version, STUB_MEASURES_CC);
    p->stub_measures_smbios = stub_does(uki->stub_version, STUB_MEASURES_SMBIOS);
    p->stub_hands_secret = stub_does(uki->stub_version, STUB_HANDS_SECRET);
    p->kernel_measures = measures_cc(clo_pe_section_find(&uki->pe, ".linux")->data);
    return clo_reference_predict(&from, &p->pcrs, err);
}

static bool check_given(const struct clo_tdx_prediction *inputs, struct clo_error *err)
{
    if (inputs->uki.size > 0 && inputs->kernel.size > 0)
        return clo_fail(err, CLO_ERR_USAGE, "a UKI and a kernel: which is started?");
    if (inputs->shim.size > 0 && inputs->uki.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "a shim without the UKI that it starts");
    if (inputs->kernel.size == 0 && (inputs->initrd.size > 0 || inputs->cmdline != NULL))
        return clo_fail(err, CLO_ERR_USAGE, "an initrd or a command line without a kernel");
    if (inputs->given != NULL && !clo_eventlog_is_ccel(inputs->given))
        return clo_fail(err, CLO_ERR_USAGE, "the log that is given is not a CCEL");
    return true;
}

/* Where it was not given, the log may tell: its TD HOB, of which there is one, is that of one size. */
static void find_memory(struct tdx_prediction *p)
{
    const struct clo_event *logged;
    size_t at = 0;

    p->memory = p->inputs->memory;
    while (p->memory == 0 && (logged = tdx_logged(p, 0, &at)) != NULL) {
        if (logged->type != CLO_EV_EFI_HANDOFF_TABLES2)
            continue;
        p->memory = tdx_find_memory(p, logged);
        return;
    }
}

static bool predict_all(struct tdx_prediction *p, struct clo_error *err)
{
    if (!check_given(p->inputs, err) || !read_firmware(p, err))
        return false;
    find_memory(p);
    if (p->inputs->uki.size > 0 && !read_uki(p, err))
        return false;
    if (p->inputs->kernel.size > 0)
        p->kernel_measures = measures_cc(p->inputs->kernel);
    predict_mr_td(p);
    if (!tdx_predict_rtmr0(p, err))
        return clo_wrap(err, "RTMR 0");
    if (!tdx_predict_rtmr1(p, err))
        return clo_wrap(err, "RTMR 1");
    if (!tdx_predict_rtmr2(p, err))
        return clo_wrap(err, "RTMR 2");
    record_set_value(&p->record, CLO_REGISTER_RTMR(3),
                     NULL); /* user space's; nothing before it extends it */
    return true;
}

static bool write_reference(struct tdx_prediction *p, const char *origin,
                            struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (json_object_size(p->record.not_predicted) > 0)
        json_object_set(p->record.values, "not_predicted", p->record.not_predicted);
    json = json_pack("{s:i, s:s, s:s, s:O, s:{}, s:O}", "cloister_reference", 1, "name",
                     p->inputs->name, "origin", origin, "events", p->record.events, "pcrs", "tdx",
                     p->record.values);
    if (json == NULL || p->record.failed)
        return clo_out_of_memory(err);
    if (p->inputs->created != NULL)
        json_object_set_new(json, "created", json_string(p->inputs->created));
    const json_t *uki =
            p->pcrs == NULL ? NULL : json_object_get(clo_reference_json(p->pcrs), "uki");
    if (uki != NULL)
        json_object_set_new(json, "uki", json_deep_copy(uki));
    /* Through the reader: what we write must be what we accept. */
    return clo_json_write(json, &text, err) &&
           clo_reference_parse(clo_buffer_bytes(&text), out, err);
}

bool clo_reference_predict_tdx(const struct clo_tdx_prediction *from, struct clo_reference **out,
                               struct clo_error *err)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    struct tdx_prediction p = { .inputs = from };

    record_begin(&p.record, &bank, 1);
    bool ok = predict_all(&p, err) && write_reference(&p, "prediction", out, err);
    record_free(&p.record);
    clo_reference_free(p.pcrs);
    clo_varstore_free(p.store);
    free(p.tdvf);
    return ok;
}

bool clo_reference_from_ccel(const char *name, const char *created, const struct clo_eventlog *log,
                             struct clo_reference **out, struct clo_error *err)
{
    const struct clo_tdx_prediction from = { .name = name, .created = created, .given = log };
    static const enum clo_hash bank = CLO_HASH_SHA384;
    struct tdx_prediction p = { .inputs = &from, .is_calibration = true };
    const struct clo_event *logged;

    if (!clo_eventlog_is_ccel(log))
        return clo_fail(err, CLO_ERR_USAGE, "the log is not a CCEL");
    record_begin(&p.record, &bank, 1);
    for (unsigned rtmr = 0; rtmr < CLO_RTMR_COUNT; rtmr++) {
        for (size_t at = 0; (logged = tdx_logged(&p, rtmr, &at)) != NULL;)
            tdx_take_logged(&p, rtmr, logged);
        record_set_value(&p.record, CLO_REGISTER_RTMR(rtmr), NULL);
    }
    bool ok = write_reference(&p, "calibration", out, err);
    record_free(&p.record);
    return ok;
}
