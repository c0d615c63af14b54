#include "cloister/id_block.h"

#include <string.h>

#define ID_BLOCK_VERSION     1
#define ALGORITHM_ECDSA_P384 1
#define CURVE_P384           2
#define NUMBER_SIZE          72 /* little endian, zero padded */
#define P384_SIZE            48

void clo_snp_id_block_write(const struct clo_snp_id_block *block, struct clo_buffer *out)
{
    clo_buffer_append(out, clo_bytes(block->launch_digest, sizeof block->launch_digest));
    clo_buffer_append(out, clo_bytes(block->family_id, sizeof block->family_id));
    clo_buffer_append(out, clo_bytes(block->image_id, sizeof block->image_id));
    clo_buffer_le32(out, block->version);
    clo_buffer_le32(out, block->guest_svn);
    clo_buffer_le64(out, block->policy);
}

bool clo_snp_id_block_parse(struct clo_bytes in, struct clo_snp_id_block *out,
                            struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_snp_id_block block;

    if (in.size != CLO_SNP_ID_BLOCK_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "ID block: %zu bytes, expected %d", in.size,
                        CLO_SNP_ID_BLOCK_SIZE);
    memcpy(block.launch_digest, clo_read_bytes(&r, 48).data, 48);
    memcpy(block.family_id, clo_read_bytes(&r, 16).data, 16);
    memcpy(block.image_id, clo_read_bytes(&r, 16).data, 16);
    block.version = clo_read_le32(&r);
    block.guest_svn = clo_read_le32(&r);
    block.policy = clo_read_le64(&r);
    if (block.version != ID_BLOCK_VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "ID block: version %u, expected %d",
                        block.version, ID_BLOCK_VERSION);
    *out = block;
    return true;
}

/* --- Keys and signatures --- */

/* `size` bytes, the order turned round. */
static void reverse(uint8_t *out, const uint8_t *in, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = in[size - 1 - i];
}

static bool read_number(struct clo_bytes field, uint8_t out[P384_SIZE])
{
    if (!clo_bytes_all(clo_bytes_slice(field, P384_SIZE, field.size), 0))
        return false;
    reverse(out, field.data, P384_SIZE);
    return true;
}

static void write_number(struct clo_bytes big_endian, struct clo_buffer *out)
{
    uint8_t number[NUMBER_SIZE] = { 0 };

    reverse(number, big_endian.data, big_endian.size);
    clo_buffer_append(out, clo_bytes(number, sizeof number));
}

bool clo_snp_signature_numbers(struct clo_bytes field, uint8_t out[2 * P384_SIZE])
{
    return field.size >= 2 * (size_t)NUMBER_SIZE &&
           clo_bytes_all(clo_bytes_slice(field, 2 * (size_t)NUMBER_SIZE, field.size), 0) &&
           read_number(clo_bytes_slice(field, 0, NUMBER_SIZE), out) &&
           read_number(clo_bytes_slice(field, NUMBER_SIZE, NUMBER_SIZE), out + P384_SIZE);
}

bool clo_snp_id_key_write(const struct clo_public_key *key, struct clo_buffer *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };

    if (clo_public_key_kind(key) != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "the key is none of P-384");
    if (!clo_public_key_numbers(key, &x, &y, err))
        return false;
    size_t start = out->size;
    clo_buffer_le32(out, CURVE_P384);
    write_number(clo_buffer_bytes(&x), out);
    write_number(clo_buffer_bytes(&y), out);
    clo_buffer_zero(out, CLO_SNP_ID_KEY_SIZE - (out->size - start));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_snp_id_key_parse(struct clo_bytes in, struct clo_public_key **out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint8_t numbers[2 * P384_SIZE];

    if (in.size != CLO_SNP_ID_KEY_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %d", in.size,
                        CLO_SNP_ID_KEY_SIZE);
    uint32_t curve = clo_read_le32(&r);
    if (curve != CURVE_P384)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "curve %u, expected %d (P-384)", curve,
                        CURVE_P384);
    if (!clo_snp_signature_numbers(clo_read_bytes(&r, clo_reader_left(&r)), numbers))
        return clo_fail(err, CLO_ERR_FORMAT, "its padding is not zero");
    return clo_public_key_from_ec(CLO_KEY_P384, clo_bytes(numbers, P384_SIZE),
                                  clo_bytes(numbers + P384_SIZE, P384_SIZE), out, err);
}

bool clo_snp_id_key_digest(const struct clo_public_key *key, struct clo_digest *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_snp_id_key_write(key, &bytes, err))
        return false;
    clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&bytes), out);
    return true;
}

static bool sign(const struct clo_private_key *key, struct clo_bytes message,
                 struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };

    if (!clo_signature_make(key, CLO_ECDSA_RAW, CLO_HASH_SHA384, message, &raw, err))
        return false;
    write_number(clo_bytes_slice(clo_buffer_bytes(&raw), 0, P384_SIZE), out);
    write_number(clo_bytes_slice(clo_buffer_bytes(&raw), P384_SIZE, P384_SIZE), out);
    clo_buffer_zero(out, CLO_SNP_ID_SIGNATURE_SIZE - 2 * (size_t)NUMBER_SIZE);
    return true;
}

