#include "image/initrd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <zstd.h>

#include "device/file.h"
#include "image/closure.h"
#include "image/elf64.h"
#include "image/modules.h"

#define FILE_LIMIT   ((size_t)256 << 20)
#define INITRD_LIMIT ((size_t)512 << 20)

/* What disks and networks of QEMU, the clouds and their vTPMs want; the cipher; where evidence
 * comes from. Kernels build some of these in, and lack others. A driver is loaded where its device is
 * (image/modules.h). */
const char *const clo_initrd_modules[] = {
    "dm_mod",       "dm_crypt",     "xts",           "?aesni_intel", "?sha256_ssse3",
    "?virtio_pci",  "?@virtio_blk", "?@virtio_scsi", "?@virtio_net", "?virtio_console",
    "?@virtio_rng", "?@sd_mod",     "?nvme",         "?@hv_vmbus",   "?@hv_storvsc",
    "?@hv_netvsc",  "?@ena",        "?@gve",         "?af_packet",   "?ext4",
    "?efivarfs",    "?configfs",    "?tsm",          "?sev_guest",   "?tdx_guest",
    "?tpm_crb",     "?tpm_tis",     "?tpm_svsm",     "?qemu_fw_cfg", NULL,
};

/* What a root whose sectors have tags wants besides. */
static const char *const tag_modules[] = {
    "dm_integrity", "authenc", "?hmac", "?sha256_generic", "?gcm", "?ghash-generic", "?ctr"
};

/* And one that nothing changes. */
static const char *const verity_modules[] = { "dm_verity", "overlay" };

struct writer {
    struct archive *archive;
    int64_t epoch;
    struct clo_error *err;
};

static bool put(const struct writer *writer, const char *path, mode_t type, mode_t mode,
                const char *link, struct clo_bytes data)
{
    struct archive_entry *entry = archive_entry_new();

    if (entry == NULL)
        return clo_out_of_memory(writer->err);
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_mtime(entry, (time_t)writer->epoch, 0);
    archive_entry_set_nlink(entry, 1);
    archive_entry_set_size(entry, (la_int64_t)data.size);
    if (link != NULL)
        archive_entry_set_symlink(entry, link);
    bool ok = archive_write_header(writer->archive, entry) == ARCHIVE_OK &&
              (data.size == 0 ||
               archive_write_data(writer->archive, data.data, data.size) == (la_ssize_t)data.size);
    archive_entry_free(entry);
    return ok || clo_fail(writer->err, CLO_ERR_SYSTEM, "initrd: %s: %s", path,
                          archive_error_string(writer->archive));
}

static bool put_file(const struct writer *writer, const char *path, const char *from, mode_t mode)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    return clo_file_read(from, FILE_LIMIT, &data, writer->err) &&
           put(writer, path, AE_IFREG, mode, NULL, clo_buffer_bytes(&data));
}

/* One library folder, whatever the distribution calls it: glibc's default path has one of these. */
static bool put_layout(const struct writer *writer)
{
    static const char *const folders[] = { "dev", "etc", "etc/cloister", "lib", "proc",
                                           "run", "sys", "sysroot",      "tmp", "usr" };
    static const struct {
        const char *path;
        const char *target;
    } links[] = { { "lib64", "lib" }, { "usr/lib", "../lib" }, { "usr/lib64", "../lib" } };

    for (size_t i = 0; i < CLO_COUNT(folders); i++)
        if (!put(writer, folders[i], AE_IFDIR, 0755, NULL, clo_bytes(NULL, 0)))
            return false;
    for (size_t i = 0; i < CLO_COUNT(links); i++)
        if (!put(writer, links[i].path, AE_IFLNK, 0777, links[i].target, clo_bytes(NULL, 0)))
            return false;
    return true;
}

struct library {
    const char *name;
    const char *path;
};

