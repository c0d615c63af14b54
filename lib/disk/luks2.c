#include "lib/disk/luks2.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "lib/base/digits.h"
#include "lib/disk/luks2_internal.h"

#define BINARY_HEADER_SIZE CLO_LUKS2_BINARY_HEADER
#define CHECKSUM_OFFSET    CLO_LUKS2_CHECKSUM_OFFSET
#define CHECKSUM_SIZE      CLO_LUKS2_CHECKSUM_SIZE
#define HEADER_SIZE_MIN    CLO_LUKS2_SIZE_MIN
#define HEADER_SIZE_MAX    CLO_LUKS2_SIZE_MAX
#define AREA_ALIGNMENT     4096
#define STRIPES            4000
#define SALT_MIN           16
#define SALT_MAX           64
#define TOKEN_SIZE_MAX     8192

/* What all of a header's key slots and its digest may cost the one who tries them, in milliseconds of a slow
 * processor: 1000 iterations of PBKDF2, or one pass of Argon2 over one MiB, are counted as one. A guest
 * tries them one after another, with a key in its hands that was released for a limited time. */
#define COST_MAX           30000
#define PBKDF2_PER_MS      1000
#define ARGON2_KIB_PER_MS  1024
#define PBKDF2_ITERATIONS  10000000
#define ARGON2_MEMORY_MAX  (1U << 20) /* KiB: as much as cryptsetup ever takes by itself */
#define ARGON2_TIME_MAX    1000
#define ARGON2_THREADS_MAX 4 /* libcryptsetup's own most */

