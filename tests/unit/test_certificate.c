#include "cloister/crypto.h"
#include "lib/crypto/certificate_make.h"

#include "test.h"

#define DAY        ((int64_t)86400)
#define NOT_BEFORE ((int64_t)1767225600) /* 2026-01-01 */
#define OWN_OID    "1.3.6.1.4.1.3704.1.3.1"

static struct clo_certificate *parse(struct clo_bytes der)
{
    struct clo_certificate *certificate = NULL;
    struct clo_error err;

    if (!clo_certificate_parse(der, &certificate, &err))
        fail_msg("%s", err.text);
    return certificate;
}

struct issuer {
    struct clo_private_key *key;
    struct clo_public_key *public;
    struct clo_certificate *certificate;
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
};

static struct clo_certificate_spec spec_of(const char *name, const struct issuer *issuer)
{
    return (struct clo_certificate_spec){
        .common_name = name,
        .organization = "Cloister test",
        .not_before = NOT_BEFORE,
        .not_after = NOT_BEFORE + 365 * DAY,
        .serial = clo_bytes("\x01\x02", 2),
        .scheme = issuer->scheme,
        .hash = issuer->hash,
    };
}

static struct issuer issuer_new(enum clo_key_kind kind, enum clo_signature_scheme scheme,
                                enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct issuer issuer = { .scheme = scheme, .hash = hash };
    struct clo_error err;
    struct clo_certificate_spec spec = spec_of("Root", &issuer);

    spec.is_ca = true;
    if (!clo_private_key_new(kind, 2048, &issuer.key, &err) ||
        !clo_private_key_public(issuer.key, &issuer.public, &err) ||
        !clo_certificate_make(&spec, issuer.public, NULL, issuer.key, &der, &err))
        fail_msg("%s", err.text);
    issuer.certificate = parse(clo_buffer_bytes(&der));
    return issuer;
}

static void issuer_free(struct issuer *issuer)
{
    clo_certificate_free(issuer->certificate);
    clo_public_key_free(issuer->public);
    clo_private_key_free(issuer->key);
}

static void made_and_read_back(void **state)
{
    CLO_CLEANUP(issuer_free)
    struct issuer root = issuer_new(CLO_KEY_P384, CLO_ECDSA_DER, CLO_HASH_SHA384);
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_extension_spec extension = {
        .oid = OWN_OID,
        .value = clo_bytes("\x02\x01\x07", 3),
    };
    struct clo_certificate_spec spec = spec_of("leaf, \"quoted\"", &root);
    struct clo_digest a;
    struct clo_digest b;
    struct clo_bytes value;
    struct clo_error err;

    (void)state;
    spec.extensions = &extension;
    spec.extension_count = 1;
    spec.subject_alt_names = "DNS:broker.example,IP:127.0.0.1";
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public, &err), err.text);
    CHECK(clo_certificate_make(&spec, public, root.certificate, root.key, &der, &err), err.text);
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *leaf = parse(clo_buffer_bytes(&der));

    assert_string_equal(clo_certificate_subject(leaf), "CN=leaf\\, \\\"quoted\\\",O=Cloister test");
    assert_string_equal(clo_certificate_issuer(leaf), "CN=Root,O=Cloister test");
    CHECK(clo_certificate_not_before(leaf) == NOT_BEFORE, "not before");
    CHECK(clo_certificate_not_after(leaf) == NOT_BEFORE + 365 * DAY, "not after");
    CHECK(clo_bytes_equal(clo_certificate_der(leaf), clo_buffer_bytes(&der)), "DER");
    CHECK(clo_public_key_fingerprint(public, &a, &err), err.text);
    CHECK(clo_public_key_fingerprint(clo_certificate_key(leaf), &b, &err), err.text);
    CHECK(clo_digest_equal(&a, &b), "the key");
    CHECK(clo_certificate_extension(leaf, OWN_OID, &value), "extension");
    CHECK(clo_bytes_equal(value, extension.value), "its value");
    CHECK(clo_certificate_extension(leaf, "2.5.29.17", &value), "subject alternative names");
    CHECK(!clo_certificate_extension(leaf, "1.3.6.1.4.1.3704.1.3.2", &value), "absent");
    CHECK(!clo_certificate_extension(leaf, "no OID", &value), "no OID");
    CHECK(clo_certificate_verify(leaf, root.certificate, CLO_ECDSA_DER, CLO_HASH_SHA384, &err),
          err.text);
    CHECK(clo_certificate_verify(root.certificate, root.certificate, CLO_ECDSA_DER, CLO_HASH_SHA384,
                                 &err),
          err.text);
}

