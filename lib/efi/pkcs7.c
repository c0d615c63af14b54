#include "lib/efi/pkcs7.h"

#include <string.h>

#include "lib/base/der.h"

#define CHAIN_MAX 8

#define OID(...)                                                                   \
    {                                                                              \
        (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) \
    }

const struct clo_bytes oid_data = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01);
const struct clo_bytes oid_signed_data = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02);
const struct clo_bytes oid_content_type = OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03);
const struct clo_bytes oid_message_digest =
        OID(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04);

/* --- Algorithms --- */

static const uint8_t sha2_arc[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02 };
static const uint8_t rsa_arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01 };
static const uint8_t ecdsa_sha2_arc[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03 };

/* The last number of an OID that is one byte longer than `arc`; 0 if it is another. */
static unsigned below(struct clo_bytes oid, const uint8_t *arc, size_t size)
{
    return oid.size == size + 1 && memcmp(oid.data, arc, size) == 0 ? oid.data[size] : 0;
}

enum clo_hash pkcs7_hash(struct clo_bytes oid)
{
    switch (below(oid, sha2_arc, sizeof sha2_arc)) {
    case 1:
        return CLO_HASH_SHA256;
    case 2:
        return CLO_HASH_SHA384;
    case 3:
        return CLO_HASH_SHA512;
    default:
        return CLO_HASH_NONE;
    }
}

struct clo_bytes pkcs7_hash_oid(enum clo_hash hash)
{
    static const uint8_t oids[CLO_HASH_COUNT][9] = {
        [CLO_HASH_SHA256] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 },
        [CLO_HASH_SHA384] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02 },
        [CLO_HASH_SHA512] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03 },
    };

    if ((size_t)hash >= CLO_HASH_COUNT || oids[hash][0] == 0)
        return clo_bytes(NULL, 0);
    return clo_bytes(oids[hash], sizeof oids[hash]);
}

void pkcs7_put_hash(struct clo_buffer *out, enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };

    clo_der_write(&algorithm, CLO_DER_OID, pkcs7_hash_oid(hash));
    clo_der_write(&algorithm, CLO_DER_NULL, clo_bytes(NULL, 0));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
    out->failed = out->failed || !clo_buffer_ok(&algorithm);
}

/* sha256WithRSAEncryption and its like (RFC 4055), ecdsa-with-SHA256 (RFC 5758). */
static void signature_algorithm(struct clo_bytes oid, struct pkcs7_certificate *out)
{
    static const enum clo_hash of_rsa[] = {
        [11] = CLO_HASH_SHA256, [12] = CLO_HASH_SHA384, [13] = CLO_HASH_SHA512
    };
    static const enum clo_hash of_ecdsa[] = {
        [2] = CLO_HASH_SHA256, [3] = CLO_HASH_SHA384, [4] = CLO_HASH_SHA512
    };
    unsigned rsa = below(oid, rsa_arc, sizeof rsa_arc);
    unsigned ecdsa = below(oid, ecdsa_sha2_arc, sizeof ecdsa_sha2_arc);

    out->scheme = rsa != 0 ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER;
    out->hash = rsa < CLO_COUNT(of_rsa) ? of_rsa[rsa] : CLO_HASH_NONE;
    if (rsa == 0)
        out->hash = ecdsa < CLO_COUNT(of_ecdsa) ? of_ecdsa[ecdsa] : CLO_HASH_NONE;
}

/* --- Reading --- */

static struct clo_bytes next_sequence(struct clo_reader *r)
{
    struct clo_der element = clo_der_next(r);

    if (element.tag != CLO_DER_SEQUENCE)
        r->failed = true;
    return element.whole;
}

bool pkcs7_certificate(struct clo_bytes der, struct pkcs7_certificate *out)
{
    struct pkcs7_certificate certificate = { 0 };
    struct clo_reader whole = clo_reader(der);
    struct clo_reader outer = clo_der_enter(&whole, CLO_DER_SEQUENCE);
    struct clo_bytes ignored;

    certificate.tbs = next_sequence(&outer);
    struct clo_reader algorithm = clo_der_enter(&outer, CLO_DER_SEQUENCE);
    signature_algorithm(clo_der_value(&algorithm, CLO_DER_OID), &certificate);
    struct clo_reader shell = clo_reader(certificate.tbs);
    struct clo_reader tbs = clo_der_enter(&shell, CLO_DER_SEQUENCE);
    clo_der_optional(&tbs, CLO_DER_EXPLICIT(0), &ignored); /* version */
    certificate.serial = clo_der_value(&tbs, CLO_DER_INTEGER);
    next_sequence(&tbs); /* algorithm */
    certificate.issuer = next_sequence(&tbs);
    next_sequence(&tbs); /* validity */
    certificate.subject = next_sequence(&tbs);
    if (!clo_reader_ok(&outer) || !clo_reader_ok(&algorithm) || !clo_reader_ok(&tbs))
        return false;
    *out = certificate;
    return true;
}