static bool read_text(struct clo_reader *r, size_t size, char *out, struct clo_error *err,
                      const char *what)
{
    struct clo_bytes bytes = clo_read_bytes(r, size);

    if (bytes.size != size || memchr(bytes.data, 0, size) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s without an end", what);
    memcpy(out, bytes.data, size);
    clo_sanitize(out);
    return true;
}

bool clo_luks2_read_copy(struct clo_bytes in, size_t at, const char *magic,
                         struct clo_luks2_info *out, struct clo_bytes *json, struct clo_error *err)
{
    struct clo_luks2_info info = { 0 };
    struct clo_reader r = clo_reader(clo_bytes_slice(in, at, BINARY_HEADER_SIZE));
    char algorithm[32];

    struct clo_bytes signature = clo_read_bytes(&r, 6);
    uint16_t version = clo_read_be16(&r);
    info.header_size = clo_read_be64(&r);
    info.sequence = clo_read_be64(&r);
    if (!clo_reader_ok(&r) || memcmp(signature.data, magic, 6) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no LUKS header");
    if (version != 2)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "LUKS version %u", version);
    if (!read_text(&r, 48, info.label, err, "label") ||
        !read_text(&r, 32, algorithm, err, "checksum algorithm"))
        return false;
    clo_read_skip(&r, 64); /* salt */
    if (!read_text(&r, 40, info.uuid, err, "UUID"))
        return false;
    clo_read_skip(&r, 48); /* subsystem */
    uint64_t offset = clo_read_be64(&r);
    if (!clo_reader_ok(&r) || offset != at)
        return clo_fail(err, CLO_ERR_FORMAT, "it says that it lies at 0x%llx",
                        (unsigned long long)offset);
    if (info.header_size < HEADER_SIZE_MIN || info.header_size > HEADER_SIZE_MAX ||
        (info.header_size & (info.header_size - 1)) != 0 || info.header_size > in.size - at)
        return clo_fail(err, CLO_ERR_FORMAT, "its size is 0x%llx",
                        (unsigned long long)info.header_size);
    if (strcmp(algorithm, "sha256") != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "checksum algorithm \"%.16s\"", algorithm);

    static const uint8_t zeros[CHECKSUM_SIZE];
    struct clo_bytes whole = clo_bytes_slice(in, at, (size_t)info.header_size);
    struct clo_bytes parts[] = {
        clo_bytes_slice(whole, 0, CHECKSUM_OFFSET),
        clo_bytes(zeros, sizeof zeros),
        clo_bytes_slice(whole, CHECKSUM_OFFSET + CHECKSUM_SIZE, whole.size),
    };
    struct clo_digest digest;
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    if (!clo_bytes_equal(clo_digest_bytes(&digest), clo_bytes_slice(whole, CHECKSUM_OFFSET, 32)))
        return clo_fail(err, CLO_ERR_FORMAT, "its checksum does not hold");
    *json = clo_bytes_slice(whole, BINARY_HEADER_SIZE, whole.size);
    *out = info;
    return true;
}

/* The second header lies after the first, whose size is a power of two: section 2.2. */
bool clo_luks2_read_second(struct clo_bytes in, struct clo_luks2_info *out, struct clo_bytes *json,
                           struct clo_error *err)
{
    for (uint64_t size = HEADER_SIZE_MIN; size <= HEADER_SIZE_MAX; size *= 2)
        if (size < in.size &&
            clo_luks2_read_copy(in, (size_t)size, CLO_LUKS2_SECOND, out, json, err) &&
            out->header_size == size)
            return true;
    return clo_fail(err, CLO_ERR_FORMAT, "no second LUKS header");
}

/* One object from the area's first byte on, and nothing but zeros after it: another reader may not see more than this one. */
static bool find_json(struct clo_bytes area, struct clo_bytes *out, struct clo_error *err)
{
    const uint8_t *end = memchr(area.data, 0, area.size);

    if (end == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "LUKS2: the JSON area has no end");
    if (area.data[0] != '{')
        return clo_fail(err, CLO_ERR_FORMAT, "LUKS2: the JSON area does not begin with an object");
    for (const uint8_t *at = end; at < area.data + area.size; at++)
        if (*at != 0)
            return clo_fail(err, CLO_ERR_REFUSED, "LUKS2: there are bytes after the JSON's end");
    *out = clo_bytes(area.data, (size_t)(end - area.data));
    return true;
}

bool clo_luks2_parse(struct clo_bytes in, struct clo_luks2_info *out, json_t **metadata,
                     struct clo_error *err)
{
    struct clo_luks2_info first = { 0 };
    struct clo_luks2_info second = { 0 };
    struct clo_bytes first_json;
    struct clo_bytes second_json;
    struct clo_bytes json;

    /* Two readers may disagree on which copy counts when they differ, so they must not. */
    if (!clo_luks2_read_copy(in, 0, CLO_LUKS2_FIRST, &first, &first_json, err) ||
        !clo_luks2_read_second(in, &second, &second_json, err))
        return clo_wrap(err, "LUKS2");
    if (!find_json(first_json, &json, err))
        return false;
    if (first.sequence != second.sequence || first.header_size != second.header_size ||
        strcmp(first.uuid, second.uuid) != 0 || strcmp(first.label, second.label) != 0 ||
        !clo_bytes_equal(first_json, second_json))
        return clo_fail(err, CLO_ERR_REFUSED, "LUKS2: the two copies of the header differ");
    if (!clo_json_parse(json, metadata, err))
        return clo_wrap(err, "LUKS2");
    *out = first;
    return true;
}

/* --- The white list --- */

static bool must_be(const json_t *object, const char *key, const char *value, struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string(object, key, &text, err))
        return false;
    if (strcmp(text, value) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "%s \"%.64s\": only \"%s\" is allowed", key, text,
                        value);
    return true;
}

static bool must_be_number(const json_t *object, const char *key, uint64_t least, uint64_t most,
                           uint64_t *out, struct clo_error *err)
{
    uint64_t value;

    if (!clo_json_get_u64(object, key, &value, err))
        return false;
    if (value < least || value > most)
        return clo_fail(err, CLO_ERR_REFUSED, "%s %llu: only %llu to %llu is allowed", key,
                        (unsigned long long)value, (unsigned long long)least,
                        (unsigned long long)most);
    *out = value;
    return true;
}

/* Sizes and offsets are decimal strings in LUKS2's JSON. */
static bool read_decimal(const json_t *object, const char *key, uint64_t *out,
                         struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string(object, key, &text, err))
        return false;
    if (*text == '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "%s is empty", key);
    return (clo_decimal_read(text, out) && (text[0] != '0' || text[1] == '\0')) ||
           clo_fail(err, CLO_ERR_FORMAT, "%s \"%.32s\" is not a number", key, text);
}

