/* Forms in which evidence, keys and certificates reach people: taken, or refused by their names. */
#include "lib/evidence/import.h"

#include "cloister/quote.h"
#include "cloister/tdx.h"
#include "lib/base/der.h"
#include "lib/crypto/certificate_make.h"
#include "test.h"

/* --- Names --- */

static const struct {
    const char *name, *text, *words;
} texts[] = {
    { "words", "hello, world", "in none of the forms that are known" },
    { "white space", " \n", "in none of the forms that are known" },
    { "a number of JSON", "[1, 2, 3]", "in none of the forms that are known" },
    { "an array of words", "[\"a\"]", "a JSON array" },
    { "an object", "{\"a\": 1}", "JSON of another kind" },
    { "PCR values", "[\"0000000000000000000000000000000000000000000000000000000000000000\"]",
      "PCR values (JSON)" },
    { "a token", "eyJhbGciOiJFUzM4NCJ9.e30.AA",
      "a JSON web token: what another verifier answered" },
    { "a quote in base64url, padded", "_1RDR4AYAA==", "a TPM quote (base64url)" },
    { "the same without padding", "_1RDR4AYAA", "a TPM quote (base64url)" },
    { "the same in base64", "/1RDR4AYAA==", "a TPM quote (base64)" },
    { "base64 without padding", "/1RDR4AYAA", "a TPM quote (base64)" },
    { "broken into lines", "/1RD\r\nR4AY\r\nAA==\r\n", "a TPM quote (base64)" },
    { "hex", "ff54434780180000", "a TPM quote (hex)" },
    { "hex with a prefix", "0xFF54434780180000\n", "a TPM quote (hex)" },
    { "hex with colons", "ff:54:43:47:80:18", "a TPM quote (hex)" },
    { "hex in a JSON string", "\"ff5443478018\"", "a TPM quote (hex)" },
    { "bytes in a JSON array", "[255, 84, 67, 71, 128, 24]", "a TPM quote (an array of bytes)" },
    { "after a byte order mark", "\xef\xbb\xbf[255, 84, 67, 71]",
      "a TPM quote (an array of bytes)" },
    { "base64 of hex", "ZmY1NDQzNDc4MDE4", "a TPM quote (base64; in it hex)" },
    { "base64 of base64 of words",
      "WW1GellUWTBYMjltWDJKaGMyVTJORjl2Wmw5aVlYTmxOalJmYjJaZlkzVmxjMTl2Wmc9PQ==",
      "in none of the forms that are known" },
    { "a private key", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
      "a private key" },
    { "virt-firmware's variables", "{\"version\": 2, \"variables\": []}",
      "a variable store (JSON of virt-firmware)" },
};

static void names_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(texts); i++) {
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };
        struct clo_error err;
        if (!clo_import_read(clo_bytes_text(texts[i].text), &import, &err))
            fail_msg("%s: %s", texts[i].name, err.text);
        clo_import_words(&import, &words);
        if (strcmp(clo_buffer_string(&words), texts[i].words) != 0)
            fail_msg("%s: %s", texts[i].name, clo_buffer_string(&words));
    }
}

/* The key of RFC 7517, appendix A.1, in the forms of others. */
#define X "30a0424cd21c2944838a2d75c92b37e76ea20d9f00893a3b4eee8a3c0aafec3e"
#define Y "e04b65e92456d9888b52b379bdfbd51ee869ef1f0fc65b6659695b6cce081723"
#define TSS(name_alg, attributes, scheme)                                                  \
    "{\"type\":\"TPM2_ALG_ECC\",\"nameAlg\":" name_alg ",\"objectAttributes\":" attributes \
    ",\"authPolicy\":\"\",\"parameters\":{\"symmetric\":{\"algorithm\":\"NULL\"},"         \
    "\"scheme\":" scheme                                                                   \
    ",\"curveID\":\"NIST_P256\",\"kdf\":{\"scheme\":\"NULL\"}},\"unique\":{\"x\":\"" X     \
    "\",\"y\":\"" Y "\"}}"
#define ATTESTS                                                                                   \
    "{\"fixedTPM\":1,\"sensitiveDataOrigin\":\"YES\",\"restricted\":true,\"sign\":1,\"decrypt\":" \
    "0}"
