#include "lib/disk/disk_identity.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/disk/luks2.h"

#define DIGEST_SIZE    32 /* SHA-256 */
#define DISK_KEY_LIMIT 65536
#define SEALED_KEY_MAX 96 /* 128 bytes is all that a TPM seals, and the digest is in it */
#define UUID_DIGITS    "0123456789abcdefABCDEF-"

/* --- From a disk --- */

/* What a guest's own work on the header leaves alone: everything but the tokens, where the generation
 * is, and the sequence number. Key slots count with their places and parameters, not with what lies
 * in their areas. */
static bool project_header(const struct clo_luks2_info *info, json_t *metadata,
                           struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *projection = NULL;

    (void)json_object_del(metadata, "tokens");
    projection = json_pack("{s:i, s:s, s:s, s:I, s:O}", "cloister_luks2_header", 1, "uuid",
                           info->uuid, "label", info->label, "header_size",
                           (json_int_t)info->header_size, "metadata", metadata);
    if (projection == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_write(projection, &text, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), out);
    return true;
}

bool clo_disk_identity_of(struct clo_bytes header, const struct clo_secret *volume_key,
                          struct clo_disk_identity *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_disk_identity identity = { .uuid = "" };
    struct clo_luks2_generation generation;
    struct clo_luks2_info info;
    char text[80];

    if (!clo_luks2_parse(header, &info, &metadata, err) ||
        !clo_luks2_generation_parse(json_object_get(metadata, "tokens"), &generation, err) ||
        !clo_luks2_generation_verify(&generation, volume_key, info.uuid, err) ||
        !project_header(&info, metadata, &identity.header, err))
        return clo_wrap(err, "disk");
    snprintf(text, sizeof text, "cloister:disk:1:%s", info.uuid);
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(volume_key), clo_bytes_text(text),
             &identity.volume_key);
    memcpy(identity.uuid, info.uuid, sizeof identity.uuid);
    identity.generation = generation.value;
    *out = identity;
    return true;
}

bool clo_disk_identity_compare(const struct clo_disk_identity *registered,
                               const struct clo_disk_identity *found, struct clo_error *err)
{
    if (strcmp(registered->uuid, found->uuid) != 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: UUID %s is not %s, which was registered: another disk under the "
                        "same disk key",
                        found->uuid, registered->uuid);
    if (!clo_digest_equal(&registered->volume_key, &found->volume_key))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: the volume key is not the one that was registered: another disk "
                        "under the same disk key");
    if (!clo_digest_equal(&registered->header, &found->header))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: the LUKS2 header is not the one that was registered: its key slots, "
                        "segment, digest, label or configuration were changed");
    if (found->generation < registered->generation)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: generation %llu is older than %llu, which was the last one seen: an "
                        "old copy of this disk",
                        (unsigned long long)found->generation,
                        (unsigned long long)registered->generation);
    return true;
}

void clo_disk_identity_digest(const struct clo_disk_identity *identity, struct clo_digest *out)
{
    const struct clo_bytes parts[] = { clo_bytes_text("cloister:sealed-disk:1:"),
                                       clo_bytes(identity->uuid, sizeof identity->uuid),
                                       clo_digest_bytes(&identity->volume_key),
                                       clo_digest_bytes(&identity->header) };

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), out);
}

bool clo_disk_sealed_key(struct clo_bytes header, const struct clo_secret *volume_key,
                         struct clo_bytes disk_key, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *sealed = NULL;
    struct clo_disk_identity identity;
    struct clo_digest digest;

    if (disk_key.size > SEALED_KEY_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a disk key of %zu bytes: a TPM seals at most %d",
                        disk_key.size, SEALED_KEY_MAX);
    if (!clo_disk_identity_of(header, volume_key, &identity, err) ||
        !clo_secret_new(disk_key.size + DIGEST_SIZE, &sealed, err))
        return false;
    clo_disk_identity_digest(&identity, &digest);
    memcpy(clo_secret_data(sealed), disk_key.data, disk_key.size);
    memcpy(clo_secret_data(sealed) + disk_key.size, digest.bytes, DIGEST_SIZE);
    *out = CLO_TAKE(sealed);
    return true;
}

/* --- JSON --- */

json_t *clo_disk_identity_json(const struct clo_disk_identity *identity)
{
    return json_pack("{s:s, s:o, s:o, s:I}", "uuid", identity->uuid, "volume_key_hmac",
                     clo_json_hex(clo_digest_bytes(&identity->volume_key)), "header",
                     clo_json_hex(clo_digest_bytes(&identity->header)), "generation",
                     (json_int_t)identity->generation);
}

static bool read_digest(const json_t *json, const char *key, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_json_get_bytes(json, key, CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &bytes, err))
        return false;
    if (bytes.size != DIGEST_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes, %d expected (SHA-256)", key,
                        bytes.size, DIGEST_SIZE);
    *out = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

static bool read_identity(const json_t *json, struct clo_disk_identity *out, struct clo_error *err)
{
    const char *uuid;

    if (!clo_json_get_string(json, "uuid", &uuid, err) ||
        !clo_json_get_u64(json, "generation", &out->generation, err) ||
        !read_digest(json, "volume_key_hmac", &out->volume_key, err) ||
        !read_digest(json, "header", &out->header, err))
        return false;
    size_t size = strlen(uuid);
    if (size == 0 || size >= sizeof out->uuid || strspn(uuid, UUID_DIGITS) != size)
        return clo_fail(err, CLO_ERR_FORMAT, "uuid \"%.48s\" is not one", uuid);
    memcpy(out->uuid, uuid, size + 1);
    return out->generation <= CLO_DISK_GENERATION_MAX ||
           clo_fail(err, CLO_ERR_FORMAT, "generation %llu is out of range",
                    (unsigned long long)out->generation);
}

