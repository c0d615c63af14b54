/* Signatures read and verified: PKCS #7 SignedData (RFC 2315) as Authenticode uses it. */
#include <string.h>

#include "lib/efi/authenticode_internal.h"

#define SIGNATURES_MAX 64
#define CHAIN_MAX      8

/* --- The table --- */

/* The n-th WIN_CERTIFICATE; its body. */
static bool entry_at(struct clo_bytes table, size_t index, size_t *offset, struct clo_bytes *body,
                     struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);

    err->status = CLO_OK;
    for (size_t i = 0; i < SIGNATURES_MAX && clo_reader_left(&r) > 0; i++) {
        *offset = r.at;
        uint32_t length = clo_read_le32(&r);
        uint16_t revision = clo_read_le16(&r);
        uint16_t type = clo_read_le16(&r);
        struct clo_bytes content = clo_read_bytes(
                &r, length < WIN_CERTIFICATE_HEADER ? SIZE_MAX : length - WIN_CERTIFICATE_HEADER);
        if (!clo_reader_ok(&r)) {
            /* What is behind a broken entry cannot be found: it is the last one. */
            if (i == index)
                clo_fail(err, CLO_ERR_FORMAT,
                         "certificate table: entry at 0x%zx: %u bytes, 0x%zx are left", *offset,
                         length, table.size - *offset);
            return false;
        }
        size_t padding = (8 - length % 8) % 8;
        clo_read_skip(&r, padding < clo_reader_left(&r) ? padding : clo_reader_left(&r));
        if (i != index)
            continue;
        if (revision != WIN_CERT_REVISION_2 || type != WIN_CERT_TYPE_PKCS_SIGNED_DATA)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "certificate table: entry at 0x%zx: revision 0x%x, type 0x%x", *offset,
                            revision, type);
        *body = content;
        return true;
    }
    return false;
}

/* --- SignedData --- */

static bool is_oid(const struct der *element, struct clo_bytes oid)
{
    return element->tag == CLO_DER_OID && clo_bytes_equal(element->content, oid);
}

/* ContentInfo's [0], and in it the SEQUENCE: gives its contents. */
static bool explicit_sequence(struct clo_bytes *left, struct clo_bytes *out)
{
    struct der wrapper, sequence;

    if (!der_expect(left, CLO_DER_EXPLICIT(0), &wrapper) ||
        !der_expect(&wrapper.content, CLO_DER_SEQUENCE, &sequence) || wrapper.content.size != 0)
        return false;
    *out = sequence.content;
    return true;
}

/* SpcIndirectDataContent: an attribute that we do not look into, and the DigestInfo. */
static bool read_content(struct clo_bytes content, struct clo_authenticode_signature *out)
{
    struct der data, info, algorithm, oid, digest;
    struct clo_bytes left = content;

    if (!der_expect(&left, CLO_DER_SEQUENCE, &data) ||
        !der_expect(&left, CLO_DER_SEQUENCE, &info) || left.size != 0 ||
        !der_expect(&info.content, CLO_DER_SEQUENCE, &algorithm) ||
        !der_expect(&algorithm.content, CLO_DER_OID, &oid) ||
        !der_expect(&info.content, CLO_DER_OCTET_STRING, &digest) || info.content.size != 0)
        return false;
    enum clo_hash hash = der_hash(oid.content);
    if (hash == CLO_HASH_NONE || digest.content.size != clo_hash_size(hash))
        return false;
    out->content = content;
    out->digest = (struct clo_digest){ .hash = hash };
    memcpy(out->digest.bytes, digest.content.data, digest.content.size);
    return true;
}

static void read_certificates(struct clo_bytes left, struct clo_authenticode_signature *out)
{
    struct der certificate;

    while (out->certificate_count < CLO_AUTHENTICODE_CERTIFICATES_MAX &&
           der_next(&left, &certificate))
        if (certificate.tag == CLO_DER_SEQUENCE)
            out->certificates[out->certificate_count++] = certificate.whole;
}

/* Unsigned attributes: a token of RFC 3161 (Microsoft's OID for it) or a PKCS #9 countersignature. */
static bool holds_timestamp(struct clo_bytes left)
{
    static const uint8_t rfc3161[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x03, 0x03, 0x01 };
    static const uint8_t pkcs9[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x06 };
    struct der attribute, oid;

    while (der_expect(&left, CLO_DER_SEQUENCE, &attribute))
        if (der_expect(&attribute.content, CLO_DER_OID, &oid) &&
            (clo_bytes_equal(oid.content, clo_bytes(rfc3161, sizeof rfc3161)) ||
             clo_bytes_equal(oid.content, clo_bytes(pkcs9, sizeof pkcs9))))
            return true;
    return false;
}