/* AES-256-XTS, or GCM, which is nothing without its tags. */
static bool check_cipher(const json_t *segment, struct clo_luks2_info *info, struct clo_error *err)
{
    const char *cipher;

    if (!clo_json_get_string(segment, "encryption", &cipher, err))
        return false;
    if (strcmp(cipher, CLO_LUKS2_GCM) != 0 &&
        !must_be(segment, "encryption", "aes-xts-plain64", err))
        return false;
    snprintf(info->cipher, sizeof info->cipher, "%s", cipher);
    return true;
}

/* A tag for each sector, under a key of its own, or of the one cipher; dm-integrity's journal has neither: it holds what is encrypted already. */
static bool check_integrity(const json_t *segment, struct clo_luks2_info *info,
                            struct clo_error *err)
{
    static const char *const members[] = { "type", "journal_encryption", "journal_integrity",
                                           NULL };
    bool is_gcm = strcmp(info->cipher, CLO_LUKS2_GCM) == 0;
    const char *kind = is_gcm ? CLO_LUKS2_AEAD : CLO_LUKS2_HMAC;
    json_t *integrity;

    info->key_size = CLO_LUKS2_XTS_KEY_SIZE;
    if (json_object_get(segment, "integrity") == NULL)
        return !is_gcm || clo_fail(err, CLO_ERR_REFUSED,
                                   "integrity: none, and " CLO_LUKS2_GCM " has tags always");
    if (!clo_json_get_object(segment, "integrity", &integrity, err) ||
        !must_be(integrity, "type", kind, err) ||
        !must_be(integrity, "journal_encryption", "none", err) ||
        !must_be(integrity, "journal_integrity", "none", err) ||
        !clo_json_only(integrity, members, err))
        return clo_wrap(err, "integrity");
    info->key_size = is_gcm ? CLO_LUKS2_GCM_KEY_SIZE : CLO_LUKS2_HMAC_KEY_SIZE;
    strcpy(info->integrity, kind);
    return true;
}

/* Without tags, 4096 bytes alone: what is there has no other. */
static bool check_sector_size(const json_t *segment, struct clo_luks2_info *info,
                              struct clo_error *err)
{
    uint64_t least = info->integrity[0] == '\0' ? 4096 : 512;
    uint64_t size;

    if (!must_be_number(segment, "sector_size", least, 4096, &size, err))
        return false;
    if (size != least && size != 4096)
        return clo_fail(err, CLO_ERR_REFUSED, "sector_size %llu: only 512 and 4096 are allowed",
                        (unsigned long long)size);
    info->sector_size = (unsigned)size;
    return true;
}

/* After both headers, where they are on the device too. */
static bool check_offset(const struct clo_luks2_info *info, bool is_detached, struct clo_error *err)
{
    bool ok = info->payload_offset <= CLO_LUKS2_HEADER_MAX && info->payload_offset % 4096 == 0 &&
              (is_detached || info->payload_offset > 2 * info->header_size);

    return ok || clo_fail(err, CLO_ERR_REFUSED, "segment 0: offset %llu",
                          (unsigned long long)info->payload_offset);
}

static bool check_segment(const json_t *segments, bool is_detached, struct clo_luks2_info *info,
                          struct clo_error *err)
{
    static const char *const members[] = { "type",       "offset",      "size",      "iv_tweak",
                                           "encryption", "sector_size", "integrity", NULL };
    const json_t *segment = json_object_get(segments, "0");
    uint64_t tweak;

    if (json_object_size(segments) != 1 || segment == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "segments: %zu of them, only one is allowed",
                        json_object_size(segments));
    if (!check_cipher(segment, info, err) || !must_be(segment, "type", "crypt", err) ||
        !must_be(segment, "size", "dynamic", err) ||
        !read_decimal(segment, "iv_tweak", &tweak, err) ||
        !read_decimal(segment, "offset", &info->payload_offset, err) ||
        !check_integrity(segment, info, err) || !check_sector_size(segment, info, err) ||
        !clo_json_only(segment, members, err))
        return clo_wrap(err, "segment 0");
    if (tweak != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "segment 0: iv_tweak %llu: only 0 is allowed",
                        (unsigned long long)tweak);
    return check_offset(info, is_detached, err);
}

