#include "cloister/json.h"

#include "test.h"

static json_t *parsed(const char *text)
{
    struct clo_error err;
    json_t *json = NULL;

    if (!clo_json_parse(clo_bytes_text(text), &json, &err))
        fail_msg("%s", err.text);
    return json;
}

static void strict_reading(void **state)
{
    static const struct {
        const char *name, *text, *error; /* error NULL: it parses; else what it contains */
    } cases[] = {
        { "an object", "{\"a\":1}", NULL },
        { "an array", "[1,2]", NULL },
        { "white space around", " \n{}\t", NULL },
        { "brackets in a string do not nest",
          "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]",
          NULL },
        { "empty", "", "JSON: " },
        { "a bare string", "\"a\"", "JSON: " },
        { "a key twice", "{\"a\":1,\"a\":2}", "duplicate object key" },
        { "a key twice, once escaped", "{\"a\":1,\"\\u0061\":2}", "duplicate object key" },
        { "trailing bytes", "{} x", "end of file expected" },
        { "a second document", "{}{}", "end of file expected" },
        { "a trailing comma", "[1,]", "JSON: " },
        { "a comment", "{/* */}", "JSON: " },
        { "a NUL character", "[\"a\\u0000b\"]", "\\u0000 is not allowed" },
        { "invalid UTF-8", "[\"\xff\"]", "unable to decode byte" },
        { "overlong UTF-8", "[\"\xc0\xaf\"]", "unable to decode byte" },
        { "a lone surrogate", "[\"\\ud800\"]", "invalid Unicode" },
        { "a raw line break in a string", "[\"a\nb\"]", "JSON: " },
        { "one at its end", "[\"a\n\"]", "JSON: " },
        { "a tab in a long string", "[\"0123456789abcdef\t0123456789abcdef\"]", "JSON: " },
        { "a long key twice", "{\"0123456789abcdef\":1,\"0123456789abcdef\":2}", "duplicate" },
        { "a number too large", "[123456789012345678901234567890]", "too big integer" },
        { "a leading zero", "[01]", "JSON: " },
        { "cut short", "{\"a\":", "JSON: " },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        struct clo_error err = { 0 };
        bool ok = clo_json_parse(clo_bytes_text(cases[i].text), &json, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || (strstr(err.text, cases[i].error) != NULL && json == NULL), cases[i].name);
        CHECK(ok || err.status == CLO_ERR_FORMAT, cases[i].name);
    }
    json_t *json = NULL;
    struct clo_error err;
    CHECK(!clo_json_parse(clo_bytes(NULL, 0), &json, &err) && json == NULL, "no bytes at all");
    assert_string_equal(err.text, "JSON: empty");
}

/* Most of it is read by ourselves; what is in it, and in what order, is as jansson reads it. */
static void read_as_jansson_does(void **state)
{
    static const char *const cases[] = {
        "{}",
        "[]",
        " { \"b\" : [ 1 , -2 , 0 , true , false , null ] , \"a\" : \"\" } ",
        "[999999999999999999,-999999999999999999,1000000000000000000,-0,0.5,1e3,-1E-3]",
        "{\"\":\"DEL \x7f\",\"long\":\"0123456789abcdef0123456789ABCDEF+/=\"}",
        "[\"an escape \\n\",\"\xc3\xa9\",\"0123456789abcdef\\\"0123456789abcdef\"]",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *ours = parsed(cases[i]);
        CLO_CLEANUP(clo_json_freep)
        json_t *theirs = json_loads(cases[i], JSON_REJECT_DUPLICATES, NULL);
        CLO_CLEANUP(clo_freep) char *our_text = json_dumps(ours, JSON_COMPACT);
        CLO_CLEANUP(clo_freep) char *their_text = json_dumps(theirs, JSON_COMPACT);
        CHECK(json_equal(ours, theirs) == 1, cases[i]);
        assert_string_equal(our_text, their_text);
    }
}