static bool read_signer(struct clo_bytes signers, struct clo_authenticode_signature *out)
{
    struct der signer, element, name, serial, algorithm, oid, attributes, signature;

    if (!der_expect(&signers, CLO_DER_SEQUENCE, &signer) || signers.size != 0) /* exactly one */
        return false;
    struct clo_bytes left = signer.content;
    if (!der_expect(&left, CLO_DER_INTEGER, &element) ||
        !der_expect(&left, CLO_DER_SEQUENCE, &element) ||
        !der_expect(&element.content, CLO_DER_SEQUENCE, &name) ||
        !der_expect(&element.content, CLO_DER_INTEGER, &serial) ||
        !der_expect(&left, CLO_DER_SEQUENCE, &algorithm) ||
        !der_expect(&algorithm.content, CLO_DER_OID, &oid) ||
        !der_expect(&left, CLO_DER_EXPLICIT(0), &attributes) ||
        !der_expect(&left, CLO_DER_SEQUENCE, &element) ||
        !der_expect(&left, CLO_DER_OCTET_STRING, &signature))
        return false;
    out->hash = der_hash(oid.content);
    out->issuer = name.whole;
    out->serial = serial.content;
    out->signed_attributes = attributes.content;
    out->signature = signature.content;
    if (der_expect(&left, CLO_DER_EXPLICIT(1), &attributes))
        out->has_timestamp = holds_timestamp(attributes.content);
    return out->hash != CLO_HASH_NONE && left.size == 0;
}

/* With the ContentInfo around it, or SignedData alone: both are seen. */
static bool read_signed_data(struct clo_bytes body, struct clo_authenticode_signature *out)
{
    struct der outer, element, info, signers;

    if (!der_expect(&body, CLO_DER_SEQUENCE, &outer))
        return false;
    struct clo_bytes left = outer.content;
    if (der_expect(&left, CLO_DER_OID, &element) &&
        (!is_oid(&element, oid_signed_data) || !explicit_sequence(&left, &left)))
        return false;
    if (!der_expect(&left, CLO_DER_INTEGER, &element) ||
        !der_expect(&left, CLO_DER_SET, &element) || !der_expect(&left, CLO_DER_SEQUENCE, &info))
        return false;
    struct clo_bytes content;
    if (!der_next(&info.content, &element) || !is_oid(&element, oid_indirect_data) ||
        !explicit_sequence(&info.content, &content) || !read_content(content, out))
        return false;
    if (der_expect(&left, CLO_DER_EXPLICIT(0), &element))
        read_certificates(element.content, out);
    (void)der_expect(&left, CLO_DER_EXPLICIT(1),
                     &element); /* revocation lists: nobody looks at them */
    return der_expect(&left, CLO_DER_SET, &signers) && read_signer(signers.content, out);
}

bool clo_authenticode_signature_at(struct clo_bytes table, size_t index,
                                   struct clo_authenticode_signature *out, struct clo_error *err)
{
    struct clo_authenticode_signature signature = { 0 };
    struct clo_bytes body;

    if (!entry_at(table, index, &signature.offset, &body, err))
        return false;
    signature.size = body.size;
    if (!read_signed_data(body, &signature))
        return clo_fail(
                err, CLO_ERR_FORMAT,
                "certificate table: entry at 0x%zx is no Authenticode signature that we read",
                signature.offset);
    *out = signature;
    return true;
}

/* --- Verifying --- */

/* The attributes must name our content type and the digest of the content, each once. */
static bool attributes_hold(const struct clo_authenticode_signature *signature)
{
    struct clo_bytes left = signature->signed_attributes;
    struct clo_digest digest;
    struct der attribute, oid, values, value;
    bool has_type = false;
    bool has_digest = false;

    clo_hash(signature->hash, signature->content, &digest);
    while (left.size > 0) {
        if (!der_expect(&left, CLO_DER_SEQUENCE, &attribute) ||
            !der_expect(&attribute.content, CLO_DER_OID, &oid) ||
            !der_expect(&attribute.content, CLO_DER_SET, &values) ||
            !der_next(&values.content, &value))
            return false;
        if (is_oid(&oid, oid_content_type)) {
            if (has_type || !is_oid(&value, oid_indirect_data) || values.content.size != 0)
                return false;
            has_type = true;
        } else if (is_oid(&oid, oid_message_digest)) {
            if (has_digest || value.tag != CLO_DER_OCTET_STRING || values.content.size != 0 ||
                !clo_bytes_equal(value.content, clo_digest_bytes(&digest)))
                return false;
            has_digest = true;
        }
    }
    return has_type && has_digest;
}