#define ECDSA "{\"scheme\":\"ECDSA\",\"details\":{\"hashAlg\":\"SHA256\"}}"

static void reads_keys(void **state)
{
    static const struct {
        const char *name, *text, *error; /* NULL: it is read */
        bool is_tpm_key, is_restricted;
    } cases[] = {
        { "a JWK",
          "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
          "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
          NULL, false, false },
        { "as the TSS writes it", TSS("\"SHA256\"", ATTESTS, ECDSA), NULL, true, true },
        { "in a keystore", "{\"publicArea\":" TSS("\"TPM2_ALG_SHA256\"", ATTESTS, ECDSA) "}", NULL,
          true, true },
        { "with numbers", TSS("11", "327714", ECDSA), NULL, true, true },
        { "a key that is not restricted", TSS("\"SHA256\"", "{\"fixedTPM\":1,\"sign\":1}", ECDSA),
          NULL, true, false },
        { "another hash", TSS("\"SM3_256\"", ATTESTS, ECDSA), "\"nameAlg\": an algorithm", false,
          false },
        { "an attribute that is not known", TSS("\"SHA256\"", "{\"floats\":1}", ECDSA),
          "\"objectAttributes\": \"floats\"", false, false },
        { "a scheme without its hash", TSS("\"SHA256\"", ATTESTS, "{\"scheme\":\"ECDSA\"}"),
          "\"hashAlg\"", false, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
        struct clo_error err;
        bool ok = clo_import_key(clo_bytes_text(cases[i].text), &import, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        if (!ok) {
            CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
            continue;
        }
        char hex[65];
        CHECK(clo_public_key_numbers(import.key, &x, &y, &err), err.text);
        CHECK(strcmp(clo_hex_text(clo_buffer_bytes(&x), hex), X) == 0, cases[i].name);
        CHECK(import.is_tpm_key == cases[i].is_tpm_key &&
                      import.is_restricted == cases[i].is_restricted,
              cases[i].name);
    }
}

static const struct {
    const char *name, *text, *error;
} broken[] = {
    { "nothing", "", "is empty" },
    { "JSON cut short", "{\"quote\": \"AA", "JSON: " },
    { "a quote that is a number", "{\"quote\": 7}",
      "a TDX quote (JSON of Azure's metadata service): \"quote\": neither text nor an array of "
      "bytes" },
    { "a quote of other text", "{\"quote\": \"hello!\"}", "\"quote\": neither hex nor base64" },
    { "an empty quote", "{\"quote\": \"\"}", "\"quote\" is empty" },
    { "bytes too large", "{\"quote\": [4, 256]}", "item 1 is not a byte (0 to 255)" },
    { "a report without fields", "{\"attestation_report\": {}}", "\"version\" is missing" },
    { "a report that is text", "{\"attestation_report\": \"AA\"}", "\"version\" is missing" },
    { "a version as text", "{\"attestation_report\": {\"version\": \"two\"}}",
      "\"version\" is not a number" },
    { "a version too large", "{\"attestation_report\": {\"version\": 4294967296}}",
      "\"version\" is larger than its 4 bytes" },
    { "sample evidence", "{\"svn\": \"1\", \"report_data\": \"AA==\"}", "no hardware signed it" },
    { "Azure's, of tomorrow", "{\"version\": 3, \"hcl_report\": \"\", \"tpm_quote\": {}}",
      "its version is not known (1 and 2 are)" },
    { "a request of nothing", "{\"tee-evidence\": {\"primary_evidence\": {}}}",
      "in none of the forms that are known" },
    { "a request in a request",
      "{\"tee-evidence\": {\"primary_evidence\": {\"tee-evidence\": {}}}}",
      "in none of the forms that are known" },
    { "a PEM block without an end", "-----BEGIN CERTIFICATE-----\nAA==\n", "has no end" },
    { "a quote of go-tdx-guest's without parts", "{\"tdQuoteBody\": {}, \"signedData\": {}}",
      "\"pceSvn\" is missing" },
    { "go-tpm-tools' without SHA-256", "{\"quotes\": [], \"akPub\": \"\"}",
      "\"quotes\": none of SHA-256" },
};

static void refuses_what_is_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(broken); i++) {
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        struct clo_error err = { 0 };
        CHECK(!clo_import_read(clo_bytes_text(broken[i].text), &import, &err), broken[i].name);
        if (strstr(err.text, broken[i].error) == NULL)
            fail_msg("%s: %s", broken[i].name, err.text);
    }
}

