#include "image/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/pe.h"
#include "cloister/uki.h"
#include "device/file.h"
#include "lib/audit/kernel.h"

#define FILE_LIMIT    ((size_t)1 << 31)
#define CMDLINE_LIMIT 65536
#define WRITABLE      0x80000000U
#define EXECUTABLE    0x20000000U

bool clo_subject_new(struct clo_subject *out, struct clo_error *err)
{
    *out = (struct clo_subject){ .named = json_object() };
    return out->named != NULL || clo_out_of_memory(err);
}

void clo_subject_free(struct clo_subject *subject)
{
    clo_kconfig_free(subject->config);
    free(subject->cmdline);
    free(subject->in_force);
    json_decref(subject->modules);
    json_decref(subject->named);
    *subject = (struct clo_subject){ 0 };
}

void clo_subject_facts(struct clo_subject *subject, struct clo_audit_facts *out)
{
    bool is_whole;

    free(subject->in_force);
    subject->in_force = subject_command_line(subject, &is_whole);
    /* Out of memory: then neither is known, and that never counts as fit. */
    if (subject->in_force == NULL || json_object_set_new(subject->named, "kernel.cmdline_whole",
                                                         json_string(is_whole ? "yes" : "no")) != 0)
        json_object_del(subject->named, "kernel.cmdline_whole");
    *out = (struct clo_audit_facts){
        .config = subject->config,
        .release = subject->release[0] == '\0' ? NULL : subject->release,
        .cmdline = subject->in_force,
        .modules = subject->modules,
        .modules_may_be_more = subject->modules_may_be_more,
        .named = subject->named,
    };
    memcpy(out->about, subject->about, sizeof out->about);
}

bool clo_subject_set(struct clo_subject *subject, const char *name, const char *value,
                     struct clo_error *err)
{
    return json_object_set_new(subject->named, name, json_string(value)) == 0 ||
           clo_out_of_memory(err);
}

bool clo_subject_add_cmdline(struct clo_subject *subject, const char *text, struct clo_error *err)
{
    size_t size = strlen(text);

    while (size > 0 && strchr("\n\r ", text[size - 1]) != NULL)
        size--;
    if (size > CMDLINE_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "command line: more than %d bytes", CMDLINE_LIMIT);
    char *copy = strndup(text, size);
    if (copy == NULL)
        return clo_out_of_memory(err);
    clo_sanitize(copy);
    free(subject->cmdline);
    subject->cmdline = copy;
    subject->about[CLO_AUDIT_CMDLINE] = true;
    return true;
}

/* The first one counts: one that was given alongside comes before the subject itself is read. */
bool subject_add_config(struct clo_subject *subject, struct clo_bytes text, struct clo_error *err)
{
    subject->about[CLO_AUDIT_KCONFIG] = true;
    if (subject->config != NULL)
        return true;
    if (!clo_kconfig_parse(text, &subject->config, err))
        return false;
    const char *version = clo_kconfig_version(subject->config);
    if (subject->release[0] == '\0' && version != NULL)
        snprintf(subject->release, sizeof subject->release, "%s", version);
    return true;
}

bool clo_subject_add_kernel(struct clo_subject *subject, struct clo_bytes kernel,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes inner;
    char release[sizeof subject->release];
    bool found = false;

    subject->about[CLO_AUDIT_KCONFIG] = true;
    bool has_release = clo_kernel_release(kernel, release, sizeof release);
    if (!clo_kernel_unpack(kernel, &plain, &inner, err)) {
        /* Packed in a way that is not unpacked here: what it was configured with is not known. */
        if (err->status != CLO_ERR_UNSUPPORTED || !has_release)
            return false;
        inner = clo_bytes(NULL, 0);
    }
    if (!clo_kernel_config(inner, &text, &found, err))
        return false;
    if (has_release || clo_kernel_banner(inner, release, sizeof release)) {
        memcpy(subject->release, release, sizeof release);
        clo_sanitize(subject->release);
    } else if (!found) {
        return clo_fail(err, CLO_ERR_FORMAT,
                        "is not a kernel: neither a release nor a configuration in it");
    }
    return !found || subject_add_config(subject, clo_buffer_bytes(&text), err);
}

