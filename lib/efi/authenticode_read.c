/* Signatures read and verified: PKCS #7 SignedData (RFC 2315) as Authenticode uses it. */
#include <string.h>

#include "lib/base/der.h"
#include "lib/efi/authenticode_internal.h"

#define SIGNATURES_MAX 64

static const uint8_t indirect_data[] = {
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04
};
const struct clo_bytes oid_indirect_data = { indirect_data, sizeof indirect_data };

/* --- The table --- */

struct clo_authenticode_walk clo_authenticode_walk(struct clo_bytes table)
{
    return (struct clo_authenticode_walk){ .r = clo_reader(table) };
}

/* The next WIN_CERTIFICATE; its body. */
static enum clo_next next_entry(struct clo_authenticode_walk *walk, size_t *offset,
                                struct clo_bytes *body, struct clo_error *err)
{
    struct clo_reader *r = &walk->r;
    size_t left = clo_reader_left(r);

    if (walk->count == SIGNATURES_MAX || left == 0)
        return CLO_NEXT_END;
    walk->count++;
    *offset = r->at;
    uint32_t length = clo_read_le32(r);
    uint16_t revision = clo_read_le16(r);
    uint16_t type = clo_read_le16(r);
    struct clo_bytes content = clo_read_bytes(
            r, length < WIN_CERTIFICATE_HEADER ? SIZE_MAX : length - WIN_CERTIFICATE_HEADER);
    if (!clo_reader_ok(r)) {
        walk->count =
                SIGNATURES_MAX; /* what is after a broken entry cannot be found: it is the last one */
        return clo_fail(err, CLO_ERR_FORMAT,
                        "certificate table: entry at 0x%zx: %u bytes, 0x%zx are left", *offset,
                        length, left);
    }
    size_t padding = (8 - length % 8) % 8;
    clo_read_skip(r, padding < clo_reader_left(r) ? padding : clo_reader_left(r));
    if (revision != WIN_CERT_REVISION_2 || type != WIN_CERT_TYPE_PKCS_SIGNED_DATA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "certificate table: entry at 0x%zx: revision 0x%x, type 0x%x", *offset,
                        revision, type);
    *body = content;
    return CLO_NEXT_ITEM;
}

/* --- SignedData --- */

/* SpcIndirectDataContent: an attribute that we do not look into, and the DigestInfo. */
static bool read_content(struct clo_bytes in, struct clo_authenticode_signature *out)
{
    struct clo_reader r = clo_reader(in);
    struct clo_bytes content = clo_der_value(&r, CLO_DER_SEQUENCE);
    struct clo_reader inside = clo_reader(content);

    clo_der_value(&inside, CLO_DER_SEQUENCE);
    struct clo_reader info = clo_der_enter(&inside, CLO_DER_SEQUENCE);
    struct clo_reader algorithm = clo_der_enter(&info, CLO_DER_SEQUENCE);
    enum clo_hash hash = pkcs7_hash(clo_der_value(&algorithm, CLO_DER_OID));
    struct clo_bytes digest = clo_der_value(&info, CLO_DER_OCTET_STRING);
    if (!clo_der_done(&r) || !clo_der_done(&inside) || !clo_der_done(&info) ||
        !clo_reader_ok(&algorithm) || hash == CLO_HASH_NONE || digest.size != clo_hash_size(hash))
        return false;
    out->content = content;
    out->digest = (struct clo_digest){ .hash = hash };
    memcpy(out->digest.bytes, digest.data, digest.size);
    return true;
}

/* Unsigned attributes: a token of RFC 3161 (Microsoft's OID for it) or a PKCS #9 countersignature. */
static bool holds_timestamp(struct clo_bytes attributes)
{
    static const uint8_t rfc3161[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x03, 0x03, 0x01 };
    static const uint8_t pkcs9[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x06 };
    struct clo_reader r = clo_reader(attributes);

    while (clo_reader_left(&r) > 0 && clo_reader_ok(&r)) {
        struct clo_reader attribute = clo_der_enter(&r, CLO_DER_SEQUENCE);
        struct clo_bytes oid = clo_der_value(&attribute, CLO_DER_OID);
        if (clo_reader_ok(&attribute) &&
            (clo_bytes_equal(oid, clo_bytes(rfc3161, sizeof rfc3161)) ||
             clo_bytes_equal(oid, clo_bytes(pkcs9, sizeof pkcs9))))
            return true;
    }
    return false;
}

