/* Our reading of certificates and revocation lists held to OpenSSL's: what we accept, OpenSSL parses, with
 * the same key, names, serial numbers, dates and extensions. Each function gives NULL, or what differs. */
#ifndef CLOISTER_TESTS_OPENSSL_AGREE_H
#define CLOISTER_TESTS_OPENSSL_AGREE_H

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "cloister/crypto.h"
#include "lib/base/der.h"

#define AGREE(condition)       \
    do {                       \
        if (!(condition))      \
            return #condition; \
    } while (0)
#define AGREE_ALL(difference)        \
    do {                             \
        const char *it = difference; \
        if (it != NULL)              \
            return it;               \
    } while (0)

static inline struct clo_bytes openssl_bytes(const ASN1_STRING *string)
{
    return string == NULL
                   ? clo_bytes(NULL, 0)
                   : clo_bytes(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

/* Of a part with several attributes the order in the text is each reader's own. */
static inline bool has_joined_parts(const X509_NAME *name)
{
    for (int i = 1; i < X509_NAME_entry_count(name); i++)
        if (X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i)) ==
            X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i - 1)))
            return true;
    return false;
}

static inline const char *agree_name(const X509_NAME *name, const char *text, struct clo_bytes der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *bytes = NULL;
    char expected[256];

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    int size = BIO_read(bio, expected, sizeof expected - 1);
    expected[size < 0 ? 0 : size] = '\0';
    clo_sanitize(expected);
    BIO_free(bio);
    /* OpenSSL has words for some attributes that we show by their number, with the value in hex. */
    AGREE(strstr(text, "=#") != NULL || has_joined_parts(name) || strcmp(text, expected) == 0);
    size = i2d_X509_NAME(name, &bytes);
    bool is_same = clo_bytes_equal(der, clo_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    AGREE(is_same);
    return NULL;
}

static inline const char *agree_time(const ASN1_TIME *time, int64_t at)
{
    struct tm parts;

    AGREE(ASN1_TIME_to_tm(time, &parts) == 1);
    AGREE((int64_t)timegm(&parts) == at);
    return NULL;
}

static inline const char *agree_integer(const ASN1_INTEGER *integer, struct clo_bytes value)
{
    unsigned char *bytes = NULL;
    int size = i2d_ASN1_INTEGER(integer, &bytes);
    struct clo_reader r = clo_reader(clo_bytes(bytes, size < 0 ? 0 : (size_t)size));
    bool is_same = clo_bytes_equal(value, clo_der_value(&r, CLO_DER_INTEGER));

    OPENSSL_free(bytes);
    AGREE(is_same);
    return NULL;
}

static inline const char *agree_extensions(const struct clo_certificate *certificate,
                                           const X509 *x509)
{
    struct clo_certificate_extension extension;
    struct clo_bytes value;
    size_t at = 0;
    int count = 0;

    for (; clo_certificate_extension_next(certificate, &at, &extension); count++) {
        X509_EXTENSION *other = X509_get_ext(x509, count);
        char ours[128];
        char theirs[128];
        uint8_t oid[64];
        size_t size;
        AGREE(other != NULL);
        clo_der_oid_text(extension.oid, ours, sizeof ours);
        OBJ_obj2txt(theirs, sizeof theirs, X509_EXTENSION_get_object(other), 1);
        AGREE(extension.is_critical == (X509_EXTENSION_get_critical(other) == 1));
        AGREE(clo_bytes_equal(extension.value, openssl_bytes(X509_EXTENSION_get_data(other))));
        if (!clo_der_oid_from_text(theirs, oid, sizeof oid, &size))
            continue; /* with numbers beyond 32 bits: nobody asks for it by name */
        AGREE(strcmp(ours, theirs) == 0);
        AGREE(clo_certificate_extension(certificate, theirs, &value));
        AGREE(clo_bytes_equal(extension.value, value));
    }
    AGREE(count == X509_get_ext_count(x509));
    return NULL;
}

static inline const char *agree_basic(const struct clo_certificate *certificate, const X509 *x509)
{
    int is_there = -1;
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x509, NID_basic_constraints, &is_there, NULL);
    int path_length;
    bool is_ca = clo_certificate_is_ca(certificate, &path_length);
    bool theirs = basic != NULL && basic->ca;
    int64_t limit = -1;
    bool is_readable = basic != NULL || is_there < 0;
    bool is_number = basic == NULL || basic->pathlen == NULL ||
                     ASN1_INTEGER_get_int64(&limit, basic->pathlen) == 1;

    BASIC_CONSTRAINTS_free(basic);
    AGREE(is_readable);
    AGREE(is_ca == theirs);
    AGREE(is_number && path_length == (limit > 1000 ? 1000 : (int)limit));
    return NULL;
}