static bool add_modules(struct clo_subject *subject, struct clo_bytes initrd, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *modules = NULL;

    if (!clo_audit_modules(initrd, &modules, err))
        return false;
    if (subject->modules == NULL)
        subject->modules = json_incref(modules);
    else if (json_object_update_missing(subject->modules, modules) != 0)
        return clo_out_of_memory(err);
    return true;
}

/* --- UKIs --- */

static bool set_present(struct clo_subject *subject, const struct clo_pe *pe, const char *section,
                        const char *name, struct clo_error *err)
{
    const struct clo_pe_section *found = clo_pe_section_find(pe, section);

    return clo_subject_set(subject, name,
                           found == NULL || found->data.size == 0 ? "absent" : "present", err);
}

static bool add_sections(struct clo_subject *subject, const struct clo_pe *pe,
                         struct clo_error *err)
{
    const char *writable_code = "none";

    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        if ((section->characteristics & WRITABLE) != 0 &&
            (section->characteristics & EXECUTABLE) != 0)
            writable_code = section->name;
        if (strcmp(section->name, ".initrd") == 0 && !add_modules(subject, section->data, err))
            return false;
    }
    return clo_subject_set(subject, "uki.writable_code", writable_code, err);
}

static bool add_uki_cmdline(struct clo_subject *subject, const struct clo_pe *pe,
                            struct clo_error *err)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, ".cmdline");
    char text[CMDLINE_LIMIT + 1];

    subject->about[CLO_AUDIT_CMDLINE] = true;
    if (section == NULL || subject->cmdline != NULL)
        return true;
    /* Some tools pad it with NULs, of which the first ends it. */
    struct clo_bytes line = section->data;
    const uint8_t *end = line.size == 0 ? NULL : memchr(line.data, '\0', line.size);
    if (end != NULL)
        line.size = (size_t)(end - line.data);
    if (line.size > CMDLINE_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, ".cmdline: more than %d bytes", CMDLINE_LIMIT);
    memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    return clo_subject_add_cmdline(subject, text, err);
}

/* The stub's version, as its .sdmagic says it; unknown if it is not systemd's. */
static bool add_stub(struct clo_subject *subject, const struct clo_pe *pe, struct clo_error *err)
{
    static const char before[] = "systemd-stub ";
    const struct clo_pe_section *magic = clo_pe_section_find(pe, ".sdmagic");
    char version[16] = "unknown";
    const uint8_t *at =
            magic == NULL ? NULL
                          : memmem(magic->data.data, magic->data.size, before, strlen(before));

    if (at != NULL) {
        size_t size = 0;
        at += strlen(before);
        while (size < 8 && at + size < magic->data.data + magic->data.size && at[size] >= '0' &&
               at[size] <= '9')
            size++;
        if (size > 0)
            snprintf(version, sizeof version, "%.*s", (int)size, (const char *)at);
    }
    return clo_subject_set(subject, "uki.stub_version", version, err);
}

bool clo_subject_add_uki(struct clo_subject *subject, struct clo_bytes image, struct clo_error *err)
{
    static const struct {
        const char *section, *name;
    } present[] = {
        { ".cmdline", "uki.cmdline" }, { ".initrd", "uki.initrd" }, { ".osrel", "uki.osrel" },
        { ".uname", "uki.uname" },     { ".sbat", "uki.sbat" },     { ".pcrsig", "uki.pcrsig" },
        { ".pcrpkey", "uki.pcrpkey" },
    };
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);

    if (pe == NULL)
        return clo_out_of_memory(err);
    if (!clo_pe_parse(image, pe, err))
        return false;
    const struct clo_pe_section *kernel = clo_pe_section_find(pe, ".linux");
    if (kernel == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a UKI: section .linux is missing");
    subject->about[CLO_AUDIT_UKI] = true;
    for (size_t i = 0; i < CLO_COUNT(present); i++)
        if (!set_present(subject, pe, present[i].section, present[i].name, err))
            return false;
    return clo_subject_set(subject, "uki.signed", pe->certificates.size > 0 ? "yes" : "no", err) &&
           add_stub(subject, pe, err) && add_uki_cmdline(subject, pe, err) &&
           add_sections(subject, pe, err) && clo_subject_add_kernel(subject, kernel->data, err);
}

bool clo_subject_add_initrd(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };

    if (!clo_file_read(path, FILE_LIMIT, &initrd, err))
        return false;
    return add_modules(subject, clo_buffer_bytes(&initrd), err) || clo_wrap(err, "%s", path);
}
