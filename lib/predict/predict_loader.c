/* What a boot through systemd-boot measures in addition: loader.conf into PCR 5, and what it passes to what it
 * starts into PCR 12 (systemd, src/boot/boot.c, measure.c; TPM2_PCR_MEASUREMENTS). */
#include "lib/predict/predict.h"

#include <stdlib.h>
#include <string.h>

#include "lib/predict/handover.h"

/* Which entry is started may be said there, too: 4a67b082-0a4c-41cf-b6c7-440b29bb8c4f. */
static const struct clo_guid loader_vendor = { { 0x82, 0xb0, 0x67, 0x4a, 0x4c, 0x0a, 0xcf, 0x41,
                                                 0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f } };

static bool check_choice(const struct prediction *p, struct clo_error *err)
{
    static const char *const names[] = { "LoaderEntryDefault", "LoaderEntryOneShot",
                                         "LoaderEntryPreferred", "LoaderEntrySysFail",
                                         "LoaderConfigTimeoutOneShot" };

    for (size_t i = 0; p->store != NULL && i < CLO_COUNT(names); i++)
        if (clo_varstore_find(p->store, names[i], &loader_vendor) != NULL)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "variable %s: it may choose another entry than the disk says",
                            names[i]);
    return true;
}

static bool parse_image(struct clo_bytes in, struct clo_pe **out, struct clo_error *err)
{
    *out = malloc(sizeof **out);
    if (*out == NULL)
        return clo_out_of_memory(err);
    return clo_pe_parse(in, *out, err);
}

bool predict_loader_read(struct prediction *p, struct clo_error *err)
{
    const struct clo_prediction *in = p->inputs;

    if (in->loader.size == 0)
        return (in->kernel.size == 0 && in->loader_conf.size == 0) ||
               clo_fail(err, CLO_ERR_USAGE, "a kernel or loader.conf, and no boot loader");
    if (!parse_image(in->loader, &p->loader_pe, err))
        return false;
    loader_recognise(p->loader_pe, &p->loader);
    if (in->kernel.size > 0 && !parse_image(in->kernel, &p->kernel, err))
        return clo_wrap(err, "kernel");
    if (p->loader.kind == LOADER_GRUB)
        return predict_grub_read(p, err);
    if (p->loader.kind != LOADER_SYSTEMD_BOOT)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "is neither systemd-boot nor GRUB");
    if (in->shim.size > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s, started by shim: what the two measure was never seen", p->loader.name);
    if (in->kernel.size == 0 && in->load_options != NULL && in->load_options[0] != '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s with load options was never seen",
                        p->loader.name);
    return check_choice(p, err);
}

/* A UKI's own command line as this loader hands it over; empty: it hands over none. */
bool predict_loader_passes(struct prediction *p, struct clo_error *err)
{
    const struct clo_pe_section *section = clo_uki_section(p->uki, 0, ".cmdline");

    if (p->loader_pe == NULL || !loader_does(p->loader.version, LOADER_PASSES_CMDLINE))
        return true;
    if (p->uki->profile_count > 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s with profiles of a UKI was never seen",
                        p->loader.name);
    if (section == NULL)
        return true;
    handover_clean(section->data, p->uki->stub_version, &p->passed);
    for (size_t i = 0; i < p->passed.size; i++)
        if (p->passed.data[i] < ' ' || p->passed.data[i] > '~')
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            ".cmdline is not ASCII: what %s makes of it was never seen",
                            p->loader.name);
    return clo_buffer_string(&p->passed) != NULL || clo_out_of_memory(err);
}

void predict_loader_conf(struct prediction *p)
{
    struct clo_bytes conf = p->inputs->loader_conf;
    const struct record_event event = {
        .reg = 5, .type = "EV_EVENT_TAG", .name = "loader.conf", .text = conf
    };

    if (p->loader.kind == LOADER_SYSTEMD_BOOT && conf.size > 0 &&
        loader_does(p->loader.version, LOADER_MEASURES_CONF))
        record_bytes(&p->record, &event, conf);
}

/* Of a release that nobody booted for this, images and keys are known, and nothing else. */
void predict_loader_unseen(struct prediction *p)
{
    static const unsigned registers[] = { 1, 5, 9, 12 };
    bool is_firmware_given = p->inputs->firmware.size > 0;
    char why[160];

    if (p->loader.kind != LOADER_SYSTEMD_BOOT || loader_was_seen(p->loader.version))
        return;
    snprintf(why, sizeof why,
             "what %s measures was never seen in a boot: 252, 257 and 262 are known",
             p->loader.name);
    for (size_t i = is_firmware_given ? 0 : 1; i < CLO_COUNT(registers); i++)
        record_not(&p->record, registers[i], why);
}

/* A kernel that the loader starts itself: its options are what the loader measures, and the kernel too. */
bool predict_kernel(struct prediction *p, struct clo_error *err)
{
    static const struct record_event initrd = { .reg = 9,
                                                .type = "EV_EVENT_TAG",
                                                .name = "initrd" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer options = { 0 };

    clo_buffer_text(&options, p->inputs->load_options);
    if (!predict_wide(p, 12, "EV_IPL", "options of the boot loader's entry", &options, err) ||
        !predict_wide(p, 9, "EV_EVENT_TAG", "kernel command line", &options, err))
        return false;
    record_bytes(&p->record, &initrd, p->inputs->initrd);
    record_not(&p->record, 11, "without systemd's stub it is left to what the initrd measures");
    return true;
}