/* Something else than was wanted is named, with the command that takes it. */
static void names_what_is_wanted_elsewhere(void **state)
{
    static const uint8_t quote[64] = { 4, 0, 2, 0 };
    static const uint8_t image[64] = { 'M', 'Z' };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error err;

    (void)state;
    assert_false(clo_import_evidence(clo_bytes(quote, sizeof quote), CLO_EVIDENCE_SNP_REPORT,
                                     &import, &err));
    assert_string_equal(err.text, "is a TDX quote, not an SEV-SNP report: cloister verify tdx FILE "
                                  "takes it");
    assert_false(clo_import_certificates(clo_bytes(image, sizeof image), &import, &err));
    assert_string_equal(err.text,
                        "is an EFI image, not certificates or a revocation list: cloister "
                        "uki inspect FILE takes it");
    assert_false(clo_import_key(clo_bytes_text("hello"), &import, &err));
    assert_string_equal(err.text, "is not a public key or a certificate in any form that is known");
    assert_false(
            clo_import_evidence(clo_bytes_text("hello"), CLO_EVIDENCE_TDX_QUOTE, &import, &err));
    assert_string_equal(err.text, "is not a TDX quote in any form that is known");
}

/* --- TPM --- */

/* TPMS_ATTEST over SHA-256 PCRs 4 and 11. */
static const char attest_hex[] = "ff544347 8018 0000 0002 6e31"
                                 "0000000000000001 00000002 00000003 01 0000000000000004"
                                 "00000001 000b 03 100800"
                                 "0020 000000000000000000000000000000000000000000000000000000000000"
                                 "0000";
#define VALUE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define VALUE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define BOTH    "{\"sha256\":{\"11\":\"" VALUE_B "\",\"4\":\"" VALUE_A "\"}}"

static const struct {
    const char *name, *text, *out, *error;
} pcr_cases[] = {
    { "a bundle's", "{\"sha256\": {\"4\": \"" VALUE_A "\", \"11\": \"" VALUE_B "\"}}", BOTH, NULL },
    { "a bank without a name", "{\"4\": \"" VALUE_A "\", \"11\": \"" VALUE_B "\"}", BOTH, NULL },
    { "the quote's, in its order", "[\"" VALUE_A "\", \"" VALUE_B "\"]", BOTH, NULL },
    { "one too few", "[\"" VALUE_A "\"]", NULL, "1 PCR values, and the quote selects 2 PCRs" },
    { "one too many", "[\"\", \"\", \"\"]", NULL, "3 PCR values, and the quote selects 2 PCRs" },
    { "not a value", "[\"" VALUE_A "\", 7]", NULL, "PCR 11: neither text nor an array of bytes" },
    { "tpm2_pcrread's",
      "  sha1:\n    4 : 0xAA\n  sha256:\n    4 : 0x" VALUE_A "\n    11: 0x" VALUE_B, BOTH, NULL },
    { "a line of something else", "sha256:\n  four: 0xAA\n", NULL, "not what tpm2_pcrread prints" },
    { "words", "hello", NULL, "not PCR values in a form that is known" },
    { "a number", "7", NULL, "not PCR values in a form that is known" },
};

static void reads_pcrs(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    struct clo_bytes attest = from_hex(attest_hex, &quote);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(pcr_cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_import_pcrs(clo_bytes_text(pcr_cases[i].text), attest, &out, &err);
        const char *said = ok ? clo_buffer_string(&out) : err.text;
        const char *wanted = ok ? pcr_cases[i].out : pcr_cases[i].error;
        if (wanted == NULL || strstr(said, wanted) == NULL)
            fail_msg("%s: %s", pcr_cases[i].name, said);
    }
}

