/* Which kind of subject a file is: a package and a disk by the file's beginning, everything else by its bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/container.h"
#include "device/file.h"
#include "image/package.h"
#include "image/subject.h"
#include "lib/audit/kernel.h"
#include "lib/disk/gpt.h"
#include "lib/disk/probe.h"
#include "lib/unpack/unpack.h"

#define FILE_LIMIT    ((size_t)1 << 31)
#define CMDLINE_LIMIT 65536
#define HEAD_SIZE     1024

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
        return subject_add_config(subject, text, err);
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
    return clo_kconfig_is(inner) ? subject_add_config(subject, inner, err)
                                 : clo_subject_add_kernel(subject, inner, err);
}

static bool add_package(struct clo_subject *subject, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_package_free) struct clo_package package = { 0 };

    if (!clo_package_read(path, &package, err))
        return false;
    if (package.config.size > 0 &&
        !subject_add_config(subject, clo_buffer_bytes(&package.config), err))
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
    struct clo_mbr_partition partitions[CLO_MBR_PARTITIONS];
    uint8_t head[HEAD_SIZE];
    ssize_t got = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    bool is_container;

    if (!add_container(subject, path, &is_container, err))
        return false;
    if (is_container)
        return true;
    if (got >= CLO_GPT_SECTOR + 8 && memcmp(head + CLO_GPT_SECTOR, "EFI PART", 8) == 0)
        return clo_subject_add_disk(subject, fd, err);
    if (got > 0 && clo_mbr_parse(clo_bytes(head, (size_t)got), partitions))
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
