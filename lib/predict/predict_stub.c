/* What systemd's stub and Linux's EFI stub measure of an image: systemd TPM2_PCR_MEASUREMENTS and
 * src/boot/cpio.c; Linux drivers/firmware/efi/libstub/efi-stub-helper.c. */
#include "lib/predict/predict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/predict/handover.h"
#include "lib/uki/stub.h"

/* --- Command lines: what the boot entry passes in, the UKI's own, and the add-ons' --- */

/* "@1 quiet": a profile, and a command line in place of the UKI's. */
bool predict_options(struct prediction *p, struct clo_error *err)
{
    const char *text = p->inputs->load_options == NULL ? "" : p->inputs->load_options;
    if (p->passed.size > 0)
        text = clo_buffer_string(&p->passed);
    size_t digits = *text == '@' ? strspn(text + 1, "0123456789") : 0;
    size_t profiles = p->uki->profile_count == 0 ? 1 : p->uki->profile_count;

    p->options = text;
    if (digits > 0 && stub_does(p->uki->stub_version, STUB_KNOWS_PROFILES) &&
        (text[1 + digits] == ' ' || text[1 + digits] == '\0')) {
        p->profile = digits > 9 ? SIZE_MAX : strtoul(text + 1, NULL, 10);
        p->options = text + 1 + digits + (text[1 + digits] == ' ');
    }
    if (p->profile >= profiles)
        return clo_fail(err, CLO_ERR_USAGE, "load options \"%.32s\": the UKI has %zu profiles",
                        text, profiles);
    /* Under Secure Boot the UKI's own wins, where it has one. */
    if (p->is_secure_boot_on && clo_uki_section(p->uki, p->profile, ".cmdline") != NULL)
        p->options = "";
    return true;
}

/* UTF-16 with its NUL, which is part of what is hashed. */
static bool widen(struct clo_buffer *text, struct clo_buffer *wide, struct clo_error *err)
{
    const char *string = clo_buffer_string(text);

    if (string == NULL || !clo_utf16_write(string, wide, err))
        return clo_fail(err, CLO_ERR_FORMAT, "the command line is not UTF-8");
    clo_buffer_le16(wide, 0);
    return clo_buffer_ok(wide) || clo_out_of_memory(err);
}

bool predict_wide(struct prediction *p, unsigned pcr, const char *type, const char *name,
                  struct clo_buffer *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };

    if (!widen(text, &wide, err))
        return false;
    struct record_event event = {
        .reg = pcr, .type = type, .name = name, .text = clo_buffer_bytes(text)
    };
    struct clo_bytes bytes = clo_buffer_bytes(&wide);
    record_bytes(&p->record, &event, bytes);
    return true;
}

/* Measures what comes on top of the UKI into PCR 12, and gives the whole. */
static bool settle_cmdline(struct prediction *p, struct clo_buffer *whole, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer added = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer profile = { 0 };

    if (p->passed.size > 0 &&
        !predict_wide(p, 12, "EV_IPL", "command line that the boot loader passes", &p->passed, err))
        return false;
    if (p->profile != 0) {
        clo_buffer_printf(&profile, "%zu", p->profile);
        if (!predict_wide(p, 12, "EV_EVENT_TAG", "profile", &profile, err))
            return false;
    }
    handover_clean(clo_bytes_text(p->options), p->uki->stub_version, whole);
    if (whole->size > 0) {
        if (!predict_wide(p, 12, "EV_IPL", "command line of the boot entry", whole, err))
            return false;
    } else if (!handover_cmdline(p->uki, p->profile, whole, err)) {
        return false;
    }
    if (!companions_cmdline(&p->companions, &added, err))
        return false;
    if (added.size == 0)
        return true;
    if (!predict_wide(p, 12, "EV_IPL", "command line of the add-ons", &added, err))
        return false;
    if (whole->size > 0)
        clo_buffer_u8(whole, ' ');
    clo_buffer_append(whole, clo_buffer_bytes(&added));
    return clo_buffer_ok(whole) || clo_out_of_memory(err);
}

/* --- PCRs 12 and 13: companions --- */

static void measure_section(struct prediction *p, const struct companion_addon *addon,
                            const char *section)
{
    const struct clo_pe_section *found = clo_pe_section_find(&addon->pe, section);
    char name[300];

    if (!addon->is_applied || found == NULL || found->data.size == 0)
        return;
    snprintf(name, sizeof name, "%s of add-on %s", section, addon->name);
    struct record_event event = { .reg = 12, .type = "EV_EVENT_TAG", .name = name };
    record_bytes(&p->record, &event, found->data);
}

