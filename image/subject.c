#include "image/subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/pe.h"
#include "cloister/uki.h"
#include "device/container.h"
#include "device/file.h"
#include "image/package.h"
#include "lib/audit/kernel.h"
#include "lib/disk/gpt.h"
#include "lib/unpack/unpack.h"

#define FILE_LIMIT    ((size_t)1 << 31)
#define CMDLINE_LIMIT 65536
#define HEAD_SIZE     1024
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
static bool add_config(struct clo_subject *subject, struct clo_bytes text, struct clo_error *err)
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
                        "no kernel: neither a release nor a configuration in it");
    }
    return !found || add_config(subject, clo_buffer_bytes(&text), err);
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
        return clo_fail(err, CLO_ERR_FORMAT, "no UKI: section .linux is missing");
    subject->about[CLO_AUDIT_UKI] = true;
    for (size_t i = 0; i < CLO_COUNT(present); i++)
        if (!set_present(subject, pe, present[i].section, present[i].name, err))
            return false;
    return clo_subject_set(subject, "uki.signed", pe->certificates.size > 0 ? "yes" : "no", err) &&
           add_stub(subject, pe, err) && add_uki_cmdline(subject, pe, err) &&
           add_sections(subject, pe, err) && clo_subject_add_kernel(subject, kernel->data, err);
}

/* --- Whatever it is --- */

static bool is_one_line(struct clo_bytes text)
{
    const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, '\n', text.size);
    size_t size = end == NULL ? text.size : (size_t)(end - text.data);

    for (size_t i = 0; i < size; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return size > 0 && size <= CMDLINE_LIMIT && text.size - size <= 1;
}

/* Does one of its words set something, or is it a flag that every kernel knows? Any line could be a command
 * line; one that only says "hello" was meant to be something else. */
static bool is_cmdline(const char *text)
{
    static const char *const flags[] = {
        "quiet", "ro", "rw", "debug", "splash", "nokaslr", "nosmp"
    };
    static const char names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    while (*text != '\0') {
        size_t size = strcspn(text, " \t\n\"");
        size_t name = strspn(text, names);
        if (name > 0 && name < size && text[name] == '=')
            return true;
        for (size_t i = 0; i < CLO_COUNT(flags); i++)
            if (size == strlen(flags[i]) && strncmp(text, flags[i], size) == 0)
                return true;
        text += size + (text[size] != '\0');
    }
    return false;
}

static bool add_text(struct clo_subject *subject, struct clo_bytes text, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = NULL;

    if (clo_kconfig_is(text))
        return add_config(subject, text, err);
    if (is_one_line(text)) {
        copy = strndup((const char *)text.data, text.size);
        if (copy == NULL)
            return clo_out_of_memory(err);
        if (is_cmdline(copy))
            return clo_subject_add_cmdline(subject, copy, err);
    }
    return clo_fail(err, CLO_ERR_FORMAT,
                    "neither a kernel configuration, a kernel, a package, a UKI, a disk image nor "
                    "a command line");
}

static bool is_bzimage(struct clo_bytes in)
{
    return in.size > 0x206 && memcmp(in.data + 0x202, "HdrS", 4) == 0;
}

bool clo_subject_add_bytes(struct clo_subject *subject, struct clo_bytes in, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { .limit = CLO_KERNEL_LIMIT };
    size_t used;

    if (is_bzimage(in) || (in.size >= 8 && memcmp(in.data, "MZ\0\0zimg", 8) == 0) ||
        (in.size >= 4 && memcmp(in.data,
                                "\x7f"
                                "ELF",
                                4) == 0))
        return clo_subject_add_kernel(subject, in, err);
    if (in.size >= 2 && memcmp(in.data, "MZ", 2) == 0)
        return clo_subject_add_uki(subject, in, err);
    if (clo_compression_of(in) == CLO_COMPRESSION_NONE)
        return add_text(subject, in, err);
    if (!clo_unpack(in, &plain, &used, err))
        return false;
    struct clo_bytes inner = clo_buffer_bytes(&plain);
    return clo_kconfig_is(inner) ? add_config(subject, inner, err)
                                 : clo_subject_add_kernel(subject, inner, err);
}

static bool add_package(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_package_free) struct clo_package package = { 0 };

    if (!clo_package_read(path, &package, err))
        return false;
    if (package.config.size > 0 && !add_config(subject, clo_buffer_bytes(&package.config), err))
        return false;
    snprintf(subject->release, sizeof subject->release, "%s", package.release);
    if (package.config.size == 0 &&
        !clo_subject_add_kernel(subject, clo_buffer_bytes(&package.kernel), err))
        return false;
    /* As Debian's and Ubuntu's packages are split. */
    return subject->config != NULL ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "package: has a kernel without its configuration: --config gives it, "
                    "boot/config-%.64s of linux-modules-… or linux-base-…",
                    subject->release);
}

/* A disk in a container; `is_one` says whether it is. */
static bool add_container(struct clo_subject *subject, const char *path, bool *is_one,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct stat status;

    *is_one = false;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return true;
    if (!clo_container_open(path, &container, err))
        return false;
    *is_one = container.kind != CLO_CONTAINER_RAW;
    return !*is_one ||
           (clo_container_unpack(&container, &fd, err) && clo_subject_add_disk(subject, fd, err));
}

/* The file's beginning says which it is; disks and packages are not read whole. */
static bool add_file(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t head[HEAD_SIZE];
    ssize_t got = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    bool is_container;

    if (!add_container(subject, path, &is_container, err))
        return false;
    if (is_container)
        return true;
    if (got >= CLO_GPT_SECTOR + 8 && memcmp(head + CLO_GPT_SECTOR, "EFI PART", 8) == 0)
        return clo_subject_add_disk(subject, fd, err);
    if (got > 0 && clo_package_is(clo_bytes(head, (size_t)got)))
        return add_package(subject, path, err);
    return clo_file_read(path, FILE_LIMIT, &whole, err) &&
           clo_subject_add_bytes(subject, clo_buffer_bytes(&whole), err);
}

bool clo_subject_add(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    if (add_file(subject, path, err))
        return true;
    return strstr(err->text, path) == err->text ? false : clo_wrap(err, "%s", path);
}

bool clo_subject_add_initrd(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };

    if (!clo_file_read(path, FILE_LIMIT, &initrd, err))
        return false;
    return add_modules(subject, clo_buffer_bytes(&initrd), err) || clo_wrap(err, "%s", path);
}
