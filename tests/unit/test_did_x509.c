/* did:x509: what is an identifier, and for which chains it stands. */
#include "lib/crypto/did_x509.h"

#include "cloister/encoding.h"
#include "path_maker.h"

#define SHA256_0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_parse(void **state)
{
    static const struct {
        const char *name, *text, *error; /* error NULL: it parses */
    } cases[] = {
        { "a purpose", "did:x509:0:sha256:" SHA256_0 "::eku:1.2.840.3", NULL },
        { "two predicates", "did:x509:0:sha256:" SHA256_0 "::eku:1.2::subject:CN:a:2.5.4.17:b%20c",
          NULL },
        { "an issuer of Fulcio's",
          "did:x509:0:sha256:" SHA256_0 "::fulcio-issuer:a.b%2Fc::san:email:a%40b", NULL },
        { "another method", "did:web:example.com", "does not begin" },
        { "another version", "did:x509:1:sha256:" SHA256_0 "::eku:1.2", "does not begin" },
        { "another digest", "did:x509:0:sha1:AAAA::eku:1.2", "is not SHA-256" },
        { "a digest cut short", "did:x509:0:sha256:AAAA::eku:1.2", "not one in base64url" },
        { "a digest of another hash", "did:x509:0:sha384:" SHA256_0 "::eku:1.2",
          "not one in base64url" },
        { "bits left over",
          "did:x509:0:sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB::eku:1.2",
          "not one in base64url" },
        { "no predicate", "did:x509:0:sha256:" SHA256_0, "says nothing" },
        { "an empty predicate", "did:x509:0:sha256:" SHA256_0 "::", "not known" },
        { "an unknown one", "did:x509:0:sha256:" SHA256_0 "::email:a", "not known" },
        { "no value", "did:x509:0:sha256:" SHA256_0 "::eku", "\"eku\": malformed" },
        { "not a purpose", "did:x509:0:sha256:" SHA256_0 "::eku:9.x", "\"eku\": malformed" },
        { "a purpose written otherwise", "did:x509:0:sha256:" SHA256_0 "::eku:1.02",
          "\"eku\": malformed" },
        { "a key without a value", "did:x509:0:sha256:" SHA256_0 "::subject:CN",
          "\"subject\": malformed" },
        { "a key twice", "did:x509:0:sha256:" SHA256_0 "::subject:CN:a:CN:b",
          "\"subject\": malformed" },
        { "an unknown key", "did:x509:0:sha256:" SHA256_0 "::subject:DC:a",
          "\"subject\": malformed" },
        { "a label's own number", "did:x509:0:sha256:" SHA256_0 "::subject:2.5.4.3:a",
          "\"subject\": malformed" },
        { "an empty value", "did:x509:0:sha256:" SHA256_0 "::subject:CN:", "malformed" },
        { "a name of no type", "did:x509:0:sha256:" SHA256_0 "::san:dn:a", "\"san\": malformed" },
        { "a name without a value", "did:x509:0:sha256:" SHA256_0 "::san:dns",
          "\"san\": malformed" },
        { "more after the name", "did:x509:0:sha256:" SHA256_0 "::san:dns:a:b",
          "\"san\": malformed" },
        { "a path", "did:x509:0:sha256:" SHA256_0 "::subject:CN:a/b", "malformed" },
        { "a fragment", "did:x509:0:sha256:" SHA256_0 "::subject:CN:a#0", "malformed" },
        { "half an escape", "did:x509:0:sha256:" SHA256_0 "::subject:CN:a%4", "malformed" },
        { "an escaped NUL", "did:x509:0:sha256:" SHA256_0 "::subject:CN:a%00b", "malformed" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct did_x509 did;
        struct clo_error err = { .text = "" };
        bool ok = did_x509_parse(clo_bytes_text(cases[i].text), &did, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        for (size_t size = 0; ok && size < strlen(cases[i].text); size++)
            (void)!did_x509_parse(clo_bytes(cases[i].text, size), &did, &err);
    }
}

static void test_long(void **state)
{
    char text[DID_X509_TEXT_MAX + 2] = "did:x509:0:sha256:" SHA256_0;
    struct did_x509 did;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < DID_X509_PREDICATES_MAX + 1; i++)
        strcat(text, "::eku:1.2");
    CHECK(!did_x509_parse(clo_bytes_text(text), &did, &err), "too many predicates");
    CHECK(strstr(err.text, "more than 16 predicates") != NULL, err.text);
    memset(text + strlen(text), '1', sizeof text - 1 - strlen(text));
    CHECK(!did_x509_parse(clo_bytes(text, DID_X509_TEXT_MAX + 1), &did, &err), "too long");
    CHECK(strstr(err.text, "longer than 1024") != NULL, err.text);
}

/* codeSigning; "a@b" (email), "https://x/y" (URI), "h" (DNS); Fulcio's issuer. */
static const uint8_t eku[] = { 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3 };
static const uint8_t san[] = { 0x30, 21,  0x81, 3,   'a', '@', 'b', 0x86, 11,   'h', 't', 't',
                               'p',  's', ':',  '/', '/', 'x', '/', 'y',  0x82, 1,   'h' };
static const uint8_t san_of_address[] = { 0x30, 9, 0x82, 1, 'h', 0x87, 4, 10, 0, 0, 1 };
static const uint8_t fulcio[] = "https://issuer.example.com";

enum chain_of {
    USUAL,
    ADDRESS,
    NO_EXTENSIONS,
    CRL_SIGNER
};

static void make_chain(struct path_maker *maker, enum chain_of which,
                       struct clo_certificate *chain[3])
{
    static const uint8_t crl_sign[] = { 3, 2, 1, 2 };
    const struct clo_certificate_extension_spec all[] = {
        { "2.5.29.37", clo_bytes(eku, sizeof eku), true },
        { "2.5.29.17",
          which == ADDRESS ? clo_bytes(san_of_address, sizeof san_of_address)
                           : clo_bytes(san, sizeof san),
          false },
        { "1.3.6.1.4.1.57264.1.1", clo_bytes(fulcio, sizeof fulcio - 1), false },
    };
    const struct clo_certificate_extension_spec usage[] = {
        { "2.5.29.15", clo_bytes(crl_sign, sizeof crl_sign), true },
    };

    path_maker_reset(maker);
    maker->leaf_extensions = which == CRL_SIGNER ? usage : all;
    maker->leaf_extension_count = which == CRL_SIGNER      ? CLO_COUNT(usage)
                                  : which == NO_EXTENSIONS ? 0
                                                           : CLO_COUNT(all);
    path_maker_make(maker, chain);
}

static const struct resolve_case {
    const char *name;
    int ca; /* which of the chain the identifier names; -1: none of them */
    const char *predicates, *error;
    enum chain_of which;
    enum clo_hash hash; /* NONE: SHA-256 */
} resolve_cases[] = {
    { "the root", 2, "subject:CN:leaf", NULL, USUAL, 0 },
    { "the CA", 1, "subject:CN:leaf", NULL, USUAL, 0 },
    { "by SHA-384", 1, "subject:CN:leaf", NULL, USUAL, CLO_HASH_SHA384 },
    { "by SHA-512", 1, "subject:CN:leaf", NULL, USUAL, CLO_HASH_SHA512 },
    { "the leaf", 0, "subject:CN:leaf", "not in the chain", USUAL, 0 },
    { "another CA", -1, "subject:CN:leaf", "not in the chain", USUAL, 0 },
    { "the whole subject", 2, "subject:O:Pretend%20Maker:CN:leaf", NULL, USUAL, 0 },
    { "another name", 2, "subject:CN:lea", "does not have the subject", USUAL, 0 },
    { "a longer name", 2, "subject:CN:leafy", "does not have the subject", USUAL, 0 },
    { "an attribute that it has not", 2, "subject:L:x", "does not have the subject", USUAL, 0 },
    { "a purpose", 2, "eku:1.3.6.1.5.5.7.3.3", NULL, USUAL, 0 },
    { "another purpose", 2, "eku:1.3.6.1.5.5.7.3.2", "does not have the eku", USUAL, 0 },
    { "no purposes", 2, "eku:1.3.6.1.5.5.7.3.3", "does not have the eku", NO_EXTENSIONS, 0 },
    { "an address", 2, "san:email:a%40b", NULL, USUAL, 0 },
    { "a URI", 2, "san:uri:https%3a%2F%2Fx%2Fy", NULL, USUAL, 0 },
    { "a host", 2, "san:dns:h", NULL, USUAL, 0 },
    { "as another type", 2, "san:uri:a%40b", "does not have the san", USUAL, 0 },
    { "another host", 2, "san:dns:g", "does not have the san", USUAL, 0 },
    { "next to a type that is not known", 2, "san:dns:h", "does not have the san", ADDRESS, 0 },
    { "no names", 2, "san:dns:h", "does not have the san", NO_EXTENSIONS, 0 },
    { "Fulcio's issuer", 2, "fulcio-issuer:issuer.example.com", NULL, USUAL, 0 },
    { "another issuer", 2, "fulcio-issuer:issuer.example.co", "fulcio-issuer", USUAL, 0 },
    { "no issuer", 2, "fulcio-issuer:issuer.example.com", "fulcio-issuer", NO_EXTENSIONS, 0 },
    { "one of two does not hold", 2, "subject:CN:leaf::eku:1.2", "the eku", USUAL, 0 },
    { "both hold", 2, "subject:CN:leaf::san:dns:h", NULL, USUAL, 0 },
    { "a key for lists", 2, "subject:CN:leaf", "is not for signatures", CRL_SIGNER, 0 },
};

static bool resolve(const struct resolve_case *c, struct clo_certificate *const chain[3],
                    struct clo_error *err)
{
    static const char *const hashes[] = {
        [CLO_HASH_SHA256] = "sha256", [CLO_HASH_SHA384] = "sha384", [CLO_HASH_SHA512] = "sha512"
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    enum clo_hash hash = c->hash == CLO_HASH_NONE ? CLO_HASH_SHA256 : c->hash;
    struct clo_digest digest;
    struct did_x509 did;

    clo_hash(hash, c->ca < 0 ? clo_bytes("x", 1) : clo_certificate_der(chain[c->ca]), &digest);
    clo_buffer_printf(&text, "did:x509:0:%s:", hashes[hash]);
    clo_base64url_write(clo_digest_bytes(&digest), &text);
    clo_buffer_printf(&text, "::%s", c->predicates);
    if (!did_x509_parse(clo_buffer_bytes(&text), &did, err))
        fail_msg("%s: %s", c->name, err->text);
    return did_x509_resolve(&did, (const struct clo_certificate *const *)chain, 3, err);
}

static void test_resolve(void **state)
{
    struct path_maker maker;

    (void)state;
    path_maker_init(&maker, CLO_KEY_P256, 0);
    for (size_t i = 0; i < CLO_COUNT(resolve_cases); i++) {
        const struct resolve_case *c = &resolve_cases[i];
        struct clo_certificate *chain[3] = { NULL };
        struct clo_error err = { .text = "" };
        make_chain(&maker, c->which, chain);
        bool ok = resolve(c, chain, &err);
        CHECK(ok == (c->error == NULL), c->name);
        CHECK(ok || strstr(err.text, c->error) != NULL, err.text);
        for (size_t k = 0; k < 3; k++)
            clo_certificate_free(chain[k]);
    }
    path_maker_free(&maker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
