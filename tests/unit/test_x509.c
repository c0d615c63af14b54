/* Our reading of certificates and revocation lists beside OpenSSL's: every one in the vectors, ours and
 * the shared ones, must give the same fields. */
#include <ftw.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "cloister/crypto.h"
#include "lib/base/der.h"
#include "lib/crypto/openssl.h"

#include "test.h"

static size_t certificates;
static size_t lists;

static struct clo_bytes string_bytes(const ASN1_STRING *string)
{
    return string == NULL
                   ? clo_bytes(NULL, 0)
                   : clo_bytes(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

static void same_name(const X509_NAME *name, const char *text, struct clo_bytes der,
                      const char *what)
{
    BIO *bio = BIO_new(BIO_s_mem());
    unsigned char *bytes = NULL;
    char expected[256];

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    int size = BIO_read(bio, expected, sizeof expected - 1);
    expected[size < 0 ? 0 : size] = '\0';
    clo_sanitize(expected);
    BIO_free(bio);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s, OpenSSL: %s", what, text, expected);
    size = i2d_X509_NAME(name, &bytes);
    CHECK(clo_bytes_equal(der, clo_bytes(bytes, (size_t)size)), what);
    OPENSSL_free(bytes);
}

static void same_time(const ASN1_TIME *time, int64_t at, const char *what)
{
    struct tm parts;

    CHECK(ASN1_TIME_to_tm(time, &parts) == 1 && (int64_t)timegm(&parts) == at, what);
}

/* The contents of the INTEGER: i2d gives tag and length too, two bytes for these sizes. */
static void same_integer(const ASN1_INTEGER *integer, struct clo_bytes value, const char *what)
{
    unsigned char *bytes = NULL;
    int size = i2d_ASN1_INTEGER(integer, &bytes);

    CHECK(size > 2 && clo_bytes_equal(value, clo_bytes(bytes + 2, (size_t)size - 2)), what);
    OPENSSL_free(bytes);
}

static void same_extensions(const struct clo_certificate *certificate, const X509 *x509,
                            const char *what)
{
    struct clo_certificate_extension extension;
    struct clo_bytes value;
    size_t at = 0;
    int count = 0;

    for (; clo_certificate_extension_next(certificate, &at, &extension); count++) {
        X509_EXTENSION *other = X509_get_ext(x509, count);
        char ours[128];
        char theirs[128];
        CHECK(other != NULL, what);
        clo_der_oid_text(extension.oid, ours, sizeof ours);
        OBJ_obj2txt(theirs, sizeof theirs, X509_EXTENSION_get_object(other), 1);
        CHECK(strcmp(ours, theirs) == 0, ours);
        CHECK(extension.is_critical == (X509_EXTENSION_get_critical(other) == 1), ours);
        CHECK(clo_bytes_equal(extension.value, string_bytes(X509_EXTENSION_get_data(other))), ours);
        CHECK(clo_certificate_extension(certificate, theirs, &value), ours);
        CHECK(clo_bytes_equal(extension.value, value), ours);
    }
    CHECK(count == X509_get_ext_count(x509), what);
}

static void same_rights(const struct clo_certificate *certificate, X509 *x509, const char *what)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x509, NID_basic_constraints, NULL, NULL);
    int path_length;
    unsigned usage;
    bool is_ca = clo_certificate_is_ca(certificate, &path_length);

    CHECK(is_ca == (basic != NULL && basic->ca), what);
    CHECK(path_length == (basic == NULL || basic->pathlen == NULL
                                  ? -1
                                  : (int)ASN1_INTEGER_get(basic->pathlen)),
          what);
    BASIC_CONSTRAINTS_free(basic);
    bool is_limited = clo_certificate_key_usage(certificate, &usage);
    uint32_t flags = X509_get_key_usage(x509);
    CHECK(is_limited == (flags != UINT32_MAX), what);
    if (is_limited) {
        CHECK(!(usage & CLO_KEY_USAGE_DIGITAL_SIGNATURE) == !(flags & KU_DIGITAL_SIGNATURE), what);
        CHECK(!(usage & CLO_KEY_USAGE_CERT_SIGN) == !(flags & KU_KEY_CERT_SIGN), what);
        CHECK(!(usage & CLO_KEY_USAGE_CRL_SIGN) == !(flags & KU_CRL_SIGN), what);
    }
    CHECK(clo_bytes_equal(clo_certificate_subject_key(certificate),
                          string_bytes(X509_get0_subject_key_id(x509))),
          what);
    CHECK(clo_bytes_equal(clo_certificate_authority_key(certificate),
                          string_bytes(X509_get0_authority_key_id(x509))),
          what);
}

static void same_algorithm(const struct clo_certificate *certificate, X509 *x509, const char *what)
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
    };
    int hash = NID_undef;
    int key = NID_undef;

    X509_get_signature_info(x509, &hash, &key, NULL, NULL);
    for (size_t i = 0; i < CLO_COUNT(algorithms); i++)
        CHECK(clo_certificate_signed_with(certificate, algorithms[i].scheme, algorithms[i].ours) ==
                      (key == algorithms[i].key && hash == algorithms[i].hash),
              what);
}

