/* Signatures made: one shape of PKCS #7 SignedData (RFC 2315), in DER by hand. */
#include <string.h>

#include "lib/base/der.h"
#include "lib/base/put.h"
#include "lib/efi/authenticode_internal.h"

#define OID(...)                                                                   \
    {                                                                              \
        (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) \
    }

static const struct clo_bytes oid_rsa = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);

/* SpcIndirectDataContent, the contents of its SEQUENCE: what the message digest is over. */
static void indirect_data(const struct clo_digest *digest, struct clo_buffer *out)
{
    /* SpcAttributeTypeAndOptionalValue: the type, and SpcPeImageData with no flags and a file link
     * with an empty name. */
    static const uint8_t attribute[] = {
        0x30, 0x17, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01,
        0x0f, 0x30, 0x09, 0x03, 0x01, 0x00, 0xa0, 0x04, 0xa2, 0x02, 0x80, 0x00,
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };

    pkcs7_put_hash(&info, digest->hash);
    clo_der_write(&info, CLO_DER_OCTET_STRING, clo_digest_bytes(digest));
    clo_buffer_append(out, clo_bytes(attribute, sizeof attribute));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&info));
}

/* Attribute { type, SET { value } }. */
static void put_attribute(struct clo_buffer *out, struct clo_bytes type, uint8_t tag,
                          struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attribute = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer values = { 0 };

    clo_der_write(&values, tag, value);
    clo_der_write(&attribute, CLO_DER_OID, type);
    clo_der_write(&attribute, CLO_DER_SET, clo_buffer_bytes(&values));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&attribute));
}

/* The contents of the SET, in DER's order. */
static bool attributes(const struct clo_digest *digest, struct clo_buffer *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    struct clo_digest message_digest;

    if (pkcs7_hash_oid(digest->hash).size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "Authenticode: no such hash");
    indirect_data(digest, &content);
    clo_hash(digest->hash, clo_buffer_bytes(&content), &message_digest);
    put_attribute(out, oid_content_type, CLO_DER_OID, oid_indirect_data);
    put_attribute(out, oid_message_digest, CLO_DER_OCTET_STRING, clo_digest_bytes(&message_digest));
    return (clo_buffer_ok(&content) && clo_buffer_ok(out)) || clo_out_of_memory(err);
}

bool clo_authenticode_tbs(const struct clo_digest *digest, struct clo_buffer *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer set = { 0 };

    if (!attributes(digest, &set, err))
        return false;
    clo_der_write(out, CLO_DER_SET, clo_buffer_bytes(&set));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- SignedData --- */

static bool is_rsa(const struct clo_certificate *certificate)
{
    return clo_public_key_kind(clo_certificate_key(certificate)) == CLO_KEY_RSA;
}

/* rsaEncryption, or ecdsa-with-SHA256 and its like (RFC 5754). */
static void put_signature_algorithm(struct clo_buffer *out, bool rsa, enum clo_hash hash)
{
    uint8_t ecdsa[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };

    ecdsa[7] = hash == CLO_HASH_SHA256 ? 2 : hash == CLO_HASH_SHA384 ? 3 : 4;
    clo_der_write(&algorithm, CLO_DER_OID, rsa ? oid_rsa : clo_bytes(ecdsa, sizeof ecdsa));
    if (rsa)
        clo_der_write(&algorithm, CLO_DER_NULL, clo_bytes(NULL, 0));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
}

static const uint8_t version_1 = 1;

static bool put_signer(const struct clo_digest *digest, const struct clo_certificate *certificate,
                       struct clo_bytes signature, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer set = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct pkcs7_certificate parts;

    if (!pkcs7_certificate(clo_certificate_der(certificate), &parts))
        return clo_fail(err, CLO_ERR_FORMAT, "Authenticode: the certificate cannot be read");
    if (!attributes(digest, &set, err))
        return false;
    clo_buffer_append(&name, parts.issuer);
    clo_der_write(&name, CLO_DER_INTEGER, parts.serial);
    clo_der_write(&signer, CLO_DER_INTEGER, clo_bytes(&version_1, 1));
    clo_der_write(&signer, CLO_DER_SEQUENCE, clo_buffer_bytes(&name));
    pkcs7_put_hash(&signer, digest->hash);
    clo_der_write(&signer, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&set));
    put_signature_algorithm(&signer, is_rsa(certificate), digest->hash);
    clo_der_write(&signer, CLO_DER_OCTET_STRING, signature);
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&signer));
    return clo_buffer_ok(&signer) || clo_out_of_memory(err);
}

/* ContentInfo { type, [0] { SEQUENCE } }. */
static void put_content(const struct clo_digest *digest, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sequence = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };

    indirect_data(digest, &content);
    clo_der_write(&sequence, CLO_DER_SEQUENCE, clo_buffer_bytes(&content));
    clo_der_write(&info, CLO_DER_OID, oid_indirect_data);
    clo_der_write(&info, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&sequence));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&info));
}