/* 24 values are PCR 0 to 23, whatever is selected; without a quote all are by position. */
static void numbers_pcrs_by_the_quote(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer selected = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer all = { 0 };
    struct clo_bytes attest = from_hex(attest_hex, &quote);
    struct clo_error err;

    (void)state;
    for (unsigned i = 0; i < 24; i++)
        clo_buffer_printf(&text, "%s\"%02x\"", i == 0 ? "[" : ", ", i);
    clo_buffer_text(&text, "]");
    assert_true(clo_import_pcrs(clo_buffer_bytes(&text), attest, &selected, &err));
    assert_string_equal(clo_buffer_string(&selected), "{\"sha256\":{\"11\":\"0b\",\"4\":\"04\"}}");
    assert_true(clo_import_pcrs(clo_buffer_bytes(&text), clo_bytes(NULL, 0), &all, &err));
    assert_non_null(strstr(clo_buffer_string(&all), "\"23\":\"17\""));
}

static void reads_signatures(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer rsa = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ecdsa = { 0 };
    struct clo_bytes attest = from_hex(attest_hex, &quote);
    static const uint8_t bare[256] = { 7 };
    struct clo_quote_signature parsed;
    struct clo_error err;

    (void)state;
    assert_true(clo_import_signature(clo_bytes(bare, sizeof bare), attest, &rsa, &err));
    assert_true(clo_quote_signature_parse(clo_buffer_bytes(&rsa), &parsed, &err));
    assert_int_equal(parsed.hash, CLO_HASH_SHA256);
    assert_int_equal(parsed.size, 256);
    assert_true(
            clo_import_signature(from_hex("3008 0202 00ff 0202 0102", &der), attest, &ecdsa, &err));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
    assert_true(clo_bytes_equal(clo_buffer_bytes(&ecdsa),
                                from_hex("0018 000b 0001 ff 0002 0102", &wanted)));
    assert_false(clo_import_signature(clo_bytes_text("hello"), attest, &ecdsa, &err));
}

static void unwraps_attest(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sized = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer plain = { 0 };
    struct clo_bytes in = from_hex("0006 ff544347 8018", &sized);

    (void)state;
    assert_int_equal(clo_import_attest(in).size, 6);
    assert_int_equal(clo_import_attest(from_hex("ff544347 8018", &plain)).size, 6);
    in.size--;
    assert_int_equal(clo_import_attest(in).size, 7);
}

/* 48 zeros in base64 are 64 "A", which could be hex of 32 bytes: a report's digest of 48 tells. */
static void sizes_settle_what_is_hex(void **state)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static const uint8_t nothing[512];
    static const struct {
        const char *name;
        size_t size;
    } fields[] = { { "familyId", 16 },        { "imageId", 16 },   { "reportData", 64 },
                   { "measurement", 48 },     { "hostData", 32 },  { "idKeyDigest", 48 },
                   { "authorKeyDigest", 48 }, { "reportId", 32 },  { "reportIdMa", 32 },
                   { "chipId", 64 },          { "signature", 512 } };
    struct clo_error err;

    (void)state;
    clo_buffer_text(&text, "{\"report\":{\"version\":2,\"policy\":\"18446744073709551615\"");
    for (size_t i = 0; i < CLO_COUNT(fields); i++) {
        clo_buffer_printf(&text, ",\"%s\":\"", fields[i].name);
        clo_base64_write(clo_bytes(nothing, fields[i].size), &text);
        clo_buffer_text(&text, "\"");
    }
    clo_buffer_text(&text, "},\"certificateChain\":{}}");
    if (!clo_import_read(clo_buffer_bytes(&text), &import, &err))
        fail_msg("%s", err.text);
    struct clo_bytes report = clo_evidence_get(import.evidence, CLO_EVIDENCE_SNP_REPORT);
    assert_int_equal(report.size, CLO_SNP_REPORT_SIZE);
    assert_true(clo_bytes_all(clo_bytes_slice(report, 8, 8), 0xff));
    assert_true(clo_bytes_all(clo_bytes_slice(report, 16, report.size), 0));
}

/* --- Certificates --- */

static void make_certificate(struct clo_buffer *der)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    static uint8_t serial[] = { 1 };
    const struct clo_certificate_spec spec = { .common_name = "a name",
                                               .not_before = 1780000000,
                                               .not_after = 1790000000,
                                               .serial = clo_bytes(serial, 1),
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA384 };
    struct clo_error err;

    serial[0]++;
    assert_true(clo_private_key_new(CLO_KEY_P384, 0, &key, &err));
    assert_true(clo_private_key_public(key, &public, &err));
    assert_true(clo_certificate_make(&spec, public, NULL, key, der, &err));
}

