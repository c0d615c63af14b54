/* TCB info and QE identity: read in one pass and in place; hostile JSON refused with the byte it is at. */
#include "lib/tdx/tdx_internal.h"
#include "tdx_documents.h"
#include "test.h"

/* `text` with the first `from` replaced. */
static struct clo_bytes replaced(const char *text, const char *from, const char *to,
                                 struct clo_buffer *out)
{
    const char *at = from == NULL ? text : strstr(text, from);

    if (at == NULL)
        fail_msg("%s: not there", from);
    clo_buffer_append(out, clo_bytes(text, (size_t)(at - text)));
    clo_buffer_text(out, to == NULL ? "" : to);
    clo_buffer_text(out, at + (from == NULL ? 0 : strlen(from)));
    return clo_buffer_bytes(out);
}

static bool parse_info(struct clo_bytes text, struct tdx_tcb_info *out, struct clo_error *err)
{
    *out = (struct tdx_tcb_info){ 0 };
    return tdx_tcb_info_parse(text, clo_bytes(NULL, 0), out, err);
}

static bool parse_identity(struct clo_bytes text, struct tdx_qe_identity *out,
                           struct clo_error *err)
{
    *out = (struct tdx_qe_identity){ 0 };
    return tdx_qe_identity_parse(text, clo_bytes(NULL, 0), out, err);
}

static void test_info(void **state)
{
    struct clo_bytes text = clo_bytes_text(tdx_tcb_info_text);
    static struct tdx_tcb_info info;
    struct clo_error err;

    (void)state;
    CHECK(parse_info(text, &info, &err), err.text);
    CHECK(info.signed_part.data == text.data + strlen("{\"tcbInfo\":"), "begins at its brace");
    CHECK(info.signed_part.data[info.signed_part.size - 1] == '}' &&
                  memcmp(info.signed_part.data + info.signed_part.size, ",\"signature\"", 12) == 0,
          "ends at its brace");
    CHECK(info.has_signature && info.evaluation_number == 18, "signature and number");
    CHECK(info.issue_date == 1773698769 && info.next_update == 1776290769, "dates");
    CHECK(info.fmspc[0] == 0x90 && info.fmspc[2] == 0x6f, "FMSPC");
    CHECK(info.module_count == 1 && info.modules[0].major == 10, "module");
    CHECK(info.modules[0].levels[0].isv_svn == 3, "module's level");
    CHECK(info.level_count == 1 && info.levels[0].sgx[0] == 3 && info.levels[0].tdx[0] == 5 &&
                  info.levels[0].pce_svn == 13 && info.levels[0].status == CLO_TDX_OUT_OF_DATE,
          "level");
    CHECK(info.levels[0].advisories.size == strlen("[\"INTEL-SA-00837\",\"INTEL-SA-00960\"]"),
          "advisories");
    CHECK(info.unknown.count == 0, "nothing unknown");
}

/* The inner object alone, as dcap-qvl keeps it; a NUL after it, as C libraries do. */
static void test_inner(void **state)
{
    const char *inner = tdx_tcb_info_text + strlen("{\"tcbInfo\":");
    size_t size = (size_t)(strstr(inner, ",\"signature\"") - inner);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static const uint8_t signature[64] = { 7 };
    static struct tdx_tcb_info info;
    struct clo_error err;

    (void)state;
    clo_buffer_append(&text, clo_bytes(inner, size));
    CHECK(parse_info(clo_buffer_bytes(&text), &info, &err) && !info.has_signature, "unsigned");
    CHECK(info.signed_part.size == size, "all of it is signed");
    clo_buffer_u8(&text, 0);
    info = (struct tdx_tcb_info){ 0 };
    CHECK(tdx_tcb_info_parse(clo_buffer_bytes(&text), clo_bytes(signature, sizeof signature), &info,
                             &err),
          err.text);
    CHECK(info.has_signature && info.signature[0] == 7 && info.signed_part.size == size, "signed");
}

static void test_identity(void **state)
{
    static struct tdx_qe_identity identity;
    struct clo_error err;

    (void)state;
    CHECK(parse_identity(clo_bytes_text(tdx_qe_identity_text), &identity, &err), err.text);
    CHECK(strcmp(identity.id, "TD_QE") == 0 && identity.version == 2, "id");
    CHECK(identity.miscselect == 0x02000001, "MISCSELECT is in the order of memory");
    CHECK(identity.attributes[0] == 0x11 && identity.attributes_mask[0] == 0xfb, "ATTRIBUTES");
    CHECK(identity.isv_prod_id == 2 && identity.levels[0].isv_svn == 4, "level");
}