/* The same name and two keys; each case asks for one scheme and hash. */
static void only_the_chains_own_algorithm(void **state)
{
    CLO_CLEANUP(issuer_free)
    struct issuer pss = issuer_new(CLO_KEY_RSA, CLO_RSASSA_PSS, CLO_HASH_SHA384);
    CLO_CLEANUP(issuer_free)
    struct issuer pkcs1 = issuer_new(CLO_KEY_RSA, CLO_RSASSA_PKCS1, CLO_HASH_SHA256);
    CLO_CLEANUP(issuer_free)
    struct issuer ec = issuer_new(CLO_KEY_P256, CLO_ECDSA_DER, CLO_HASH_SHA256);
    static const char demanded[] = "certificate \"CN=Root,O=Cloister test\": not signed with the "
                                   "algorithm that its chain demands";
    static const char holds_not[] =
            "certificate \"CN=Root,O=Cloister test\": signature does not hold";
    const struct {
        const char *name;
        const struct issuer *subject, *issuer;
        enum clo_signature_scheme scheme;
        enum clo_hash hash;
        const char *error;
    } cases[] = {
        { "PSS", &pss, &pss, CLO_RSASSA_PSS, CLO_HASH_SHA384, NULL },
        { "PKCS #1", &pkcs1, &pkcs1, CLO_RSASSA_PKCS1, CLO_HASH_SHA256, NULL },
        { "ECDSA", &ec, &ec, CLO_ECDSA_DER, CLO_HASH_SHA256, NULL },
        { "another hash", &pss, &pss, CLO_RSASSA_PSS, CLO_HASH_SHA256, demanded },
        { "PKCS #1 for PSS", &pkcs1, &pkcs1, CLO_RSASSA_PSS, CLO_HASH_SHA256, demanded },
        { "PSS for PKCS #1", &pss, &pss, CLO_RSASSA_PKCS1, CLO_HASH_SHA384, demanded },
        { "ECDSA for PSS", &ec, &ec, CLO_RSASSA_PSS, CLO_HASH_SHA256, demanded },
        { "no hash", &ec, &ec, CLO_ECDSA_DER, CLO_HASH_NONE, demanded },
        { "a namesake's key", &pss, &pkcs1, CLO_RSASSA_PSS, CLO_HASH_SHA384, holds_not },
        { "a namesake's key of another kind", &ec, &pss, CLO_ECDSA_DER, CLO_HASH_SHA256,
          holds_not },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err = { 0 };
        bool ok =
                clo_certificate_verify(cases[i].subject->certificate, cases[i].issuer->certificate,
                                       cases[i].scheme, cases[i].hash, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(ok || err.status == CLO_ERR_REFUSED, cases[i].name);
    }
}

static void names_must_match(void **state)
{
    CLO_CLEANUP(issuer_free)
    struct issuer root = issuer_new(CLO_KEY_P256, CLO_ECDSA_DER, CLO_HASH_SHA256);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_certificate_spec spec = spec_of("Another\nroot", &root);
    struct clo_error err;

    (void)state;
    CHECK(clo_certificate_make(&spec, root.public, NULL, root.key, &der, &err), err.text);
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *other = parse(clo_buffer_bytes(&der));
    CHECK(!clo_certificate_verify(other, root.certificate, CLO_ECDSA_DER, CLO_HASH_SHA256, &err),
          "the same key under another name");
    assert_string_equal(err.text, "certificate \"CN=Another\\0Aroot,O=Cloister test\": issued by "
                                  "\"CN=Another\\0Aroot,O=Cloister test\", not by "
                                  "\"CN=Root,O=Cloister test\"");
}

static void what_is_no_certificate(void **state)
{
    CLO_CLEANUP(issuer_free)
    struct issuer root = issuer_new(CLO_KEY_P256, CLO_ECDSA_DER, CLO_HASH_SHA256);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer longer = { 0 };
    struct clo_bytes der = clo_certificate_der(root.certificate);
    struct clo_error err;
    size_t refused = 0;

    (void)state;
    for (size_t size = 0; size < der.size; size++) {
        struct clo_certificate *certificate = NULL;
        CHECK(!clo_certificate_parse(clo_bytes(der.data, size), &certificate, &err), "truncated");
        CHECK(certificate == NULL && strncmp(err.text, "certificate", 11) == 0, err.text);
    }
    clo_buffer_append(&longer, der);
    clo_buffer_u8(&longer, 0);
    struct clo_certificate *certificate = NULL;
    CHECK(!clo_certificate_parse(clo_buffer_bytes(&longer), &certificate, &err), "trailing");
    assert_string_equal(err.text, "certificate: 1 bytes after its end");
    clo_buffer_zero(&longer, 65536);
    CHECK(!clo_certificate_parse(clo_buffer_bytes(&longer), &certificate, &err), "large");
    CHECK(strstr(err.text, " bytes") != NULL && certificate == NULL, err.text);

    /* A bit changed anywhere: it no longer parses, or its signature no longer holds. */
    longer.size = der.size;
    for (size_t at = 0; at < der.size; at++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *changed = NULL;
        longer.data[at] ^= 0x04;
        if (!clo_certificate_parse(clo_buffer_bytes(&longer), &changed, &err) ||
            !clo_certificate_verify(changed, root.certificate, CLO_ECDSA_DER, CLO_HASH_SHA256,
                                    &err))
            refused++;
        longer.data[at] ^= 0x04;
    }
    CHECK(refused == der.size, "a changed bit");
}

static void extensions_are_known_or_refused(void **state)
{
    CLO_CLEANUP(issuer_free)
    struct issuer root = issuer_new(CLO_KEY_P256, CLO_ECDSA_DER, CLO_HASH_SHA256);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_certificate_spec spec = spec_of("leaf", &root);
    struct clo_certificate_extension_spec extensions[2] = {
        { .oid = OWN_OID, .value = clo_bytes("\x02\x01\x07", 3), .critical = true },
        { .oid = OWN_OID, .value = clo_bytes("\x02\x01\x08", 3) },
    };
    static const char *const known[] = { "1.2.3", OWN_OID };
    struct clo_error err;
    int path_length;
    unsigned usage;

    (void)state;
    CHECK(clo_certificate_is_ca(root.certificate, &path_length) && path_length == -1, "root");
    CHECK(clo_certificate_key_usage(root.certificate, &usage), "says its use");
    CHECK(usage == (CLO_KEY_USAGE_CERT_SIGN | CLO_KEY_USAGE_CRL_SIGN), "its use");
    CHECK(clo_certificate_critical_known(root.certificate, NULL, 0, &err), "the usual ones");
    spec.extensions = extensions;
    spec.extension_count = 1;
    CHECK(clo_certificate_make(&spec, root.public, root.certificate, root.key, &der, &err), "make");
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *leaf = parse(clo_buffer_bytes(&der));
    CHECK(!clo_certificate_is_ca(leaf, NULL), "leaf");
    CHECK(!clo_certificate_key_usage(leaf, &usage), "any use");
    CHECK(!clo_certificate_critical_known(leaf, known, 1, &err), "unknown");
    assert_string_equal(err.text, "certificate \"CN=leaf,O=Cloister test\": critical extension "
                                  "1.3.6.1.4.1.3704.1.3.1 is unknown");
    CHECK(clo_certificate_critical_known(leaf, known, 2, &err), "known");

    struct clo_certificate *none = NULL;
    spec.extension_count = 2;
    der.size = 0;
    CHECK(clo_certificate_make(&spec, root.public, root.certificate, root.key, &der, &err), "make");
    CHECK(!clo_certificate_parse(clo_buffer_bytes(&der), &none, &err), "twice");
    assert_string_equal(err.text, "certificate: malformed extensions");
}

/* The salt's size stands in both algorithms: changed in one, they differ; in both, they are none that
 * anybody demands. */
static void pss_parameters_are_looked_at(void **state)
{
    static const uint8_t salt[] = { 0xa2, 0x03, 0x02, 0x01, 0x30 };
    CLO_CLEANUP(issuer_free)
    struct issuer root = issuer_new(CLO_KEY_RSA, CLO_RSASSA_PSS, CLO_HASH_SHA384);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *changed = NULL;
    struct clo_error err;
    size_t count = 0;

    (void)state;
    CHECK(clo_certificate_signed_with(root.certificate, CLO_RSASSA_PSS, CLO_HASH_SHA384), "PSS");
    clo_buffer_append(&der, clo_certificate_der(root.certificate));
    for (size_t at = 0; at + sizeof salt <= der.size; at++) {
        if (memcmp(der.data + at, salt, sizeof salt) != 0)
            continue;
        der.data[at + 4] = 0x20;
        count++;
        bool ok = clo_certificate_parse(clo_buffer_bytes(&der), &changed, &err);
        CHECK(ok == (count == 2), "in both");
        if (!ok)
            assert_string_equal(err.text, "certificate: malformed signature algorithm");
    }
    CHECK(count == 2 && changed != NULL, "two algorithms");
    CHECK(!clo_certificate_signed_with(changed, CLO_RSASSA_PSS, CLO_HASH_SHA384), "none");
    CHECK(!clo_certificate_verify(changed, root.certificate, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err),
          "none");
    CHECK(strstr(err.text, "not signed with the algorithm") != NULL, err.text);
}

/* AMD signs with PSS, SHA-384, a salt of 48 bytes; its VCEKs have the serial number 0. */
static void amds_chain(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek_der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    size_t at = 0;
    struct clo_bytes value;
    struct clo_error err;

    (void)state;
    read_vector("snp/anchors/milan_ask_ark.pem", &pem);
    read_vector("snp/milan-v2-vcek-coco/vek.der", &vcek_der);
    struct clo_bytes text = clo_buffer_bytes(&pem);
    CHECK(clo_pem_next(text, "CERTIFICATE", &at, &der, &err) == CLO_NEXT_ITEM, err.text);
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *ask = parse(clo_buffer_bytes(&der));
    CHECK(clo_pem_next(text, "CERTIFICATE", &at, &der, &err) == CLO_NEXT_ITEM, err.text);
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *ark = parse(clo_buffer_bytes(&der));
    CHECK(clo_pem_next(text, "CERTIFICATE", &at, &der, &err) == CLO_NEXT_END, "the end");
    CLO_CLEANUP(clo_certificate_freep)
    struct clo_certificate *vcek = parse(clo_buffer_bytes(&vcek_der));

    CHECK(strstr(clo_certificate_subject(ark), "CN=ARK-Milan") != NULL, "subject");
    CHECK(strstr(clo_certificate_subject(ask), "CN=SEV-Milan") != NULL, "subject");
    CHECK(clo_public_key_bits(clo_certificate_key(ark)) == 4096, "RSA 4096");
    CHECK(clo_public_key_kind(clo_certificate_key(vcek)) == CLO_KEY_P384, "P-384");
    CHECK(clo_certificate_verify(ark, ark, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err), err.text);
    CHECK(clo_certificate_verify(ask, ark, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err), err.text);
    CHECK(clo_certificate_verify(vcek, ask, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err), err.text);
    CHECK(!clo_certificate_verify(vcek, ark, CLO_RSASSA_PSS, CLO_HASH_SHA384, &err), "skipped");
    CHECK(!clo_certificate_verify(vcek, ask, CLO_RSASSA_PKCS1, CLO_HASH_SHA384, &err), "PKCS #1");
    CHECK(clo_certificate_extension(vcek, "1.3.6.1.4.1.3704.1.4", &value) && value.size == 64,
          "the chip's identity");
    CHECK(clo_certificate_extension(vcek, OWN_OID, &value) && value.size == 3, "blSPL");
}

static void pem_blocks(void **state)
{
    static const struct {
        const char *name, *pem, *hex, *error; /* hex NULL and error NULL: the end */
    } cases[] = {
        { "empty", "", NULL, NULL },
        { "text only", "no block here\n", NULL, NULL },
        { "one", "-----BEGIN X-----\nAAEC\n-----END X-----\n", "000102", NULL },
        { "text before it", "subject=/CN=x\n-----BEGIN X-----\nAAEC\n-----END X-----\n", "000102",
          NULL },
        { "CRLF and blanks", "-----BEGIN X-----\r\nAA\r\n \tEC\r\n-----END X-----", "000102",
          NULL },
        { "another label first",
          "-----BEGIN Y-----\n////\n-----END Y-----\n-----BEGIN X-----\nAAEC\n-----END X-----\n",
          "000102", NULL },
        { "a longer label is another", "-----BEGIN X Y-----\nAAEC\n-----END X Y-----\n", NULL,
          NULL },
        { "no end", "-----BEGIN X-----\nAAEC\n", NULL, "PEM: block \"X\" at byte 0 has no end" },
        { "no padding", "-----BEGIN X-----\nAAE\n-----END X-----\n", NULL,
          "PEM: block \"X\" at byte 0: base64: 3 characters, not a multiple of 4" },
        { "a header line", "-----BEGIN X-----\nProc-Type: 4\n-----END X-----\n", NULL,
          "PEM: block \"X\" at byte 0: base64: 11 characters, not a multiple of 4" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        struct clo_error err;
        size_t at = 0;
        enum clo_next next = clo_pem_next(clo_bytes_text(cases[i].pem), "X", &at, &der, &err);
        CHECK(next == (cases[i].hex != NULL     ? CLO_NEXT_ITEM
                       : cases[i].error != NULL ? CLO_NEXT_FAILED
                                                : CLO_NEXT_END),
              cases[i].name);
        if (next == CLO_NEXT_ITEM) {
            CHECK(clo_bytes_equal(clo_buffer_bytes(&der), from_hex(cases[i].hex, &expected)),
                  cases[i].name);
            CHECK(clo_pem_next(clo_bytes_text(cases[i].pem), "X", &at, &der, &err) == CLO_NEXT_END,
                  "one block");
        } else if (cases[i].error != NULL) {
            CHECK(err.status == CLO_ERR_FORMAT, cases[i].name);
            CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
        }
    }
}

static void pem_written_and_read(void **state)
{
    uint8_t bytes[200];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        size_t at = 0;
        CHECK(clo_pem_write("CERTIFICATE", clo_bytes(bytes, size), &pem, &err), err.text);
        CHECK(clo_pem_next(clo_buffer_bytes(&pem), "CERTIFICATE", &at, &der, &err) == CLO_NEXT_ITEM,
              err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&der), clo_bytes(bytes, size)), "the same bytes");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_read_back),
        cmocka_unit_test(only_the_chains_own_algorithm),
        cmocka_unit_test(names_must_match),
        cmocka_unit_test(what_is_no_certificate),
        cmocka_unit_test(amds_chain),
        cmocka_unit_test(pem_blocks),
        cmocka_unit_test(pem_written_and_read),
        cmocka_unit_test(extensions_are_known_or_refused),
        cmocka_unit_test(pss_parameters_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