bool clo_disk_identity_from_json(const json_t *json, struct clo_disk_identity *out,
                                 struct clo_error *err)
{
    static const char *const members[] = { "uuid", "volume_key_hmac", "header", "generation",
                                           NULL };
    struct clo_disk_identity identity = { .uuid = "" };

    if (!clo_json_only(json, members, err) || !read_identity(json, &identity, err))
        return false;
    *out = identity;
    return true;
}

/* --- The file --- */

static bool read_file(const json_t *json, struct clo_disk_file *out, struct clo_error *err)
{
    static const char *const members[] = { "cloister_disk",   "name",   "uuid",
                                           "volume_key_hmac", "header", "generation",
                                           "key_id",          NULL };
    uint64_t version;
    const char *name;

    if (!clo_json_get_u64(json, "cloister_disk", &version, err))
        return false;
    if (version != CLO_DISK_IDENTITY_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu", (unsigned long long)version);
    if (!clo_json_only(json, members, err) || !clo_json_get_string(json, "name", &name, err) ||
        !read_identity(json, &out->identity, err) ||
        !read_digest(json, "key_id", &out->key_id, err))
        return false;
    if (strlen(name) >= sizeof out->name)
        return clo_fail(err, CLO_ERR_FORMAT, "name: too long");
    memcpy(out->name, name, strlen(name) + 1);
    return true;
}

bool clo_disk_file_parse(struct clo_bytes text, struct clo_disk_file *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_disk_file file = { .name = "" };

    if (!clo_json_parse(text, &json, err) || !read_file(json, &file, err))
        return clo_wrap(err, "disk identity");
    *out = file;
    return true;
}

bool clo_disk_file_write(const struct clo_disk_file *file, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_disk_identity_json(&file->identity);

    if (json_object_set_new(json, "cloister_disk", json_integer(CLO_DISK_IDENTITY_VERSION)) != 0 ||
        json_object_set_new(json, "name", json_string(file->name)) != 0 ||
        json_object_set_new(json, "key_id", clo_json_hex(clo_digest_bytes(&file->key_id))) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "disk identity: the name is not UTF-8");
    if (!clo_json_write(json, out, err))
        return false;
    clo_buffer_text(out, "\n");
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

void clo_disk_key_id(struct clo_bytes disk_key, struct clo_digest *out)
{
    clo_hmac(CLO_HASH_SHA256, disk_key, clo_bytes_text("cloister:disk-key:1"), out);
}

/* --- The release --- */

static void wipe_buffer(struct clo_buffer *buffer)
{
    if (buffer->data != NULL)
        clo_wipe(buffer->data, buffer->size);
    clo_buffer_free(buffer);
}

/* By hand around the key, so that no copy of it is left in a JSON object. */
bool clo_disk_release_write(struct clo_bytes key, const struct clo_disk_identity *identity,
                            struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(wipe_buffer) struct clo_buffer text = { .limit = CLO_DISK_RELEASE_TEXT_LIMIT };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer disk = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_disk_identity_json(identity);

    if (json == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_write(json, &disk, err))
        return false;
    clo_buffer_reserve(&text, disk.size + 2 * key.size + 64); /* so that nothing is moved */
    clo_buffer_text(&text, "{\"disk\":");
    clo_buffer_append(&text, clo_buffer_bytes(&disk));
    clo_buffer_text(&text, ",\"key\":\"");
    clo_base64_write(key, &text);
    clo_buffer_text(&text, "\",\"version\":1}");
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    return clo_secret_copy(clo_buffer_bytes(&text), out, err);
}

static void wipe_release(json_t **json)
{
    json_t *key = json_object_get(*json, "key");

    if (json_is_string(key))
        clo_wipe((void *)(uintptr_t)json_string_value(key), json_string_length(key));
    clo_json_freep(json);
}

static bool read_release(const json_t *json, struct clo_buffer *key, struct clo_disk_identity *out,
                         struct clo_error *err)
{
    static const char *const members[] = { "version", "key", "disk", NULL };
    uint64_t version;
    json_t *disk;

    if (!clo_json_get_u64(json, "version", &version, err))
        return false;
    if (version != CLO_DISK_IDENTITY_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu", (unsigned long long)version);
    return clo_json_only(json, members, err) &&
           clo_json_get_bytes(json, "key", CLO_JSON_BASE64, DISK_KEY_LIMIT, key, err) &&
           clo_json_get_object(json, "disk", &disk, err) &&
           (clo_disk_identity_from_json(disk, out, err) || clo_wrap(err, "disk"));
}

bool clo_disk_release_parse(struct clo_bytes text, struct clo_secret **key,
                            struct clo_disk_identity *out, struct clo_error *err)
{
    CLO_CLEANUP(wipe_release) json_t *json = NULL;
    CLO_CLEANUP(wipe_buffer) struct clo_buffer bytes = { 0 };
    struct clo_disk_identity identity;

    /* What a JSON error quotes here may be of the key. */
    if (!clo_json_parse(text, &json, err))
        return clo_fail(err, CLO_ERR_FORMAT, "released disk key: not JSON");
    if (!read_release(json, &bytes, &identity, err))
        return clo_wrap(err, "released disk key");
    if (bytes.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "released disk key: empty");
    if (!clo_secret_copy(clo_buffer_bytes(&bytes), key, err))
        return false;
    *out = identity;
    return true;
}
