/* Making certificates, with OpenSSL: for pretend platforms, Secure Boot keys and the broker's TLS. */
#include "lib/crypto/certificate_make.h"
#include "lib/crypto/openssl.h"

#include <openssl/asn1.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "crypto_internal.h"

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
         X509_set_pubkey(x509, clo_public_key_evp(subject)) == 1 &&
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
    X509 *signer = issuer == NULL ? x509 : clo_certificate_x509(issuer);
    bool ok = x509 != NULL && signer != NULL && fill(x509, spec, subject, signer) &&
              sign(x509, spec, issuer_key);
    int size = ok ? i2d_X509(x509, &bytes) : -1;

    X509_free(x509);
    if (size <= 0)
        return crypto_fail(err, CLO_ERR_SYSTEM, "making a certificate");
    clo_buffer_append(der, clo_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return clo_buffer_ok(der) || clo_out_of_memory(err);
}