static bool verify(struct clo_bytes key_bytes, const char *who, struct clo_bytes message,
                   struct clo_bytes signature, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    uint8_t numbers[2 * P384_SIZE];

    if (!clo_snp_id_key_parse(key_bytes, &key, err))
        return clo_wrap(err, "%s", who);
    if (!clo_snp_signature_numbers(signature, numbers))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: the signature's padding is not zero", who);
    return clo_signature_verify(key, CLO_ECDSA_RAW, CLO_HASH_SHA384, message,
                                clo_bytes(numbers, sizeof numbers), err) ||
           clo_wrap(err, "%s", who);
}

/* --- The authentication structure --- */

static bool read_reserved(struct clo_reader *r, size_t size, struct clo_error *err)
{
    size_t at = r->at;

    return clo_bytes_all(clo_read_bytes(r, size), 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "reserved bytes at 0x%zx are not zero", at);
}

static bool read_auth(struct clo_bytes in, struct clo_snp_id_auth *auth, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    if (in.size != CLO_SNP_ID_AUTH_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %d", in.size,
                        CLO_SNP_ID_AUTH_SIZE);
    uint32_t id_algorithm = clo_read_le32(&r);
    uint32_t author_algorithm = clo_read_le32(&r);
    if (!read_reserved(&r, 56, err))
        return false;
    auth->id_block_signature = clo_read_bytes(&r, CLO_SNP_ID_SIGNATURE_SIZE);
    auth->id_key = clo_read_bytes(&r, CLO_SNP_ID_KEY_SIZE);
    if (!read_reserved(&r, 60, err))
        return false;
    auth->id_key_signature = clo_read_bytes(&r, CLO_SNP_ID_SIGNATURE_SIZE);
    auth->author_key = clo_read_bytes(&r, CLO_SNP_ID_KEY_SIZE);
    if (!read_reserved(&r, clo_reader_left(&r), err))
        return false;
    auth->has_author_key = !clo_bytes_all(auth->author_key, 0);
    if (id_algorithm != ALGORITHM_ECDSA_P384)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "ID key: algorithm %u, expected %d", id_algorithm,
                        ALGORITHM_ECDSA_P384);
    /* Without an author key some write 0 here, others 1. */
    if (author_algorithm != ALGORITHM_ECDSA_P384 && (auth->has_author_key || author_algorithm != 0))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "author key: algorithm %u, expected %d",
                        author_algorithm, ALGORITHM_ECDSA_P384);
    return true;
}

bool clo_snp_id_auth_parse(struct clo_bytes in, struct clo_snp_id_auth *out, struct clo_error *err)
{
    struct clo_snp_id_auth auth = { 0 };

    if (!read_auth(in, &auth, err))
        return clo_wrap(err, "ID authentication");
    *out = auth;
    return true;
}

static bool write_key_of(const struct clo_private_key *key, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;

    return clo_private_key_public(key, &public, err) && clo_snp_id_key_write(public, out, err);
}

static bool write_author(const struct clo_private_key *author_key, struct clo_bytes id_key,
                         struct clo_buffer *out, struct clo_error *err)
{
    if (author_key == NULL) {
        clo_buffer_zero(out, CLO_SNP_ID_SIGNATURE_SIZE + CLO_SNP_ID_KEY_SIZE);
        return true;
    }
    return (sign(author_key, id_key, out, err) && write_key_of(author_key, out, err)) ||
           clo_wrap(err, "author key");
}

bool clo_snp_id_auth_make(const struct clo_snp_id_block *block,
                          const struct clo_private_key *id_key,
                          const struct clo_private_key *author_key, struct clo_buffer *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer auth = { 0 };

    if (!write_key_of(id_key, &key, err))
        return clo_wrap(err, "ID key");
    clo_snp_id_block_write(block, &message);
    clo_buffer_le32(&auth, ALGORITHM_ECDSA_P384);
    clo_buffer_le32(&auth, author_key == NULL ? 0 : ALGORITHM_ECDSA_P384);
    clo_buffer_zero(&auth, 56);
    if (!sign(id_key, clo_buffer_bytes(&message), &auth, err))
        return clo_wrap(err, "ID key");
    clo_buffer_append(&auth, clo_buffer_bytes(&key));
    clo_buffer_zero(&auth, 60);
    if (!write_author(author_key, clo_buffer_bytes(&key), &auth, err))
        return false;
    clo_buffer_zero(&auth, CLO_SNP_ID_AUTH_SIZE - auth.size);
    clo_buffer_append(out, clo_buffer_bytes(&auth));
    if (!clo_buffer_ok(&message) || !clo_buffer_ok(&auth) || !clo_buffer_ok(out))
        return clo_out_of_memory(err);
    return true;
}

bool clo_snp_id_block_verify(const struct clo_snp_id_block *block,
                             const struct clo_snp_id_auth *auth, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };

    clo_snp_id_block_write(block, &message);
    if (!clo_buffer_ok(&message))
        return clo_out_of_memory(err);
    if (!verify(auth->id_key, "ID key", clo_buffer_bytes(&message), auth->id_block_signature, err))
        return clo_wrap(err, "ID block");
    if (auth->has_author_key &&
        !verify(auth->author_key, "author key", auth->id_key, auth->id_key_signature, err))
        return clo_wrap(err, "ID block");
    return true;
}
