#include "cloister/authenticode.h"

#include <string.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include "cloister/der.h"

#define SPC_INDIRECT_DATA              "1.3.6.1.4.1.311.2.1.4"
#define SPC_PE_IMAGE_DATA              "1.3.6.1.4.1.311.2.1.15"
#define WIN_CERT_REVISION_2            0x0200
#define WIN_CERT_TYPE_PKCS_SIGNED_DATA 0x0002
#define WIN_CERTIFICATE_HEADER         8
#define SIGNATURES_MAX                 8

/* --- The digest --- */

/* Hashes [from, to), which the caller has checked. */
static void add_range(struct clo_hasher *hasher, const struct clo_pe *pe, size_t from, size_t to)
{
    clo_hasher_add(hasher, clo_bytes_slice(pe->file, from, to - from));
}

/* Indexes of the sections with file content, by file offset. */
static size_t order_by_offset(const struct clo_pe *pe, size_t *order)
{
    size_t count = 0;

    for (size_t i = 0; i < pe->section_count; i++) {
        if (pe->sections[i].raw_size == 0)
            continue;
        size_t at = count++;
        while (at > 0 && pe->sections[order[at - 1]].raw_offset > pe->sections[i].raw_offset) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return count;
}

bool clo_authenticode_digest(const struct clo_pe *pe, enum clo_hash hash, struct clo_digest *out,
                             struct clo_error *err)
{
    static const uint8_t zeros[8];
    size_t order[CLO_PE_SECTIONS_MAX];
    size_t file_end = pe->file.size - pe->certificates.size;

    if (clo_hash_size(hash) == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "Authenticode: no such hash");
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(hash);
    add_range(hasher, pe, 0, pe->checksum_offset);
    add_range(hasher, pe, pe->checksum_offset + 4, pe->certificate_entry_offset);
    add_range(hasher, pe, pe->certificate_entry_offset + 8, pe->size_of_headers);

    size_t count = order_by_offset(pe, order);
    uint64_t hashed = pe->size_of_headers;
    for (size_t i = 0; i < count; i++) {
        const struct clo_pe_section *section = &pe->sections[order[i]];
        add_range(hasher, pe, section->raw_offset, (size_t)section->raw_offset + section->raw_size);
        hashed += section->raw_size;
    }
    /* The format counts bytes rather than offsets here: what lies behind that sum is hashed too. A
     * gap between sections would thus be hashed twice or missed, so gaps are refused. */
    if (count > 0) {
        const struct clo_pe_section *last = &pe->sections[order[count - 1]];
        uint64_t end = (uint64_t)last->raw_offset + last->raw_size;
        if (end != hashed)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "Authenticode: gaps between the sections (0x%llx bytes)",
                            (unsigned long long)(end - hashed));
    }
    if (file_end > hashed)
        add_range(hasher, pe, (size_t)hashed, file_end);
    if (file_end % 8 != 0)
        clo_hasher_add(hasher, clo_bytes(zeros, 8 - file_end % 8));
    clo_hasher_get(hasher, out);
    return true;
}

/* --- SpcIndirectDataContent, in DER by hand: it has one shape --- */

static const struct {
    uint8_t oid[11];
    size_t oid_size;
} hash_oids[CLO_HASH_COUNT] = {
    [CLO_HASH_SHA256] = { { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 }, 9 },
    [CLO_HASH_SHA384] = { { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02 }, 9 },
    [CLO_HASH_SHA512] = { { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03 }, 9 },
};

/* The contents of the outer SEQUENCE: what the message digest is over. */
static void indirect_data(const struct clo_digest *digest, struct clo_buffer *out)
{
    /* SpcAttributeTypeAndOptionalValue: the type, and SpcPeImageData with no flags and a file
     * link with an empty name. */
    static const uint8_t attribute[] = {
        0x30, 0x17, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01,
        0x0f, 0x30, 0x09, 0x03, 0x01, 0x00, 0xa0, 0x04, 0xa2, 0x02, 0x80, 0x00,
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };

    clo_der_write(&algorithm, CLO_DER_OID,
                  clo_bytes(hash_oids[digest->hash].oid, hash_oids[digest->hash].oid_size));
    clo_der_write(&algorithm, CLO_DER_NULL, clo_bytes(NULL, 0));
    clo_der_write(&info, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
    clo_der_write(&info, CLO_DER_OCTET_STRING, clo_digest_bytes(digest));
    clo_buffer_append(out, clo_bytes(attribute, sizeof attribute));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&info));
}