static void nesting_is_bounded(void **state)
{
    char text[2 * (CLO_JSON_DEPTH_MAX + 1) + 1];

    (void)state;
    for (size_t depth = CLO_JSON_DEPTH_MAX; depth <= CLO_JSON_DEPTH_MAX + 1; depth++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        struct clo_error err = { 0 };
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool ok = clo_json_parse(clo_bytes(text, 2 * depth), &json, &err);
        CHECK(ok == (depth == CLO_JSON_DEPTH_MAX), "depth");
        CHECK(ok || strcmp(err.text, "JSON: nested deeper than 64") == 0, "depth");
    }
}

static void values_are_counted(void **state)
{
    static const struct {
        const char *text;
        size_t values; /* so many, names too */
    } texts[] = {
        { "[]", 2 },
        { "[1,2]", 3 },
        { "[{},{}]", 5 },
        { "{\"a\":\"[,:{\\\",\",\"b\":[]}", 6 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(texts); i++)
        for (size_t most = 0; most <= texts[i].values; most++) {
            CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
            struct clo_error err = { 0 };
            bool ok = clo_json_parse_bounded(clo_bytes_text(texts[i].text), most, &json, &err);
            CHECK(ok == (most == texts[i].values), texts[i].text);
            CHECK(ok || strstr(err.text, "JSON: more than ") != NULL, texts[i].text);
        }
}

static void truncations_are_refused(void **state)
{
    static const char text[] = "{\"name\":\"d\\u00e9mo\",\"pcrs\":[0,1,{\"x\":null}],\"on\":true}";
    CLO_CLEANUP(clo_json_freep) json_t *whole = parsed(text);

    (void)state;
    for (size_t size = 0; size < sizeof text - 1; size++) {
        json_t *json = NULL;
        struct clo_error err;
        CHECK(!clo_json_parse(clo_bytes(text, size), &json, &err) && json == NULL, "truncated");
    }
}

static const char *const members =
        "{\"text\":\"abc\",\"number\":7,\"negative\":-1,\"real\":1.5,\"on\":true,\"null\":null,"
        "\"object\":{},\"array\":[1],\"hex\":\"00ff\",\"base64\":\"AP8=\",\"base64url\":\"AP8\"}";

static void whole_numbers(void **state)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = parsed("{\"zero\":0,\"most\":9223372036854775807,\"less\":-1}");
    struct clo_error err;
    uint64_t number = 7;

    (void)state;
    CHECK(clo_json_get_u64(json, "zero", &number, &err) && number == 0, "zero");
    CHECK(clo_json_get_u64(json, "most", &number, &err) && number == INT64_MAX, "most");
    CHECK(!clo_json_get_u64(json, "less", &number, &err) && number == INT64_MAX, "less than zero");
}

