#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "device/file.h"
#include "image/source.h"

#define DOCUMENT_LIMIT ((size_t)4 << 20)
#define PIECE          ((size_t)1 << 20)
#define ALGORITHM      "sha256:"
#define HEX_SIZE       64

/* image-spec v1: a content descriptor. */
struct descriptor {
    char type[128];
    char hex[HEX_SIZE + 1];
    uint64_t size;
};

static bool read_descriptor(const json_t *json, struct descriptor *out, struct clo_error *err)
{
    const char *type, *digest;

    if (!clo_json_get_string(json, "mediaType", &type, err) ||
        !clo_json_get_string(json, "digest", &digest, err) ||
        !clo_json_get_u64(json, "size", &out->size, err))
        return false;
    size_t prefix = strlen(ALGORITHM);
    if (strncmp(digest, ALGORITHM, prefix) != 0 ||
        strspn(digest + prefix, "0123456789abcdef") != HEX_SIZE ||
        digest[prefix + HEX_SIZE] != '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "digest %.80s: sha256 expected", digest);
    snprintf(out->type, sizeof out->type, "%s", type);
    memcpy(out->hex, digest + prefix, sizeof out->hex);
    return true;
}

/* --- Blobs --- */

static bool check_blob(const char *path, const struct descriptor *descriptor, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    struct clo_digest digest;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct stat status;
    uint64_t total = 0;
    ssize_t got;

    if (piece == NULL || hasher == NULL)
        return clo_out_of_memory(err);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    /* A link may lead to a device or a pipe, which has no end. */
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return clo_fail(err, CLO_ERR_FORMAT, "blob %.12s…: is not a file", descriptor->hex);
    while ((got = read(fd, piece, PIECE)) > 0) {
        total += (uint64_t)got;
        clo_hasher_add(hasher, clo_bytes(piece, (size_t)got));
    }
    if (got < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    clo_hasher_get(hasher, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    return (total == descriptor->size && strcmp(hex, descriptor->hex) == 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "blob %.12s…: has other bytes than its digest says",
                    descriptor->hex);
}

static bool find_blob(const char *folder, const struct descriptor *descriptor, char *out,
                      size_t size, struct clo_error *err)
{
    int used = snprintf(out, size, "%s/blobs/sha256/%s", folder, descriptor->hex);

    if (used < 0 || (size_t)used >= size)
        return clo_fail(err, CLO_ERR_USAGE, "%s: path too long", folder);
    return check_blob(out, descriptor, err);
}

static bool read_json(const char *path, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return (clo_file_read(path, DOCUMENT_LIMIT, &text, err) &&
            clo_json_parse(clo_buffer_bytes(&text), out, err)) ||
           clo_wrap(err, "%s", path);
}

/* --- Which image --- */

static bool is_for_this(const json_t *manifest)
{
    const json_t *platform = json_object_get(manifest, "platform");
    const char *os = json_string_value(json_object_get(platform, "os"));
    const char *architecture = json_string_value(json_object_get(platform, "architecture"));

    return os != NULL && architecture != NULL && strcmp(os, "linux") == 0 &&
           strcmp(architecture, "amd64") == 0;
}

/* The only one; or, of more than one, the only one for linux/amd64. */
static bool choose(const json_t *index, struct descriptor *out, struct clo_error *err)
{
    json_t *list;
    const json_t *chosen = NULL;
    size_t fitting = 0;

    if (!clo_json_get_array(index, "manifests", &list, err))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_array_size(list) == 1 || is_for_this(json_array_get(list, i))) {
            chosen = json_array_get(list, i);
            fitting++;
        }
    if (fitting != 1)
        return clo_fail(
                err, CLO_ERR_UNSUPPORTED,
                "%zu images, %zu of them for linux/amd64: one expected ('skopeo copy' takes "
                "one out)",
                json_array_size(list), fitting);
    return read_descriptor(chosen, out, err);
}

static bool is_index(const char *type)
{
    return strcmp(type, "application/vnd.oci.image.index.v1+json") == 0 ||
           strcmp(type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static bool is_manifest(const char *type)
{
    return strcmp(type, "application/vnd.oci.image.manifest.v1+json") == 0 ||
           strcmp(type, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

/* An index may name another one, for more than one platform; no deeper. */
static bool find_manifest(const char *folder, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    struct descriptor descriptor;
    char path[4400];

    snprintf(path, sizeof path, "%.4000s/index.json", folder);
    for (int depth = 0; depth < 2; depth++) {
        CLO_CLEANUP(clo_json_freep) json_t *next = NULL;
        if (document == NULL && !read_json(path, &document, err))
            return false;
        if (!choose(document, &descriptor, err) ||
            !find_blob(folder, &descriptor, path, sizeof path, err) || !read_json(path, &next, err))
            return clo_wrap(err, "OCI image");
        if (is_manifest(descriptor.type)) {
            *out = CLO_TAKE(next);
            return true;
        }
        if (!is_index(descriptor.type))
            break;
        clo_json_freep(&document);
        document = CLO_TAKE(next);
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "OCI image: %.100s is not an image's manifest",
                    descriptor.type);
}

/* --- Its layers --- */

static bool is_layer(const char *type)
{
    static const char *const known[] = {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (strcmp(type, known[i]) == 0)
            return true;
    return false;
}

static bool add_layer(const char *folder, const json_t *json, struct source_oci *out,
                      struct clo_error *err)
{
    struct descriptor descriptor;
    char path[4400];

    if (!read_descriptor(json, &descriptor, err))
        return false;
    if (!is_layer(descriptor.type))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%.100s is not a layer that is read",
                        descriptor.type);
    if (!find_blob(folder, &descriptor, path, sizeof path, err))
        return false;
    out->layers[out->count] = strdup(path);
    return out->layers[out->count++] != NULL || clo_out_of_memory(err);
}

bool source_oci_read(const char *folder, struct source_oci *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = NULL;
    CLO_CLEANUP(source_oci_free) struct source_oci oci = { .count = 0 };
    json_t *layers;

    if (!find_manifest(folder, &manifest, err))
        return false;
    if (!clo_json_get_array(manifest, "layers", &layers, err))
        return clo_wrap(err, "OCI image");
    if (json_array_size(layers) == 0 || json_array_size(layers) > SOURCE_LAYERS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "OCI image: %zu layers", json_array_size(layers));
    for (size_t i = 0; i < json_array_size(layers); i++)
        if (!add_layer(folder, json_array_get(layers, i), &oci, err))
            return clo_wrap(err, "OCI image: layer %zu", i + 1);
    *out = oci;
    oci.count = 0;
    return true;
}

void source_oci_free(struct source_oci *oci)
{
    for (size_t i = 0; i < oci->count; i++)
        free(oci->layers[i]);
    oci->count = 0;
}
