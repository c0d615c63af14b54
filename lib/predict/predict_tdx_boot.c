/* RTMR 1: what firmware starts, and from which partition table. RTMR 2: what systemd's stub and Linux's
 * own measure of what they were handed; PCRs 8 to 15 of a machine with a TPM all collapse into it. */
#include "lib/predict/predict_tdx.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/authenticode.h"
#include "lib/launch/direct_boot.h"

#define ACTION "EV_EFI_ACTION"
#define IMAGE  "EV_EFI_BOOT_SERVICES_APPLICATION"
#define GPT    "EV_EFI_GPT_EVENT"

/* --- A kernel that QEMU starts --- */

static bool add_kernel(struct tdx_prediction *p, struct clo_error *err)
{
    const struct clo_tdx_prediction *inputs = p->inputs;
    const struct clo_direct_boot boot = { .kernel = inputs->kernel,
                                          .initrd_size = inputs->initrd.size,
                                          .memory = p->memory,
                                          .cmdline = inputs->cmdline };
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(1),
                                        .type = IMAGE,
                                        .name = "kernel" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer patched = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_bytes kernel = inputs->kernel;
    struct clo_digest digest;

    if (pe == NULL)
        return clo_out_of_memory(err);
    if (!inputs->is_header_unchanged) {
        if (!clo_direct_boot_kernel(&boot, &patched, err))
            return clo_wrap(err, "kernel");
        kernel = clo_buffer_bytes(&patched);
    }
    if (!clo_pe_parse(kernel, pe, err) ||
        !clo_authenticode_digest(pe, CLO_HASH_SHA384, &digest, err))
        return clo_wrap(err, "kernel");
    record_extend(&p->record, &event, &digest);
    return true;
}

/* With an initrd, QEMU's loader in OVMF adds to the command line how to ask for it. */
static bool add_kernel_inputs(struct tdx_prediction *p, struct clo_error *err)
{
    const char *cmdline = p->inputs->cmdline == NULL ? "" : p->inputs->cmdline;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };
    const struct record_event initrd = { .reg = CLO_REGISTER_RTMR(2),
                                         .type = "EV_EVENT_TAG",
                                         .name = "initrd" };

    for (const char *at = cmdline; *at != '\0'; at++)
        if ((*at & 0x80) != 0)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "the command line is not ASCII: what QEMU's loader in OVMF makes of "
                            "that was never seen");
    clo_buffer_text(&text, cmdline);
    if (p->inputs->initrd.size > 0)
        clo_buffer_text(&text, " initrd=initrd");
    const char *string = clo_buffer_string(&text);
    if (string == NULL || !clo_utf16_write(string, &wide, err))
        return clo_fail(err, CLO_ERR_USAGE, "the command line is not UTF-8");
    clo_buffer_le16(&wide, 0);
    if (!clo_buffer_ok(&wide))
        return clo_out_of_memory(err);
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(2),
                                        .type = "EV_EVENT_TAG",
                                        .name = "kernel command line",
                                        .text = clo_bytes_text(string) };
    record_bytes(&p->record, &event, clo_buffer_bytes(&wide));
    if (p->inputs->initrd.size > 0)
        record_bytes(&p->record, &initrd, p->inputs->initrd);
    return true;
}

/* --- RTMR 1 --- */

static void add_calling(struct tdx_prediction *p)
{
    record_text(&p->record, CLO_REGISTER_RTMR(1), ACTION, "boot attempt",
                "Calling EFI Application from Boot Option");
    if (!p->inputs->is_separator_in_rtmr0)
        record_separator(&p->record, CLO_REGISTER_RTMR(1));
}

static void add_leaving(struct tdx_prediction *p)
{
    record_text(&p->record, CLO_REGISTER_RTMR(1), ACTION, "leaving the firmware",
                "Exit Boot Services Invocation");
    record_text(&p->record, CLO_REGISTER_RTMR(1), ACTION, "left the firmware",
                "Exit Boot Services Returned with Success");
}

/* The partition table, and what is started from it. */
static void add_uki(struct tdx_prediction *p)
{
    tdx_take_pcr(p, 1, 5, ACTION, NULL);
    tdx_take_pcr(p, 1, 4, ACTION, NULL);
}

/* Actions and separators say all that is measured of them. */
static bool is_constant(const struct clo_event *logged)
{
    return (logged->type == CLO_EV_EFI_ACTION || logged->type == CLO_EV_SEPARATOR) &&
           clo_event_data_is_measured(logged, CLO_HASH_SHA384);
}

static void add_constant(struct tdx_prediction *p, const struct clo_event *logged)
{
    const struct record_event event = {
        .reg = CLO_REGISTER_RTMR(1),
        .type = clo_event_type_name(logged->type),
        .name = logged->type == CLO_EV_SEPARATOR ? "separator" : "action",
        .text = logged->type == CLO_EV_SEPARATOR ? clo_bytes(NULL, 0) : logged->data,
    };

    record_bytes(&p->record, &event, logged->data);
}