static void finds(struct clo_bytes in, size_t count, const char *name)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error err;

    if (!clo_import_certificates(in, &import, &err))
        fail_msg("%s: %s", name, err.text);
    CHECK(import.certificates.count == count, name);
}

/* A PKCS #7 bag as `openssl crl2pkcs7 -nocrl` makes it: SignedData without a signer. */
static void make_bag(struct clo_bytes certificates, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fields = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer start = { 0 };

    clo_buffer_append(&fields, from_hex("020101 3100 300b 06092a864886f70d010701", &start));
    clo_der_write(&fields, CLO_DER_EXPLICIT(0), certificates);
    clo_der_write(&fields, CLO_DER_SET, clo_bytes(NULL, 0));
    clo_der_write(&data, CLO_DER_SEQUENCE, clo_buffer_bytes(&fields));
    start.size = 0;
    clo_buffer_append(&content, from_hex("06092a864886f70d010702", &start));
    clo_der_write(&content, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&data));
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&content));
}

static void reads_certificates(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer one = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer two = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bag = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    (void)state;
    make_certificate(&one);
    finds(clo_buffer_bytes(&one), 1, "DER");
    clo_hex_write(clo_buffer_bytes(&one), &text);
    finds(clo_buffer_bytes(&text), 1, "hex");
    clo_buffer_append(&two, clo_buffer_bytes(&one));
    make_certificate(&two);
    finds(clo_buffer_bytes(&two), 2, "one after the other");
    make_bag(clo_buffer_bytes(&two), &bag);
    finds(clo_buffer_bytes(&bag), 2, "PKCS #7");
    assert_true(clo_pem_write("PKCS7", clo_buffer_bytes(&bag), &pem, &err));
    clo_buffer_u8(&pem, 0);
    finds(clo_buffer_bytes(&pem), 2, "PKCS #7 in PEM, with a string's end");
    clo_buffer_zero(&one, 700);
    finds(clo_buffer_bytes(&one), 1, "zeros after it, as Azure's NV index has them");
    clo_buffer_u8(&one, 1);
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    assert_false(clo_import_certificates(clo_buffer_bytes(&one), &import, &err));
    assert_non_null(strstr(err.text, "not DER at byte"));
    bag.data[bag.size - 1] = 1;
    assert_false(clo_import_certificates(clo_buffer_bytes(&bag), &import, &err));
}

/* What a guest may send: as JSON itself, and as JSON of a log in base64 within. */
static void bounds_json(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer list = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer within = { 0 };
    struct clo_bytes sent[2];

    (void)state;
    clo_buffer_text(&list, "[{}");
    for (size_t i = 0; i < CLO_JSON_VALUES_MAX; i++)
        clo_buffer_text(&list, ",{}");
    clo_buffer_text(&list, "]");
    clo_buffer_text(&within, "{\"quote\":\"AAAA\",\"cc_eventlog\":\"");
    clo_base64_write(clo_buffer_bytes(&list), &within);
    clo_buffer_text(&within, "\"}");
    sent[0] = clo_buffer_bytes(&list);
    sent[1] = clo_buffer_bytes(&within);
    for (size_t i = 0; i < CLO_COUNT(sent); i++) {
        CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
        struct clo_error err = { .text = "" };
        CHECK(!clo_import_read(sent[i], &import, &err), "too many values");
        CHECK(strstr(err.text, "JSON: more than 50000 values") != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_text),
        cmocka_unit_test(reads_keys),
        cmocka_unit_test(refuses_what_is_broken),
        cmocka_unit_test(names_what_is_wanted_elsewhere),
        cmocka_unit_test(reads_pcrs),
        cmocka_unit_test(numbers_pcrs_by_the_quote),
        cmocka_unit_test(reads_signatures),
        cmocka_unit_test(unwraps_attest),
        cmocka_unit_test(reads_certificates),
        cmocka_unit_test(sizes_settle_what_is_hex),
        cmocka_unit_test(bounds_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