static bool check_hash(const json_t *object, enum clo_hash *out, struct clo_error *err)
{
    const char *hash;

    if (!clo_json_get_string(object, "hash", &hash, err))
        return false;
    if (strcmp(hash, "sha256") != 0 && strcmp(hash, "sha512") != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "hash \"%.20s\"", hash);
    *out = strcmp(hash, "sha256") == 0 ? CLO_HASH_SHA256 : CLO_HASH_SHA512;
    return true;
}

/* A member in base64, with as many bytes as that. */
static bool check_bytes(const json_t *object, const char *key, size_t least, size_t most,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_json_get_bytes(object, key, CLO_JSON_BASE64, most + 1, &bytes, err))
        return false;
    if (bytes.size < least || bytes.size > most)
        return clo_fail(err, CLO_ERR_REFUSED, "%s of %zu bytes: only %zu to %zu are allowed", key,
                        bytes.size, least, most);
    return true;
}

/* What one try costs, added to what the others cost. */
static bool check_kdf(const json_t *kdf, uint64_t *cost, struct clo_error *err)
{
    static const char *const argon_members[] = { "type", "time", "memory", "cpus", "salt", NULL };
    static const char *const pbkdf2_members[] = { "type", "hash", "iterations", "salt", NULL };
    const char *type;
    uint64_t time;
    uint64_t memory;
    uint64_t iterations;
    uint64_t cpus;
    enum clo_hash hash;

    if (!clo_json_get_string(kdf, "type", &type, err) ||
        !check_bytes(kdf, "salt", SALT_MIN, SALT_MAX, err))
        return false;
    if (strcmp(type, "argon2id") == 0) {
        if (!must_be_number(kdf, "time", 1, ARGON2_TIME_MAX, &time, err) ||
            !must_be_number(kdf, "memory", 32, ARGON2_MEMORY_MAX, &memory, err) ||
            !must_be_number(kdf, "cpus", 1, ARGON2_THREADS_MAX, &cpus, err) ||
            !clo_json_only(kdf, argon_members, err))
            return false;
        *cost += time * memory / ARGON2_KIB_PER_MS;
        return true;
    }
    if (strcmp(type, "pbkdf2") != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "type \"%.20s\"", type);
    if (!check_hash(kdf, &hash, err) ||
        !must_be_number(kdf, "iterations", 1000, PBKDF2_ITERATIONS, &iterations, err) ||
        !clo_json_only(kdf, pbkdf2_members, err))
        return false;
    *cost += iterations / PBKDF2_PER_MS;
    return true;
}

struct area {
    uint64_t start;
    uint64_t end;
};

static bool check_area(const json_t *area, const struct clo_luks2_info *info, struct area *out,
                       struct clo_error *err)
{
    static const char *const members[] = {
        "type", "offset", "size", "encryption", "key_size", NULL
    };
    uint64_t offset;
    uint64_t size;
    uint64_t key_size;

    if (!must_be(area, "type", "raw", err) ||
        !must_be(area, "encryption", "aes-xts-plain64", err) ||
        !must_be_number(area, "key_size", CLO_LUKS2_XTS_KEY_SIZE, CLO_LUKS2_XTS_KEY_SIZE, &key_size,
                        err) ||
        !read_decimal(area, "offset", &offset, err) || !read_decimal(area, "size", &size, err) ||
        !clo_json_only(area, members, err))
        return false;
    if (offset < 2 * info->header_size || offset > info->header_end || size == 0 ||
        size > info->header_end - offset)
        return clo_fail(err, CLO_ERR_REFUSED, "%llu bytes at %llu are outside the header",
                        (unsigned long long)size, (unsigned long long)offset);
    if (offset % AREA_ALIGNMENT != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "it begins at %llu, which is not a multiple of %d",
                        (unsigned long long)offset, AREA_ALIGNMENT);
    if (size < (uint64_t)info->key_size * STRIPES)
        return clo_fail(err, CLO_ERR_REFUSED, "%llu bytes are too few for a key of %d stripes",
                        (unsigned long long)size, STRIPES);
    *out = (struct area){ offset, offset + size };
    return true;
}