/* In the log's order: in place of the first image and the partition table before it comes ours, for
 * those after it nothing. */
static bool predict_1_from_log(struct tdx_prediction *p, struct clo_error *err)
{
    const struct clo_event *logged;
    bool is_started = false;

    for (size_t at = 0; (logged = tdx_logged(p, 1, &at)) != NULL;) {
        bool is_table = logged->type == CLO_EV_EFI_GPT_EVENT;
        if (is_constant(logged)) {
            add_constant(p, logged);
        } else if (is_table && p->pcrs != NULL && p->inputs->disk_head.size == 0) {
            tdx_take_logged(p, 1, logged);
        } else if (!is_table && logged->type != CLO_EV_EFI_BOOT_SERVICES_APPLICATION) {
            if (!is_started)
                tdx_take_logged(p, 1, logged);
        } else if (!is_started) {
            is_started = true;
            if (p->pcrs != NULL)
                add_uki(p);
            else if (!add_kernel(p, err))
                return false;
        }
    }
    if (!is_started)
        return clo_fail(err, CLO_ERR_USAGE,
                        "the log that is given shows no image that was started");
    record_set_value(&p->record, CLO_REGISTER_RTMR(1), NULL);
    return true;
}

/* All of a register as the log has it. */
static void take_register(struct tdx_prediction *p, unsigned rtmr)
{
    const struct clo_event *logged;

    for (size_t at = 0; (logged = tdx_logged(p, rtmr, &at)) != NULL;)
        tdx_take_logged(p, rtmr, logged);
    record_set_value(&p->record, CLO_REGISTER_RTMR(rtmr), NULL);
}

bool tdx_predict_rtmr1(struct tdx_prediction *p, struct clo_error *err)
{
    const struct clo_tdx_prediction *inputs = p->inputs;
    bool is_direct = inputs->kernel.size > 0;

    if (is_direct && !inputs->is_header_unchanged && p->memory == 0) {
        record_not(&p->record, CLO_REGISTER_RTMR(1),
                   "QEMU tells the kernel where the initrd is, which depends on the "
                   "memory's size: it was not given");
        return true;
    }
    if (p->pcrs == NULL && !is_direct) {
        if (inputs->given != NULL)
            take_register(p, 1);
        else
            record_not(&p->record, CLO_REGISTER_RTMR(1), "neither a UKI nor a kernel was given");
        return true;
    }
    if (inputs->given != NULL)
        return predict_1_from_log(p, err);
    if (!is_direct && inputs->disk_head.size == 0) {
        record_not(&p->record, CLO_REGISTER_RTMR(1),
                   "the partition table of the disk it starts from is measured, and was "
                   "not given");
        return true;
    }
    if (is_direct && !add_kernel(p, err)) /* loaded, and so measured, before it is an attempt */
        return false;
    add_calling(p);
    if (!is_direct)
        add_uki(p);
    add_leaving(p);
    record_set_value(&p->record, CLO_REGISTER_RTMR(1), NULL);
    return true;
}

/* --- RTMR 2 --- */

bool tdx_predict_rtmr2(struct tdx_prediction *p, struct clo_error *err)
{
    static const unsigned stub_pcrs[] = { 11, 12, 13 };
    static const unsigned kernel_pcrs[] = { 8, 9 };

    if (p->pcrs != NULL && p->kernel_measures && p->stub_hands_secret) {
        record_not(
                &p->record, CLO_REGISTER_RTMR(2),
                "the initrd has a secret that systemd's stub keeps for each machine, from 262 on");
        return true;
    }
    if (p->pcrs != NULL) {
        if (p->inputs->shim.size > 0)
            tdx_take_pcr(p, 2, 14, NULL, NULL);
        for (size_t i = 0; p->stub_measures && i < CLO_COUNT(stub_pcrs); i++)
            tdx_take_pcr(p, 2, stub_pcrs[i], NULL, NULL);
        for (size_t i = 0; p->kernel_measures && i < CLO_COUNT(kernel_pcrs); i++)
            tdx_take_pcr(p, 2, kernel_pcrs[i], NULL, NULL);
    } else if (p->inputs->kernel.size > 0) {
        if (p->kernel_measures && !add_kernel_inputs(p, err))
            return false;
    } else if (p->inputs->given != NULL) {
        take_register(p, 2);
        return true;
    } else {
        record_not(&p->record, CLO_REGISTER_RTMR(2), "neither a UKI nor a kernel was given");
        return true;
    }
    record_set_value(&p->record, CLO_REGISTER_RTMR(2), NULL);
    return true;
}
