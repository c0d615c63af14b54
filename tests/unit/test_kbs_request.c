/* What clients send to be attested: which of it is taken, in which session, and what their evidence must be made over. */
#include "test.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/evidence/kbs_init_data.h"
#include "lib/evidence/kbs_request.h"

static void test_auth(void **state)
{
    static const struct {
        const char *name, *body, *error;
        struct clo_kbs_agreed agreed;
    } cases[] = {
        { "our guests",
          "{\"version\":\"0.1.1\",\"tee\":\"az-snp-vtpm\",\"extra-params\":{}}",
          NULL,
          { CLO_KBS_AZ_SNP, CLO_HASH_SHA384, 0 } },
        { "Trustee's clients",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":{\"supported-hash-algorithms\":"
          "[\"sha256\",\"sha384\",\"sha512\",\"sm3\"]}}",
          NULL,
          { CLO_KBS_SNP, CLO_HASH_SHA384, 3 } },
        { "no SHA-384",
          "{\"version\":\"0.4.0\",\"tee\":\"tdx\",\"extra-params\":{\"supported-hash-algorithms\":"
          "[\"sm3\",\"SHA256\",\"sha512\"]}}",
          NULL,
          { CLO_KBS_TDX, CLO_HASH_SHA512, 3 } },
        { "0.2.0",
          "{\"version\":\"0.2.0\",\"tee\":\"az-tdx-vtpm\",\"extra-params\":\"\"}",
          NULL,
          { CLO_KBS_AZ_TDX, CLO_HASH_SHA384, 1 } },
        { "no parameters at all",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":null}",
          NULL,
          { CLO_KBS_SNP, CLO_HASH_SHA384, 3 } },
        { "0.3.0",
          "{\"version\":\"0.3.0\",\"tee\":\"tpm\",\"extra-params\":\"\"}",
          NULL,
          { CLO_KBS_TPM, CLO_HASH_SHA384, 2 } },
        { "no hash of ours",
          "{\"version\":\"0.4.0\",\"tee\":\"tdx\",\"extra-params\":{\"supported-hash-algorithms\":"
          "[\"sm3\",1]}}",
          "none of sha256",
          { 0 } },
        { "hashes in no list",
          "{\"version\":\"0.4.0\",\"tee\":\"tdx\",\"extra-params\":{\"supported-hash-algorithms\":"
          "\"sha384\"}}",
          "is not a list",
          { 0 } },
        { "an older version",
          "{\"version\":\"0.1.0\",\"tee\":\"snp\",\"extra-params\":\"\"}",
          "KBS Client Protocol Version Mismatch: expect 0.1.1, 0.2.0, 0.3.0 or 0.4.0 while the "
          "request is 0.1.0",
          { 0 } },
        { "a newer version",
          "{\"version\":\"0.4.1\",\"tee\":\"snp\",\"extra-params\":\"\"}",
          "Version Mismatch",
          { 0 } },
        { "no version at all",
          "{\"version\":\"x\",\"tee\":\"snp\",\"extra-params\":\"\"}",
          "Version Mismatch",
          { 0 } },
        { "an unknown TEE",
          "{\"version\":\"0.4.0\",\"tee\":\"toaster\",\"extra-params\":\"\"}",
          "tee \"toaster\"",
          { 0 } },
        { "no extra-params",
          "{\"version\":\"0.4.0\",\"tee\":\"snp\"}",
          "\"extra-params\" is missing",
          { 0 } },
        { "a member twice",
          "{\"version\":\"0.4.0\",\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":\"\"}",
          "duplicate object key",
          { 0 } },
        { "nothing", "", "JSON: empty", { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_kbs_agreed agreed;
        struct clo_error err = { 0 };
        bool ok = clo_kbs_auth_parse(clo_bytes_text(cases[i].body), &agreed, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || (agreed.tee == cases[i].agreed.tee && agreed.hash == cases[i].agreed.hash &&
                      agreed.version == cases[i].agreed.version),
              cases[i].name);
    }
}

#define KEY                                                               \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\",\"x\":" \
    "\"Haqw-uCm7fL75p6ywwXiie9wUMMPbXK1VjQTvGyBK84\",\"y\":"              \
    "\"FUntO8vWw6xCDceX6boJXWLijsNy7cHGG63J0oYSU5E\"}"
#define NONCE  "Z8pxiGMnhbyC4lCwU64se460GPtbmeT0sXa7LIMtUHo="
#define SAMPLE "{\"svn\":\"1\",\"report_data\":\"AAAA\"}"
/* SHA-384 of {"additional-evidence":"","nonce":NONCE,"tee-pubkey":KEY} as RFC 8785 has it, by another implementation. */
#define BOUND                                                          \
    "00bb0f25ce193f05d5a385ecabc63e6f0656e0b8621dbc3584f4d62a69a697d4" \
    "ad51d383010c60ba473539278a8a294d"
/* The same of {"nonce","tee-pubkey"}. */
#define SVSM_REPORT_ZEROS 1577 /* of base64, after the version */
#define BOUND_OLD_SIZE    48

static void parse(const char *body, const struct clo_kbs_agreed *agreed, const char *error,
                  struct clo_kbs_evidence *out)
{
    struct clo_error err = { 0 };
    bool ok = clo_kbs_attest_parse(clo_bytes_text(body), agreed, NONCE, out, &err);

    CHECK(ok == (error == NULL), ok ? body : err.text);
    CHECK(ok || strstr(err.text, error) != NULL, err.text);
}

/* The order and spelling of what was sent does not matter: the digest is of the values. */
static void test_bound(void **state)
{
    static const char *const bodies[] = {
        "{\"runtime-data\":{\"nonce\":\"" NONCE "\",\"tee-pubkey\":" KEY
        "},\"init-data\":null,\"tee-evidence\":{\"primary_evidence\":" SAMPLE
        ",\"additional_evidence\":\"\"}}",
        "{ \"tee-evidence\": {\"primary_evidence\":" SAMPLE
        "}, \"runtime-data\" : {\"tee-pubkey\":" KEY
        ", \"nonce\":\"\\u005a8pxiGMnhbyC4lCwU64se460GPtbmeT0sXa7LIMtUHo=\"}}",
    };
    const struct clo_kbs_agreed agreed = { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 };
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(bodies); i++) {
        CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
        parse(bodies[i], &agreed, NULL, &sent);
        CHECK(strcmp(clo_hex_text(clo_buffer_bytes(&sent.bound), hex), BOUND) == 0, hex);
        CHECK(!sent.is_own && sent.init_data.size == 0, "and nothing besides");
    }
}

static void test_forms(void **state)
{
#define BODY(evidence)                                               \
    "{\"runtime-data\":{\"nonce\":\"" NONCE "\",\"tee-pubkey\":" KEY \
    "},\"tee-evidence\":{\"primary_evidence\":" evidence ",\"additional_evidence\":\"\"}}"
    static const struct {
        const char *name, *body, *error;
        struct clo_kbs_agreed agreed;
    } cases[] = {
        { "sample in a session for SNP",
          BODY(SAMPLE),
          "not in a form that clients have for \"snp\"",
          { CLO_KBS_SNP, CLO_HASH_SHA384, 3 } },
        { "a quote in a session for SNP",
          BODY("{\"quote\":\"BAACAA==\"}"),
          "not in a form that clients have for \"snp\"",
          { CLO_KBS_SNP, CLO_HASH_SHA384, 3 } },
        { "another verifier's form",
          BODY("{\"tdx\":{\"quote\":\"AAAA\"}}"),
          "not in a form that clients have for \"tdx\"",
          { CLO_KBS_TDX, CLO_HASH_SHA384, 3 } },
        { "no evidence", BODY("{}"), "not in a form", { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 } },
        { "additional evidence that is an object",
          "{\"runtime-data\":{\"nonce\":\"x\",\"tee-pubkey\":" KEY
          "},\"tee-evidence\":{\"primary_evidence\":" SAMPLE ",\"additional_evidence\":{}}}",
          "\"additional_evidence\" is not a string",
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 } },
        { "additional evidence that nothing binds",
          "{\"runtime-data\":{\"nonce\":\"x\",\"tee-pubkey\":" KEY
          "},\"tee-evidence\":{\"primary_evidence\":" SAMPLE ",\"additional_evidence\":\"{1}\"}}",
          "nothing binds it before version 0.4.0",
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 2 } },
        { "an old client",
          "{\"tee-pubkey\":" KEY ",\"tee-evidence\":" SAMPLE "}",
          NULL,
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 0 } },
        { "an old client's text",
          "{\"tee-pubkey\":" KEY
          ",\"tee-evidence\":\"{\\\"svn\\\":\\\"1\\\",\\\"report_data\\\":\\\"AAAA\\\"}\"}",
          NULL,
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 0 } },
        { "an old form in a new session",
          "{\"tee-pubkey\":" KEY ",\"tee-evidence\":" SAMPLE "}",
          "\"runtime-data\" is missing",
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 } },
        { "no key",
          "{\"runtime-data\":{\"nonce\":\"x\"},\"tee-evidence\":{\"primary_evidence\":" SAMPLE "}}",
          "\"tee-pubkey\" is missing",
          { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 } },
        { "SVSM's form with a key that it does not make",
          BODY("{\"snp-report\":\"AAAA\"}"),
          "SVSM",
          { CLO_KBS_SNP, CLO_HASH_SHA384, 3 } },
        { "our own form without what it was made over",
          "{\"tee-pubkey\":{},\"tee-evidence\":{\"__cmwc_t\":\"" CLO_EVIDENCE_TYPE
          "\",\"runtime-data\":[\"application/vnd.cloister.runtime-data+json\",\"e30\"]}}",
          "\"runtime-data\" is missing",
          { CLO_KBS_SNP, CLO_HASH_SHA384, 0 } },
        { "our own form of another TEE",
          "{\"runtime-data\":{\"nonce\":\"x\"},\"tee-evidence\":{\"primary_evidence\":{\"__cmwc_"
          "t\":"
          "\"" CLO_EVIDENCE_TYPE
          "\",\"runtime-data\":[\"application/vnd.cloister.runtime-data+json\","
          "\"eyJub25jZSI6IngifQ\"],\"tdx-quote\":[\"application/"
          "vnd.cloister.tdx-quote\",\"AA\"]}}}",
          "the session was begun for \"snp\", and there is no \"snp-report\" in the evidence",
          { CLO_KBS_SNP, CLO_HASH_SHA384, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
        parse(cases[i].body, &cases[i].agreed, cases[i].error, &sent);
        CHECK(cases[i].error != NULL || sent.bound.size == BOUND_OLD_SIZE, cases[i].name);
    }
}

