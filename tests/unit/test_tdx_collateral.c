/* PCK certificates' SGX extension, and collateral in every form that is met. */
#include "cloister/encoding.h"
#include "cloister/tdx_collateral.h"
#include "lib/base/der.h"
#include "test.h"

/* --- The SGX extension, built item by item --- */

static void element(struct clo_buffer *out, uint8_t tag, struct clo_bytes contents)
{
    clo_buffer_u8(out, tag);
    if (contents.size >= 0x100) {
        clo_buffer_u8(out, 0x82);
        clo_buffer_be16(out, (uint16_t)contents.size);
    } else if (contents.size >= 0x80) {
        clo_buffer_u8(out, 0x81);
        clo_buffer_u8(out, (uint8_t)contents.size);
    } else {
        clo_buffer_u8(out, (uint8_t)contents.size);
    }
    clo_buffer_append(out, contents);
}

/* SEQUENCE { 1.2.840.113741.1.13.1.<path>, value } */
static void item(struct clo_buffer *out, const char *path, uint8_t tag, struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pair = { 0 };
    uint8_t oid[16];
    size_t used;
    char dotted[64];

    snprintf(dotted, sizeof dotted, "1.2.840.113741.1.13.1%s", path);
    if (!clo_der_oid_from_text(dotted, oid, sizeof oid, &used))
        fail_msg("%s", dotted);
    element(&pair, CLO_DER_OID, clo_bytes(oid, used));
    element(&pair, tag, value);
    element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&pair));
}

struct maker {
    int skip_component, double_component; /* 1 to 18; 0: none */
    uint8_t component_tag;
    const char *component_value; /* of component 3, hex; NULL: 3 */
    int skip, twice;             /* top item; 0: none */
    size_t ppid_size;
    uint8_t behind; /* a byte after the whole; 0: none */
    bool unknown;
};

static void component(struct clo_buffer *out, const struct maker *m, int i)
{
    static const uint8_t cpu_svn[16] = { 0xc0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    char path[16];

    snprintf(path, sizeof path, ".2.%d", i);
    if (i == 3 && m->component_value != NULL)
        from_hex(m->component_value, &value);
    else
        clo_buffer_u8(&value, (uint8_t)i);
    if (i == 18)
        item(out, path, CLO_DER_OCTET_STRING, clo_bytes(cpu_svn, sizeof cpu_svn));
    else
        item(out, path, i == 3 && m->component_tag != 0 ? m->component_tag : CLO_DER_INTEGER,
             clo_buffer_bytes(&value));
}

static void top_item(struct clo_buffer *out, const struct maker *m, int i)
{
    static const uint8_t bytes[32] = { 0xa1, 0xa2, 0xa3 };
    static const uint8_t type = 1;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tcb = { 0 };
    char path[8];

    snprintf(path, sizeof path, ".%d", i);
    if (i == 2) {
        for (int k = 1; k <= 18; k++) {
            if (k != m->skip_component)
                component(&tcb, m, k);
            if (k == m->double_component)
                component(&tcb, m, k);
        }
        item(out, path, CLO_DER_SEQUENCE, clo_buffer_bytes(&tcb));
    } else if (i == 5) {
        item(out, path, CLO_DER_ENUMERATED, clo_bytes(&type, 1));
    } else if (i == 7) {
        item(out, path, CLO_DER_SEQUENCE, clo_bytes(NULL, 0));
    } else {
        size_t size = i == 1 ? m->ppid_size : i == 3 ? 2 : i == 4 ? 6 : 16;
        item(out, path, CLO_DER_OCTET_STRING, clo_bytes(bytes, size));
    }
}

static void make(const struct maker *m, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer items = { 0 };

    for (int i = 1; i <= 7; i++) {
        if (i != m->skip)
            top_item(&items, m, i);
        if (i == m->twice)
            top_item(&items, m, i);
    }
    if (m->unknown)
        item(&items, ".99", CLO_DER_OCTET_STRING, clo_bytes("x", 1));
    element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&items));
    if (m->behind != 0)
        clo_buffer_u8(out, m->behind);
}

static const struct maker good = { .ppid_size = 16 };

static void test_extension(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_tdx_pck pck;
    struct clo_error err;

    (void)state;
    make(&good, &der);
    CHECK(clo_tdx_pck_extension_parse(clo_buffer_bytes(&der), &pck, &err), err.text);
    for (unsigned i = 0; i < CLO_TDX_COMPONENTS; i++)
        CHECK(pck.components[i] == i + 1, "component");
    CHECK(pck.pce_svn == 17 && pck.cpu_svn[0] == 0xc0, "PCESVN and CPUSVN");
    CHECK(pck.ppid[0] == 0xa1 && pck.fmspc[2] == 0xa3 && pck.pce_id[1] == 0xa2, "ids");
    CHECK(pck.sgx_type == 1 && pck.has_platform_instance_id, "type and instance");
    for (size_t size = 0; size < der.size; size++)
        CHECK(!clo_tdx_pck_extension_parse(clo_bytes(der.data, size), &pck, &err), "cut short");
}

