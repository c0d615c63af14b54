/* RFC 8785, with the examples of its sections 3.2 and of appendix B. */
#include "test.h"

#include <string.h>

#include "lib/base/jcs.h"

static void test_values(void **state)
{
    static const struct {
        const char *name, *in, *out;
    } cases[] = {
        { "section 3.2.2",
          "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],"
          "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
          "\"literals\": [null, true, false]}",
          "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
          "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}" },
        { "section 3.2.3: the order of UTF-16",
          "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew\",\"1\":"
          "\"One\",\"\\ud83d\\ude00\":\"Emoji\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin\"}",
          "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":"
          "\"Latin\",\"\xe2\x82\xac\":\"Euro "
          "Sign\",\"\xf0\x9f\x98\x80\":\"Emoji\",\"\xef\xac\xb3\":"
          "\"Hebrew\"}" },
        { "the last before surrogates", "{\"\\ud83d\\ude00\":1,\"\\ud7ff\":2,\"\\ue000\":3}",
          "{\"\xed\x9f\xbf\":2,\"\xf0\x9f\x98\x80\":1,\"\xee\x80\x80\":3}" },
        { "one name begins another", "{\"ab\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"ab\":1}" },
        { "every escape", "[\"\\b\\t\\n\\u000b\\f\\r\\u001f\\u007f\"]",
          "[\"\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\"]" },
        { "nothing inside", "[{},[]]", "[{},[]]" },
        { "whole numbers", "[0,-1,9007199254740992,9223372036854775807]",
          "[0,-1,9007199254740992,9223372036854776000]" },
        { "runtime data",
          "{\"tee-pubkey\":{\"y\":\"b\",\"x\":\"a\",\"kty\":\"EC\"},\"nonce\":\"n+/=\","
          "\"additional-evidence\":\"\"}",
          "{\"additional-evidence\":\"\",\"nonce\":\"n+/"
          "=\",\"tee-pubkey\":{\"kty\":\"EC\",\"x\":\"a\",\"y\":\"b\"}}" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        CHECK(clo_json_parse(clo_bytes_text(cases[i].in), &json, &err), err.text);
        CHECK(clo_jcs_write(json, &out, &err), cases[i].name);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].out) == 0, clo_buffer_string(&out));
    }
}

/* Appendix B: by the bits of the double. */
static void test_numbers(void **state)
{
    static const struct {
        uint64_t bits;
        const char *text;
    } cases[] = {
        { 0x0000000000000000, "0" },
        { 0x8000000000000000, "0" },
        { 0x0000000000000001, "5e-324" },
        { 0x8000000000000001, "-5e-324" },
        { 0x7fefffffffffffff, "1.7976931348623157e+308" },
        { 0xffefffffffffffff, "-1.7976931348623157e+308" },
        { 0x4340000000000000, "9007199254740992" },
        { 0xc340000000000000, "-9007199254740992" },
        { 0x4430000000000000, "295147905179352830000" },
        { 0x44b52d02c7e14af5, "9.999999999999997e+22" },
        { 0x44b52d02c7e14af6, "1e+23" },
        { 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
        { 0x444b1ae4d6e2ef4e, "999999999999999700000" },
        { 0x444b1ae4d6e2ef4f, "999999999999999900000" },
        { 0x444b1ae4d6e2ef50, "1e+21" },
        { 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
        { 0x3eb0c6f7a0b5ed8d, "0.000001" },
        { 0x41b3de4355555553, "333333333.3333332" },
        { 0x41b3de4355555554, "333333333.33333325" },
        { 0x41b3de4355555555, "333333333.3333333" },
        { 0x41b3de4355555556, "333333333.3333334" },
        { 0x41b3de4355555557, "333333333.33333343" },
        { 0xbecbf647612f3696, "-0.0000033333333333333333" },
        { 0x43143ff3c1cb0959, "1424953923781206.2" },
        /* The nearest of 16 digits stands for another double, the one above for this one. */
        { 0x3d30000000000000, "5.684341886080802e-14" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        double value;
        memcpy(&value, &cases[i].bits, sizeof value);
        clo_jcs_write_number(value, &out);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].text) == 0, clo_buffer_string(&out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