static bool put_signed_data(const struct clo_digest *digest,
                            const struct clo_certificate *certificate, struct clo_bytes signature,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signers = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hashes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };

    if (!put_signer(digest, certificate, signature, &signers, err))
        return false;
    pkcs7_put_hash(&hashes, digest->hash);
    clo_der_write(&data, CLO_DER_INTEGER, clo_bytes(&version_1, 1));
    clo_der_write(&data, CLO_DER_SET, clo_buffer_bytes(&hashes));
    put_content(digest, &data);
    clo_der_write(&data, CLO_DER_EXPLICIT(0), clo_certificate_der(certificate));
    clo_der_write(&data, CLO_DER_SET, clo_buffer_bytes(&signers));
    clo_der_write(&whole, CLO_DER_SEQUENCE, clo_buffer_bytes(&data));
    data.size = 0;
    clo_der_write(&data, CLO_DER_OID, oid_signed_data);
    clo_der_write(&data, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&whole));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&data));
    return (clo_buffer_ok(&whole) && clo_buffer_ok(&data) && clo_buffer_ok(out)) ||
           clo_out_of_memory(err);
}

static enum clo_signature_scheme scheme_of(const struct clo_certificate *certificate)
{
    return is_rsa(certificate) ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER;
}

bool clo_authenticode_pkcs7(const struct clo_digest *digest,
                            const struct clo_certificate *certificate, struct clo_bytes signature,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tbs = { 0 };

    if (!clo_authenticode_tbs(digest, &tbs, err))
        return false;
    if (!clo_signature_verify(clo_certificate_key(certificate), scheme_of(certificate),
                              digest->hash, clo_buffer_bytes(&tbs), signature, err))
        return clo_wrap(err,
                        "Authenticode: the signature is not this certificate's over this image");
    return put_signed_data(digest, certificate, signature, out, err);
}

/* Do they belong together? */
static bool is_key_of(const struct clo_private_key *key, const struct clo_certificate *certificate)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    struct clo_digest ours, theirs;
    struct clo_error ignored;

    return clo_private_key_public(key, &public_key, &ignored) &&
           clo_public_key_fingerprint(public_key, &ours, &ignored) &&
           clo_public_key_fingerprint(clo_certificate_key(certificate), &theirs, &ignored) &&
           clo_digest_equal(&ours, &theirs);
}

bool clo_authenticode_make(const struct clo_digest *digest, const struct clo_private_key *key,
                           const struct clo_certificate *certificate, struct clo_buffer *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tbs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    if (!is_key_of(key, certificate))
        return clo_fail(err, CLO_ERR_USAGE,
                        "Authenticode: key and certificate do not belong together");
    return clo_authenticode_tbs(digest, &tbs, err) &&
           clo_signature_make(key, scheme_of(certificate), digest->hash, clo_buffer_bytes(&tbs),
                              &signature, err) &&
           put_signed_data(digest, certificate, clo_buffer_bytes(&signature), out, err);
}

/* --- The table --- */

void clo_authenticode_entry(struct clo_bytes pkcs7, struct clo_buffer *table)
{
    clo_buffer_le32(table, (uint32_t)(WIN_CERTIFICATE_HEADER + pkcs7.size));
    clo_buffer_le16(table, WIN_CERT_REVISION_2);
    clo_buffer_le16(table, WIN_CERT_TYPE_PKCS_SIGNED_DATA);
    clo_buffer_append(table, pkcs7);
    clo_buffer_zero(table, (8 - pkcs7.size % 8) % 8);
}

bool clo_authenticode_sign(struct clo_buffer *image, const struct clo_private_key *key,
                           const struct clo_certificate *certificate, enum clo_hash hash,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer p7 = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_pe pe;
    struct clo_digest digest;

    if (!clo_pe_parse(clo_buffer_bytes(image), &pe, err) ||
        !clo_authenticode_digest_to_sign(&pe, hash, &digest, err) ||
        !clo_authenticode_make(&digest, key, certificate, &p7, err))
        return false;
    clo_authenticode_entry(clo_buffer_bytes(&p7), &table);

    size_t body = image->size - pe.certificates.size;
    size_t start = body + (8 - body % 8) % 8;
    if (table.size > UINT32_MAX - start)
        return clo_fail(err, CLO_ERR_FORMAT, "Authenticode: the image is too large");
    if (start + table.size > image->size)
        clo_buffer_reserve(image, start + table.size - image->size);
    if (!clo_buffer_ok(image) || !clo_buffer_ok(&table))
        return clo_out_of_memory(err);
    /* There is room: nothing below fails. */
    image->size = body;
    clo_buffer_zero(image, start - body);
    clo_buffer_append(image, clo_buffer_bytes(&table));
    clo_put_le32(image->data + pe.certificate_entry_offset, (uint32_t)start);
    clo_put_le32(image->data + pe.certificate_entry_offset + 4, (uint32_t)table.size);
    clo_put_le32(image->data + pe.checksum_offset,
                 clo_pe_checksum(clo_buffer_bytes(image), pe.checksum_offset));
    return true;
}