static void test_extension_cases(void **state)
{
    static const struct {
        const char *name, *error; /* error NULL: it parses */
        struct maker maker;
    } cases[] = {
        { "as it must be", NULL, { .ppid_size = 16 } },
        { "without SGX type", NULL, { .ppid_size = 16, .skip = 5 } },
        { "without instance id", NULL, { .ppid_size = 16, .skip = 6 } },
        { "an item of later", NULL, { .ppid_size = 16, .unknown = true } },
        { "without PPID", "SGX extension: item 1 is missing", { .ppid_size = 16, .skip = 1 } },
        { "without TCB", "SGX extension: item 2 is missing", { .ppid_size = 16, .skip = 2 } },
        { "without FMSPC", "SGX extension: item 4 is missing", { .ppid_size = 16, .skip = 4 } },
        { "FMSPC twice", "SGX extension: item 4 a second time", { .ppid_size = 16, .twice = 4 } },
        { "PPID too long", "SGX extension: item 1 has a wrong value", { .ppid_size = 17 } },
        { "component missing",
          "SGX extension: TCB: item 7 is missing",
          { .ppid_size = 16, .skip_component = 7 } },
        { "PCESVN missing",
          "SGX extension: TCB: item 17 is missing",
          { .ppid_size = 16, .skip_component = 17 } },
        { "component twice",
          "SGX extension: TCB: item 9 a second time",
          { .ppid_size = 16, .double_component = 9 } },
        { "component above 255",
          "SGX extension: TCB: item 3 has a wrong value",
          { .ppid_size = 16, .component_value = "0100" } },
        { "component 255", NULL, { .ppid_size = 16, .component_value = "00ff" } },
        { "component negative",
          "SGX extension: TCB: item 3 has a wrong value",
          { .ppid_size = 16, .component_value = "ff" } },
        { "component not minimal",
          "SGX extension: TCB: an item that is not a sequence of two",
          { .ppid_size = 16, .component_value = "0003" } },
        { "component is not a number",
          "SGX extension: TCB: item 3 has a wrong value",
          { .ppid_size = 16, .component_tag = CLO_DER_OCTET_STRING } },
        { "a byte after it",
          "SGX extension: no sequence of the right size",
          { .ppid_size = 16, .behind = 1 } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        struct clo_tdx_pck pck;
        struct clo_error err;
        make(&cases[i].maker, &der);
        bool ok = clo_tdx_pck_extension_parse(clo_buffer_bytes(&der), &pck, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        if (!ok && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

/* --- Forms of pieces --- */

#define CRL_HEX "30820003010203"

static void test_crl_forms(void **state)
{
    static const char *const forms[] = {
        CRL_HEX,
        CRL_HEX "\n",
        "MIIAAwECAw==",
        "-----BEGIN X509 CRL-----\nMIIAAwECAw==\n-----END X509 CRL-----\n",
    };
    static const struct {
        const char *text, *error;
    } wrong[] = {
        { "", "pck_crl: not a revocation list" },
        { "0102", "pck_crl: not a revocation list" },
        { "zzz", "pck_crl: neither DER, PEM, hex nor base64" },
        { "-----BEGIN X509 CRL-----\nMIIA",
          "pck_crl: PEM: block \"X509 CRL\" at byte 0 has no end" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    struct clo_error err;

    (void)state;
    from_hex(CRL_HEX, &expected);
    CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CRL, clo_buffer_bytes(&expected), &err),
          "DER");
    for (size_t i = 0; i < CLO_COUNT(forms); i++) {
        CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CRL, clo_bytes_text(forms[i]), &err),
              forms[i]);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&collateral.pieces[CLO_TDX_PCK_CRL]),
                              clo_buffer_bytes(&expected)),
              forms[i]);
    }
    for (size_t i = 0; i < CLO_COUNT(wrong); i++) {
        CHECK(!clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CRL, clo_bytes_text(wrong[i].text),
                                      &err),
              wrong[i].text);
        assert_string_equal(err.text, wrong[i].error);
    }
}