static bool fail(struct clo_error *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    clo_fail(err, CLO_ERR_SYSTEM, "Authenticode: %s%s%s", what, reason == NULL ? "" : ": ",
             reason == NULL ? "" : reason);
    ERR_clear_error();
    return false;
}

/* --- Signing --- */

/* Puts the content in as an ASN.1 value of SpcIndirectDataContent's own type. */
static bool set_content(PKCS7 *p7, struct clo_bytes content)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    ASN1_TYPE *value = ASN1_TYPE_new();
    ASN1_STRING *sequence = ASN1_STRING_new();
    PKCS7 *inner = PKCS7_new();

    clo_der_write(&whole, CLO_DER_SEQUENCE, content);
    bool ok = value != NULL && sequence != NULL && inner != NULL && clo_buffer_ok(&whole) &&
              ASN1_STRING_set(sequence, whole.data, (int)whole.size) == 1;
    if (!ok) {
        ASN1_STRING_free(sequence);
        ASN1_TYPE_free(value);
        PKCS7_free(inner);
        return false;
    }
    ASN1_TYPE_set(value, V_ASN1_SEQUENCE, sequence);
    inner->type = OBJ_txt2obj(SPC_INDIRECT_DATA, 1);
    inner->d.other = value;
    if (inner->type == NULL || PKCS7_set_content(p7, inner) != 1) {
        PKCS7_free(inner);
        return false;
    }
    return true;
}

static bool make_pkcs7(const struct clo_digest *digest, const struct clo_private_key *key,
                       const struct clo_certificate *certificate, struct clo_buffer *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    struct clo_digest message_digest;
    X509 *x509 = clo_certificate_x509(certificate);
    const EVP_MD *md = digest->hash == CLO_HASH_SHA384   ? EVP_sha384()
                       : digest->hash == CLO_HASH_SHA512 ? EVP_sha512()
                                                         : EVP_sha256();
    PKCS7 *p7 = PKCS7_new();
    unsigned char *der = NULL;

    indirect_data(digest, &content);
    clo_hash(digest->hash, clo_buffer_bytes(&content), &message_digest);
    bool ok = p7 != NULL && clo_buffer_ok(&content) && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 &&
              PKCS7_add_certificate(p7, x509) == 1;
    PKCS7_SIGNER_INFO *signer =
            ok ? PKCS7_add_signature(p7, x509, clo_private_key_evp(key), md) : NULL;
    ok = signer != NULL && set_content(p7, clo_buffer_bytes(&content)) &&
         PKCS7_add_signed_attribute(signer, NID_pkcs9_contentType, V_ASN1_OBJECT,
                                    OBJ_txt2obj(SPC_INDIRECT_DATA, 1)) == 1 &&
         PKCS7_add1_attrib_digest(signer, message_digest.bytes, (int)clo_hash_size(digest->hash)) ==
                 1 &&
         PKCS7_SIGNER_INFO_sign(signer) == 1;
    int size = ok ? i2d_PKCS7(p7, &der) : -1;
    PKCS7_free(p7);
    if (size <= 0)
        return fail(err, "signing");
    clo_buffer_append(out, clo_bytes(der, (size_t)size));
    OPENSSL_free(der);
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

bool clo_authenticode_sign(struct clo_buffer *image, const struct clo_private_key *key,
                           const struct clo_certificate *certificate, enum clo_hash hash,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer p7 = { 0 };
    struct clo_pe pe;
    struct clo_digest digest;

    if (hash_oids[hash].oid_size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "Authenticode: no such hash");
    if (X509_check_private_key(clo_certificate_x509(certificate), clo_private_key_evp(key)) != 1) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_USAGE,
                        "Authenticode: key and certificate do not belong together");
    }
    if (!clo_pe_parse(clo_buffer_bytes(image), &pe, err) ||
        !clo_authenticode_digest(&pe, hash, &digest, err) ||
        !make_pkcs7(&digest, key, certificate, &p7, err))
        return false;

    size_t body = image->size - pe.certificates.size;
    size_t table = body + (8 - body % 8) % 8;
    size_t table_size = WIN_CERTIFICATE_HEADER + p7.size + (8 - p7.size % 8) % 8;
    if (table_size > UINT32_MAX - table)
        return clo_fail(err, CLO_ERR_FORMAT, "Authenticode: the image is too large");
    clo_buffer_reserve(image, table + table_size - image->size);
    if (!clo_buffer_ok(image))
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    /* There is room: nothing below fails. */
    image->size = body;
    clo_buffer_zero(image, table - body);
    clo_buffer_le32(image, (uint32_t)(WIN_CERTIFICATE_HEADER + p7.size));
    clo_buffer_le16(image, WIN_CERT_REVISION_2);
    clo_buffer_le16(image, WIN_CERT_TYPE_PKCS_SIGNED_DATA);
    clo_buffer_append(image, clo_buffer_bytes(&p7));
    clo_buffer_zero(image, table + table_size - image->size);
    clo_put_le32(image->data + pe.certificate_entry_offset, (uint32_t)table);
    clo_put_le32(image->data + pe.certificate_entry_offset + 4, (uint32_t)table_size);
    clo_put_le32(image->data + pe.checksum_offset,
                 clo_pe_checksum(clo_buffer_bytes(image), pe.checksum_offset));
    return true;
}