static void members_have_their_type(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = parsed(members);
    struct clo_error err;
    const char *text = NULL;
    json_t *value = NULL;
    uint64_t number = 0;
    bool flag = false;

    (void)state;
    CHECK(clo_json_get_string(json, "text", &text, &err) && strcmp(text, "abc") == 0, "string");
    CHECK(clo_json_get_object(json, "object", &value, &err) && json_is_object(value), "object");
    CHECK(clo_json_get_array(json, "array", &value, &err) && json_is_array(value), "array");
    CHECK(clo_json_get_u64(json, "number", &number, &err) && number == 7, "number");
    CHECK(clo_json_get_bool_optional(json, "on", false, &flag, &err) && flag, "bool");
    CHECK(clo_json_get_bool_optional(json, "absent", true, &flag, &err) && flag, "fallback");
    CHECK(clo_json_get_string_optional(json, "absent", &text, &err) && text == NULL, "absent");
    CHECK(clo_json_get_string_optional(json, "text", &text, &err) && strcmp(text, "abc") == 0,
          "present");

    CHECK(!clo_json_get_string(json, "absent", &text, &err), "missing");
    assert_string_equal(err.text, "\"absent\" is missing");
    CHECK(!clo_json_get_string(json, "number", &text, &err), "another type");
    assert_string_equal(err.text, "\"number\" is not a string");
    CHECK(!clo_json_get_string_optional(json, "null", &text, &err), "null is not absent");
    assert_string_equal(err.text, "\"null\" is not a string");
    CHECK(!clo_json_get_object(json, "array", &value, &err), "another type");
    assert_string_equal(err.text, "\"array\" is not an object");
    CHECK(!clo_json_get_array(json, "object", &value, &err), "another type");
    assert_string_equal(err.text, "\"object\" is not an array");
    CHECK(!clo_json_get_u64(json, "negative", &number, &err), "negative");
    assert_string_equal(err.text, "\"negative\" is negative");
    CHECK(!clo_json_get_u64(json, "real", &number, &err), "a fraction");
    assert_string_equal(err.text, "\"real\" is not a whole number");
    CHECK(!clo_json_get_bool_optional(json, "number", false, &flag, &err), "a number for a bool");
    assert_string_equal(err.text, "\"number\" is neither true nor false");
    CHECK(!clo_json_get_string(json_object_get(json, "array"), "text", &text, &err), "no object");
    assert_string_equal(err.text, "an object with \"text\" expected");
    CHECK(!clo_json_get_string_optional(NULL, "text", &text, &err), "nothing at all");
    assert_string_equal(err.text, "an object with \"text\" expected");
    CHECK(!clo_json_get_bool_optional(json_object_get(json, "array"), "text", true, &flag, &err),
          "no object");
    assert_string_equal(err.text, "an object with \"text\" expected");
}

static void members_are_decoded(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = parsed(members);
    static const struct {
        const char *key;
        enum clo_json_encoding encoding;
        size_t limit;
        const char *error;
    } cases[] = {
        { "hex", CLO_JSON_HEX, 2, NULL },
        { "base64", CLO_JSON_BASE64, 2, NULL },
        { "base64url", CLO_JSON_BASE64URL, 2, NULL },
        { "hex", CLO_JSON_HEX, 1, "\"hex\": hex: more than 1 bytes" },
        { "base64", CLO_JSON_BASE64URL, 2, "\"base64\": base64: wrong character at 3" },
        { "text", CLO_JSON_HEX, 9, "\"text\": hex: 3 digits, an odd number" },
        { "number", CLO_JSON_HEX, 9, "\"number\" is not a string" },
        { "absent", CLO_JSON_HEX, 9, "\"absent\" is missing" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_json_get_bytes(json, cases[i].key, cases[i].encoding, cases[i].limit, &out,
                                     &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].key);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].key);
        CHECK(!ok || clo_bytes_equal(clo_buffer_bytes(&out), clo_bytes("\x00\xff", 2)),
              cases[i].key);
    }
}

static void unknown_members_are_named(void **state)
{
    static const char *const keys[] = { "a", "b", NULL };
    CLO_CLEANUP(clo_json_freep) json_t *known = parsed("{\"b\":1}");
    CLO_CLEANUP(clo_json_freep) json_t *unknown = parsed("{\"a\":1,\"c\":2}");
    struct clo_error err;

    (void)state;
    CHECK(clo_json_only(known, keys, &err), "a subset");
    CHECK(!clo_json_only(unknown, keys, &err), "one too many");
    assert_string_equal(err.text, "unknown member \"c\"");
    CHECK(!clo_json_only(json_object_get(known, "b"), keys, &err), "no object");
    assert_string_equal(err.text, "an object expected");
}

