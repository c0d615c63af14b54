/* COSE_Sign1: signed and verified, refused in every way that it can be wrong; and CBOR that is not taken. */
#include "cloister/cose.h"
#include "lib/cose/item.h"
#include "test.h"

static const struct {
    const char *name, *hex, *error; /* error NULL: it loads */
} items[] = {
    { "a map", "a2016161026162", NULL },
    { "nothing", "", "CBOR: 0 bytes" },
    { "two items", "0101", "CBOR: 1 bytes after the item" },
    { "cut short", "8301", "CBOR: more items than bytes at byte 0" },
    { "a string cut short", "4401", "CBOR: cut short at byte 0" },
    { "an array of 2^32 items", "9affffffff01", "CBOR: more items than bytes at byte 0" },
    { "a map of 2^63 pairs", "bb800000000000000001", "CBOR: more items than bytes at byte 0" },
    { "an indefinite array", "9f01ff", "CBOR: an indefinite length at byte 0" },
    { "an indefinite string", "5f4101ff", "CBOR: an indefinite length at byte 0" },
    { "a key twice", "a201000100", "CBOR: a map has a key twice" },
    { "a key twice, the longer way", "a20100180100", "CBOR: a map has a key twice" },
    { "a text key twice", "a2616100616100", "CBOR: a map has a key twice" },
    { "twice further in", "a101a261610061 6100", "CBOR: a map has a key twice" },
    { "a key that is an array", "a1800 0", "CBOR: a key that is neither a number nor text" },
    { "32 levels",
      "8181818181818181818181818181818181818181818181818181818181818181"
      "00",
      NULL },
    { "33 levels",
      "818181818181818181818181818181818181818181818181818181818181818181"
      "00",
      "CBOR: nested too deep at byte 32" },
};

static void hex_to(const char *hex, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    for (; *hex != '\0'; hex++)
        if (*hex != ' ')
            clo_buffer_u8(&text, (uint8_t)*hex);
    if (text.size > 0 && !clo_hex_read(clo_buffer_bytes(&text), out, &err))
        fail_msg("%s", err.text);
}

static void test_items(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(items); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
        struct clo_error err = { 0 };
        hex_to(items[i].hex, &bytes);
        bool ok = item_load(clo_buffer_bytes(&bytes), &item, &err);
        if (ok != (items[i].error == NULL) || (!ok && strcmp(err.text, items[i].error) != 0))
            fail_msg("%s: %s", items[i].name, ok ? "loads" : err.text);
    }
}

static struct clo_private_key *p256, *p384, *other;
static struct clo_public_key *public_p256, *public_p384;

static int start(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_private_key_new(CLO_KEY_P256, 0, &p256, &err) &&
                           clo_private_key_new(CLO_KEY_P384, 0, &p384, &err) &&
                           clo_private_key_new(CLO_KEY_P256, 0, &other, &err) &&
                           clo_private_key_public(p256, &public_p256, &err) &&
                           clo_private_key_public(p384, &public_p384, &err)
                   ? 0
                   : -1;
}

static int stop(void **state)
{
    (void)state;
    clo_private_key_free(p256);
    clo_private_key_free(p384);
    clo_private_key_free(other);
    clo_public_key_free(public_p256);
    clo_public_key_free(public_p384);
    return 0;
}

static void test_sign(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer tagged = { 0 };
        const struct clo_public_key *key = i == 0 ? public_p256 : public_p384;
        struct clo_error err;
        CHECK(clo_cose_sign(i == 0 ? p256 : p384, "text/plain", clo_bytes_text("hello"), &message,
                            &err),
              err.text);
        CHECK(clo_cose_is_sign1(clo_buffer_bytes(&message)), "tag");
        CHECK(clo_cose_verify(clo_buffer_bytes(&message), key, &payload, &err), err.text);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&payload), clo_bytes_text("hello")), "payload");
        /* As a CWT has it. */
        hex_to("d83d", &tagged);
        clo_buffer_append(&tagged, clo_buffer_bytes(&message));
        CHECK(clo_cose_verify(clo_buffer_bytes(&tagged), key, &payload, &err), err.text);
        CHECK(!clo_cose_verify(clo_buffer_bytes(&message), i == 0 ? public_p384 : public_p256,
                               &payload, &err) &&
                      err.status == CLO_ERR_REFUSED,
              "another algorithm");
        for (size_t cut = 0; cut < message.size; cut++)
            CHECK(!clo_cose_verify(clo_bytes(message.data, cut), key, &payload, &err), "cut");
        for (size_t k = 0; k < message.size; k++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer got = { 0 };
            message.data[k] ^= 1;
            CHECK(!clo_cose_verify(clo_buffer_bytes(&message), key, &got, &err) && got.size == 0,
                  "changed");
            message.data[k] ^= 1;
        }
    }
}

/* Headers that would have another rule hold than the one that the key says. */
static void test_headers(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } messages[] = {
        { "no tag", "8443a10126a04040", "COSE: not a COSE_Sign1 (tag 18, four items)" },
        { "no algorithm", "d28441a0a04040", "COSE: the protected header names no algorithm" },
        { "another algorithm", "d28444a1013822a04040", "COSE: algorithm -35, the key's is -7" },
        { "a critical header", "d28447a2012602811863a04040",
          "COSE: critical headers that this program does not know" },
        { "the algorithm unprotected", "d28441a0a101264040",
          "COSE: algorithm or critical in the unprotected header" },
        { "a detached payload", "d28443a10126a0f640",
          "COSE: header, payload and signature are not byte strings (a detached payload is not "
          "read)" },
        { "three items", "d28343a10126a040", "COSE: not a COSE_Sign1 (tag 18, four items)" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(messages); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
        struct clo_error err;
        hex_to(messages[i].hex, &bytes);
        CHECK(!clo_cose_verify(clo_buffer_bytes(&bytes), public_p256, &payload, &err),
              messages[i].name);
        if (strncmp(err.text, messages[i].error, strlen(messages[i].error)) != 0)
            fail_msg("%s: %s", messages[i].name, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_headers),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
