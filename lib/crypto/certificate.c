#include "cloister/crypto.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "lib/crypto/certificate_cache.h"
#include "lib/crypto/openssl.h"
#include "lib/crypto/x509_proof.h"
#include "x509.h"

#define CERTIFICATE_MAX 65536
#define VERSION_3       2

#define CE_SUBJECT_KEY       14
#define CE_KEY_USAGE         15
#define CE_BASIC_CONSTRAINTS 19
#define CE_AUTHORITY_KEY     35

/* What it says does not change, so that any number of threads may use one. */
struct clo_certificate {
    atomic_uint more_holders; /* beyond the first */
    x509_proof_slot proof;
    struct clo_buffer der; /* the views below are into it */
    struct x509_signed shell;
    struct x509_algorithm algorithm;
    struct clo_public_key *key;
    struct clo_bytes serial, subject_name, issuer_name, extensions;
    struct clo_bytes subject_key, authority_key;
    int64_t not_before, not_after;
    bool is_ca, has_key_usage;
    int path_length;
    unsigned key_usage;
    char subject[X509_NAME_TEXT];
    char issuer[X509_NAME_TEXT];
    _Atomic(X509 *) x509; /* made when first asked for */
};

/* --- Reading --- */

static bool read_basic_constraints(struct clo_certificate *certificate, struct clo_bytes value)
{
    struct clo_reader r = clo_reader(value);
    struct clo_reader inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
    bool is_ca = clo_der_peek(&inside) == CLO_DER_BOOLEAN && clo_der_boolean(&inside);
    int64_t path_length = -1;

    if (clo_der_peek(&inside) == CLO_DER_INTEGER)
        path_length = clo_der_number(&inside);
    if (!clo_der_done(&r) || !clo_der_done(&inside))
        return false;
    certificate->is_ca = is_ca;
    certificate->path_length = path_length > 1000 ? 1000 : (int)path_length;
    return true;
}

static bool read_key_usage(struct clo_certificate *certificate, struct clo_bytes value)
{
    struct clo_reader r = clo_reader(value);

    certificate->key_usage = clo_der_flags(&r);
    certificate->has_key_usage = true;
    return clo_der_done(&r);
}

/* The four extensions that every chain is built on. */
static bool read_known_extensions(struct clo_certificate *certificate, struct clo_error *err)
{
    struct clo_certificate_extension extension;
    size_t at = 0;

    while (clo_certificate_extension_next(certificate, &at, &extension)) {
        struct clo_reader value = clo_reader(extension.value);
        if (x509_is_ce(extension.oid, CE_BASIC_CONSTRAINTS) &&
            !read_basic_constraints(certificate, extension.value))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed BasicConstraints");
        if (x509_is_ce(extension.oid, CE_KEY_USAGE) &&
            !read_key_usage(certificate, extension.value))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed KeyUsage");
        if (x509_is_ce(extension.oid, CE_AUTHORITY_KEY) &&
            !x509_authority_key_read(extension.value, &certificate->authority_key))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed AuthorityKeyIdentifier");
        if (!x509_is_ce(extension.oid, CE_SUBJECT_KEY))
            continue;
        certificate->subject_key = clo_der_value(&value, CLO_DER_OCTET_STRING);
        if (!clo_der_done(&value))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed SubjectKeyIdentifier");
    }
    return true;
}

/* Version 1 says so by saying nothing. */
static int64_t read_version(struct clo_reader *r)
{
    if (clo_der_peek(r) != CLO_DER_EXPLICIT(0))
        return 0;
    struct clo_reader inside = clo_der_enter(r, CLO_DER_EXPLICIT(0));
    int64_t version = clo_der_number(&inside);
    if (!clo_der_done(&inside) || version == 0)
        r->failed = true;
    return version;
}

static bool read_extensions(struct clo_certificate *certificate, struct clo_reader *r,
                            int64_t version, struct clo_error *err)
{
    /* Unique identifiers, for names that are used again for another owner: no longer done, and not looked at. */
    static const uint8_t identifiers[] = { CLO_DER_CONTEXT(1), CLO_DER_CONTEXT(2) };
    struct clo_bytes unique;

    for (size_t i = 0; i < CLO_COUNT(identifiers); i++)
        if (clo_der_optional(r, identifiers[i], &unique) && !clo_der_is_bit_string(unique))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed unique identifier");
    if (clo_der_peek(r) == CLO_DER_EXPLICIT(3)) {
        struct clo_reader outer = clo_der_enter(r, CLO_DER_EXPLICIT(3));
        certificate->extensions = clo_der_value(&outer, CLO_DER_SEQUENCE);
        if (version != VERSION_3 || !clo_der_done(&outer) ||
            !x509_extensions_check(certificate->extensions))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed extensions");
    }
    if (!clo_der_done(r))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: more after its extensions");
    return read_known_extensions(certificate, err);
}

