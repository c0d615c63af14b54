/* What systemd's stub and Linux's EFI stub measure of an image: systemd TPM2_PCR_MEASUREMENTS and
 * src/boot/cpio.c; Linux drivers/firmware/efi/libstub/efi-stub-helper.c. */
#include "predict.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "handover.h"

/* --- PCR 9: what the kernel's own stub was handed --- */

bool predict_9(struct prediction *p, const struct clo_uki *uki, struct clo_error *err)
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
    struct predict_event options = { .pcr = 9,
                                     .type = "EV_EVENT_TAG",
                                     .name = "kernel command line",
                                     .text = clo_buffer_bytes(&text) };
    struct clo_bytes options_bytes = clo_buffer_bytes(&wide);
    predict_measure(p, &options, &options_bytes, 1);
    struct predict_event event = { .pcr = 9, .type = "EV_EVENT_TAG", .name = "initrd" };
    if (initrd.count > 0)
        predict_measure(p, &event, initrd.parts, initrd.count);
    return true;
}

/* --- PCR 11: the UKI's sections, then the phases of the boot --- */

static void measure_phase(struct prediction *p, const char *word, const char *path)
{
    struct clo_bytes bytes = clo_bytes_text(word);
    char name[64];

    snprintf(name, sizeof name, "phase %s", word);
    struct predict_event event = {
        .pcr = 11, .type = "phase", .name = name, .text = bytes, .phase = path
    };
    predict_measure(p, &event, &bytes, 1);
}

static void predict_sections(struct prediction *p, const struct clo_uki *uki)
{
    const struct clo_pe_section *section;

    for (size_t i = 0; (section = clo_uki_measured(uki, i)) != NULL; i++) {
        char name[64];
        struct clo_bytes title = clo_bytes(section->name, strlen(section->name) + 1);
        snprintf(name, sizeof name, "name of section %s", section->name);
        struct predict_event first = { .pcr = 11, .type = "EV_IPL", .name = name };
        predict_measure(p, &first, &title, 1);
        snprintf(name, sizeof name, "section %s", section->name);
        bool is_text =
                strcmp(section->name, ".cmdline") == 0 || strcmp(section->name, ".uname") == 0;
        struct predict_event second = { .pcr = 11,
                                        .type = "EV_IPL",
                                        .name = name,
                                        .text = is_text ? section->data : clo_bytes(NULL, 0) };
        predict_measure(p, &second, &section->data, 1);
    }
}

void predict_11(struct prediction *p, const struct clo_uki *uki)
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
        predict_set_values(p, 11, phases[i].path);
    }
}

/* --- PCR 15: the volume key, by which a disk is known --- */

void predict_15(struct prediction *p)
{
    if (p->inputs->volume_key_measurements == NULL)
        return;
    predict_set_values(p, 15, CLO_PHASE_ENTER_INITRD);
    struct predict_event event = { .pcr = 15,
                                   .type = "volume-key",
                                   .name = "volume key of the root",
                                   .text = p->inputs->volume_key_text == NULL
                                                   ? clo_bytes(NULL, 0)
                                                   : clo_bytes_text(p->inputs->volume_key_text),
                                   .phase = CLO_PHASE_LEAVE_INITRD };
    predict_extend(p, &event, p->inputs->volume_key_measurements);
    predict_set_values(p, 15, CLO_PHASE_LEAVE_INITRD);
}