static void test_truncated(void **state)
{
    static struct tdx_tcb_info info;
    static struct tdx_qe_identity identity;
    struct clo_error err;

    (void)state;
    for (size_t size = 0; size < strlen(tdx_tcb_info_text); size++)
        CHECK(!parse_info(clo_bytes(tdx_tcb_info_text, size), &info, &err) &&
                      err.status == CLO_ERR_FORMAT,
              "TCB info cut short");
    for (size_t size = 0; size < strlen(tdx_qe_identity_text); size++)
        CHECK(!parse_identity(clo_bytes(tdx_qe_identity_text, size), &identity, &err) &&
                      err.status == CLO_ERR_FORMAT,
              "QE identity cut short");
}

#define DEEP_16  "[[[[[[[[[[[[[[[["
#define CLOSE_16 "]]]]]]]]]]]]]]]]"

static void test_refused(void **state)
{
    static const struct {
        const char *name, *from, *to, *error;
    } cases[] = {
        { "duplicate", "\"version\":3", "\"version\":3,\"version\":3",
          "member \"version\" a second time" },
        { "duplicate around it",
          "{\"tcbInfo\":", "{\"signature\":\"" TDX_SIGNATURE "\",\"tcbInfo\":",
          "member \"signature\" a second time" },
        { "duplicate in a level", "\"pcesvn\":13", "\"pcesvn\":13,\"pcesvn\":0",
          "member \"pcesvn\" a second time" },
        { "duplicate unknown", "\"version\":3", "\"version\":3,\"x\":1,\"x\":2",
          "member \"x\" a second time" },
        { "duplicate deep in an unknown", "\"version\":3",
          "\"version\":3,\"x\":{\"y\":{\"a\":1,\"a\":2}}",
          "not a value: JSON: duplicate object key" },
        { "escaped name", "\"version\":3", "\"vers\\u0069on\":3", "a string with an escape" },
        { "deep", "\"version\":3",
          "\"version\":3,\"x\":" DEEP_16 DEEP_16 DEEP_16 DEEP_16 CLOSE_16 CLOSE_16 CLOSE_16
                  CLOSE_16,
          "not a value: JSON: nested deeper than 64" },
        { "huge", "\"version\":3", "\"version\":3,\"x\":99999999999999999999999",
          "not a value: JSON: " },
        { "huge where it counts", "\"pcesvn\":13", "\"pcesvn\":99999999999999999999999",
          "a number above 65535" },
        { "above its range", "\"pcesvn\":13", "\"pcesvn\":65536", "a number above 65535" },
        { "negative", "\"pcesvn\":13", "\"pcesvn\":-1", "a whole number expected" },
        { "fraction", "\"pcesvn\":13", "\"pcesvn\":13.0", "a whole number expected" },
        { "exponent", "\"pcesvn\":13", "\"pcesvn\":1e1", "a whole number expected" },
        { "leading zero", "\"pcesvn\":13", "\"pcesvn\":013", "a whole number expected" },
        { "number as string", "\"pcesvn\":13", "\"pcesvn\":\"13\"", "a whole number expected" },
        { "trailing comma", "\"pcesvn\":13,", "\"pcesvn\":13,,", "'\"' expected" },
        { "comma before a bracket", "\"INTEL-SA-00960\"]", "\"INTEL-SA-00960\",]",
          "a value expected" },
        { "control character", "\"TDX\"", "\"T\tDX\"", "printable ASCII" },
        { "not ASCII", "BIOS", "BIO\xc3\x9f", "printable ASCII" },
        { "missing", "\"version\":3,", "", "\"version\" is missing" },
        { "missing components", "\"svn\":5},{\"svn\":0},", "\"svn\":5},",
          "15 components, expected 16" },
        { "too many components", "{\"svn\":5},", "{\"svn\":5},{\"svn\":5},",
          "more than 16 components" },
        { "hex too short", "90c06f000000", "90c06f0000", "10 hex digits, expected 12" },
        { "no hex", "90c06f000000", "90c06f00000g", "no hex" },
        { "a time with an offset", "2026-03-16T22:06:09Z", "2026-03-16T22:06:09+00:00",
          "not a time like" },
        { "no such day", "2026-03-16T22:06:09Z", "2026-02-29T22:06:09Z", "not a time like" },
        { "unknown status", "\"OutOfDate\"", "\"Fine\"", "unknown tcbStatus \"Fine\"" },
        { "a conclusion as status", "\"OutOfDate\"", "\"NotSupported\"", "unknown tcbStatus" },
        { "a module's status", "\"UpToDate\"", "\"ConfigurationNeeded\"",
          "tcbStatus \"ConfigurationNeeded\" of an enclave or module" },
        { "module's name", "TDX_0a", "TDX_0g", "not a module like TDX_03" },
        { "module without levels",
          "[{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2024-11-13T00:00:00Z\",\"tcbStatus\":"
          "\"UpToDate\"}]",
          "[]", "no levels" },
        { "levels in tdxModule", "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"},\"tdxModuleI",
          "\"attributesMask\":\"FFFFFFFFFFFFFFFF\",\"tcbLevels\":[]},\"tdxModuleI",
          "\"tcbLevels\" in \"tdxModule\"" },
        { "signature too short", "\"signature\":\"00", "\"signature\":\"",
          "126 hex digits, expected 128" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        static struct tdx_tcb_info info;
        struct clo_error err;
        struct clo_bytes in = replaced(tdx_tcb_info_text, cases[i].from, cases[i].to, &text);
        CHECK(!parse_info(in, &info, &err), cases[i].name);
        if (strncmp(err.text, "TCB info: JSON: byte ", 21) != 0 ||
            strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(err.status == CLO_ERR_FORMAT, cases[i].name);
    }
}

/* Of another kind: whole, and not malformed. */
static void test_other_kinds(void **state)
{
    static const struct {
        const char *from, *to, *error;
    } cases[] = {
        { "\"TDX\"", "\"SGX\"", "TCB info: JSON: byte 22: TCB info of \"SGX\", expected \"TDX\"" },
        { "\"version\":3", "\"version\":2", "TCB info: JSON: byte 34: not version 3" },
        { "\"tcbType\":0", "\"tcbType\":1", "not tcbType 0" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        static struct tdx_tcb_info info;
        struct clo_error err;
        CHECK(!parse_info(replaced(tdx_tcb_info_text, cases[i].from, cases[i].to, &text), &info,
                          &err),
              cases[i].to);
        CHECK(err.status == CLO_ERR_REFUSED && strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void test_behind(void **state)
{
    static const struct {
        const char *behind;
        bool ok;
    } cases[] = {
        { "", true }, { " \r\n\t", true }, { "}", false }, { "{}", false }, { "x", false }
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        static struct tdx_tcb_info info;
        struct clo_error err;
        clo_buffer_text(&text, tdx_tcb_info_text);
        clo_buffer_text(&text, cases[i].behind);
        CHECK(parse_info(clo_buffer_bytes(&text), &info, &err) == cases[i].ok, cases[i].behind);
    }
}

static void test_unknown(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer both = { 0 };
    static struct tdx_tcb_info info;
    struct clo_error err;

    (void)state;
    replaced(tdx_tcb_info_text, "\"version\":3",
             "\"version\":3,\"newRule\":{\"a\":[1,\"\xc3\x9f\"]}", &text);
    struct clo_bytes in = replaced(clo_buffer_string(&text), "\"pcesvn\":13",
                                   "\"pcesvn\":13,\"dimm\":null", &both);
    CHECK(parse_info(in, &info, &err), err.text);
    assert_string_equal(info.unknown.text, "newRule, dimm");
    CHECK(info.level_count == 1 && info.levels[0].pce_svn == 13, "the rest is read");
}

/* Spaces anywhere are no other document to read, and another one to sign. */
static void test_spaces(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static struct tdx_tcb_info info;
    struct clo_error err;

    (void)state;
    for (const char *at = tdx_tcb_info_text; *at != '\0'; at++) {
        if (*at == '{' || *at == ',' || *at == ']' || *at == '}' || *at == '[')
            clo_buffer_text(&text, " \n");
        clo_buffer_u8(&text, (uint8_t)*at);
    }
    CHECK(parse_info(clo_buffer_bytes(&text), &info, &err), err.text);
    CHECK(info.signed_part.data[0] == '{' &&
                  info.signed_part.data[info.signed_part.size - 1] == '}',
          "signed from brace to brace");
}

static void test_limits(void **state)
{
    static const char level[] = "{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-11-13T00:00:00Z\","
                                "\"tcbStatus\":\"UpToDate\"}";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer levels = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static struct tdx_qe_identity identity;
    struct clo_error err;

    (void)state;
    for (int i = 0; i < TDX_MODULE_LEVELS_MAX; i++)
        clo_buffer_printf(&levels, "%s,", level);
    clo_buffer_text(&levels, level);
    CHECK(!parse_identity(replaced(tdx_qe_identity_text, level, clo_buffer_string(&levels), &text),
                          &identity, &err),
          "levels");
    CHECK(strstr(err.text, "more than 32 levels") != NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),     cmocka_unit_test(test_inner),
        cmocka_unit_test(test_identity), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_behind),   cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_spaces),   cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