static bool check_keyslot(const json_t *slot, struct clo_luks2_info *info, struct area *area,
                          uint64_t *cost, struct clo_error *err)
{
    static const char *const members[] = {
        "type", "key_size", "af", "area", "kdf", "priority", NULL
    };
    static const char *const af_members[] = { "type", "stripes", "hash", NULL };
    json_t *af;
    json_t *area_json;
    json_t *kdf;
    uint64_t key_size;
    uint64_t ignored;
    enum clo_hash hash;

    if (!must_be(slot, "type", "luks2", err) ||
        !must_be_number(slot, "key_size", info->key_size, info->key_size, &key_size, err) ||
        (json_object_get(slot, "priority") != NULL &&
         !must_be_number(slot, "priority", 0, 2, &ignored, err)) ||
        !clo_json_get_object(slot, "af", &af, err) ||
        !clo_json_get_object(slot, "area", &area_json, err) ||
        !clo_json_get_object(slot, "kdf", &kdf, err) || !clo_json_only(slot, members, err))
        return false;
    if (!must_be(af, "type", "luks1", err) ||
        !must_be_number(af, "stripes", STRIPES, STRIPES, &ignored, err) ||
        !check_hash(af, &hash, err) || !clo_json_only(af, af_members, err))
        return clo_wrap(err, "af");
    if (!check_area(area_json, info, area, err))
        return clo_wrap(err, "area");
    if (!check_kdf(kdf, cost, err))
        return clo_wrap(err, "kdf");
    return true;
}

/* Slots and tokens are named by their numbers, in decimal: another reader might take "00" for "0". */
static bool is_index(const char *name, unsigned count)
{
    char expected[12];

    for (unsigned i = 0; i < count; i++) {
        snprintf(expected, sizeof expected, "%u", i);
        if (strcmp(name, expected) == 0)
            return true;
    }
    return false;
}

static bool check_keyslots(const json_t *keyslots, struct clo_luks2_info *info, uint64_t *cost,
                           struct clo_error *err)
{
    struct area areas[CLO_LUKS2_KEYSLOTS_MAX];
    const char *name;
    json_t *slot;

    if (json_object_size(keyslots) == 0 || json_object_size(keyslots) > CLO_LUKS2_KEYSLOTS_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "keyslots: %zu of them", json_object_size(keyslots));
    json_object_foreach ((json_t *)(uintptr_t)keyslots, name, slot) {
        struct area *area = &areas[info->keyslot_count];
        if (!is_index(name, CLO_LUKS2_KEYSLOTS_MAX))
            return clo_fail(err, CLO_ERR_REFUSED, "keyslot \"%.20s\": names are 0 to %d", name,
                            CLO_LUKS2_KEYSLOTS_MAX - 1);
        if (!check_keyslot(slot, info, area, cost, err))
            return clo_wrap(err, "keyslot %.8s", name);
        for (size_t i = 0; i < info->keyslot_count; i++)
            if (area->start < areas[i].end && areas[i].start < area->end)
                return clo_fail(err, CLO_ERR_REFUSED, "keyslot %.8s: its area overlaps another",
                                name);
        if (area->end > info->keyslots_end)
            info->keyslots_end = area->end;
        info->keyslot_count++;
    }
    return true;
}

static bool is_in_list(const json_t *list, const char *text)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        if (json_is_string(entry) && strcmp(json_string_value(entry), text) == 0)
            return true;
    }
    return false;
}

/* The slots that a digest or a token names: each is there, and named once. */
static bool check_slot_list(const json_t *list, const json_t *keyslots, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *name = json_string_value(entry);
        if (name == NULL || json_object_get(keyslots, name) == NULL)
            return clo_fail(err, CLO_ERR_REFUSED, "keyslots: \"%.20s\" is not one of the header's",
                            name == NULL ? "" : name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(json_string_value(json_array_get(list, k)), name) == 0)
                return clo_fail(err, CLO_ERR_REFUSED, "keyslots: \"%.20s\" is named twice", name);
    }
    return true;
}

/* The volume key's digest: one of no bytes would be met by any key, and so by any pass phrase. */
static bool check_digest_value(const json_t *digest, uint64_t *cost, struct clo_error *err)
{
    uint64_t iterations;
    enum clo_hash hash;

    if (!must_be(digest, "type", "pbkdf2", err) || !check_hash(digest, &hash, err) ||
        !must_be_number(digest, "iterations", 1000, PBKDF2_ITERATIONS, &iterations, err) ||
        !check_bytes(digest, "salt", SALT_MIN, SALT_MAX, err) ||
        !check_bytes(digest, "digest", clo_hash_size(hash), clo_hash_size(hash), err))
        return false;
    *cost += iterations / PBKDF2_PER_MS;
    return true;
}