static int by_name(const void *a, const void *b)
{
    const struct library *first = a;
    const struct library *second = b;

    return strcmp(first->name, second->name);
}

/* Without its symbols: a package has none either. */
static bool put_init(const struct writer *writer, const char *program)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    return clo_file_read(program, FILE_LIMIT, &data, writer->err) &&
           (clo_elf_strip(&data, writer->err) || clo_wrap(writer->err, "%s", program)) &&
           put(writer, "init", AE_IFREG, 0755, NULL, clo_buffer_bytes(&data));
}

static bool put_program(const struct writer *writer, const char *program)
{
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    struct library libraries[CLO_CLOSURE_MAX + 1];
    size_t count = 0;

    if (!clo_closure_get(program, CLO_LD_CONF, &closure, writer->err))
        return false;
    for (size_t i = 0; i < closure.count; i++)
        libraries[count++] = (struct library){ closure.names[i], closure.paths[i] };
    if (closure.interpreter != NULL) {
        /* …/lib64/NAME and …/lib/NAME are the same file here. */
        const char *slash = strrchr(closure.interpreter, '/');
        if (slash == NULL || (strncmp(closure.interpreter, "/lib64/", 7) != 0 &&
                              strncmp(closure.interpreter, "/lib/", 5) != 0))
            return clo_fail(writer->err, CLO_ERR_UNSUPPORTED, "%s: interpreter %.64s", program,
                            closure.interpreter);
        libraries[count++] = (struct library){ slash + 1, closure.interpreter };
    }
    qsort(libraries, count, sizeof libraries[0], by_name);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof path, "lib/%s", libraries[i].name);
        if (!put_file(writer, path, libraries[i].path, 0755))
            return false;
    }
    return put_init(writer, program);
}

/* "…/kernel/drivers/block/virtio_blk.ko.xz" becomes "virtio_blk.ko". */
static void module_name(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');

    snprintf(out, size, "%s", slash == NULL ? path : slash + 1);
    char *ending = strstr(out, ".ko");
    if (ending != NULL)
        ending[3] = '\0';
}

/* NULL-terminated; `out` has room for all that there are. */
static bool list_modules(const struct clo_initrd_spec *spec, const char **out, size_t room)
{
    const char *const *names = spec->modules == NULL ? clo_initrd_modules : spec->modules;
    size_t tags = spec->has_tags ? CLO_COUNT(tag_modules) : 0;
    size_t verity = spec->has_verity ? CLO_COUNT(verity_modules) : 0;
    size_t more = tags + verity;
    size_t count = 0;

    for (; names[count] != NULL && count + more + 1 < room; count++)
        out[count] = names[count];
    if (names[count] != NULL)
        return false;
    for (size_t i = 0; i < tags; i++)
        out[count++] = tag_modules[i];
    for (size_t i = 0; i < verity; i++)
        out[count++] = verity_modules[i];
    out[count] = NULL;
    return true;
}

static bool put_modules(const struct writer *writer, const struct clo_initrd_spec *spec,
                        json_t *list, json_t *devices)
{
    CLO_CLEANUP(clo_modules_free) struct clo_modules modules = { 0 };
    const char *names[CLO_MODULES_MAX];

    if (!list_modules(spec, names, CLO_COUNT(names)))
        return clo_fail(writer->err, CLO_ERR_UNSUPPORTED, "more than %zu modules are named",
                        CLO_COUNT(names));
    if (!clo_modules_get(spec->modules_folder, names, &modules, writer->err) ||
        !put(writer, "lib/modules", AE_IFDIR, 0755, NULL, clo_bytes(NULL, 0)))
        return false;
    for (size_t i = 0; i < modules.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        char name[256];
        char path[512];
        module_name(modules.paths[i], name, sizeof name);
        snprintf(path, sizeof path, "lib/modules/%s", name);
        if (!clo_module_read(modules.paths[i], &data, writer->err) ||
            !put(writer, path, AE_IFREG, 0644, NULL, clo_buffer_bytes(&data)))
            return false;
        snprintf(path, sizeof path, "/lib/modules/%s", name);
        if (json_array_append_new(list, json_string(path)) != 0 ||
            (modules.devices[i] != NULL && json_object_set(devices, path, modules.devices[i]) != 0))
            return clo_out_of_memory(writer->err);
    }
    return true;
}

