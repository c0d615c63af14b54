#include "crypto_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "cloister/encoding.h"

#define CERTIFICATE_MAX 65536

static bool unix_time(const ASN1_TIME *time, int64_t *out)
{
    struct tm parts;

    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    *out = (int64_t)timegm(&parts);
    return true;
}

void crypto_name_text(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long length = 0;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_get_mem_data(bio, &text);
    size_t used = length < 0 ? 0 : (size_t)length;
    if (used >= size)
        used = size - 1;
    if (used > 0)
        memcpy(out, text, used);
    out[used] = '\0';
    clo_sanitize(out);
    BIO_free(bio);
}

bool clo_certificate_parse(struct clo_bytes der, struct clo_certificate **out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *certificate = calloc(1, sizeof *certificate);
    const unsigned char *at = der.data;

    if (certificate == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (der.size > CERTIFICATE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: %zu bytes", der.size);
    certificate->x509 = d2i_X509(NULL, &at, (long)der.size);
    if (certificate->x509 == NULL)
        return crypto_fail(err, CLO_ERR_FORMAT, "certificate");
    if (at != der.data + der.size)
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: %zu bytes behind its end",
                        (size_t)(der.data + der.size - at));
    if (!unix_time(X509_get0_notBefore(certificate->x509), &certificate->not_before) ||
        !unix_time(X509_get0_notAfter(certificate->x509), &certificate->not_after))
        return clo_fail(err, CLO_ERR_FORMAT, "certificate: wrong dates");
    EVP_PKEY *evp = X509_get_pubkey(certificate->x509);
    if (evp == NULL)
        return crypto_fail(err, CLO_ERR_FORMAT, "certificate: public key");
    if (!crypto_public_key(evp, &certificate->key, err))
        return clo_wrap(err, "certificate");
    clo_buffer_append(&certificate->der, der);
    if (!clo_buffer_ok(&certificate->der))
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    crypto_name_text(X509_get_subject_name(certificate->x509), certificate->subject,
                     sizeof certificate->subject);
    crypto_name_text(X509_get_issuer_name(certificate->x509), certificate->issuer,
                     sizeof certificate->issuer);
    *out = CLO_TAKE(certificate);
    return true;
}

void clo_certificate_free(struct clo_certificate *certificate)
{
    if (certificate == NULL)
        return;
    X509_free(certificate->x509);
    clo_public_key_free(certificate->key);
    clo_buffer_free(&certificate->der);
    free(certificate);
}

void clo_certificate_freep(struct clo_certificate **certificate)
{
    clo_certificate_free(*certificate);
    *certificate = NULL;
}

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

struct x509_st *clo_certificate_x509(const struct clo_certificate *certificate)
{
    return certificate->x509;
}

bool clo_certificate_extension(const struct clo_certificate *certificate, const char *oid,
                               struct clo_bytes *out)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = object == NULL ? -1 : X509_get_ext_by_OBJ(certificate->x509, object, -1);

    ASN1_OBJECT_free(object);
    if (at < 0)
        return false;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate->x509, at));
    *out = clo_bytes(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    return true;
}

/* Which scheme and hash the certificate says it is signed with. */
static bool signed_with(X509 *x509, enum clo_signature_scheme scheme, enum clo_hash hash)
{
    static const int hash_nids[CLO_HASH_COUNT] = {
        [CLO_HASH_SHA1] = NID_sha1,
        [CLO_HASH_SHA256] = NID_sha256,
        [CLO_HASH_SHA384] = NID_sha384,
        [CLO_HASH_SHA512] = NID_sha512,
    };
    int hash_nid = NID_undef;
    int key_nid = NID_undef;
    int expected = scheme == CLO_RSASSA_PKCS1 ? NID_rsaEncryption
                   : scheme == CLO_RSASSA_PSS ? NID_rsassaPss
                                              : NID_X9_62_id_ecPublicKey;

    return X509_get_signature_info(x509, &hash_nid, &key_nid, NULL, NULL) == 1 &&
           hash_nid == hash_nids[hash] && hash_nid != NID_undef && key_nid == expected;
}

bool clo_certificate_verify(const struct clo_certificate *certificate,
                            const struct clo_certificate *issuer, enum clo_signature_scheme scheme,
                            enum clo_hash hash, struct clo_error *err)
{
    if (X509_NAME_cmp(X509_get_issuer_name(certificate->x509),
                      X509_get_subject_name(issuer->x509)) != 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "certificate \"%.100s\": issued by \"%.100s\", not by \"%.100s\"",
                        certificate->subject, certificate->issuer, issuer->subject);
    if (!signed_with(certificate->x509, scheme, hash))
        return clo_fail(
                err, CLO_ERR_REFUSED,
                "certificate \"%.100s\": not signed with the algorithm that its chain demands",
                certificate->subject);
    int result = X509_verify(certificate->x509, issuer->key->evp);
    ERR_clear_error();
    if (result != 1)
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": signature does not hold",
                        certificate->subject);
    return true;
}

/* --- PEM --- */

static bool find(struct clo_bytes in, size_t from, const char *text, size_t *out)
{
    const uint8_t *hit =
            from > in.size ? NULL : memmem(in.data + from, in.size - from, text, strlen(text));

    if (hit == NULL)
        return false;
    *out = (size_t)(hit - in.data);
    return true;
}