static bool made_with(const struct clo_authenticode_signature *signature,
                      const struct clo_certificate *certificate)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer set = { 0 };
    const struct clo_public_key *key = clo_certificate_key(certificate);
    struct clo_error ignored;

    clo_der_write(&set, CLO_DER_SET, signature->signed_attributes);
    return clo_buffer_ok(&set) &&
           clo_signature_verify(
                   key, clo_public_key_kind(key) == CLO_KEY_RSA ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER,
                   signature->hash, clo_buffer_bytes(&set), signature->signature, &ignored);
}

static bool is_signer(const struct clo_authenticode_signature *signature, struct clo_bytes der)
{
    struct der_certificate parts;

    return der_certificate(der, &parts) && clo_bytes_equal(parts.issuer, signature->issuer) &&
           clo_bytes_equal(parts.serial, signature->serial);
}

bool clo_authenticode_signer(const struct clo_authenticode_signature *signature,
                             struct clo_bytes *der)
{
    for (size_t i = 0; i < signature->certificate_count; i++) {
        if (!is_signer(signature, signature->certificates[i]))
            continue;
        *der = signature->certificates[i];
        return true;
    }
    return false;
}

/* The certificate that came along and issued `parts`, by name; NULL. */
static const struct clo_bytes *issuer_of(const struct clo_authenticode_signature *signature,
                                         const struct der_certificate *parts)
{
    for (size_t i = 0; i < signature->certificate_count; i++) {
        struct der_certificate other;
        if (der_certificate(signature->certificates[i], &other) &&
            clo_bytes_equal(other.subject, parts->issuer) &&
            !clo_bytes_equal(other.subject, other.issuer))
            return &signature->certificates[i];
    }
    return NULL;
}

/* basicConstraints with cA TRUE (RFC 5280, section 4.2.1.9). */
static bool is_ca(const struct clo_certificate *certificate)
{
    struct clo_bytes value;
    struct der sequence, is_true;

    return clo_certificate_extension(certificate, "2.5.29.19", &value) &&
           der_expect(&value, CLO_DER_SEQUENCE, &sequence) &&
           der_expect(&sequence.content, CLO_DER_BOOLEAN, &is_true) && is_true.content.size == 1 &&
           is_true.content.data[0] == 0xff;
}

static bool issued(const struct clo_certificate *issuer, const struct clo_certificate *certificate)
{
    struct der_certificate parts;
    struct clo_error ignored;

    return is_ca(issuer) && der_certificate(clo_certificate_der(certificate), &parts) &&
           parts.hash != CLO_HASH_NONE &&
           clo_certificate_verify(certificate, issuer, parts.scheme, parts.hash, &ignored);
}

/* From the signer's certificate up, by name, until one was issued by `anchor`. */
static bool leads_to(const struct clo_authenticode_signature *signature, struct clo_bytes der,
                     const struct clo_certificate *anchor)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error ignored;

    if (!clo_certificate_parse(der, &certificate, &ignored) || !made_with(signature, certificate))
        return false;
    for (size_t i = 0; i < CHAIN_MAX; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *next = NULL;
        struct der_certificate parts;
        if (clo_bytes_equal(clo_certificate_der(certificate), clo_certificate_der(anchor)) ||
            issued(anchor, certificate))
            return true;
        if (!der_certificate(clo_certificate_der(certificate), &parts))
            return false;
        const struct clo_bytes *issuer = issuer_of(signature, &parts);
        if (issuer == NULL || !clo_certificate_parse(*issuer, &next, &ignored) ||
            !issued(next, certificate))
            return false;
        clo_certificate_free(certificate);
        certificate = CLO_TAKE(next);
    }
    return false;
}

bool clo_authenticode_signature_verify(const struct clo_authenticode_signature *signature,
                                       const struct clo_certificate *anchor, struct clo_error *err)
{
    struct clo_bytes der;

    if (!attributes_hold(signature))
        return clo_fail(err, CLO_ERR_REFUSED, "what it signed is not what it names");
    if (clo_authenticode_signer(signature, &der) ? leads_to(signature, der, anchor)
                                                 : made_with(signature, anchor))
        return true;
    return clo_fail(err, CLO_ERR_REFUSED, "it does not lead to \"%.100s\"",
                    clo_certificate_subject(anchor));
}