/* What SVSM's proxy sends: a report of zeros, and a key with this kind and these members more. */
static void make_svsm(const char *kind, const char *more, const char *additional,
                      struct clo_buffer *out)
{
    clo_buffer_printf(out,
                      "{\"runtime-data\":{\"nonce\":\"" NONCE
                      "\",\"tee-pubkey\":{\"kty\":\"%s\",\"crv\":\"P-521\",\"x\":\"%088d\",\"y\":"
                      "\"%088d\"%s}}"
                      ",\"tee-evidence\":{\"primary_evidence\":{\"snp-report\":\"Ag",
                      kind, 0, 0, more);
    for (size_t i = 0; i < SVSM_REPORT_ZEROS; i++)
        clo_buffer_u8(out, 'A');
    clo_buffer_printf(out, "=\",\"certs-buf\":null},\"additional_evidence\":\"%s\"}}", additional);
}

/* Of the key the point alone reaches the broker: what else stands there is the proxy's, and so the host's. */
static void test_svsm_key(void **state)
{
    static const struct {
        const char *kind, *more, *additional, *error;
    } cases[] = {
        { "EC", "", "", NULL },
        { "EC", ",\"n\":\"AAAA\",\"e\":\"AQAB\"", "", NULL },
        { "RSA", ",\"n\":\"AAAA\",\"e\":\"AQAB\"", "", "SVSM's key: not one on P-521" },
        { "EC", "", "{}", "nothing binds it in what SVSM's proxy sends" },
    };
    const struct clo_kbs_agreed agreed = { CLO_KBS_SNP, CLO_HASH_SHA384, 3 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
        make_svsm(cases[i].kind, cases[i].more, cases[i].additional, &body);
        parse(clo_buffer_string(&body), &agreed, cases[i].error, &sent);
        if (cases[i].error != NULL)
            continue;
        struct clo_bytes bound = clo_evidence_get(sent.evidence, CLO_EVIDENCE_RUNTIME_DATA);
        CHECK(sent.bound.size == 64, "the hash that SVSM makes");
        CHECK(memmem(bound.data, bound.size, "\"kty\":\"EC\"", 10) != NULL &&
                      memmem(bound.data, bound.size, "AQAB", 4) == NULL,
              cases[i].more);
    }
}

