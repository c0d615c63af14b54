/* The generation's token, and headers that a power cut left with two different copies. */
#include "lib/disk/luks2_generation.h"

#include "luks2_maker.h"

#define MAC "abababababababababababababababababababababababababababababababab"
#define TOKEN(number, generation)                                                       \
    "'" number "':{'type':'cloister-generation','keyslots':[],'generation':" generation \
    ",'mac':'" MAC "'}"

static uint8_t head[LUKS2_PAYLOAD];

static void test_tokens(void **state)
{
    static const struct {
        const char *name, *tokens;
        int token;
        uint64_t value;
        const char *error;
    } cases[] = {
        { "none", "{}", -1, 0, NULL },
        { "one", "{" TOKEN("0", "4") "}", 0, 4, NULL },
        { "next to another",
          "{'0':{'type':'systemd-tpm2','keyslots':['0'],'x':1}," TOKEN("31", "7") "}", 31, 7,
          NULL },
        { "two", "{" TOKEN("0", "4") "," TOKEN("1", "5") "}", 0, 0, "a second generation" },
        { "zero", "{" TOKEN("0", "0") "}", 0, 0, "token 0: generation 0 is out of range" },
        { "below zero", "{" TOKEN("0", "-1") "}", 0, 0, "generation" },
        { "a fraction", "{" TOKEN("0", "1.5") "}", 0, 0, "generation" },
        { "too large", "{" TOKEN("0", "9007199254740992") "}", 0, 0, "is out of range" },
        { "an odd number", "{" TOKEN("007", "4") "}", 0, 0, "not a number" },
        { "no number", "{" TOKEN("x", "4") "}", 0, 0, "not a number" },
        { "a key slot",
          "{'0':{'type':'cloister-generation','keyslots':['0'],'generation':1,'mac':'" MAC "'}}", 0,
          0, "keyslots: none are allowed" },
        { "a short mac",
          "{'0':{'type':'cloister-generation','keyslots':[],'generation':1,'mac':'ab'}}", 0, 0,
          "mac: 1 bytes" },
        { "more in it",
          "{'0':{'type':'cloister-generation','keyslots':[],'generation':1,'mac':'" MAC "','n':1}}",
          0, 0, "n" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *tokens = NULL;
        struct clo_luks2_generation generation;
        struct clo_error err = { 0 };
        char text[1024];
        size_t k;
        for (k = 0; cases[i].tokens[k] != '\0'; k++)
            text[k] = cases[i].tokens[k] == '\'' ? '"' : cases[i].tokens[k];
        text[k] = '\0';
        CHECK(clo_json_parse(clo_bytes_text(text), &tokens, &err), err.text);
        bool ok = clo_luks2_generation_parse(tokens, &generation, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || (generation.token == cases[i].token && generation.value == cases[i].value),
              cases[i].name);
    }
}

/* Only who has the volume key makes one, and only for this disk. */
static void test_mac(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *tokens = json_object();
    struct clo_luks2_generation generation;
    struct clo_error err;
    json_t *token;

    (void)state;
    assert_true(clo_secret_copy(clo_bytes_text("volume key"), &key, &err));
    assert_true(clo_secret_copy(clo_bytes_text("another"), &other, &err));
    assert_true(clo_luks2_generation_write(8, key, LUKS2_UUID, &text, &err));
    assert_true(clo_json_parse(clo_buffer_bytes(&text), &token, &err));
    json_object_set_new(tokens, "0", token);
    assert_true(clo_luks2_generation_parse(tokens, &generation, &err));
    assert_int_equal(generation.value, 8);
    CHECK(clo_luks2_generation_verify(&generation, key, LUKS2_UUID, &err), err.text);
    CHECK(!clo_luks2_generation_verify(&generation, other, LUKS2_UUID, &err), "another key");
    CHECK(!clo_luks2_generation_verify(&generation, key, "another", &err), "another UUID");
    generation.value = 9;
    CHECK(!clo_luks2_generation_verify(&generation, key, LUKS2_UUID, &err), "another number");
    assert_non_null(strstr(err.text, "its MAC does not hold"));
    text.size = 0;
    CHECK(!clo_luks2_generation_write(0, key, LUKS2_UUID, &text, &err), "generation 0");
}

/* A header is checked with its generation's shape, whatever else the tokens say. */
static void test_white_list(void **state)
{
    struct clo_luks2_info info;
    struct clo_error err;

    (void)state;
    luks2_make(head, LUKS2_METADATA_WITH("{" TOKEN("2", "6") "}"));
    CHECK(clo_luks2_check(clo_bytes(head, sizeof head), &info, &err), err.text);
    assert_int_equal(info.generation.value, 6);
    luks2_make(head, LUKS2_METADATA_WITH("{" TOKEN("2", "0") "}"));
    assert_false(clo_luks2_check(clo_bytes(head, sizeof head), &info, &err));
    assert_string_equal(err.text, "LUKS2 header: token 2: generation 0 is out of range");
}

static void test_settle(void **state)
{
    static const struct {
        const char *name;
        uint8_t sequences[2];
        bool is_torn[2];
        const char *label; /* which copy counts; NULL: refused */
    } cases[] = {
        { "they agree", { 3, 3 }, { false, false }, "same" },
        { "cut between the two", { 4, 3 }, { false, false }, "first" },
        { "cut between them, the other way round", { 3, 4 }, { false, false }, "second" },
        { "cut within the first", { 4, 3 }, { true, false }, "second" },
        { "cut within the second", { 4, 4 }, { false, true }, "first" },
        { "neither is whole", { 4, 3 }, { true, true }, NULL },
        { "two of the same number", { 4, 4 }, { false, false }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
        struct clo_luks2_info info;
        struct clo_error err = { 0 };
        bool is_same = i == 0;
        for (size_t copy = 0; copy < 2; copy++) {
            luks2_make_copy(head, copy, cases[i].sequences[copy],
                            is_same ? "same" : (copy == 0 ? "first" : "second"), LUKS2_METADATA);
            if (cases[i].is_torn[copy])
                memset(head + copy * LUKS2_HEADER + LUKS2_BINARY + 64, 'x', 512);
        }
        clo_buffer_append(&header, clo_bytes(head, sizeof head));
        bool ok = clo_luks2_settle(&header, &err);
        CHECK(ok == (cases[i].label != NULL), cases[i].name);
        if (!ok)
            continue;
        CHECK(clo_luks2_check(clo_buffer_bytes(&header), &info, &err), err.text);
        CHECK(strcmp(info.label, cases[i].label) == 0, cases[i].name);
        CHECK(memcmp(header.data + 2 * LUKS2_HEADER, head + 2 * LUKS2_HEADER,
                     sizeof head - 2 * LUKS2_HEADER) == 0,
              cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_white_list),
        cmocka_unit_test(test_settle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