static inline const char *agree_usage(const struct clo_certificate *certificate, const X509 *x509)
{
    int is_there = -1;
    ASN1_BIT_STRING *bits = X509_get_ext_d2i(x509, NID_key_usage, &is_there, NULL);
    unsigned usage;
    unsigned theirs = 0;
    bool is_limited = clo_certificate_key_usage(certificate, &usage);
    bool is_there_too = bits != NULL;

    for (int i = 0; bits != NULL && i < 16; i++)
        theirs |= ASN1_BIT_STRING_get_bit(bits, i) ? 1U << i : 0;
    ASN1_BIT_STRING_free(bits);
    AGREE(is_there < 0 || is_there_too);
    AGREE(is_limited == is_there_too);
    AGREE(!is_limited || usage == theirs);
    return NULL;
}

static inline const char *agree_key_names(const struct clo_certificate *certificate, X509 *x509)
{
    int is_there = -1;
    ASN1_OCTET_STRING *own = X509_get_ext_d2i(x509, NID_subject_key_identifier, &is_there, NULL);
    bool is_same = clo_bytes_equal(clo_certificate_subject_key(certificate), openssl_bytes(own));

    ASN1_OCTET_STRING_free(own);
    AGREE(is_same);
    AUTHORITY_KEYID *issuers =
            X509_get_ext_d2i(x509, NID_authority_key_identifier, &is_there, NULL);
    bool is_readable = issuers != NULL || is_there < 0;
    is_same = clo_bytes_equal(clo_certificate_authority_key(certificate),
                              openssl_bytes(issuers == NULL ? NULL : issuers->keyid));
    AUTHORITY_KEYID_free(issuers);
    AGREE(is_readable);
    AGREE(is_same);
    return NULL;
}

static inline const char *agree_algorithm(const struct clo_certificate *certificate, X509 *x509)
{
    static const struct {
        int key, hash;
        enum clo_signature_scheme scheme;
        enum clo_hash ours;
    } algorithms[] = {
        { NID_rsaEncryption, NID_sha1, CLO_RSASSA_PKCS1, CLO_HASH_SHA1 },
        { NID_rsaEncryption, NID_sha256, CLO_RSASSA_PKCS1, CLO_HASH_SHA256 },
        { NID_rsaEncryption, NID_sha384, CLO_RSASSA_PKCS1, CLO_HASH_SHA384 },
        { NID_rsaEncryption, NID_sha512, CLO_RSASSA_PKCS1, CLO_HASH_SHA512 },
        { NID_rsassaPss, NID_sha256, CLO_RSASSA_PSS, CLO_HASH_SHA256 },
        { NID_rsassaPss, NID_sha384, CLO_RSASSA_PSS, CLO_HASH_SHA384 },
        { NID_rsassaPss, NID_sha512, CLO_RSASSA_PSS, CLO_HASH_SHA512 },
        { NID_X9_62_id_ecPublicKey, NID_sha256, CLO_ECDSA_DER, CLO_HASH_SHA256 },
        { NID_X9_62_id_ecPublicKey, NID_sha384, CLO_ECDSA_DER, CLO_HASH_SHA384 },
        { NID_X9_62_id_ecPublicKey, NID_sha512, CLO_ECDSA_DER, CLO_HASH_SHA512 },
    };
    int hash = NID_undef;
    int key = NID_undef;

    X509_get_signature_info(x509, &hash, &key, NULL, NULL);
    for (size_t i = 0; i < CLO_COUNT(algorithms); i++)
        /* We demand more of the parameters than OpenSSL does when it reads them. */
        AGREE(!clo_certificate_signed_with(certificate, algorithms[i].scheme, algorithms[i].ours) ||
              (key == algorithms[i].key && hash == algorithms[i].hash));
    return NULL;
}

/* By its numbers: of parameters that may be NULL or absent OpenSSL writes one form. */
static inline const char *agree_key(const struct clo_certificate *certificate, X509 *x509)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ours = { 0 };
    unsigned char *bytes = NULL;
    struct clo_error err;

    AGREE(X509_get0_pubkey(x509) != NULL);
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &bytes);
    bool is_same =
            clo_public_key_spki(clo_certificate_key(certificate), &ours, &err) &&
            clo_bytes_equal(clo_buffer_bytes(&ours), clo_bytes(bytes, size < 0 ? 0 : (size_t)size));
    OPENSSL_free(bytes);
    AGREE(is_same);
    AGREE((int)clo_public_key_bits(clo_certificate_key(certificate)) ==
          EVP_PKEY_get_bits(X509_get0_pubkey(x509)));
    return NULL;
}

/* Signed by itself or not: both say the same. */
static inline const char *agree_signature(const struct clo_certificate *certificate, X509 *x509)
{
    struct clo_error err;
    bool is_ours = false;

    for (unsigned scheme = CLO_RSASSA_PKCS1; scheme <= CLO_ECDSA_DER; scheme++)
        for (unsigned hash = CLO_HASH_SHA1; hash <= CLO_HASH_SHA512; hash++)
            is_ours |= scheme != CLO_ECDSA_RAW &&
                       clo_certificate_verify(certificate, certificate, scheme, hash, &err);
    AGREE(!is_ours || X509_verify(x509, X509_get0_pubkey(x509)) == 1);
    return NULL;
}

