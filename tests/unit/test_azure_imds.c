/* What Azure's metadata service hands out: read, and refused. */
#include "lib/cloud/azure_imds.h"
#include "lib/crypto/certificate_make.h"

#include "test.h"

/* A certificate of nobody's, made by OpenSSL 3.0. */
static struct clo_buffer pem;

static int make_certificate(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const uint8_t serial[] = { 7 };
    const struct clo_certificate_spec spec = { .common_name = "SEV-VCEK",
                                               .not_before = 1780000000,
                                               .not_after = 1790000000,
                                               .serial = clo_bytes(serial, 1),
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA384 };
    struct clo_error err;

    (void)state;
    return clo_private_key_new(CLO_KEY_P384, 0, &key, &err) &&
                           clo_private_key_public(key, &public, &err) &&
                           clo_certificate_make(&spec, public, NULL, key, &der, &err) &&
                           clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), &pem, &err)
                   ? 0
                   : -1;
}

static int free_certificate(void **state)
{
    (void)state;
    clo_buffer_free(&pem);
    return 0;
}

/* JSON with %C for the certificate. */
static void expand(const char *text, struct clo_buffer *out)
{
    const char *certificate = clo_buffer_string(&pem);

    for (; *text != '\0'; text++) {
        if (strncmp(text, "%C", 2) != 0) {
            clo_buffer_u8(out, (uint8_t)*text);
            continue;
        }
        for (const char *c = certificate; *c != '\0'; c++)
            clo_buffer_printf(out, *c == '\n' ? "\\n" : "%c", *c);
        text++;
    }
}

static const struct {
    const char *name, *json, *error;
} thim_cases[] = {
    { "as Azure has it",
      "{\"vcekCert\":\"%C\",\"tcbm\":\"D315000000000004\",\"certificateChain\":\"%C%C\","
      "\"cacheControl\":\"86400\"}",
      NULL },
    { "the certificate alone", "{\"vcekCert\":\"%C\"}", NULL },
    { "no VCEK", "{\"certificateChain\":\"%C\"}", "Azure THIM: \"vcekCert\" is missing" },
    { "a number", "{\"vcekCert\":1}", "Azure THIM: \"vcekCert\" is not a string" },
    { "text", "{\"vcekCert\":\"hello\"}", "Azure THIM: \"vcekCert\": not a certificate in PEM" },
    { "an odd chain", "{\"vcekCert\":\"%C\",\"certificateChain\":null}",
      "Azure THIM: \"certificateChain\" is not a string" },
    { "an error page", "<html>", "Azure THIM: " },
    { "empty", "", "Azure THIM: " },
    { "an array", "[]", "Azure THIM: " },
    { "twice", "{\"vcekCert\":\"%C\",\"vcekCert\":\"%C\"}", "Azure THIM: " },
};

static void test_thim(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(thim_cases); i++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        struct clo_error err = { .text = "" };
        expand(thim_cases[i].json, &json);
        bool ok = clo_azure_thim_parse(clo_buffer_bytes(&json), &out, &err);
        CHECK(ok == (thim_cases[i].error == NULL), thim_cases[i].name);
        CHECK(ok ? out.count == 1 : out.count == 0, thim_cases[i].name); /* each once */
        CHECK(ok || strncmp(err.text, thim_cases[i].error, strlen(thim_cases[i].error)) == 0,
              err.text);
        CHECK(!ok || clo_azure_is_thim(clo_buffer_bytes(&json)), thim_cases[i].name);
        for (size_t size = 0; ok && size < json.size; size += 7) {
            CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates none = { 0 };
            CHECK(!clo_azure_thim_parse(clo_bytes(json.data, size), &none, &err), "cut short");
        }
    }
}

static void test_too_large(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_error err;

    (void)state;
    clo_buffer_zero(&json, CLO_AZURE_IMDS_LIMIT + 1);
    memset(json.data, ' ', json.size);
    assert_false(clo_azure_thim_parse(clo_buffer_bytes(&json), &out, &err));
    assert_non_null(strstr(err.text, "131073 bytes, at most 131072 expected"));
}

static void test_request(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer back = { 0 };
    uint8_t report[1024];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < sizeof report; i++)
        report[i] = (uint8_t)(i * 255);
    assert_false(clo_azure_tdquote_write(clo_bytes(report, 1023), &out, &err));
    out.size = 0;
    assert_true(clo_azure_tdquote_write(clo_bytes(report, sizeof report), &out, &err));
    const char *text = clo_buffer_string(&out);
    assert_memory_equal(text, "{\"report\":\"AP_-", 15);
    assert_null(strchr(text, '='));
    assert_true(clo_base64url_read(clo_bytes(text + 11, out.size - 13), &back, &err));
    assert_int_equal(back.size, 1024);
    assert_memory_equal(back.data, report, 1024);
}

static const struct {
    const char *name, *json, *hex, *error;
} quote_cases[] = {
    { "a quote", "{\"quote\":\"BAACAIE\"}", "0400020081", NULL },
    { "with padding", "{\"quote\":\"BAACAIE=\"}", "0400020081", NULL },
    { "other members", "{\"quote\":\"BAAC\",\"more\":[1]}", "040002", NULL },
    { "no quote", "{\"report\":\"BAAC\"}", NULL, "Azure tdquote: \"quote\" is missing" },
    { "empty", "{\"quote\":\"\"}", NULL, "Azure tdquote: \"quote\": is empty" },
    { "a number", "{\"quote\":4}", NULL, "Azure tdquote: \"quote\" is not a string" },
    { "standard base64", "{\"quote\":\"AP/+\"}", NULL, "Azure tdquote: \"quote\": " },
    { "not JSON", "BAAC", NULL, "Azure tdquote: " },
};

static void test_quote(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(quote_cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
        struct clo_error err = { .text = "" };
        bool ok = clo_azure_tdquote_parse(clo_bytes_text(quote_cases[i].json), &quote, &err);
        CHECK(ok == (quote_cases[i].error == NULL), quote_cases[i].name);
        CHECK(ok || strncmp(err.text, quote_cases[i].error, strlen(quote_cases[i].error)) == 0,
              err.text);
        if (ok)
            CHECK(clo_bytes_equal(clo_buffer_bytes(&quote), from_hex(quote_cases[i].hex, &wanted)),
                  quote_cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thim),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, make_certificate, free_certificate);
}