static void measure_companions(struct prediction *p)
{
    const struct companions *companions = &p->companions;

    for (size_t i = 0; i < COMPANION_ARCHIVES; i++) {
        const struct companion_archive *archive = &companions->archives[i];
        struct clo_bytes bytes = clo_buffer_bytes(&archive->bytes);
        struct record_event event = { .reg = archive->pcr,
                                      .type = "EV_IPL",
                                      .name = archive->name };
        if (bytes.size > 0)
            record_bytes(&p->record, &event, bytes);
    }
    for (size_t i = companions->addon_count; i-- > 0;)
        measure_section(p, &companions->addons[i], ".ucode");
    for (size_t i = 0; i < companions->addon_count; i++)
        measure_section(p, &companions->addons[i], ".initrd");
}

/* --- PCR 9: what the kernel's own stub was handed --- */

bool predict_9_12_13(struct prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(handover_initrd_free) struct handover_initrd initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cmdline = { 0 };
    struct record_event event = { .reg = 9, .type = "EV_EVENT_TAG", .name = "initrd" };

    if (!settle_cmdline(p, &cmdline, err))
        return false;
    if (stub_does(p->uki->stub_version, STUB_HANDS_SECRET)) {
        measure_companions(p);
        record_not(
                &p->record, 9,
                "the initrd has a secret that systemd's stub keeps for each machine, from 262 on");
        return true;
    }
    if (!handover_initrd(p->uki, p->profile, &p->companions, &initrd, err) ||
        !predict_wide(p, 9, "EV_EVENT_TAG", "kernel command line", &cmdline, err))
        return false;
    measure_companions(p);
    if (initrd.count > 0)
        record_measure(&p->record, &event, initrd.parts, initrd.count);
    return true;
}

/* --- PCR 11: the UKI's sections, then the phases of the boot --- */

static void measure_phase(struct prediction *p, const char *word, const char *path)
{
    struct clo_bytes bytes = clo_bytes_text(word);
    char name[64];

    snprintf(name, sizeof name, "phase %s", word);
    struct record_event event = {
        .reg = 11, .type = "phase", .name = name, .text = bytes, .phase = path
    };
    record_bytes(&p->record, &event, bytes);
}

static void predict_sections(struct prediction *p)
{
    const struct clo_pe_section *section;

    for (size_t i = 0; (section = clo_uki_measured_in(p->uki, p->profile, i)) != NULL; i++) {
        char name[64];
        struct clo_bytes title = clo_bytes(section->name, strlen(section->name) + 1);
        snprintf(name, sizeof name, "name of section %s", section->name);
        struct record_event first = { .reg = 11, .type = "EV_IPL", .name = name };
        record_bytes(&p->record, &first, title);
        snprintf(name, sizeof name, "section %s", section->name);
        bool is_text =
                strcmp(section->name, ".cmdline") == 0 || strcmp(section->name, ".uname") == 0;
        struct record_event second = { .reg = 11,
                                       .type = "EV_IPL",
                                       .name = name,
                                       .text = is_text ? section->data : clo_bytes(NULL, 0) };
        record_bytes(&p->record, &second, section->data);
    }
}

void predict_11(struct prediction *p)
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

    predict_sections(p);
    for (size_t i = 0; i < CLO_COUNT(phases); i++) {
        measure_phase(p, phases[i].word, phases[i].path);
        record_set_value(&p->record, 11, phases[i].path);
    }
}

/* --- PCR 15: the volume key, by which a disk is known --- */

void predict_15(struct prediction *p)
{
    if (p->inputs->volume_key_measurements == NULL)
        return;
    record_set_value(&p->record, 15, CLO_PHASE_ENTER_INITRD);
    struct record_event event = { .reg = 15,
                                  .type = "volume-key",
                                  .name = "volume key of the root",
                                  .text = p->inputs->volume_key_text == NULL
                                                  ? clo_bytes(NULL, 0)
                                                  : clo_bytes_text(p->inputs->volume_key_text),
                                  .phase = CLO_PHASE_LEAVE_INITRD };
    record_extend(&p->record, &event, p->inputs->volume_key_measurements);
    record_set_value(&p->record, 15, CLO_PHASE_LEAVE_INITRD);
}