static bool check_digest(const json_t *digests, const json_t *keyslots, uint64_t *cost,
                         struct clo_error *err)
{
    static const char *const members[] = { "type",       "keyslots", "segments", "hash",
                                           "iterations", "salt",     "digest",   NULL };
    const json_t *digest = json_object_get(digests, "0");
    json_t *slots;
    json_t *segments;
    const char *name;
    json_t *slot;

    if (json_object_size(digests) != 1 || digest == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "digests: %zu of them, only one is allowed",
                        json_object_size(digests));
    if (!check_digest_value(digest, cost, err) ||
        !clo_json_get_array(digest, "keyslots", &slots, err) ||
        !clo_json_get_array(digest, "segments", &segments, err) ||
        !clo_json_only(digest, members, err) || !check_slot_list(slots, keyslots, err))
        return clo_wrap(err, "digest 0");
    if (json_array_size(segments) != 1 || !is_in_list(segments, "0"))
        return clo_fail(err, CLO_ERR_REFUSED, "digest 0: is not of segment 0 alone");
    json_object_foreach ((json_t *)(uintptr_t)keyslots, name, slot) {
        if (!is_in_list(slots, name))
            return clo_fail(err, CLO_ERR_REFUSED, "keyslot %.8s: its key has no digest", name);
    }
    return true;
}

/* A token may say anything, as nothing in it is used; but it is of a bounded size, and about slots that exist. */
static bool check_token(const json_t *token, const json_t *keyslots, struct clo_error *err)
{
    const char *type;
    json_t *slots;

    if (!clo_json_get_string(token, "type", &type, err) ||
        !clo_json_get_array(token, "keyslots", &slots, err) ||
        !check_slot_list(slots, keyslots, err))
        return false;
    size_t size = json_dumpb(token, NULL, 0, JSON_COMPACT);
    if (size > TOKEN_SIZE_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "%zu bytes: at most %d are allowed", size,
                        TOKEN_SIZE_MAX);
    return true;
}

static bool check_tokens(const json_t *tokens, const json_t *keyslots, struct clo_error *err)
{
    const char *name;
    json_t *token;

    json_object_foreach ((json_t *)(uintptr_t)tokens, name, token) {
        if (!is_index(name, CLO_LUKS2_TOKENS_MAX))
            return clo_fail(err, CLO_ERR_REFUSED, "token \"%.20s\": names are 0 to %d", name,
                            CLO_LUKS2_TOKENS_MAX - 1);
        if (!check_token(token, keyslots, err))
            return clo_wrap(err, "token %.8s", name);
    }
    return true;
}

/* Nothing that changes how the volume is read: no requirement, and only flags that are harmless. */
static bool check_config(const json_t *config, const struct clo_luks2_info *info,
                         struct clo_error *err)
{
    static const char *const members[] = { "json_size", "keyslots_size", NULL };
    uint64_t json_size;
    uint64_t keyslots_size;

    if (json_object_get(config, "requirements") != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "config: requirements are not allowed");
    if (json_object_get(config, "flags") != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "config: flags are not allowed");
    if (!clo_json_only(config, members, err) ||
        !read_decimal(config, "json_size", &json_size, err) ||
        !read_decimal(config, "keyslots_size", &keyslots_size, err))
        return clo_wrap(err, "config");
    if (json_size != info->header_size - BINARY_HEADER_SIZE)
        return clo_fail(err, CLO_ERR_REFUSED, "config: json_size %llu",
                        (unsigned long long)json_size);
    if (keyslots_size % AREA_ALIGNMENT != 0 ||
        keyslots_size > info->header_end - 2 * info->header_size)
        return clo_fail(err, CLO_ERR_REFUSED, "config: keyslots_size %llu",
                        (unsigned long long)keyslots_size);
    if (info->keyslots_end > 2 * info->header_size + keyslots_size)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "config: keyslots_size %llu: a key slot's area ends after it",
                        (unsigned long long)keyslots_size);
    return true;
}