static bool fill(const struct writer *writer, const struct clo_initrd_spec *spec)
{
    CLO_CLEANUP(clo_json_freep) json_t *config = json_deep_copy(spec->guest_config);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *modules = json_array();
    json_t *devices = json_object();

    if (json_object_set_new(config, "modules", modules) != 0 ||
        json_object_set_new(config, "module_devices", devices) != 0)
        return clo_out_of_memory(writer->err);
    if (!put_layout(writer) || !put_program(writer, spec->init) ||
        !put_modules(writer, spec, modules, devices) || !clo_json_write(config, &text, writer->err))
        return false;
    return put(writer, "etc/cloister/guest.json", AE_IFREG, 0644, NULL, clo_buffer_bytes(&text));
}

static la_ssize_t write_to_buffer(struct archive *archive, void *context, const void *data,
                                  size_t size)
{
    struct clo_buffer *out = context;

    clo_buffer_append(out, clo_bytes(data, size));
    if (!clo_buffer_ok(out)) {
        archive_set_error(archive, ARCHIVE_FATAL, "out of memory");
        return -1;
    }
    return (la_ssize_t)size;
}

/* The parameters of level 17 with a shorter search: a tenth smaller than level 9 in a third of level 17's time. The kernel's
 * decompressor wants as much memory as the window has. */
static const struct {
    ZSTD_cParameter parameter;
    int value;
} packing[] = {
    { ZSTD_c_compressionLevel, 19 }, { ZSTD_c_windowLog, 23 },    { ZSTD_c_strategy, ZSTD_btopt },
    { ZSTD_c_chainLog, 21 },         { ZSTD_c_hashLog, 21 },      { ZSTD_c_searchLog, 1 },
    { ZSTD_c_minMatch, 3 },          { ZSTD_c_targetLength, 16 },
};

static bool pack(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t size = 0;

    clo_buffer_reserve(out, ZSTD_compressBound(in.size));
    if (context == NULL || !clo_buffer_ok(out)) {
        ZSTD_freeCCtx(context);
        return clo_out_of_memory(err);
    }
    for (size_t i = 0; i < CLO_COUNT(packing) && !ZSTD_isError(size); i++)
        size = ZSTD_CCtx_setParameter(context, packing[i].parameter, packing[i].value);
    if (!ZSTD_isError(size))
        size = ZSTD_compress2(context, out->data + out->size, out->capacity - out->size, in.data,
                              in.size);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size))
        return clo_fail(err, CLO_ERR_SYSTEM, "initrd: zstd: %s", ZSTD_getErrorName(size));
    out->size += size;
    return true;
}

bool clo_initrd_build(const struct clo_initrd_spec *spec, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { .limit = INITRD_LIMIT };
    struct archive *archive = archive_write_new();
    struct writer writer = { archive, spec->epoch, err };

    if (archive == NULL || archive_write_set_format_cpio_newc(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
        archive_write_open(archive, &plain, NULL, write_to_buffer, NULL) != ARCHIVE_OK) {
        archive_write_free(archive);
        return clo_fail(err, CLO_ERR_SYSTEM, "initrd: libarchive cannot write newc");
    }
    bool ok = fill(&writer, spec);
    if (archive_write_close(archive) != ARCHIVE_OK && ok)
        ok = clo_fail(err, CLO_ERR_SYSTEM, "initrd: %s", archive_error_string(archive));
    archive_write_free(archive);
    return ok && pack(clo_buffer_bytes(&plain), out, err);
}