static bool read_signature(struct clo_bytes body, struct clo_authenticode_signature *out)
{
    struct pkcs7 p7;

    if (!pkcs7_read(body, &p7) || p7.signer_count != 1 || !p7.has_attributes ||
        p7.hash == CLO_HASH_NONE || !clo_bytes_equal(p7.content_type, oid_indirect_data) ||
        !read_content(p7.content, out))
        return false;
    out->hash = p7.hash;
    out->issuer = p7.issuer;
    out->serial = p7.serial;
    out->signed_attributes = p7.attributes;
    out->signature = p7.signature;
    out->has_timestamp = holds_timestamp(p7.unsigned_attributes);
    memcpy(out->certificates, p7.certificates, sizeof out->certificates);
    out->certificate_count = p7.certificate_count;
    return true;
}

enum clo_next clo_authenticode_next(struct clo_authenticode_walk *walk,
                                    struct clo_authenticode_signature *out, struct clo_error *err)
{
    struct clo_authenticode_signature signature = { 0 };
    struct clo_bytes body;
    enum clo_next next = next_entry(walk, &signature.offset, &body, err);

    if (next != CLO_NEXT_ITEM)
        return next;
    signature.size = body.size;
    if (!read_signature(body, &signature))
        return clo_fail(
                err, CLO_ERR_FORMAT,
                "certificate table: entry at 0x%zx is not an Authenticode signature that we read",
                signature.offset);
    *out = signature;
    return CLO_NEXT_ITEM;
}

/* --- Verifying --- */

static struct pkcs7 as_pkcs7(const struct clo_authenticode_signature *signature)
{
    struct pkcs7 p7 = { .content_type = oid_indirect_data,
                        .content = signature->content,
                        .certificate_count = signature->certificate_count,
                        .signer_count = 1,
                        .hash = signature->hash,
                        .issuer = signature->issuer,
                        .serial = signature->serial,
                        .has_attributes = true,
                        .attributes = signature->signed_attributes,
                        .signature = signature->signature };

    memcpy(p7.certificates, signature->certificates, sizeof p7.certificates);
    return p7;
}

bool clo_authenticode_signer(const struct clo_authenticode_signature *signature,
                             struct clo_bytes *der)
{
    struct pkcs7 p7 = as_pkcs7(signature);

    return pkcs7_signer(&p7, der);
}

/* Made by this signer, whose certificate leads to the anchor. */
static bool leads_to(const struct pkcs7 *p7, struct clo_bytes der,
                     const struct clo_certificate *anchor)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *signer = NULL;
    struct clo_error ignored;

    return clo_certificate_parse(der, &signer, &ignored) &&
           pkcs7_made_with(p7, p7->content, signer) && pkcs7_leads_to(p7, der, anchor);
}

bool clo_authenticode_signature_verify(const struct clo_authenticode_signature *signature,
                                       const struct clo_certificate *anchor, struct clo_error *err)
{
    struct pkcs7 p7 = as_pkcs7(signature);
    struct clo_bytes der;

    if (!pkcs7_attributes_hold(&p7, oid_indirect_data, signature->content))
        return clo_fail(err, CLO_ERR_REFUSED, "what it signed is not what it names");
    if (pkcs7_signer(&p7, &der) ? leads_to(&p7, der, anchor)
                                : pkcs7_made_with(&p7, p7.content, anchor))
        return true;
    return clo_fail(err, CLO_ERR_REFUSED, "it does not lead to \"%.100s\"",
                    clo_certificate_subject(anchor));
}