/* 8-4-4-4-12 hexadecimal digits: it goes into what PCR 15 is extended with. */
static bool check_uuid(const char *uuid, struct clo_error *err)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool ok = strlen(uuid) == sizeof shape - 1;

    for (size_t i = 0; ok && i < sizeof shape - 1; i++)
        ok = shape[i] == 'x' ? strchr("0123456789abcdefABCDEF", uuid[i]) != NULL : uuid[i] == '-';
    return ok || clo_fail(err, CLO_ERR_REFUSED, "UUID \"%.40s\"", uuid);
}

static bool check_cost(uint64_t cost, struct clo_error *err)
{
    return cost <= COST_MAX ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "trying all its key slots takes about %llu s, at most %d s are allowed",
                    (unsigned long long)cost / 1000, COST_MAX / 1000);
}

/* Key slots lie after both copies, and end before the payload, or with the file. */
static bool check_room(uint64_t room, struct clo_luks2_info *info, struct clo_error *err)
{
    info->header_end = room == 0 ? info->payload_offset : room;
    return info->header_end > 2 * info->header_size ||
           clo_fail(err, CLO_ERR_FORMAT, "%llu bytes, without a key slot",
                    (unsigned long long)info->header_end);
}

/* `room`: for the header in a file of its own; 0: it lies before the payload. */
static bool check(struct clo_bytes in, uint64_t room, struct clo_luks2_info *out,
                  struct clo_error *err)
{
    static const char *const members[] = { "keyslots", "tokens", "segments",
                                           "digests",  "config", NULL };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    json_t *segments;
    json_t *keyslots;
    json_t *digests;
    json_t *config;
    json_t *tokens;
    uint64_t cost = 0;

    if (!clo_luks2_parse(in, &info, &metadata, err))
        return false;
    if (!clo_json_get_object(metadata, "segments", &segments, err) ||
        !clo_json_get_object(metadata, "keyslots", &keyslots, err) ||
        !clo_json_get_object(metadata, "digests", &digests, err) ||
        !clo_json_get_object(metadata, "config", &config, err) ||
        !clo_json_get_object(metadata, "tokens", &tokens, err) ||
        !clo_json_only(metadata, members, err) || !check_uuid(info.uuid, err) ||
        !check_segment(segments, room != 0, &info, err) || !check_room(room, &info, err) ||
        !check_keyslots(keyslots, &info, &cost, err) ||
        !check_digest(digests, keyslots, &cost, err) || !check_cost(cost, err) ||
        !check_config(config, &info, err) || !check_tokens(tokens, keyslots, err))
        return clo_wrap(err, "LUKS2 header");
    if (!clo_luks2_generation_parse(tokens, &info.generation, err))
        return clo_wrap(err, "LUKS2 header");
    if (room == 0 && in.size < info.payload_offset)
        return clo_fail(err, CLO_ERR_FORMAT, "LUKS2 header: %zu bytes, the payload begins at %llu",
                        in.size, (unsigned long long)info.payload_offset);
    *out = info;
    return true;
}

bool clo_luks2_check(struct clo_bytes in, struct clo_luks2_info *out, struct clo_error *err)
{
    return check(in, 0, out, err);
}

bool clo_luks2_check_detached(struct clo_bytes in, struct clo_luks2_info *out,
                              struct clo_error *err)
{
    if (in.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "LUKS2: no LUKS header");
    return check(in, in.size, out, err);
}

void clo_luks2_volume_key_id(const struct clo_secret *volume_key, const char *name,
                             const char *uuid, struct clo_digest *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_buffer_text(&text, "cryptsetup:");
    clo_buffer_text(&text, name);
    clo_buffer_text(&text, ":");
    clo_buffer_text(&text, uuid);
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(volume_key), clo_buffer_bytes(&text), out);
}

void clo_luks2_measurement(const struct clo_secret *volume_key, const char *uuid,
                           enum clo_hash hash, char text[CLO_LUKS2_MEASUREMENT_TEXT],
                           struct clo_digest *out)
{
    snprintf(text, CLO_LUKS2_MEASUREMENT_TEXT, "cryptsetup:root:%s", uuid);
    clo_hmac(hash, clo_secret_bytes(volume_key), clo_bytes_text(text), out);
}