bool clo_pem_next(struct clo_bytes pem, const char *label, size_t *at, struct clo_buffer *der,
                  struct clo_error *err)
{
    char begin[64];
    char end[64];
    size_t start;
    size_t stop;

    err->status = CLO_OK;
    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    snprintf(end, sizeof end, "-----END %s-----", label);
    if (pem.size == 0 || !find(pem, *at, begin, &start))
        return false;
    if (!find(pem, start, end, &stop))
        return clo_fail(err, CLO_ERR_FORMAT, "PEM: block \"%s\" at byte %zu has no end", label,
                        start);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    for (size_t i = start + strlen(begin); i < stop; i++)
        if (pem.data[i] != '\n' && pem.data[i] != '\r' && pem.data[i] != ' ' && pem.data[i] != '\t')
            clo_buffer_u8(&text, pem.data[i]);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer decoded = { 0 };
    struct clo_error why;
    if (!clo_base64_read(clo_buffer_bytes(&text), &decoded, &why))
        return clo_fail(err, CLO_ERR_FORMAT, "PEM: block \"%s\" at byte %zu: %s", label, start,
                        why.text);
    der->size = 0;
    clo_buffer_append(der, clo_buffer_bytes(&decoded));
    if (!clo_buffer_ok(der))
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    *at = stop + strlen(end);
    return true;
}

bool clo_pem_write(const char *label, struct clo_bytes der, struct clo_buffer *pem,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_base64_write(der, &text);
    clo_buffer_printf(pem, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < text.size; at += 64) {
        clo_buffer_append(pem, clo_bytes_slice(clo_buffer_bytes(&text), at, 64));
        clo_buffer_text(pem, "\n");
    }
    clo_buffer_printf(pem, "-----END %s-----\n", label);
    return (clo_buffer_ok(&text) && clo_buffer_ok(pem)) ||
           clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* --- Making certificates --- */

static bool set_name(X509_NAME *name, const struct clo_certificate_spec *spec)
{
    return (spec->organization == NULL ||
            X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                       (const unsigned char *)spec->organization, -1, -1,
                                       0) == 1) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)spec->common_name, -1, -1, 0) == 1;
}

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool add_own_extension(X509 *x509, const struct clo_certificate_extension_spec *spec)
{
    ASN1_OBJECT *object = OBJ_txt2obj(spec->oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool ok = object != NULL && value != NULL &&
              ASN1_OCTET_STRING_set(value, spec->value.data, (int)spec->value.size) == 1;

    if (ok)
        extension = X509_EXTENSION_create_by_OBJ(NULL, object, spec->critical, value);
    ok = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return ok;
}

static bool fill(X509 *x509, const struct clo_certificate_spec *spec,
                 const struct clo_public_key *subject, X509 *issuer)
{
    BIGNUM *serial = BN_bin2bn(spec->serial.data, (int)spec->serial.size, NULL);
    bool ok = serial != NULL && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) != NULL;

    BN_free(serial);
    ok = ok && X509_set_version(x509, X509_VERSION_3) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)spec->not_before) != NULL &&
         ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)spec->not_after) != NULL &&
         set_name(X509_get_subject_name(x509), spec) &&
         X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
         X509_set_pubkey(x509, subject->evp) == 1 &&
         add_extension(x509, issuer, NID_basic_constraints,
                       spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
         add_extension(x509, issuer, NID_subject_key_identifier, "hash");
    if (ok && spec->is_ca)
        ok = add_extension(x509, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (ok && spec->subject_alt_names != NULL)
        ok = add_extension(x509, issuer, NID_subject_alt_name, spec->subject_alt_names);
    for (size_t i = 0; ok && i < spec->extension_count; i++)
        ok = add_own_extension(x509, &spec->extensions[i]);
    return ok;
}

static bool sign(X509 *x509, const struct clo_certificate_spec *spec,
                 const struct clo_private_key *key)
{
    EVP_PKEY_CTX *context = NULL;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool ok =
            digest != NULL && EVP_DigestSignInit_ex(digest, &context, crypto_hash_name(spec->hash),
                                                    NULL, NULL, key->evp, NULL) == 1;

    if (ok && spec->scheme == CLO_RSASSA_PSS)
        ok = EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && X509_sign_ctx(x509, digest) > 0;
    EVP_MD_CTX_free(digest);
    return ok;
}

bool clo_certificate_make(const struct clo_certificate_spec *spec,
                          const struct clo_public_key *subject,
                          const struct clo_certificate *issuer,
                          const struct clo_private_key *issuer_key, struct clo_buffer *der,
                          struct clo_error *err)
{
    unsigned char *bytes = NULL;
    X509 *x509 = X509_new();
    bool ok = x509 != NULL && fill(x509, spec, subject, issuer == NULL ? x509 : issuer->x509) &&
              sign(x509, spec, issuer_key);
    int size = ok ? i2d_X509(x509, &bytes) : -1;

    X509_free(x509);
    if (size <= 0)
        return crypto_fail(err, CLO_ERR_SYSTEM, "making a certificate");
    clo_buffer_append(der, clo_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return clo_buffer_ok(der) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}