/* --- Verifying --- */

/* The n-th PKCS#7 signature of the table; false at its end or where it is malformed. */
static bool signature_at(const struct clo_pe *pe, size_t index, struct clo_bytes *out)
{
    struct clo_reader r = clo_reader(pe->certificates);

    for (size_t i = 0; i < SIGNATURES_MAX && clo_reader_left(&r) >= WIN_CERTIFICATE_HEADER; i++) {
        uint32_t length = clo_read_le32(&r);
        uint16_t revision = clo_read_le16(&r);
        uint16_t type = clo_read_le16(&r);
        if (length < WIN_CERTIFICATE_HEADER)
            return false;
        struct clo_bytes body = clo_read_bytes(&r, length - WIN_CERTIFICATE_HEADER);
        if (!clo_reader_ok(&r))
            return false;
        size_t padding = (8 - length % 8) % 8;
        clo_read_skip(&r, padding < clo_reader_left(&r) ? padding : clo_reader_left(&r));
        if (i == index) {
            bool is_ours =
                    revision == WIN_CERT_REVISION_2 && type == WIN_CERT_TYPE_PKCS_SIGNED_DATA;
            *out = is_ours ? body : clo_bytes(NULL, 0);
            return true;
        }
    }
    return false;
}

static PKCS7 *read_pkcs7(struct clo_bytes der)
{
    const unsigned char *at = der.data;
    PKCS7 *p7 = der.size == 0 ? NULL : d2i_PKCS7(NULL, &at, (long)der.size);

    if (p7 != NULL && !PKCS7_type_is_signed(p7)) {
        PKCS7_free(p7);
        p7 = NULL;
    }
    ERR_clear_error();
    return p7;
}

/* The contents of the SpcIndirectDataContent SEQUENCE inside. */
static bool content_of(PKCS7 *p7, struct clo_bytes *out)
{
    PKCS7 *inner = p7->d.sign->contents;
    ASN1_OBJECT *expected = OBJ_txt2obj(SPC_INDIRECT_DATA, 1);
    bool ok = expected != NULL && inner != NULL && OBJ_cmp(inner->type, expected) == 0 &&
              inner->d.other != NULL && inner->d.other->type == V_ASN1_SEQUENCE;

    ASN1_OBJECT_free(expected);
    if (!ok)
        return false;
    const unsigned char *at = inner->d.other->value.sequence->data;
    long size = 0;
    int tag;
    int class;
    long whole = inner->d.other->value.sequence->length;
    const unsigned char *start = at;
    int flags = ASN1_get_object(&at, &size, &tag, &class, whole);
    if ((flags & 0x80) != 0 || tag != V_ASN1_SEQUENCE || size > whole - (at - start))
        return false;
    *out = clo_bytes(at, (size_t)size);
    return true;
}

/* Does the signed content speak of this file? Only the one shape that signers write is accepted:
 * the content must end in the DigestInfo of our own digest. */