static void the_canonical_form(void **state)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            parsed("{ \"tee-pubkey\": {\"y\":\"b\", \"x\":\"a\"}, \"nonce\": \"q/+\\u00e9\", "
                   "\"list\": [3, 1] }");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer small = { .limit = 10 };
    struct clo_error err;

    (void)state;
    CHECK(clo_json_write(json, &out, &err), "written");
    assert_string_equal(clo_buffer_string(&out),
                        "{\"list\":[3,1],\"nonce\":\"q/+\u00e9\",\"tee-pubkey\":{\"x\":\"a\","
                        "\"y\":\"b\"}}");
    CHECK(!clo_json_write(json, &small, &err), "no room");
    CHECK(!clo_json_write(NULL, &out, &err), "no value");
    CLO_CLEANUP(clo_json_freep) json_t *hex = clo_json_hex(clo_bytes("\x00\xff", 2));
    CLO_CLEANUP(clo_json_freep) json_t *base64 = clo_json_base64(clo_bytes("\x00\xff", 2));
    CLO_CLEANUP(clo_json_freep) json_t *url = clo_json_base64url(clo_bytes("\x00\xff", 2));
    assert_string_equal(json_string_value(hex), "00ff");
    assert_string_equal(json_string_value(base64), "AP8=");
    assert_string_equal(json_string_value(url), "AP8");
}

static void an_object_is_asked_once(void **state)
{
    static const struct clo_bit bits[] = { { 0, "low" }, { 1, "not_set" }, { 63, "high" } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    (void)state;
    struct clo_json_object object = { .json = json_object() };
    clo_json_set(&object, "number", json_integer(7));
    clo_json_set_hex(&object, "bytes", clo_bytes("\x00\xff", 2));
    clo_json_set_bits(&object, "flags", 0x8000000000000001, bits, CLO_COUNT(bits));
    json = clo_json_finish(&object);
    assert_non_null(json);
    assert_true(clo_json_write(json, &text, &err));
    static const char expected[] = "{\"bytes\":\"00ff\",\"flags\":{\"high\":true,\"low\":true,"
                                   "\"not_set\":false},\"number\":7}";
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);

    /* What failed once stays failed, whatever follows. */
    struct clo_json_object broken = { .json = json_object() };
    clo_json_set(&broken, "none", NULL);
    clo_json_set(&broken, "number", json_integer(7));
    assert_null(clo_json_finish(&broken));
}

static void test_text(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "", "" },
        { "initrd.img", "initrd.img" },
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "a\x1b[31m", "a?[31m" },
        { "a\xff", "a?" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_json_text(cases[i].text);
        CHECK(json != NULL && strcmp(json_string_value(json), cases[i].wanted) == 0,
              json == NULL ? cases[i].text : json_string_value(json));
    }
}

/* Our own writing is jansson's, byte for byte. */
static void written_as_jansson_does(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "1.5",
        "-2.5e-7",
        "1e300",
        "\"\"",
        "\"plain\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0001\\u000b\\u001f\\u007f\"",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "{\"b\":1,\"a\":[1,2,[3,{\"z\":null,\"\":\"x\"}]],\"B\":{},\"aa\":\"\",\"\xc3\xa4\":1}",
        "[[[[[[[[[[1.0]]]]]]]]]]",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(texts); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        CLO_CLEANUP(clo_freep)
        char *theirs = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer ours = { 0 };
        struct clo_error err;
        CHECK(json != NULL && theirs != NULL, texts[i]);
        CHECK(clo_json_write(json, &ours, &err), texts[i]);
        CHECK(strcmp(clo_buffer_string(&ours), theirs) == 0, texts[i]);
    }
}

/* What is not a text, or has no end, is not written. */
static void what_is_not_written(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *broken = json_string_nocheck("a\xff");
    CLO_CLEANUP(clo_json_freep) json_t *deep = json_array();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(!clo_json_write(broken, &out, &err), "not UTF-8");
    CHECK(!clo_json_write(NULL, &out, &err), "nothing");
    for (int i = 0; i < 3000; i++) {
        json_t *outer = json_pack("[o]", deep);
        deep = outer;
    }
    CHECK(!clo_json_write(deep, &out, &err), "too deep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_reading),
        cmocka_unit_test(read_as_jansson_does),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(truncations_are_refused),
        cmocka_unit_test(members_have_their_type),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(members_are_decoded),
        cmocka_unit_test(unknown_members_are_named),
        cmocka_unit_test(the_canonical_form),
        cmocka_unit_test(test_text),
        cmocka_unit_test(an_object_is_asked_once),
        cmocka_unit_test(written_as_jansson_does),
        cmocka_unit_test(what_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
