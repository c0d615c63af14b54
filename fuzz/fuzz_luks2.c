#include "lib/disk/luks2.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define BINARY_HEADER 4096

#define HEADER  16384
#define PAYLOAD (16 << 20)

static uint8_t head[PAYLOAD];

/* Puts the input where a header's JSON is, and makes both checksums right: else no mutation would get
 * past them. */
static void make(const uint8_t *data, size_t size)
{
    static const char magics[2][6] = { { 'L', 'U', 'K', 'S', '\xba', '\xbe' },
                                       { 'S', 'K', 'U', 'L', '\xba', '\xbe' } };

    for (size_t i = 0; i < 2; i++) {
        uint8_t *header = head + i * HEADER;
        struct clo_digest digest;
        memset(header, 0, HEADER);
        memcpy(header, magics[i], 6);
        header[7] = 2;
        header[14] = HEADER >> 8;
        header[23] = 1;
        memcpy(header + 0x48, "sha256", 6);
        memcpy(header + 0xa8, "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11", 36);
        header[0x106] = (uint8_t)(i * HEADER >> 8);
        memcpy(header + BINARY_HEADER, data, size);
        clo_hash(CLO_HASH_SHA256, clo_bytes(header, HEADER), &digest);
        memcpy(header + 0x1c0, digest.bytes, 32);
    }
}

static const json_t *at(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    MUST(value != NULL);
    return value;
}

static bool is(const json_t *object, const char *key, const char *value)
{
    return strcmp(json_string_value(at(object, key)), value) == 0;
}

/* The key slots are all of full strength, and none costs for ever. */
static void check_slots(const json_t *keyslots, unsigned key_size)
{
    const char *name;
    json_t *slot;

    json_object_foreach ((json_t *)(uintptr_t)keyslots, name, slot) {
        const json_t *kdf = at(slot, "kdf");
        bool is_argon = is(kdf, "type", "argon2id");
        MUST(is(at(slot, "area"), "encryption", "aes-xts-plain64"));
        MUST(json_integer_value(at(slot, "key_size")) == key_size);
        MUST(json_integer_value(at(at(slot, "af"), "stripes")) == 4000);
        MUST(json_string_length(at(kdf, "salt")) >= 22);
        MUST(is_argon || is(kdf, "type", "pbkdf2"));
        MUST(json_integer_value(at(kdf, is_argon ? "memory" : "iterations")) <= 10000000);
    }
}

/* What the white list lets through, looked at once more in the values themselves. */
static void check_passed(const uint8_t *data, size_t size, const struct clo_luks2_info *info)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const uint8_t *end = memchr(data, 0, size);
    struct clo_error err;

    MUST(clo_json_parse(clo_bytes(data, end == NULL ? size : (size_t)(end - data)), &json, &err));
    const json_t *segment = at(at(json, "segments"), "0");
    const json_t *digest = at(at(json, "digests"), "0");
    MUST(json_object_size(json) == 5 && json_object_size(at(json, "segments")) == 1);
    bool is_gcm = is(segment, "encryption", "aes-gcm-random");
    MUST(is(segment, "type", "crypt") && (is_gcm || is(segment, "encryption", "aes-xts-plain64")));
    MUST(is(segment, "encryption", info->cipher) && info->payload_offset <= PAYLOAD);
    if (is_gcm)
        MUST(is(at(segment, "integrity"), "type", "aead") && info->key_size == 32 &&
             (info->sector_size == 512 || info->sector_size == 4096));
    else if (json_object_get(segment, "integrity") == NULL)
        MUST(info->key_size == 64 && info->sector_size == 4096 && info->integrity[0] == '\0');
    else
        MUST(is(at(segment, "integrity"), "type", "hmac(sha256)") && info->key_size == 96 &&
             (info->sector_size == 512 || info->sector_size == 4096));
    MUST(info->keyslot_count >= 1 && info->keyslot_count <= CLO_LUKS2_KEYSLOTS_MAX);
    MUST(json_object_size(at(json, "keyslots")) == info->keyslot_count);
    MUST(json_object_size(at(json, "digests")) == 1);
    MUST(json_string_length(at(digest, "digest")) >= 43);
    MUST(json_string_length(at(digest, "salt")) >= 22);
    MUST(json_object_get(at(json, "config"), "requirements") == NULL);
    check_slots(at(json, "keyslots"), info->key_size);
}

static void check_json(const uint8_t *data, size_t size)
{
    struct clo_luks2_info info;
    struct clo_error err;

    if (size > HEADER - BINARY_HEADER - 1)
        size = HEADER - BINARY_HEADER - 1;
    make(data, size);
    bool ok = clo_luks2_check(clo_bytes(head, sizeof head), &info, &err);
    if (ok)
        check_passed(data, size, &info);
    else
        MUST(err.status != CLO_OK);
    /* In a file of its own it is held against the same list, but for where the payload may begin. */
    if (clo_luks2_check_detached(clo_bytes(head, sizeof head), &info, &err))
        check_passed(data, size, &info);
    else
        MUST(!ok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;

    check_json(data, size);
    if (clo_luks2_parse(clo_bytes(data, size), &info, &metadata, &err))
        MUST(info.header_size <= size);
    return 0;
}
