/* Our reading of certificates and revocation lists next to OpenSSL's: every one in the vectors, ours and
 * the shared ones, must give the same fields. */
#include <ftw.h>

#include "lib/crypto/openssl.h"
#include "lib/crypto/x509.h"

#include "openssl_agree.h"
#include "test.h"

static size_t certificates;
static size_t lists;

/* Here also the other way round: what OpenSSL reads is read by us, but for kinds that we do not know. */
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
    const char *difference = agree_certificate(der, &ours);
    if (difference != NULL)
        fail_msg("%s: %s", what, difference);
    if (ours) {
        certificates++;
        CHECK(clo_certificate_x509(certificate) != NULL, what);
        CHECK(clo_certificate_x509(certificate) == clo_certificate_x509(certificate), what);
    }
    X509_free(x509);
}

static void one_list(struct clo_bytes der, const char *what)
{
    const unsigned char *at = der.data;
    X509_CRL *x509 = d2i_X509_CRL(NULL, &at, (long)der.size);
    bool theirs = x509 != NULL && at == der.data + der.size;
    bool ours;
    const char *difference = agree_crl(der, &ours);

    X509_CRL_free(x509);
    CHECK(ours == theirs, what);
    if (difference != NULL)
        fail_msg("%s: %s", what, difference);
    lists += ours;
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
    while (clo_pem_next(in, "CERTIFICATE", &at, &der, &err) == CLO_NEXT_ITEM)
        one_certificate(clo_buffer_bytes(&der), path);
    for (at = 0; clo_pem_next(in, "X509 CRL", &at, &der, &err) == CLO_NEXT_ITEM;)
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

/* Names that OpenSSL does not read: a chain would end differently with each reader. */
static void strings_of_names(void **state)
{
    static const struct {
        const char *name, *hex, *text; /* text NULL: refused */
    } cases[] = {
        { "nothing", "3000", "" },
        { "UTF8String", "300d310b300906035504030c0278c3", NULL },
        { "UTF8String, whole", "300e310c300a06035504030c0378c3bc", "CN=x\\C3\\BC" },
        { "UTF8String, a surrogate", "300e310c300a06035504030c03eda080", NULL },
        { "UTF8String, overlong", "300d310b300906035504030c02c0af", NULL },
        { "BMPString", "300d310b300906035504031e020041", "CN=A" },
        { "BMPString, half a character", "300e310c300a06035504031e03004100", NULL },
        { "BMPString, a surrogate", "300d310b300906035504031e02d800", NULL },
        { "UniversalString", "300f310d300b06035504031c0400000041", "CN=A" },
        { "UniversalString beyond Unicode", "300f310d300b06035504031c0400110000", NULL },
        { "VisibleString", "300c310a300806035504031a0141", NULL },
        { "OCTET STRING", "300c310a30080603550403040141", NULL },
        { "no attribute", "30023100", NULL },
        { "an OID that breaks off", "300c310a300806035504830c0141", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        char text[X509_NAME_TEXT];
        struct clo_bytes name = from_hex(cases[i].hex, &bytes);
        const unsigned char *at = name.data;
        X509_NAME *theirs = d2i_X509_NAME(NULL, &at, (long)name.size);
        bool ok = x509_name_text(name, text);
        CHECK(ok == (cases[i].text != NULL), cases[i].name);
        CHECK(!ok || (theirs != NULL && strcmp(text, cases[i].text) == 0), cases[i].name);
        X509_NAME_free(theirs);
    }
}

static void authority_keys(void **state)
{
    static const struct {
        const char *name, *hex;
        size_t size; /* of the key identifier */
        bool holds;
    } cases[] = {
        { "empty", "3000", 0, true },
        { "key", "3004800201ff", 2, true },
        { "issuer by DNS name, and serial", "3008a103820161820105", 0, true },
        { "issuer by directory name", "3006a104a4023000", 0, true },
        { "all three", "300b800101a103820161820105", 1, true },
        { "an issuer of an unknown kind", "3005a103850161", 0, false },
        { "a name that is not one", "3007a105a403300131", 0, false },
        { "a serial number that is not a number", "30028200", 0, false },
        { "in another order", "300682010580010a", 0, false },
        { "something else", "3003830161", 0, false },
        { "bytes after it", "300000", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_bytes key = { 0 };
        bool ok = x509_authority_key_read(from_hex(cases[i].hex, &bytes), &key);
        CHECK(ok == cases[i].holds, cases[i].name);
        CHECK(!ok || key.size == cases[i].size, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_openssl_reads_them),
        cmocka_unit_test(strings_of_names),
        cmocka_unit_test(authority_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
