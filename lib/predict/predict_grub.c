/* What a boot through shim and GRUB measures: PCR 8, each command and the kernel's command line; PCR 9, each
 * file that is read, and what the kernel was handed; PCR 4, the kernel, which shim checks. (GNU GRUB manual
 * 2.12, Measured Boot; README.tpm of shim; Debian's signed images as booted.) */
#include "lib/predict/predict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/disk/gpt.h"
#include "lib/predict/predict_shim.h"

/* The images begin with a script of their own, and hand over in their own ways. */
static const struct edition {
    const char *version;   /* of grub.debian: what it begins with */
    bool has_prelude;      /* of four commands that look for the script */
    unsigned script_reads; /* of grub.cfg */
    unsigned kernel_logs;  /* of the kernel by shim, when Secure Boot is on */
    bool kernel_measures;  /* as an EFI application, what it was handed */
} editions[] = {
    { "2.06-13+deb12", true, 1, 2, false },
    { "2.12-9+deb13", false, 2, 1, true },
};

static const struct edition *edition_of(const struct prediction *p)
{
    for (size_t i = 0; i < CLO_COUNT(editions); i++)
        if (strncmp(p->loader.name, "GRUB ", 5) == 0 &&
            strncmp(p->loader.name + 5, editions[i].version, strlen(editions[i].version)) == 0)
            return &editions[i];
    return NULL;
}

static bool check(struct prediction *p, struct clo_error *err)
{
    if (edition_of(p) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s was never seen in a boot: Debian's signed 2.06-13+deb12 and "
                        "2.12-9+deb13 were",
                        p->loader.name);
    if (p->shim == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "GRUB without shim was never seen in a boot");
    if (!p->shim->verifies)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "GRUB was seen in boots with Secure Boot on, and shim's check, only");
    if (p->inputs->disk_head.size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "GRUB's disk was not given");
    return true;
}

/* What keeps it from being predicted is told of each register that depends on it, and no error. */
bool predict_grub_read(struct prediction *p, struct clo_error *err)
{
    /* It may start a UKI, too. */
    static const unsigned registers[] = { 4, 7, 8, 9, 11, 12, 13 };
    struct clo_error why;

    p->script = calloc(1, sizeof *p->script);
    if (p->script == NULL)
        return clo_out_of_memory(err);
    if (check(p, &why) && grub_script_parse(p->inputs->loader_conf, p->script, &why)) {
        if (p->inputs->kernel.size > 0)
            return true;
        clo_fail(&why, CLO_ERR_UNSUPPORTED, "GRUB's kernel was not given");
    }
    if (why.status == CLO_ERR_SYSTEM) {
        *err = why;
        return false;
    }
    grub_script_free(p->script);
    free(p->script);
    p->script = NULL;
    for (size_t i = 0; i < CLO_COUNT(registers); i++)
        record_not(&p->record, registers[i], why.text);
    return true;
}

unsigned predict_grub_kernel_logs(const struct prediction *p)
{
    const struct edition *edition = edition_of(p);

    return p->script == NULL || edition == NULL ? 0 : edition->kernel_logs;
}

static void command(struct prediction *p, const char *text)
{
    char name[80];

    snprintf(name, sizeof name, "command %.60s", text);
    record_text(&p->record, 8, "EV_IPL", name, text);
}

/* Debian's look for their script by the path that they were built with, on the ESP. */
static void prelude(struct prediction *p, unsigned partition)
{
    static const char *const rest[] = { "/x86_64-efi/grub.cfg ]", "/grub.cfg ]" };
    char folder[48];
    char text[128];

    snprintf(folder, sizeof folder, "(hd0,gpt%u)/EFI/debian", partition);
    snprintf(text, sizeof text, "[ -z %s -o ! -e %s ]", folder, folder);
    command(p, text);
    for (size_t i = 0; i < CLO_COUNT(rest); i++) {
        snprintf(text, sizeof text, "[ -e %s%s", folder, rest[i]);
        command(p, text);
    }
    snprintf(text, sizeof text, "source %s/grub.cfg", folder);
    command(p, text);
}

static bool esp_number(const struct prediction *p, unsigned *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *esp;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_gpt_parse(p->inputs->disk_head, gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_esp, &esp, err))
        return false;
    *out = esp->number;
    return true;
}

static void file(struct prediction *p, const char *name, struct clo_bytes content)
{
    const struct record_event event = { .reg = 9, .type = "EV_IPL", .name = name };

    record_bytes(&p->record, &event, content);
}

/* Without the NUL, which it leaves out of the load options. */
static bool measure_handover(struct prediction *p, struct clo_error *err)
{
    static const struct record_event initrd = { .reg = 9,
                                                .type = "EV_EVENT_TAG",
                                                .name = "initrd" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };

    clo_buffer_printf(&text, "BOOT_IMAGE=%s", p->script->cmdline);
    const char *string = clo_buffer_string(&text);
    if (string == NULL)
        return clo_out_of_memory(err);
    if (!clo_utf16_write(string, &wide, err))
        return false;
    const struct record_event options = { .reg = 9,
                                          .type = "EV_EVENT_TAG",
                                          .name = "kernel command line",
                                          .text = clo_buffer_bytes(&text) };
    record_bytes(&p->record, &options, clo_buffer_bytes(&wide));
    record_bytes(&p->record, &initrd, p->inputs->initrd);
    return true;
}

static void measure_commands(struct prediction *p)
{
    const struct grub_script *script = p->script;

    for (size_t i = 0; i < script->count; i++) {
        command(p, script->commands[i]);
        if (strncmp(script->commands[i], "linux ", 6) == 0)
            record_text(&p->record, 8, "EV_IPL", "kernel command line", script->cmdline);
    }
}

bool predict_grub(struct prediction *p, struct clo_error *err)
{
    const struct edition *edition = edition_of(p);
    unsigned partition;

    if (p->script == NULL || edition == NULL)
        return true;
    if (!esp_number(p, &partition, err))
        return false;
    if (edition->has_prelude)
        prelude(p, partition);
    measure_commands(p);
    for (unsigned i = 0; i < edition->script_reads; i++)
        file(p, "GRUB's script", p->inputs->loader_conf);
    file(p, "kernel", p->inputs->kernel);
    file(p, "initrd", p->inputs->initrd);
    record_not(&p->record, 11, "without systemd's stub it is left to what the initrd measures");
    return !edition->kernel_measures || measure_handover(p, err);
}
