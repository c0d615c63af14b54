/* Roots that are not disks: a folder, a tar archive (docker export, podman export), an image in OCI's layout. Each becomes
 * an ext4 file system, file by file, with owners, attributes, hard links and holes, whoever runs it. */
#ifndef CLOISTER_IMAGE_SOURCE_H
#define CLOISTER_IMAGE_SOURCE_H

#include "image/new_root.h"

enum clo_source_kind {
    CLO_SOURCE_DISK, /* or what may be one */
    CLO_SOURCE_FOLDER,
    CLO_SOURCE_TAR,
    CLO_SOURCE_OCI,
};

struct clo_source {
    const char *path;
    uint64_t size; /* of the file system; 0: what fits */
    struct clo_guid uuid;
    int64_t created;
    /* What was found. */
    struct clo_new_root_need need;
    size_t layers;
    bool was_container; /* had a file that tells systemd that it is in a container: left out */
};

CLO_MUST_USE bool clo_source_kind(const char *path, enum clo_source_kind *out,
                                  struct clo_error *err);
/* Makes `output`, which must not exist yet. */
CLO_MUST_USE bool clo_source_make(struct clo_source *source, enum clo_source_kind kind,
                                  const char *output, struct clo_error *err);

/* source_tar.c: a whole archive, or a layer of an image, whose whiteouts take away what lower layers have. */
struct source_tar {
    const char *path;
    bool is_layer;
    bool has_whiteouts; /* found by counting */
};
CLO_MUST_USE bool source_tar_count(struct source_tar *tar, struct clo_source *source,
                                   struct clo_error *err);
CLO_MUST_USE bool source_tar_unpack(const struct source_tar *tar, struct clo_new_root *tree,
                                    struct clo_error *err);
/* source_oci.c: the layers of the one image for this machine, the lowest first; their digests hold. */
#define SOURCE_LAYERS_MAX 512
struct source_oci {
    char *layers[SOURCE_LAYERS_MAX]; /* paths */
    size_t count;
};
CLO_MUST_USE bool source_oci_read(const char *folder, struct source_oci *out,
                                  struct clo_error *err);
void source_oci_free(struct source_oci *oci); /* for CLO_CLEANUP */
/* source_folder.c */
CLO_MUST_USE bool source_folder_count(struct clo_source *source, struct clo_error *err);
CLO_MUST_USE bool source_folder_copy(const char *path, struct clo_new_root *tree,
                                     struct clo_error *err);

/* These files alone make systemd believe that a machine is a container (systemd-detect-virt(1)). */
bool source_is_container_mark(const char *path);

#endif
