#include "image/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "image/root_check.h"

#define HEAD_SIZE 512

bool source_is_container_mark(const char *path)
{
    while (*path == '/' || strncmp(path, "./", 2) == 0)
        path++;
    return strcmp(path, ".dockerenv") == 0 || strcmp(path, "run/.containerenv") == 0;
}

/* --- Which it is --- */

static bool is_archive(struct clo_bytes head)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t size;
    } known[] = {
        { 257, "ustar", 5 },
        { 0, "\x1f\x8b", 2 },
        { 0,
          "\xfd"
          "7zXZ\0",
          6 },
        { 0, "\x28\xb5\x2f\xfd", 4 },
        { 0, "BZh", 3 },
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (clo_bytes_equal(clo_bytes_slice(head, known[i].at, known[i].size),
                            clo_bytes(known[i].magic, known[i].size)))
            return true;
    return false;
}

static bool is_oci(const char *folder)
{
    char path[4300];

    snprintf(path, sizeof path, "%s/oci-layout", folder);
    return access(path, F_OK) == 0;
}

bool clo_source_kind(const char *path, enum clo_source_kind *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t head[HEAD_SIZE] = { 0 };
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    *out = CLO_SOURCE_DISK;
    if (S_ISDIR(status.st_mode)) {
        *out = is_oci(path) ? CLO_SOURCE_OCI : CLO_SOURCE_FOLDER;
        return true;
    }
    ssize_t got = pread(fd, head, sizeof head, 0);
    if (got > 0 && is_archive(clo_bytes(head, (size_t)got)))
        *out = CLO_SOURCE_TAR;
    return true;
}

/* --- Making it --- */

static bool make_tree(const struct clo_source *source, const char *output,
                      struct clo_new_root **out, struct clo_error *err)
{
    return clo_new_root_new(output, &source->need, source->size, &source->uuid, source->created,
                            out, err);
}

static bool make_of_folder(struct clo_source *source, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = NULL;

    return source_folder_count(source, err) && make_tree(source, output, &tree, err) &&
           source_folder_copy(source->path, tree, err) && clo_new_root_finish(&tree, err);
}

static bool make_of_layers(struct clo_source *source, struct source_tar *layers, size_t count,
                           const char *output, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = NULL;

    for (size_t i = 0; i < count; i++)
        if (!source_tar_count(&layers[i], source, err))
            return clo_wrap(err, "layer %zu", i + 1);
    if (!make_tree(source, output, &tree, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!source_tar_unpack(&layers[i], tree, err))
            return clo_wrap(err, "layer %zu", i + 1);
        clo_new_root_next_layer(tree);
    }
    source->layers = count;
    return clo_new_root_finish(&tree, err);
}

static bool make_of_tar(struct clo_source *source, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_root_freep) struct clo_new_root *tree = NULL;
    struct source_tar tar = { .path = source->path };

    return source_tar_count(&tar, source, err) && make_tree(source, output, &tree, err) &&
           source_tar_unpack(&tar, tree, err) && clo_new_root_finish(&tree, err);
}

static bool make_of_oci(struct clo_source *source, const char *output, struct clo_error *err)
{
    CLO_CLEANUP(source_oci_free) struct source_oci oci = { .count = 0 };
    CLO_CLEANUP(clo_freep) struct source_tar *layers = NULL;

    if (!source_oci_read(source->path, &oci, err))
        return false;
    layers = calloc(oci.count + 1, sizeof *layers);
    if (layers == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < oci.count; i++)
        layers[i] = (struct source_tar){ .path = oci.layers[i], .is_layer = true };
    return make_of_layers(source, layers, oci.count, output, err);
}

bool clo_source_make(struct clo_source *source, enum clo_source_kind kind, const char *output,
                     struct clo_error *err)
{
    if (kind == CLO_SOURCE_TAR)
        return make_of_tar(source, output, err);
    if (kind == CLO_SOURCE_OCI)
        return make_of_oci(source, output, err);
    return make_of_folder(source, output, err);
}