static inline const char *agree_x509(const struct clo_certificate *certificate, X509 *x509)
{
    AGREE_ALL(agree_name(X509_get_subject_name(x509), clo_certificate_subject(certificate),
                         clo_certificate_subject_name(certificate)));
    AGREE_ALL(agree_name(X509_get_issuer_name(x509), clo_certificate_issuer(certificate),
                         clo_certificate_issuer_name(certificate)));
    AGREE_ALL(agree_time(X509_get0_notBefore(x509), clo_certificate_not_before(certificate)));
    AGREE_ALL(agree_time(X509_get0_notAfter(x509), clo_certificate_not_after(certificate)));
    AGREE_ALL(agree_integer(X509_get0_serialNumber(x509), clo_certificate_serial(certificate)));
    AGREE_ALL(agree_extensions(certificate, x509));
    AGREE_ALL(agree_basic(certificate, x509));
    AGREE_ALL(agree_usage(certificate, x509));
    AGREE_ALL(agree_key_names(certificate, x509));
    AGREE_ALL(agree_algorithm(certificate, x509));
    AGREE_ALL(agree_key(certificate, x509));
    return agree_signature(certificate, x509);
}

/* `is_read`: we accept it. */
static inline const char *agree_certificate(struct clo_bytes der, bool *is_read)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    const unsigned char *at = der.data;
    struct clo_error err;

    *is_read = clo_certificate_parse(der, &certificate, &err);
    if (!*is_read)
        return NULL;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.size);
    bool is_whole = x509 != NULL && at == der.data + der.size;
    const char *difference = is_whole ? agree_x509(certificate, x509) : "OpenSSL does not read it";
    X509_free(x509);
    ERR_clear_error();
    return difference;
}

static inline const char *agree_entries(const struct clo_crl *crl, X509_CRL *x509)
{
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(x509);
    int count = revoked == NULL ? 0 : sk_X509_REVOKED_num(revoked);

    AGREE(clo_crl_count(crl) == (size_t)count);
    for (int i = 0; i < count && i < 64; i++) {
        X509_REVOKED *entry = sk_X509_REVOKED_value(revoked, i);
        const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(entry);
        unsigned char *bytes = NULL;
        int size = i2d_ASN1_INTEGER(serial, &bytes);
        struct clo_reader r = clo_reader(clo_bytes(bytes, size < 0 ? 0 : (size_t)size));
        int64_t since = 0;
        bool is_found = clo_crl_find(crl, clo_der_value(&r, CLO_DER_INTEGER), &since);
        OPENSSL_free(bytes);
        AGREE(is_found);
        /* Of a number that is there twice ours is the first. */
        int first = 0;
        while (ASN1_INTEGER_cmp(serial, X509_REVOKED_get0_serialNumber(
                                                sk_X509_REVOKED_value(revoked, first))) != 0)
            first++;
        AGREE_ALL(agree_time(
                X509_REVOKED_get0_revocationDate(sk_X509_REVOKED_value(revoked, first)), since));
    }
    return NULL;
}

static inline const char *agree_x509_crl(const struct clo_crl *crl, X509_CRL *x509)
{
    int is_there = -1;

    AGREE_ALL(agree_name(X509_CRL_get_issuer(x509), clo_crl_issuer(crl), clo_crl_issuer_name(crl)));
    AGREE_ALL(agree_time(X509_CRL_get0_lastUpdate(x509), clo_crl_this_update(crl)));
    AGREE_ALL(agree_time(X509_CRL_get0_nextUpdate(x509), clo_crl_next_update(crl)));
    AGREE_ALL(agree_entries(crl, x509));
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x509, NID_crl_number, &is_there, NULL);
    const char *difference = number == NULL ? NULL : agree_integer(number, clo_crl_number(crl));
    bool is_same = (number != NULL) == (clo_crl_number(crl).size != 0);
    ASN1_INTEGER_free(number);
    AGREE_ALL(difference);
    AGREE(is_same);
    AUTHORITY_KEYID *issuers =
            X509_CRL_get_ext_d2i(x509, NID_authority_key_identifier, &is_there, NULL);
    bool is_readable = issuers != NULL || is_there < 0;
    is_same = clo_bytes_equal(clo_crl_authority_key(crl),
                              openssl_bytes(issuers == NULL ? NULL : issuers->keyid));
    AUTHORITY_KEYID_free(issuers);
    AGREE(is_readable);
    AGREE(is_same);
    return NULL;
}

static inline const char *agree_crl(struct clo_bytes der, bool *is_read)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    const unsigned char *at = der.data;
    struct clo_error err;

    *is_read = clo_crl_parse(der, &crl, &err);
    if (!*is_read)
        return NULL;
    X509_CRL *x509 = d2i_X509_CRL(NULL, &at, (long)der.size);
    bool is_whole = x509 != NULL && at == der.data + der.size;
    const char *difference = is_whole ? agree_x509_crl(crl, x509) : "OpenSSL does not read it";
    X509_CRL_free(x509);
    ERR_clear_error();
    return difference;
}

#endif
