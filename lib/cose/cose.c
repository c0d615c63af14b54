#include "cloister/cose.h"

#include <string.h>

#include "lib/base/cbor.h"
#include "lib/cose/cose_internal.h"
#include "lib/cose/item.h"

#define TAG_SIGN1 18
#define TAG_CWT   61

#define HEADER_ALG          1
#define HEADER_CRIT         2
#define HEADER_CONTENT_TYPE 3

static bool algorithm(enum clo_key_kind kind, int64_t *id, enum clo_hash *hash,
                      struct clo_error *err)
{
    if (kind != CLO_KEY_P256 && kind != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "COSE: a key on P-256 or P-384 is needed");
    *id = kind == CLO_KEY_P256 ? -7 : -35;
    *hash = kind == CLO_KEY_P256 ? CLO_HASH_SHA256 : CLO_HASH_SHA384;
    return true;
}

/* Sig_structure (RFC 9052, section 4.4). */
static bool signed_bytes(struct clo_bytes header, struct clo_bytes payload, struct clo_buffer *out,
                         struct clo_error *err)
{
    clo_cbor_write(out, CLO_CBOR_ARRAY, 4);
    clo_cbor_text(out, "Signature1");
    clo_cbor_bytes(out, header);
    clo_cbor_bytes(out, clo_bytes(NULL, 0));
    clo_cbor_bytes(out, payload);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_cose_sign(const struct clo_private_key *key, const char *content_type,
                   struct clo_bytes payload, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    enum clo_hash hash = CLO_HASH_NONE;
    int64_t id = 0;

    if (!algorithm(clo_private_key_kind(key), &id, &hash, err))
        return false;
    clo_cbor_write(&header, CLO_CBOR_MAP, content_type == NULL ? 1 : 2);
    clo_cbor_write(&header, CLO_CBOR_UINT, HEADER_ALG);
    clo_cbor_write(&header, CLO_CBOR_NEGATIVE, (uint64_t)(-1 - id));
    if (content_type != NULL) {
        clo_cbor_write(&header, CLO_CBOR_UINT, HEADER_CONTENT_TYPE);
        clo_cbor_text(&header, content_type);
    }
    if (!clo_buffer_ok(&header))
        return clo_out_of_memory(err);
    if (!signed_bytes(clo_buffer_bytes(&header), payload, &text, err) ||
        !clo_signature_make(key, CLO_ECDSA_RAW, hash, clo_buffer_bytes(&text), &signature, err))
        return clo_wrap(err, "COSE");
    clo_cbor_write(out, CLO_CBOR_TAG, TAG_SIGN1);
    clo_cbor_write(out, CLO_CBOR_ARRAY, 4);
    clo_cbor_bytes(out, clo_buffer_bytes(&header));
    clo_cbor_write(out, CLO_CBOR_MAP, 0);
    clo_cbor_bytes(out, payload);
    clo_cbor_bytes(out, clo_buffer_bytes(&signature));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* What is in the tags; data NULL: they are not there. libcbor before 0.10 knows no tag 18, so they are taken off
 * before it sees the message. */
static struct clo_bytes untagged(struct clo_bytes in)
{
    static const uint8_t cwt[] = { 0xd8, TAG_CWT };

    if (in.size > 2 && memcmp(in.data, cwt, sizeof cwt) == 0)
        in = clo_bytes_slice(in, sizeof cwt, in.size);
    if (in.size < 2 || in.data[0] != (CLO_CBOR_TAG << 5 | TAG_SIGN1))
        return clo_bytes(NULL, 0);
    return clo_bytes_slice(in, 1, in.size);
}

bool clo_cose_is_sign1(struct clo_bytes in)
{
    return untagged(in).data != NULL;
}

/* The protected header alone counts: the other is nobody's word. */
static bool read_header(struct clo_bytes header, cbor_item_t **out, int64_t *algorithm_id,
                        struct clo_error *err)
{
    CLO_CLEANUP(item_freep) cbor_item_t *map = NULL;

    if (!item_load(header, &map, err))
        return clo_wrap(err, "protected header");
    if (!item_int(item_at(map, HEADER_ALG), algorithm_id))
        return clo_fail(err, CLO_ERR_FORMAT, "the protected header names no algorithm");
    if (item_at(map, HEADER_CRIT) != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "critical headers that this program does not know");
    *out = CLO_TAKE(map);
    return true;
}

static bool is_algorithm(int64_t id, int64_t expected, struct clo_error *err)
{
    return id == expected || clo_fail(err, CLO_ERR_REFUSED, "algorithm %lld, the key's is %lld",
                                      (long long)id, (long long)expected);
}

static bool check_unprotected(const cbor_item_t *header, struct clo_error *err)
{
    return (item_at(header, HEADER_ALG) == NULL && item_at(header, HEADER_CRIT) == NULL) ||
           clo_fail(err, CLO_ERR_REFUSED, "algorithm or critical in the unprotected header");
}

void cose_message_free(struct cose_message *message)
{
    item_free(message->items);
    item_free(message->header);
    *message = (struct cose_message){ .items = NULL };
}

static bool read_parts(struct clo_bytes in, struct cose_message *out, struct clo_error *err)
{
    if (in.data != NULL && !item_load(in, &out->items, err))
        return false;
    const cbor_item_t *items = out->items;
    if (!item_is_array(items) || item_count(items) != 4 || !item_is_map(item_of(items, 1)))
        return clo_fail(err, CLO_ERR_FORMAT, "not a COSE_Sign1 (tag 18, four items)");
    if (!item_is_bytes(item_of(items, 0)) || !item_bytes(item_of(items, 0), &out->protected) ||
        !item_is_bytes(item_of(items, 2)) || !item_bytes(item_of(items, 2), &out->payload) ||
        !item_is_bytes(item_of(items, 3)) || !item_bytes(item_of(items, 3), &out->signature))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "header, payload and signature are not byte strings (a detached payload is "
                        "not read)");
    return true;
}

static bool read_message(struct clo_bytes in, struct cose_message *out, struct clo_error *err)
{
    return read_parts(in, out, err) && check_unprotected(item_of(out->items, 1), err) &&
           read_header(out->protected, &out->header, &out->algorithm, err);
}

static struct clo_bytes with_or_without_tag(struct clo_bytes in)
{
    return clo_cose_is_sign1(in) ? untagged(in) : in;
}

bool cose_message_read(struct clo_bytes in, struct cose_message *out, struct clo_error *err)
{
    *out = (struct cose_message){ .items = NULL };
    if (read_message(with_or_without_tag(in), out, err))
        return true;
    cose_message_free(out);
    return clo_wrap(err, "COSE");
}

bool cose_payload(struct clo_bytes in, struct clo_buffer *payload, struct clo_error *err)
{
    CLO_CLEANUP(cose_message_free) struct cose_message message = { .items = NULL };

    if (!read_parts(with_or_without_tag(in), &message, err))
        return clo_wrap(err, "COSE");
    clo_buffer_append(payload, message.payload);
    return clo_buffer_ok(payload) || clo_out_of_memory(err);
}

/* RFC 8230, section 2: PS256, PS384, PS512. */
static enum clo_hash pss_hash(int64_t id)
{
    return id == -37   ? CLO_HASH_SHA256
           : id == -38 ? CLO_HASH_SHA384
           : id == -39 ? CLO_HASH_SHA512
                       : CLO_HASH_NONE;
}

static bool verify_message(const struct cose_message *message, const struct clo_public_key *key,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    bool is_rsa = clo_public_key_kind(key) == CLO_KEY_RSA;
    enum clo_hash hash = pss_hash(message->algorithm);
    int64_t id = message->algorithm;

    if (is_rsa && hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_REFUSED, "algorithm %lld is not RSASSA-PSS", (long long)id);
    if (!is_rsa && !algorithm(clo_public_key_kind(key), &id, &hash, err))
        return false;
    return is_algorithm(message->algorithm, id, err) &&
           signed_bytes(message->protected, message->payload, &text, err) &&
           clo_signature_verify(key, is_rsa ? CLO_RSASSA_PSS : CLO_ECDSA_RAW, hash,
                                clo_buffer_bytes(&text), message->signature, err);
}

bool cose_message_verify(const struct cose_message *message, const struct clo_public_key *key,
                         struct clo_error *err)
{
    return verify_message(message, key, err) || clo_wrap(err, "COSE");
}

/* The payload of a message under a key that is on a curve. */
static bool verify(struct clo_bytes in, const struct clo_public_key *key, struct clo_buffer *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(cose_message_free) struct cose_message message = { .items = NULL };
    enum clo_hash hash;
    int64_t id;

    if (!algorithm(clo_public_key_kind(key), &id, &hash, err) || !read_message(in, &message, err) ||
        !verify_message(&message, key, err))
        return false;
    clo_buffer_append(out, message.payload);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_cose_verify(struct clo_bytes in, const struct clo_public_key *key,
                     struct clo_buffer *payload, struct clo_error *err)
{
    return verify(untagged(in), key, payload, err) || clo_wrap(err, "COSE");
}

bool cose_verify_any(struct clo_bytes in, const struct clo_public_key *key,
                     struct clo_buffer *payload, struct clo_error *err)
{
    return verify(with_or_without_tag(in), key, payload, err) || clo_wrap(err, "COSE");
}
