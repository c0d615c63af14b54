#include "image/package.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "cloister/kconfig.h"
#include "lib/audit/kernel.h"

#define BLOCK       ((size_t)64 << 10)
#define ENTRIES_MAX 200000

bool clo_package_is(struct clo_bytes head)
{
    return (head.size >= 8 && memcmp(head.data, "!<arch>\n", 8) == 0) ||
           (head.size >= 4 && memcmp(head.data, "\xed\xab\xee\xdb", 4) == 0);
}

void clo_package_free(struct clo_package *package)
{
    clo_buffer_free(&package->config);
    clo_buffer_free(&package->kernel);
}

static bool fail_archive(struct archive *archive, struct clo_error *err)
{
    const char *why = archive_error_string(archive);

    return clo_fail(err, CLO_ERR_FORMAT, "package: %s", why == NULL ? "cannot be read" : why);
}

static bool read_entry(struct archive *archive, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *block = malloc(BLOCK);
    la_ssize_t got;

    if (block == NULL)
        return clo_out_of_memory(err);
    while ((got = archive_read_data(archive, block, BLOCK)) > 0)
        clo_buffer_append(out, clo_bytes(block, (size_t)got));
    if (got < 0)
        return fail_archive(archive, err);
    return clo_buffer_ok(out) ||
           clo_fail(err, CLO_ERR_FORMAT, "package: a kernel or configuration that is too large");
}

/* "boot/config-6.12" or "lib/modules/6.12/config": which release's, if it is one of `name`. */
static bool match(const char *path, const char *name, char *release, size_t size)
{
    char flat[32];
    const char *slash;

    path += strncmp(path, "./", 2) == 0 ? 2 : 0;
    while (*path == '/')
        path++;
    path += strncmp(path, "usr/", 4) == 0 ? 4 : 0;
    int length = snprintf(flat, sizeof flat, "boot/%s-", name);
    if (strncmp(path, flat, (size_t)length) == 0 && strchr(path + length, '/') == NULL) {
        snprintf(release, size, "%s", path + length);
        return true;
    }
    if (strncmp(path, "lib/modules/", 12) != 0 || (slash = strchr(path + 12, '/')) == NULL ||
        strcmp(slash + 1, name) != 0)
        return false;
    snprintf(release, size, "%.*s", (int)(slash - path - 12), path + 12);
    return true;
}

static bool take(struct archive *archive, const char *release, struct clo_buffer *out,
                 struct clo_package *package, struct clo_error *err)
{
    if (package->release[0] != '\0' && strcmp(package->release, release) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "package: kernels of two releases, %s and %s",
                        package->release, release);
    snprintf(package->release, sizeof package->release, "%s", release);
    clo_sanitize(package->release);
    return out->size > 0 || read_entry(archive, out, err);
}

static bool look_through(struct archive *archive, struct clo_package *out, struct clo_error *err)
{
    struct archive_entry *entry;
    char release[sizeof out->release];
    int result = ARCHIVE_OK;

    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            return true;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_archive(archive, err);
        const char *path = archive_entry_pathname(entry);
        if (path == NULL || archive_entry_filetype(entry) != AE_IFREG)
            continue;
        if (match(path, "config", release, sizeof release)) {
            if (!take(archive, release, &out->config, out, err))
                return false;
        } else if (match(path, "vmlinuz", release, sizeof release)) {
            if (!take(archive, release, &out->kernel, out, err))
                return false;
        }
    }
    return clo_fail(err, CLO_ERR_FORMAT, "package: more than %d files", ENTRIES_MAX);
}

/* The tar inside: read from the ar outside as it is asked for. */
struct inner {
    struct archive *outer;
    uint8_t block[BLOCK];
};

static la_ssize_t read_outer(struct archive *archive, void *context, const void **out)
{
    struct inner *inner = context;
    la_ssize_t got = archive_read_data(inner->outer, inner->block, sizeof inner->block);

    if (got < 0)
        archive_set_error(archive, ARCHIVE_FATAL, "%s", archive_error_string(inner->outer));
    *out = inner->block;
    return got < 0 ? -1 : got;
}

/* Only what is unpacked within this process: libarchive would start programs for the rest. */
static struct archive *new_reader(void)
{
    struct archive *archive = archive_read_new();

    if (archive == NULL)
        return NULL;
    if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
        archive_read_support_filter_lzma(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
        archive_read_support_filter_rpm(archive) != ARCHIVE_OK ||
        archive_read_support_format_ar(archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_support_format_cpio(archive) != ARCHIVE_OK) {
        archive_read_free(archive);
        return NULL;
    }
    return archive;
}

static bool read_data_member(struct archive *outer, struct clo_package *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct inner *inner = malloc(sizeof *inner);
    struct archive *archive = new_reader();

    if (inner == NULL || archive == NULL) {
        archive_read_free(archive);
        return clo_out_of_memory(err);
    }
    inner->outer = outer;
    bool ok = archive_read_open(archive, inner, NULL, read_outer, NULL) == ARCHIVE_OK
                      ? look_through(archive, out, err)
                      : fail_archive(archive, err);
    archive_read_free(archive);
    return ok;
}

static bool read_deb(struct archive *archive, struct clo_package *out, struct clo_error *err)
{
    struct archive_entry *entry;

    for (size_t i = 0; i < 16; i++) {
        int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            break;
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_archive(archive, err);
        const char *path = archive_entry_pathname(entry);
        while (path != NULL && (*path == '/' || strncmp(path, "./", 2) == 0))
            path++;
        if (path != NULL && strncmp(path, "data.tar", 8) == 0)
            return read_data_member(archive, out, err);
    }
    return clo_fail(err, CLO_ERR_FORMAT, "package: no data.tar in it");
}

static bool read_any(struct archive *archive, const char *path, struct clo_package *out,
                     struct clo_error *err)
{
    FILE *file = fopen(path, "rbe");
    uint8_t magic[8] = { 0 };

    bool is_deb = file != NULL && fread(magic, 1, sizeof magic, file) == sizeof magic &&
                  memcmp(magic, "!<arch>\n", 8) == 0;
    if (file != NULL)
        fclose(file);
    if (archive_read_open_filename(archive, path, BLOCK) != ARCHIVE_OK)
        return fail_archive(archive, err);
    return is_deb ? read_deb(archive, out, err) : look_through(archive, out, err);
}

bool clo_package_read(const char *path, struct clo_package *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_package_free)
    struct clo_package package = { .config = { .limit = CLO_KCONFIG_LIMIT },
                                   .kernel = { .limit = CLO_KERNEL_LIMIT } };
    struct archive *archive = new_reader();

    if (archive == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "libarchive cannot read packages");
    bool ok = read_any(archive, path, &package, err);
    archive_read_free(archive);
    if (!ok)
        return false;
    if (package.config.size == 0 && package.kernel.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "package: neither a kernel nor its configuration in it; where they are "
                        "split, linux-image-… has the kernel (or -unsigned, linux-binary-…), and "
                        "linux-modules-… or linux-base-… the configuration");
    *out = package;
    package = (struct clo_package){ 0 };
    return true;
}