static void test_chain_forms(void **state)
{
    static const char pem[] =
            "-----BEGIN CERTIFICATE-----\nMIIAAwECAw==\n-----END CERTIFICATE-----\n";
    static const char encoded[] = "-----BEGIN%20CERTIFICATE-----%0AMIIAAwECAw%3D%3D%0A-----END%20"
                                  "CERTIFICATE-----%0A";
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_buffer *piece = &collateral.pieces[CLO_TDX_PCK_CHAIN];
    struct clo_error err;

    (void)state;
    CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN, clo_bytes_text(pem), &err) &&
                  piece->size == strlen(pem) - 1,
          "PEM, trimmed");
    CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN, clo_bytes_text(encoded), &err),
          err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(piece), clo_bytes_text(pem)), "URL-encoded");
    from_hex(CRL_HEX CRL_HEX, &der);
    CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN, clo_buffer_bytes(&der), &err),
          err.text);
    CHECK(piece->size == 2 * strlen(pem), "two in DER");
    der.size--;
    CHECK(!clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN, clo_buffer_bytes(&der), &err),
          "DER cut short");
    assert_string_equal(err.text, "pck_certificate_chain: certificates in DER: cut short");
    CHECK(!clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN, clo_bytes_text("text"), &err),
          "text");
    CHECK(!clo_tdx_collateral_set(&collateral, CLO_TDX_PCK_CHAIN,
                                  clo_bytes_text("-----BEGIN%20CERTIFICATE-----%0"), &err),
          "half a percent sign");
}

/* --- The JSON form --- */

static void test_json(void **state)
{
    static const char text[] =
            "{\"version\":4,\"tee_type\":{\"x\":1},\"pck_crl\":\"" CRL_HEX
            "\",\"root_ca_crl\":\"MIIAAwECAw==\",\"tcb_info\": {\"a\" : [1, 2]} ,"
            "\"qe_identity\":\"{\\\"b\\\":1}\",\"tcb_info_signature\":null}";
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral again = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(clo_tdx_collateral_parse(clo_bytes_text(text), &collateral, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&collateral.pieces[CLO_TDX_TCB_INFO]),
                          clo_bytes_text("{\"a\" : [1, 2]}")),
          "an object's exact bytes");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&collateral.pieces[CLO_TDX_QE_IDENTITY]),
                          clo_bytes_text("{\"b\":1}")),
          "a string's contents");
    CHECK(collateral.pieces[CLO_TDX_ROOT_CA_CRL].size == 7 &&
                  collateral.pieces[CLO_TDX_TCB_INFO_SIGNATURE].size == 0,
          "lists");
    json = clo_tdx_collateral_json(&collateral);
    CHECK(clo_json_write(json, &written, &err), err.text);
    CHECK(clo_tdx_collateral_parse(clo_buffer_bytes(&written), &again, &err), err.text);
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        CHECK(clo_bytes_equal(clo_buffer_bytes(&collateral.pieces[i]),
                              clo_buffer_bytes(&again.pieces[i])),
              clo_tdx_piece_name((enum clo_tdx_piece)i));
    for (size_t size = 0; size < sizeof text - 1; size++)
        CHECK(!clo_tdx_collateral_parse(clo_bytes(text, size), &again, &err), "cut short");
}

/* C strings that were written out with their NUL, as Intel's structure holds them. */
static void test_json_nul(void **state)
{
    static const struct {
        const char *text;
        bool is_taken;
    } cases[] = {
        { "{\"qe_identity\":\"{}\\u0000\"}", true },
        { "{\"qe_identity\":\"{}\\n\\u0000\\u0000\"}", true },
        { "{\"qe_identity\":\"{\\u0000}\"}", false }, /* inside */
        { "{\"qe_identity\":\"{}\\u0000x\"}", false },
        { "{\"qe_identity\":\"{}\\\\u0000\"}", true }, /* a backslash, and no NUL */
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
        struct clo_error err;
        bool ok = clo_tdx_collateral_parse(clo_bytes_text(cases[i].text), &collateral, &err);
        CHECK(ok == cases[i].is_taken, cases[i].text);
        if (ok && i < 2)
            CHECK(clo_bytes_equal(clo_buffer_bytes(&collateral.pieces[CLO_TDX_QE_IDENTITY]),
                                  clo_bytes_text("{}")),
                  cases[i].text);
    }
}

static void test_json_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{}", "collateral: none of its members is there" },
        { "{\"version\":4}", "collateral: none of its members is there" },
        { "[]", "collateral: JSON: byte 0: '{' expected" },
        { "{\"pck_crl\":\"" CRL_HEX "\",\"pck_crl\":\"" CRL_HEX "\"}",
          "collateral: JSON: byte 38: member \"pck_crl\" a second time" },
        { "{\"pck_crl\":\"" CRL_HEX "\"}x", "collateral: JSON: byte 28: something beyond the end" },
        { "{\"pck_crl\":7}", "collateral: \"pck_crl\": neither string nor object" },
        { "{\"tcb_info_signature\":\"00\"}",
          "collateral: tcb_info_signature: 1 bytes, expected 64" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
        struct clo_error err;
        CHECK(!clo_tdx_collateral_parse(clo_bytes_text(cases[i].text), &collateral, &err),
              cases[i].text);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extension), cmocka_unit_test(test_extension_cases),
        cmocka_unit_test(test_crl_forms), cmocka_unit_test(test_chain_forms),
        cmocka_unit_test(test_json),      cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