/* TBSCertificate (RFC 5280, section 4.1). */
static bool read_contents(struct clo_certificate *certificate, struct clo_error *err)
{
    struct clo_reader whole = clo_reader(certificate->shell.message);
    struct clo_reader r = clo_der_enter(&whole, CLO_DER_SEQUENCE);
    int64_t version = read_version(&r);

    certificate->serial = clo_der_value(&r, CLO_DER_INTEGER);
    struct clo_bytes algorithm = clo_der_next(&r).whole;
    if (!clo_reader_ok(&r) || version > VERSION_3 || !clo_der_is_integer(certificate->serial))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed version or serial number");
    if (!clo_bytes_equal(algorithm, certificate->shell.algorithm) ||
        !x509_algorithm_read(algorithm, &certificate->algorithm))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed signature algorithm");
    certificate->issuer_name = clo_der_next(&r).whole;
    struct clo_reader validity = clo_der_enter(&r, CLO_DER_SEQUENCE);
    certificate->not_before = clo_der_time(&validity);
    certificate->not_after = clo_der_time(&validity);
    if (!clo_der_done(&validity))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: wrong dates");
    certificate->subject_name = clo_der_next(&r).whole;
    if (!x509_name_text(certificate->issuer_name, certificate->issuer) ||
        !x509_name_text(certificate->subject_name, certificate->subject))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: malformed name");
    struct clo_bytes key = clo_der_next(&r).whole;
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: public key: malformed");
    if (!read_extensions(certificate, &r, version, err))
        return false;
    return clo_public_key_from_spki(key, &certificate->key, err) || clo_wrap(err, "certificate");
}

bool clo_certificate_parse(struct clo_bytes der, struct clo_certificate **out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;

    if (der.size > CERTIFICATE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: %zu bytes", der.size);
    certificate = calloc(1, sizeof *certificate);
    if (certificate == NULL)
        return clo_out_of_memory(err);
    clo_buffer_append(&certificate->der, der);
    if (!clo_buffer_ok(&certificate->der))
        return clo_out_of_memory(err);
    certificate->path_length = -1;
    if (!x509_signed_read("certificate", clo_buffer_bytes(&certificate->der), &certificate->shell,
                          err) ||
        !read_contents(certificate, err))
        return false;
    *out = CLO_TAKE(certificate);
    return true;
}

/* One of several: what is constant in it are its contents, not who holds it. */
static struct clo_certificate *mutable(const struct clo_certificate *certificate)
{
    return (struct clo_certificate *)(uintptr_t)certificate;
}

struct clo_certificate *clo_certificate_hold(const struct clo_certificate *certificate)
{
    struct clo_certificate *held = mutable(certificate);

    atomic_fetch_add(&held->more_holders, 1);
    return held;
}

bool clo_certificate_is_shared(const struct clo_certificate *certificate)
{
    return atomic_load(&certificate->more_holders) > 0;
}

void clo_certificate_free(struct clo_certificate *certificate)
{
    if (certificate == NULL || atomic_fetch_sub(&certificate->more_holders, 1) > 0)
        return;
    x509_proof_free(&certificate->proof);
    X509_free(atomic_load(&certificate->x509));
    clo_public_key_free(certificate->key);
    clo_buffer_free(&certificate->der);
    free(certificate);
}

void clo_certificate_freep(struct clo_certificate **certificate)
{
    clo_certificate_free(*certificate);
    *certificate = NULL;
}

/* --- What it says --- */

struct clo_bytes clo_certificate_der(const struct clo_certificate *certificate)
{
    return clo_buffer_bytes(&certificate->der);
}

const struct clo_public_key *clo_certificate_key(const struct clo_certificate *certificate)
{
    return certificate->key;
}

int64_t clo_certificate_not_before(const struct clo_certificate *certificate)
{
    return certificate->not_before;
}

int64_t clo_certificate_not_after(const struct clo_certificate *certificate)
{
    return certificate->not_after;
}

const char *clo_certificate_subject(const struct clo_certificate *certificate)
{
    return certificate->subject;
}

const char *clo_certificate_issuer(const struct clo_certificate *certificate)
{
    return certificate->issuer;
}

struct clo_bytes clo_certificate_subject_name(const struct clo_certificate *certificate)
{
    return certificate->subject_name;
}

struct clo_bytes clo_certificate_issuer_name(const struct clo_certificate *certificate)
{
    return certificate->issuer_name;
}

struct clo_bytes clo_certificate_serial(const struct clo_certificate *certificate)
{
    return certificate->serial;
}

bool clo_certificate_is_ca(const struct clo_certificate *certificate, int *path_length)
{
    if (path_length != NULL)
        *path_length = certificate->path_length;
    return certificate->is_ca;
}

bool clo_certificate_key_usage(const struct clo_certificate *certificate, unsigned *usage)
{
    *usage = certificate->key_usage;
    return certificate->has_key_usage;
}

struct clo_bytes clo_certificate_subject_key(const struct clo_certificate *certificate)
{
    return certificate->subject_key;
}

struct clo_bytes clo_certificate_authority_key(const struct clo_certificate *certificate)
{
    return certificate->authority_key;
}

bool clo_certificate_extension_next(const struct clo_certificate *certificate, size_t *at,
                                    struct clo_certificate_extension *out)
{
    struct clo_reader r = { .in = certificate->extensions, .at = *at };

    if (*at >= r.in.size || !x509_extension_read(&r, out))
        return false;
    *at = r.at;
    return true;
}

static bool is_oid_text(struct clo_bytes oid, const char *dotted)
{
    uint8_t bytes[64];
    size_t size;

    return clo_der_oid_from_text(dotted, bytes, sizeof bytes, &size) &&
           clo_bytes_equal(oid, clo_bytes(bytes, size));
}

bool clo_certificate_extension(const struct clo_certificate *certificate, const char *oid,
                               struct clo_bytes *out)
{
    struct clo_certificate_extension extension;
    uint8_t bytes[64];
    size_t size;
    size_t at = 0;

    if (!clo_der_oid_from_text(oid, bytes, sizeof bytes, &size))
        return false;
    while (clo_certificate_extension_next(certificate, &at, &extension)) {
        if (!clo_bytes_equal(extension.oid, clo_bytes(bytes, size)))
            continue;
        *out = extension.value;
        return true;
    }
    return false;
}

bool clo_certificate_critical_known(const struct clo_certificate *certificate,
                                    const char *const *known, size_t count, struct clo_error *err)
{
    struct clo_certificate_extension extension;
    size_t at = 0;

    while (clo_certificate_extension_next(certificate, &at, &extension)) {
        bool is_known = !extension.is_critical || x509_is_ce(extension.oid, CE_BASIC_CONSTRAINTS) ||
                        x509_is_ce(extension.oid, CE_KEY_USAGE);
        for (size_t i = 0; !is_known && i < count; i++)
            is_known = is_oid_text(extension.oid, known[i]);
        if (!is_known) {
            char text[128];
            clo_der_oid_text(extension.oid, text, sizeof text);
            return clo_fail(err, CLO_ERR_REFUSED,
                            "certificate \"%.100s\": critical extension %s is unknown",
                            certificate->subject, text);
        }
    }
    return true;
}

bool x509_may_issue(const struct clo_certificate *issuer, int below, struct clo_error *err)
{
    const char *name = clo_certificate_subject(issuer);
    int path_length;
    unsigned usage;

    if (!clo_certificate_is_ca(issuer, &path_length))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": is not a CA's", name);
    if (path_length >= 0 && path_length < below)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "certificate \"%.100s\": allows %d CAs below it, there is %d", name,
                        path_length, below);
    if (clo_certificate_key_usage(issuer, &usage) && (usage & CLO_KEY_USAGE_CERT_SIGN) == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "certificate \"%.100s\": its key is not for signing certificates", name);
    return clo_certificate_critical_known(issuer, NULL, 0, err);
}