static void read_certificates(struct clo_bytes certificates, struct pkcs7 *out)
{
    struct clo_reader r = clo_reader(certificates);

    while (clo_reader_left(&r) > 0 && out->certificate_count < CLO_COUNT(out->certificates)) {
        struct clo_der certificate = clo_der_next(&r);
        if (!clo_reader_ok(&r))
            return;
        if (certificate.tag == CLO_DER_SEQUENCE)
            out->certificates[out->certificate_count++] = certificate.whole;
    }
}

static void read_signer(struct clo_reader *r, struct pkcs7 *out)
{
    struct clo_reader signer = clo_der_enter(r, CLO_DER_SEQUENCE);

    clo_der_value(&signer, CLO_DER_INTEGER); /* version */
    struct clo_reader name = clo_der_enter(&signer, CLO_DER_SEQUENCE);
    out->issuer = next_sequence(&name);
    out->serial = clo_der_value(&name, CLO_DER_INTEGER);
    struct clo_reader algorithm = clo_der_enter(&signer, CLO_DER_SEQUENCE);
    out->hash = pkcs7_hash(clo_der_value(&algorithm, CLO_DER_OID));
    out->has_attributes = clo_der_optional(&signer, CLO_DER_EXPLICIT(0), &out->attributes);
    next_sequence(&signer); /* the signature's algorithm: the key's kind says it */
    out->signature = clo_der_value(&signer, CLO_DER_OCTET_STRING);
    clo_der_optional(&signer, CLO_DER_EXPLICIT(1), &out->unsigned_attributes);
    if (!clo_der_done(&signer) || !clo_reader_ok(&name) || !clo_reader_ok(&algorithm))
        r->failed = true;
}

static bool read_signed_data(struct clo_reader *data, struct pkcs7 *out)
{
    struct clo_bytes part;

    clo_der_value(data, CLO_DER_INTEGER); /* version */
    clo_der_value(data, CLO_DER_SET);     /* hashes */
    struct clo_reader info = clo_der_enter(data, CLO_DER_SEQUENCE);
    out->content_type = clo_der_value(&info, CLO_DER_OID);
    clo_der_optional(&info, CLO_DER_EXPLICIT(0), &out->content);
    if (clo_der_optional(data, CLO_DER_EXPLICIT(0), &part))
        read_certificates(part, out);
    clo_der_optional(data, CLO_DER_EXPLICIT(1), &part); /* revocation lists: for nobody */
    struct clo_reader signers = clo_der_enter(data, CLO_DER_SET);
    for (; clo_reader_left(&signers) > 0 && clo_reader_ok(&signers); out->signer_count++)
        if (out->signer_count == 0)
            read_signer(&signers, out);
        else
            next_sequence(&signers);
    return clo_reader_ok(data) && clo_reader_ok(&info) && clo_reader_ok(&signers);
}

bool pkcs7_read(struct clo_bytes der, struct pkcs7 *out)
{
    struct clo_reader r = clo_reader(der);
    struct clo_reader outer = clo_der_enter(&r, CLO_DER_SEQUENCE);
    struct pkcs7 p7 = { 0 };

    if (clo_der_peek(&outer) != CLO_DER_OID) {
        if (!read_signed_data(&outer, &p7))
            return false;
    } else {
        struct clo_bytes type = clo_der_value(&outer, CLO_DER_OID);
        struct clo_reader wrapper = clo_der_enter(&outer, CLO_DER_EXPLICIT(0));
        struct clo_reader data = clo_der_enter(&wrapper, CLO_DER_SEQUENCE);
        if (!clo_bytes_equal(type, oid_signed_data) || !clo_der_done(&wrapper) ||
            !read_signed_data(&data, &p7))
            return false;
    }
    p7.rest = clo_bytes_slice(der, r.at, der.size);
    *out = p7;
    return true;
}

/* --- Verifying --- */

