#include "lib/efi/pe_der.h"

#include <string.h>

bool der_next(struct clo_bytes *left, struct der *out)
{
    struct clo_reader r = clo_reader(*left);
    struct clo_der element = clo_der_next(&r);

    if (!clo_reader_ok(&r))
        return false;
    *out = (struct der){ element.tag, element.whole, element.value };
    *left = clo_bytes_slice(*left, r.at, left->size);
    return true;
}

bool der_expect(struct clo_bytes *left, uint8_t tag, struct der *out)
{
    struct clo_bytes at = *left;

    if (!der_next(&at, out) || out->tag != tag)
        return false;
    *left = at;
    return true;
}

/* --- Algorithms --- */

static const uint8_t sha2_arc[] = { 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02 };
static const uint8_t rsa_arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01 };
static const uint8_t ecdsa_sha2_arc[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03 };

/* The last number of an OID that is one byte longer than `arc`; 0 if it is another. */
static unsigned below(struct clo_bytes oid, const uint8_t *arc, size_t size)
{
    return oid.size == size + 1 && memcmp(oid.data, arc, size) == 0 ? oid.data[size] : 0;
}

enum clo_hash der_hash(struct clo_bytes oid)
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

struct clo_bytes der_hash_oid(enum clo_hash hash)
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

void der_put_hash(struct clo_buffer *out, enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };

    clo_der_write(&algorithm, CLO_DER_OID, der_hash_oid(hash));
    clo_der_write(&algorithm, CLO_DER_NULL, clo_bytes(NULL, 0));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&algorithm));
    out->failed = out->failed || !clo_buffer_ok(&algorithm);
}

/* sha256WithRSAEncryption and its like (RFC 4055), ecdsa-with-SHA256 (RFC 5758). */
static void signature_algorithm(struct clo_bytes oid, struct der_certificate *out)
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

bool der_certificate(struct clo_bytes der, struct der_certificate *out)
{
    struct der_certificate certificate = { 0 };
    struct der outer, tbs, element, algorithm, oid;

    if (!der_expect(&der, CLO_DER_SEQUENCE, &outer) ||
        !der_expect(&outer.content, CLO_DER_SEQUENCE, &tbs) ||
        !der_expect(&outer.content, CLO_DER_SEQUENCE, &algorithm) ||
        !der_expect(&algorithm.content, CLO_DER_OID, &oid))
        return false;
    certificate.tbs = tbs.whole;
    signature_algorithm(oid.content, &certificate);
    struct clo_bytes left = tbs.content;
    (void)der_expect(&left, CLO_DER_EXPLICIT(0), &element); /* version */
    if (!der_expect(&left, CLO_DER_INTEGER, &element))
        return false;
    certificate.serial = element.content;
    if (!der_expect(&left, CLO_DER_SEQUENCE, &algorithm) ||
        !der_expect(&left, CLO_DER_SEQUENCE, &element))
        return false;
    certificate.issuer = element.whole;
    if (!der_expect(&left, CLO_DER_SEQUENCE, &element)) /* validity */
        return false;
    if (!der_expect(&left, CLO_DER_SEQUENCE, &element))
        return false;
    certificate.subject = element.whole;
    *out = certificate;
    return true;
}