static bool names_digest(struct clo_bytes content, const struct clo_digest *digest)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };

    clo_der_write(&algorithm, CLO_DER_OID,
                  clo_bytes(hash_oids[digest->hash].oid, hash_oids[digest->hash].oid_size));
    clo_der_write(&algorithm, CLO_DER_NULL, clo_bytes(NULL, 0));
    clo_der_write(&info, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
    clo_der_write(&info, CLO_DER_OCTET_STRING, clo_digest_bytes(digest));
    clo_der_write(&tail, CLO_DER_SEQUENCE, clo_buffer_bytes(&info));
    return clo_buffer_ok(&tail) && content.size > tail.size &&
           clo_bytes_equal(clo_bytes_slice(content, content.size - tail.size, tail.size),
                           clo_buffer_bytes(&tail));
}

static bool signer_holds(PKCS7 *p7, PKCS7_SIGNER_INFO *signer, X509 *x509, struct clo_bytes content,
                         enum clo_hash hash)
{
    static const int nids[CLO_HASH_COUNT] = {
        [CLO_HASH_SHA256] = NID_sha256,
        [CLO_HASH_SHA384] = NID_sha384,
        [CLO_HASH_SHA512] = NID_sha512,
    };

    if (x509 == NULL || OBJ_obj2nid(signer->digest_alg->algorithm) != nids[hash])
        return false;
    /* PKCS7_signatureVerify() compares the attribute with the digest of what went through the BIO,
     * then checks the signature over the attributes. */
    BIO *chain = BIO_new(BIO_f_md());
    BIO *sink = BIO_new(BIO_s_null());
    bool ok = false;
    if (chain != NULL && sink != NULL && BIO_set_md(chain, EVP_get_digestbynid(nids[hash])) == 1) {
        BIO_push(chain, sink);
        ok = BIO_write(chain, content.data, (int)content.size) == (int)content.size &&
             PKCS7_signatureVerify(chain, p7, signer, x509) == 1;
        BIO_free_all(chain);
    } else {
        BIO_free(chain);
        BIO_free(sink);
    }
    ERR_clear_error();
    return ok;
}

bool clo_authenticode_verify(const struct clo_pe *pe, const struct clo_certificate *certificate,
                             enum clo_hash *hash, struct clo_error *err)
{
    static const enum clo_hash hashes[] = { CLO_HASH_SHA256, CLO_HASH_SHA384, CLO_HASH_SHA512 };
    struct clo_bytes der;
    size_t seen = 0;

    for (size_t i = 0; signature_at(pe, i, &der); i++) {
        PKCS7 *p7 = read_pkcs7(der);
        struct clo_bytes content;
        if (p7 == NULL || !content_of(p7, &content)) {
            PKCS7_free(p7);
            continue;
        }
        seen++;
        STACK_OF(PKCS7_SIGNER_INFO) *signers = PKCS7_get_signer_info(p7);
        for (size_t h = 0; h < CLO_COUNT(hashes); h++) {
            struct clo_digest digest;
            if (!clo_authenticode_digest(pe, hashes[h], &digest, err)) {
                PKCS7_free(p7);
                return false;
            }
            if (!names_digest(content, &digest))
                continue;
            for (int s = 0; s < sk_PKCS7_SIGNER_INFO_num(signers); s++) {
                if (signer_holds(p7, sk_PKCS7_SIGNER_INFO_value(signers, s),
                                 clo_certificate_x509(certificate), content, hashes[h])) {
                    PKCS7_free(p7);
                    *hash = hashes[h];
                    return true;
                }
            }
        }
        PKCS7_free(p7);
    }
    if (seen == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the image is not signed");
    return clo_fail(err, CLO_ERR_REFUSED,
                    "no signature over this image by \"%.100s\" (%zu signatures)",
                    clo_certificate_subject(certificate), seen);
}

bool clo_authenticode_certificate(const struct clo_pe *pe, size_t index, struct clo_buffer *out)
{
    struct clo_bytes der;
    size_t seen = 0;

    for (size_t i = 0; signature_at(pe, i, &der); i++) {
        PKCS7 *p7 = read_pkcs7(der);
        STACK_OF(X509) *certificates = p7 == NULL ? NULL : p7->d.sign->cert;
        for (int k = 0; k < sk_X509_num(certificates); k++) {
            if (seen++ != index)
                continue;
            unsigned char *bytes = NULL;
            int size = i2d_X509(sk_X509_value(certificates, k), &bytes);
            if (size > 0)
                clo_buffer_append(out, clo_bytes(bytes, (size_t)size));
            OPENSSL_free(bytes);
            PKCS7_free(p7);
            return size > 0 && clo_buffer_ok(out);
        }
        PKCS7_free(p7);
    }
    return false;
}