/* One attribute: its OID, and its first value. */
static bool next_attribute(struct clo_reader *r, struct clo_bytes *oid, struct clo_der *value,
                           bool *is_single)
{
    struct clo_reader attribute = clo_der_enter(r, CLO_DER_SEQUENCE);

    *oid = clo_der_value(&attribute, CLO_DER_OID);
    struct clo_reader values = clo_der_enter(&attribute, CLO_DER_SET);
    *value = clo_der_next(&values);
    *is_single = clo_der_done(&values);
    return clo_reader_ok(r) && clo_reader_ok(&attribute) && clo_reader_ok(&values);
}

bool pkcs7_attributes_hold(const struct pkcs7 *p7, struct clo_bytes type, struct clo_bytes content)
{
    struct clo_reader r = clo_reader(p7->attributes);
    bool has_type = false;
    bool has_digest = false;
    struct clo_digest digest;
    struct clo_bytes oid;
    struct clo_der value;
    bool is_single;

    clo_hash(p7->hash, content, &digest);
    while (clo_reader_left(&r) > 0) {
        if (!next_attribute(&r, &oid, &value, &is_single))
            return false;
        if (clo_bytes_equal(oid, oid_content_type)) {
            if (has_type || !is_single || value.tag != CLO_DER_OID ||
                !clo_bytes_equal(value.value, type))
                return false;
            has_type = true;
        } else if (clo_bytes_equal(oid, oid_message_digest)) {
            if (has_digest || !is_single || value.tag != CLO_DER_OCTET_STRING ||
                !clo_bytes_equal(value.value, clo_digest_bytes(&digest)))
                return false;
            has_digest = true;
        }
    }
    return has_type && has_digest;
}

bool pkcs7_made_with(const struct pkcs7 *p7, struct clo_bytes content,
                     const struct clo_certificate *certificate)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer set = { 0 };
    const struct clo_public_key *key = clo_certificate_key(certificate);
    struct clo_bytes message = content;
    struct clo_error ignored;

    if (p7->has_attributes) {
        clo_der_write(&set, CLO_DER_SET, p7->attributes);
        message = clo_buffer_bytes(&set);
    }
    return clo_buffer_ok(&set) &&
           clo_signature_verify(
                   key, clo_public_key_kind(key) == CLO_KEY_RSA ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER,
                   p7->hash, message, p7->signature, &ignored);
}

bool pkcs7_signer(const struct pkcs7 *p7, struct clo_bytes *der)
{
    struct pkcs7_certificate parts;

    for (size_t i = 0; i < p7->certificate_count; i++) {
        if (!pkcs7_certificate(p7->certificates[i], &parts) ||
            !clo_bytes_equal(parts.issuer, p7->issuer) ||
            !clo_bytes_equal(parts.serial, p7->serial))
            continue;
        *der = p7->certificates[i];
        return true;
    }
    return false;
}

/* The certificate that came along and issued `parts`, by name; NULL. */
static const struct clo_bytes *issuer_of(const struct pkcs7 *p7,
                                         const struct pkcs7_certificate *parts)
{
    for (size_t i = 0; i < p7->certificate_count; i++) {
        struct pkcs7_certificate other;
        if (pkcs7_certificate(p7->certificates[i], &other) &&
            clo_bytes_equal(other.subject, parts->issuer) &&
            !clo_bytes_equal(other.subject, other.issuer))
            return &p7->certificates[i];
    }
    return NULL;
}

static bool issued(const struct clo_certificate *issuer, const struct clo_certificate *certificate)
{
    struct pkcs7_certificate parts;
    struct clo_error ignored;

    return clo_certificate_is_ca(issuer, NULL) &&
           pkcs7_certificate(clo_certificate_der(certificate), &parts) &&
           parts.hash != CLO_HASH_NONE &&
           clo_certificate_verify(certificate, issuer, parts.scheme, parts.hash, &ignored);
}

bool pkcs7_leads_to(const struct pkcs7 *p7, struct clo_bytes der,
                    const struct clo_certificate *anchor)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error ignored;

    if (!clo_certificate_parse(der, &certificate, &ignored))
        return false;
    for (size_t i = 0; i < CHAIN_MAX; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *next = NULL;
        struct pkcs7_certificate parts;
        if (clo_bytes_equal(clo_certificate_der(certificate), clo_certificate_der(anchor)) ||
            issued(anchor, certificate))
            return true;
        if (!pkcs7_certificate(clo_certificate_der(certificate), &parts))
            return false;
        const struct clo_bytes *issuer = issuer_of(p7, &parts);
        if (issuer == NULL || !clo_certificate_parse(*issuer, &next, &ignored) ||
            !issued(next, certificate))
            return false;
        clo_certificate_free(certificate);
        certificate = CLO_TAKE(next);
    }
    return false;
}