static void same_key(const struct clo_certificate *certificate, X509 *x509, const char *what)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ours = { 0 };
    unsigned char *bytes = NULL;
    struct clo_error err;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &bytes);

    CHECK(clo_public_key_spki(clo_certificate_key(certificate), &ours, &err), what);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&ours), clo_bytes(bytes, (size_t)size)), what);
    CHECK((int)clo_public_key_bits(clo_certificate_key(certificate)) ==
                  EVP_PKEY_get_bits(X509_get0_pubkey(x509)),
          what);
    OPENSSL_free(bytes);
}

static void one_certificate(struct clo_bytes der, const char *what)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    const unsigned char *at = der.data;
    struct clo_error err;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.size);
    bool theirs = x509 != NULL && at == der.data + der.size && X509_get0_pubkey(x509) != NULL;
    bool ours = clo_certificate_parse(der, &certificate, &err);

    if (ours != theirs && (ours || err.status != CLO_ERR_UNSUPPORTED))
        fail_msg("%s: we %s, OpenSSL %s: %s", what, ours ? "read it" : "do not",
                 theirs ? "reads it" : "does not", ours ? "" : err.text);
    if (ours) {
        certificates++;
        same_name(X509_get_subject_name(x509), clo_certificate_subject(certificate),
                  clo_certificate_subject_name(certificate), what);
        same_name(X509_get_issuer_name(x509), clo_certificate_issuer(certificate),
                  clo_certificate_issuer_name(certificate), what);
        same_time(X509_get0_notBefore(x509), clo_certificate_not_before(certificate), what);
        same_time(X509_get0_notAfter(x509), clo_certificate_not_after(certificate), what);
        same_integer(X509_get0_serialNumber(x509), clo_certificate_serial(certificate), what);
        same_extensions(certificate, x509, what);
        same_rights(certificate, x509, what);
        same_algorithm(certificate, x509, what);
        same_key(certificate, x509, what);
        CHECK(clo_certificate_x509(certificate) != NULL, what);
        CHECK(clo_certificate_x509(certificate) == clo_certificate_x509(certificate), what);
    }
    X509_free(x509);
}

static void one_list(struct clo_bytes der, const char *what)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    const unsigned char *at = der.data;
    struct clo_error err;
    X509_CRL *x509 = d2i_X509_CRL(NULL, &at, (long)der.size);

    CHECK(clo_crl_parse(der, &crl, &err) == (x509 != NULL && at == der.data + der.size), what);
    if (crl != NULL) {
        STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(x509);
        int count = revoked == NULL ? 0 : sk_X509_REVOKED_num(revoked);
        lists++;
        same_name(X509_CRL_get_issuer(x509), clo_crl_issuer(crl), clo_crl_issuer_name(crl), what);
        same_time(X509_CRL_get0_lastUpdate(x509), clo_crl_this_update(crl), what);
        same_time(X509_CRL_get0_nextUpdate(x509), clo_crl_next_update(crl), what);
        CHECK(clo_crl_count(crl) == (size_t)count, what);
        for (int i = 0; i < count; i++) {
            X509_REVOKED *entry = sk_X509_REVOKED_value(revoked, i);
            unsigned char *bytes = NULL;
            int size = i2d_ASN1_INTEGER(X509_REVOKED_get0_serialNumber(entry), &bytes);
            int64_t since = 0;
            CHECK(clo_crl_find(crl, clo_bytes(bytes + 2, (size_t)size - 2), &since), what);
            same_time(X509_REVOKED_get0_revocationDate(entry), since, what);
            OPENSSL_free(bytes);
        }
    }
    X509_CRL_free(x509);
}

static bool ends_in(const char *path, const char *end)
{
    size_t size = strlen(path);

    return size >= strlen(end) && strcmp(path + size - strlen(end), end) == 0;
}

/* PEM blocks lie in anything: quotes and JSON too, where line breaks may be escaped. */
static int one_file(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error err;
    size_t at = 0;

    (void)walk;
    if (kind != FTW_F || info->st_size == 0 || info->st_size > 1 << 20)
        return 0;
    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, &err))
        fail_msg("%s", err.text);
    struct clo_bytes in = clo_buffer_bytes(&file);
    while (clo_pem_next(in, "CERTIFICATE", &at, &der, &err))
        one_certificate(clo_buffer_bytes(&der), path);
    for (at = 0; clo_pem_next(in, "X509 CRL", &at, &der, &err);)
        one_list(clo_buffer_bytes(&der), path);
    if (in.data[0] != 0x30)
        return 0;
    if (strstr(path, "crl") != NULL)
        one_list(in, path);
    else if (ends_in(path, ".der") || ends_in(path, ".crt") || ends_in(path, ".cer"))
        one_certificate(in, path);
    return 0;
}

static void as_openssl_reads_them(void **state)
{
    const char *shared = getenv("CLOISTER_VECTORS");
    const char *tests = getenv("CLOISTER_TESTS");
    char corpus[4096];

    (void)state;
    snprintf(corpus, sizeof corpus, "%s/../fuzz/corpus/certificate",
             tests == NULL ? "tests" : tests);
    nftw(shared == NULL ? "../shared/vectors" : shared, one_file, 16, FTW_PHYS);
    CHECK(nftw(corpus, one_file, 16, FTW_PHYS) == 0 && certificates > 0, corpus);
    print_message("%zu certificates, %zu revocation lists\n", certificates, lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_openssl_reads_them) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
