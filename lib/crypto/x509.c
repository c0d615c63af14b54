#include "x509.h"

#include <string.h>

#define OID_SIZE_MAX   9
#define EXTENSIONS_MAX 64

/* --- Algorithms --- */

struct oid {
    uint8_t size;
    uint8_t bytes[OID_SIZE_MAX];
};

/* RFC 8017 appendix A.2 and B.1, RFC 5758 section 3.2. */
static const struct oid oid_rsassa_pss = { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a" };
static const struct oid oid_mgf1 = { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" };
static const struct {
    struct oid oid;
    enum clo_hash hash;
} hash_oids[] = {
    { { 5, "\x2b\x0e\x03\x02\x1a" }, CLO_HASH_SHA1 },
    { { 9, "\x60\x86\x48\x01\x65\x03\x04\x02\x01" }, CLO_HASH_SHA256 },
    { { 9, "\x60\x86\x48\x01\x65\x03\x04\x02\x02" }, CLO_HASH_SHA384 },
    { { 9, "\x60\x86\x48\x01\x65\x03\x04\x02\x03" }, CLO_HASH_SHA512 },
};
static const struct {
    struct oid oid;
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
} signature_oids[] = {
    { { 7, "\x2a\x86\x48\xce\x3d\x04\x01" }, CLO_ECDSA_DER, CLO_HASH_SHA1 },
    { { 8, "\x2a\x86\x48\xce\x3d\x04\x03\x02" }, CLO_ECDSA_DER, CLO_HASH_SHA256 },
    { { 8, "\x2a\x86\x48\xce\x3d\x04\x03\x03" }, CLO_ECDSA_DER, CLO_HASH_SHA384 },
    { { 8, "\x2a\x86\x48\xce\x3d\x04\x03\x04" }, CLO_ECDSA_DER, CLO_HASH_SHA512 },
    { { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05" }, CLO_RSASSA_PKCS1, CLO_HASH_SHA1 },
    { { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" }, CLO_RSASSA_PKCS1, CLO_HASH_SHA256 },
    { { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" }, CLO_RSASSA_PKCS1, CLO_HASH_SHA384 },
    { { 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" }, CLO_RSASSA_PKCS1, CLO_HASH_SHA512 },
};

static bool is_oid(struct clo_bytes oid, const struct oid *known)
{
    return oid.size == known->size && memcmp(oid.data, known->bytes, known->size) == 0;
}

/* Nothing more, or NULL. */
static bool no_parameters(struct clo_reader *r)
{
    struct clo_bytes null = { 0 };

    return (!clo_der_optional(r, CLO_DER_NULL, &null) || null.size == 0) && clo_der_done(r);
}

/* An AlgorithmIdentifier of a hash. */
static enum clo_hash read_hash(struct clo_reader *r)
{
    struct clo_reader inside = clo_der_enter(r, CLO_DER_SEQUENCE);
    struct clo_bytes oid = clo_der_value(&inside, CLO_DER_OID);

    if (!no_parameters(&inside))
        return CLO_HASH_NONE;
    for (size_t i = 0; i < CLO_COUNT(hash_oids); i++)
        if (is_oid(oid, &hash_oids[i].oid))
            return hash_oids[i].hash;
    return CLO_HASH_NONE;
}

/* RSASSA-PSS-params (RFC 8017, appendix A.2.3). What it leaves out is SHA-1's and 20 bytes of salt. */
static enum clo_hash read_pss(struct clo_reader *r)
{
    struct clo_reader params = clo_der_enter(r, CLO_DER_SEQUENCE);
    enum clo_hash hash = CLO_HASH_SHA1;
    enum clo_hash mask_hash = CLO_HASH_SHA1;
    int64_t salt = 20;
    int64_t trailer = 1;
    struct clo_reader at;

    if (clo_der_peek(&params) == CLO_DER_EXPLICIT(0)) {
        at = clo_der_enter(&params, CLO_DER_EXPLICIT(0));
        hash = read_hash(&at);
        params.failed |= !clo_der_done(&at);
    }
    if (clo_der_peek(&params) == CLO_DER_EXPLICIT(1)) {
        at = clo_der_enter(&params, CLO_DER_EXPLICIT(1));
        struct clo_reader mask = clo_der_enter(&at, CLO_DER_SEQUENCE);
        params.failed |= !is_oid(clo_der_value(&mask, CLO_DER_OID), &oid_mgf1);
        mask_hash = read_hash(&mask);
        params.failed |= !clo_der_done(&mask) || !clo_der_done(&at);
    }
    if (clo_der_peek(&params) == CLO_DER_EXPLICIT(2)) {
        at = clo_der_enter(&params, CLO_DER_EXPLICIT(2));
        salt = clo_der_number(&at);
        params.failed |= !clo_der_done(&at);
    }
    if (clo_der_peek(&params) == CLO_DER_EXPLICIT(3)) {
        at = clo_der_enter(&params, CLO_DER_EXPLICIT(3));
        trailer = clo_der_number(&at);
        params.failed |= !clo_der_done(&at);
    }
    bool is_usual = clo_der_done(&params) && clo_der_done(r) && hash != CLO_HASH_NONE &&
                    mask_hash == hash && salt == (int64_t)clo_hash_size(hash) && trailer == 1;
    return is_usual ? hash : CLO_HASH_NONE;
}

bool x509_algorithm_read(struct clo_bytes whole, struct x509_algorithm *out)
{
    struct clo_reader r = clo_reader(whole);
    struct clo_reader inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
    struct clo_bytes oid = clo_der_value(&inside, CLO_DER_OID);

    *out = (struct x509_algorithm){ 0 };
    if (!clo_reader_ok(&inside))
        return false;
    if (is_oid(oid, &oid_rsassa_pss)) {
        out->scheme = CLO_RSASSA_PSS;
        out->hash = read_pss(&inside);
        out->is_known = out->hash != CLO_HASH_NONE;
        return true;
    }
    for (size_t i = 0; i < CLO_COUNT(signature_oids); i++) {
        if (!is_oid(oid, &signature_oids[i].oid))
            continue;
        out->scheme = signature_oids[i].scheme;
        out->hash = signature_oids[i].hash;
        /* RFC 5758, section 3.2: ECDSA's are absent; RFC 4055, section 5: RSA's may be. */
        out->is_known =
                out->scheme == CLO_ECDSA_DER ? clo_der_done(&inside) : no_parameters(&inside);
    }
    return true;
}

bool x509_signed_with(const struct x509_algorithm *algorithm, enum clo_signature_scheme scheme,
                      enum clo_hash hash)
{
    if (scheme == CLO_ECDSA_RAW)
        scheme = CLO_ECDSA_DER; /* X.509 has but one form */
    return algorithm->is_known && algorithm->scheme == scheme && algorithm->hash == hash;
}

bool x509_signed_read(const char *what, struct clo_bytes in, struct x509_signed *out,
                      struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_reader shell = clo_der_enter(&r, CLO_DER_SEQUENCE);

    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is not DER, or cut short", what);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes after its end", what,
                        clo_reader_left(&r));
    struct clo_der message = clo_der_next(&shell);
    struct clo_der algorithm = clo_der_next(&shell);
    struct clo_bytes signature = clo_der_bit_string(&shell);
    if (!clo_der_done(&shell) || message.tag != CLO_DER_SEQUENCE ||
        algorithm.tag != CLO_DER_SEQUENCE)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is not made of contents, algorithm and signature",
                        what);
    *out = (struct x509_signed){ message.whole, algorithm.whole, signature };
    return true;
}

/* --- Extensions --- */

bool x509_extension_read(struct clo_reader *r, struct clo_certificate_extension *out)
{
    struct clo_reader inside = clo_der_enter(r, CLO_DER_SEQUENCE);

    out->oid = clo_der_value(&inside, CLO_DER_OID);
    /* FALSE is the default and should be left out; some makers write it. */
    out->is_critical = clo_der_peek(&inside) == CLO_DER_BOOLEAN && clo_der_boolean(&inside);
    out->value = clo_der_value(&inside, CLO_DER_OCTET_STRING);
    if (!clo_der_done(&inside) || out->oid.size == 0)
        r->failed = true;
    return clo_reader_ok(r);
}

bool x509_extensions_check(struct clo_bytes extensions)
{
    struct clo_reader r = clo_reader(extensions);
    struct clo_bytes seen[EXTENSIONS_MAX];
    struct clo_certificate_extension extension;

    for (size_t count = 0; clo_reader_left(&r) > 0; count++) {
        if (count == EXTENSIONS_MAX || !x509_extension_read(&r, &extension))
            return false;
        for (size_t i = 0; i < count; i++)
            if (clo_bytes_equal(seen[i], extension.oid))
                return false;
        seen[count] = extension.oid;
    }
    return clo_reader_ok(&r);
}

bool x509_is_ce(struct clo_bytes oid, uint8_t arc)
{
    return oid.size == 3 && oid.data[0] == 0x55 && oid.data[1] == 0x1d && oid.data[2] == arc;
}

/* GeneralNames (RFC 5280, section 4.2.1.6) of the kinds that name an issuer. */
static bool check_general_names(struct clo_bytes names)
{
    struct clo_reader r = clo_reader(names);
    char text[X509_NAME_TEXT];

    while (clo_reader_left(&r) > 0) {
        struct clo_der name = clo_der_next(&r);
        bool is_text = name.tag == CLO_DER_CONTEXT(1) || name.tag == CLO_DER_CONTEXT(2) ||
                       name.tag == CLO_DER_CONTEXT(6) || name.tag == CLO_DER_CONTEXT(7);
        if (!is_text && (name.tag != CLO_DER_EXPLICIT(4) || !x509_name_text(name.value, text)))
            return false;
    }
    return clo_reader_ok(&r);
}

bool x509_authority_key_read(struct clo_bytes value, struct clo_bytes *key_identifier)
{
    struct clo_reader r = clo_reader(value);
    struct clo_reader inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
    struct clo_bytes key = { 0 };
    struct clo_bytes issuer = { 0 };
    struct clo_bytes serial = { 0 };

    clo_der_optional(&inside, CLO_DER_CONTEXT(0), &key);
    /* Another way of saying it, which nobody here asks for: well formed all the same. */
    clo_der_optional(&inside, CLO_DER_EXPLICIT(1), &issuer);
    bool has_serial = clo_der_optional(&inside, CLO_DER_CONTEXT(2), &serial);
    if (!clo_der_done(&r) || !clo_der_done(&inside) || !check_general_names(issuer) ||
        (has_serial && !clo_der_is_integer(serial)))
        return false;
    *key_identifier = key;
    return true;
}