/* --- Verifying --- */

bool clo_certificate_signed_with(const struct clo_certificate *certificate,
                                 enum clo_signature_scheme scheme, enum clo_hash hash)
{
    return x509_signed_with(&certificate->algorithm, scheme, hash);
}

bool clo_certificate_verify(const struct clo_certificate *certificate,
                            const struct clo_certificate *issuer, enum clo_signature_scheme scheme,
                            enum clo_hash hash, struct clo_error *err)
{
    if (!clo_bytes_equal(certificate->issuer_name, issuer->subject_name))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "certificate \"%.100s\": issued by \"%.100s\", not by \"%.100s\"",
                        certificate->subject, certificate->issuer, issuer->subject);
    if (!x509_signed_with(&certificate->algorithm, scheme, hash))
        return clo_fail(
                err, CLO_ERR_REFUSED,
                "certificate \"%.100s\": not signed with the algorithm that its chain demands",
                certificate->subject);
    struct clo_error why;
    if (x509_proof_has(&certificate->proof, issuer->key, scheme, hash))
        return true;
    if (!clo_signature_verify(issuer->key, scheme, hash, certificate->shell.message,
                              certificate->shell.signature, &why))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": signature does not hold",
                        certificate->subject);
    if (clo_certificate_is_shared(certificate))
        x509_proof_add(&mutable(certificate)->proof, issuer->key, scheme, hash);
    return true;
}

struct x509_st *clo_certificate_x509(const struct clo_certificate *certificate)
{
    /* The one member that changes: made once, whichever thread is first. */
    _Atomic(X509 *) *slot = (_Atomic(X509 *) *)(uintptr_t)&certificate->x509;
    X509 *x509 = atomic_load(slot);

    if (x509 != NULL)
        return x509;
    const unsigned char *at = certificate->der.data;
    X509 *made = d2i_X509(NULL, &at, (long)certificate->der.size);
    ERR_clear_error();
    if (made != NULL && !atomic_compare_exchange_strong(slot, &x509, made)) {
        X509_free(made);
        return x509;
    }
    return made;
}