static void test_init_data(void **state)
{
    static const struct {
        const char *name, *json, *error;
        size_t size;
    } cases[] = {
        { "none", "[null]", NULL, 0 },
        { "SHA-256",
          "[{\"format\":\"toml\",\"body\":\"version = \\\"0.1.0\\\"\\nalgorithm = "
          "\\\"sha256\\\"\\n[data]\\n\"}]",
          NULL, 32 },
        { "with a dash and a comment",
          "[{\"format\":\"toml\",\"body\":\" algorithm='SHA-384' # x\\r\\n\"}]", NULL, 48 },
        { "in a table",
          "[{\"format\":\"toml\",\"body\":\"[data]\\nalgorithm = \\\"sha256\\\"\\n\"}]",
          "\"algorithm\" is missing", 0 },
        { "twice",
          "[{\"format\":\"toml\",\"body\":\"algorithm = \\\"sha256\\\"\\nalgorithm = "
          "\\\"sha384\\\"\\n\"}]",
          "twice", 0 },
        { "hidden in a string",
          "[{\"format\":\"toml\",\"body\":\"a = \\\"\\\"\\\"\\nalgorithm = "
          "\\\"sha256\\\"\\n\\\"\\\"\\\"\\n\"}]",
          "several lines", 0 },
        { "another algorithm", "[{\"format\":\"toml\",\"body\":\"algorithm = \\\"md5\\\"\"}]",
          "\"algorithm\" \"md5\"", 0 },
        { "no string", "[{\"format\":\"toml\",\"body\":\"algorithm = 256\"}]",
          "is not a plain string", 0 },
        { "more on the line", "[{\"format\":\"toml\",\"body\":\"algorithm = \\\"sha256\\\" x\"}]",
          "more on its line", 0 },
        { "another name", "[{\"format\":\"toml\",\"body\":\"algorithms = \\\"sha256\\\"\"}]",
          "is missing", 0 },
        { "another format", "[{\"format\":\"json\",\"body\":\"{}\"}]", "format \"json\"", 0 },
        { "no object", "[\"x\"]", "an object", 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer digest = { 0 };
        struct clo_error err = { 0 };
        CHECK(clo_json_parse(clo_bytes_text(cases[i].json), &json, &err), err.text);
        bool ok = kbs_init_data_digest(json_array_get(json, 0), &digest, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(digest.size == cases[i].size, cases[i].name);
    }
}

/* Cut short anywhere it is not a request. */
static void test_truncated(void **state)
{
    static const char body[] = "{\"runtime-data\":{\"nonce\":\"" NONCE "\",\"tee-pubkey\":" KEY
                               "},\"tee-evidence\":{\"primary_evidence\":" SAMPLE "}}";
    const struct clo_kbs_agreed agreed = { CLO_KBS_SAMPLE, CLO_HASH_SHA384, 3 };

    (void)state;
    for (size_t size = 0; size + 1 < sizeof body - 1; size++) {
        CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
        struct clo_error err;
        CHECK(!clo_kbs_attest_parse(clo_bytes(body, size), &agreed, NONCE, &sent, &err), "cut");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth),     cmocka_unit_test(test_bound),
        cmocka_unit_test(test_forms),    cmocka_unit_test(test_init_data),
        cmocka_unit_test(test_svsm_key), cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
