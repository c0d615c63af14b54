/* Policies, held to what systemd-cryptenroll 252 and a software TPM came to; and what is not a storage key. */
#include "lib/tcg/tpm2_policy.h"

#include "lib/tcg/alternatives.h"
#include "lib/tcg/tpm2_seal.h"
#include "test.h"

static const char signer[] = "-----BEGIN PUBLIC KEY-----\n"
                             "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+Pdf2oQmXE83/YVeD0HP\n"
                             "s7vwF9BAFpy8Pc8olNkv3PoO3f7Jep1AXmzIE5Nb0P5O92zn7qACPH1dYU1yZRWy\n"
                             "O34QufPZKB4qnZcxs9aIWzFDp9riFdGCa/eKIAgDMc2LvS0nsn+wCujPH7CiTbg9\n"
                             "Xh/BeScOsFbmz75oQj6G/r376Bq3UIKQS6Q3vpqFBaXE6fah4Igo/SNfjKtoev/W\n"
                             "+ANIcBzBhRsvWhD1fNwE2AAPYzy/8c3Y1D1BQRfV8DpyqVocTjQTsN31J8L7/geY\n"
                             "AWyGik7F9RVf4asPVHETrcnX8V92vMVA8ZCmWt1TN/WlEkmqqK84OHnlz3UxA+py\n"
                             "UQIDAQAB\n"
                             "-----END PUBLIC KEY-----\n";

/* A register of zeros that was extended once with a number. */
static struct clo_digest extended(uint8_t number)
{
    uint8_t bytes[64] = { 0 };
    struct clo_digest digest;

    bytes[63] = number;
    clo_hash(CLO_HASH_SHA256, clo_bytes(bytes, sizeof bytes), &digest);
    return digest;
}

static void must_be(const struct clo_digest *policy, const char *hex, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };

    CHECK(clo_bytes_equal(clo_digest_bytes(policy), from_hex(hex, &expected)), name);
}

static void test_pcrs(void **state)
{
    const struct clo_digest values[] = { extended(0x07), extended(0x09) };
    struct clo_digest policy;

    (void)state;
    clo_tpm2_policy_begin(&policy);
    clo_tpm2_policy_pcr(&policy, CLO_HASH_SHA256, 1U << 7 | 1U << 11, values);
    must_be(&policy, "ea4d039ff126c86b30fb19defd53324605c6d3a56345b88e66c67821dc76d3e0",
            "7 and 11");
}

static void test_signed_and_pin(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer public = { 0 };
    const struct clo_digest value = extended(0x07);
    struct clo_digest policy;
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    assert_true(clo_public_key_from_pem(clo_bytes_text(signer), &key, &err));
    assert_true(clo_tpm2_signer_public(key, false, &public, &err));
    clo_tpm2_name_of(clo_buffer_bytes(&public), &name);
    clo_tpm2_policy_authorize(&policy, &name, NULL);
    clo_tpm2_policy_pcr(&policy, CLO_HASH_SHA256, 1U << 7, &value);
    clo_tpm2_policy_auth_value(&policy);
    must_be(&policy, "46d1fb0081655c893961f524bbdb3172338aaa127286e99215ec94a1637d09aa",
            "signed, PCR 7 and a PIN");
}

/* SHA-256("initrd"), in front of which the approved policy stands. */
static void test_to_be_signed(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer with = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer without = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    struct clo_digest approved;

    (void)state;
    clo_tpm2_policy_begin(&approved);
    clo_tpm2_policy_to_be_signed(&approved, "initrd", &with);
    clo_tpm2_policy_to_be_signed(&approved, NULL, &without);
    assert_int_equal(without.size, 32);
    assert_int_equal(with.size, 64);
    from_hex("09e6c018d2c8c4903308613dd1b72484d57eadf12ec50ddc8f52e5accce470f2", &expected);
    assert_memory_equal(with.data + 32, expected.data, 32);
}

/* TPMT_PUBLIC of systemd's storage key template, on a point of P-256. */
#define TYPE "0023 000b 00030472 0000 "
#define AES  "0006 0080 0043 "
#define POINT                                                                                    \
    "0010 0003 0010 0020 6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296 0020 " \
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

static void test_parent(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } cases[] = {
        { "as it is", TYPE AES POINT, NULL },
        { "with its size", "005a " TYPE AES POINT, NULL },
        { "a signing key", "0023 000b 00050472 0000 " AES POINT, "attributes 0x00050472" },
        { "not restricted", "0023 000b 00020472 0000 " AES POINT, "attributes 0x00020472" },
        { "a name of SHA-1", "0023 0004 00030472 0000 " AES POINT, "of hash 0x0004" },
        { "no symmetric algorithm", TYPE "0010 0000 0000 " POINT, "symmetric algorithm 0x0010" },
        { "AES-CBC", TYPE "0006 0080 0042 " POINT, "symmetric algorithm" },
        { "a data object", "0008 000b 00030472 0000 " AES POINT, "key type 0x0008" },
        { "bytes after it", TYPE AES POINT " 00", "bytes after its end" },
        { "nothing", "", "truncated" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_error err = { 0 };
        from_hex(cases[i].hex, &bytes);
        bool ok = clo_tpm2_parent_parse(clo_buffer_bytes(&bytes), &parent, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || parent.symmetric_bits == 128, cases[i].name);
        for (size_t size = 0; ok && size < bytes.size; size++) {
            CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent cut = { 0 };
            CHECK(!clo_tpm2_parent_parse(clo_bytes(bytes.data, size), &cut, &err), cases[i].name);
        }
    }
}

static void test_alternatives(void **state)
{
#define ZERO "'0000000000000000000000000000000000000000000000000000000000000000'"
#define ONE  "'1111111111111111111111111111111111111111111111111111111111111111'"
#define NV   ",'nvIndex':25170484"
    static const struct {
        const char *name, *json, *error;
    } cases[] = {
        { "one and two",
          "{'pcrBank':'sha256','pcrValues':[{'pcr':7,'values':[" ZERO "]},{'pcr':11,'values':[" ZERO
          "," ONE "]}]" NV "}",
          NULL },
        { "a value twice",
          "{'pcrBank':'sha256','pcrValues':[{'pcr':7,'values':[" ZERO "," ZERO "]}]" NV "}", NULL },
        { "a register twice",
          "{'pcrBank':'sha256','pcrValues':[{'pcr':7,'values':[" ZERO "]},{'pcr':7,'values':[" ZERO
          "]}]" NV "}",
          "PCR 7: not a register, or named twice" },
        { "PCR 24", "{'pcrBank':'sha256','pcrValues':[{'pcr':24,'values':[" ZERO "]}]" NV "}",
          "PCR 24: not a register" },
        { "no value", "{'pcrBank':'sha256','pcrValues':[{'pcr':7,'values':[]}]" NV "}",
          "PCR 7: 0 values" },
        { "a value of SHA-1", "{'pcrBank':'sha256','pcrValues':[{'pcr':7,'values':['00']}]" NV "}",
          "PCR 7: a value that is not one" },
        { "another bank", "{'pcrBank':'md5','pcrValues':[]" NV "}", "pcrBank \"md5\"" },
        { "an index that is none", "{'pcrBank':'sha256','pcrValues':[],'nvIndex':7}",
          "nvIndex 0x7" },
        { "no index", "{'pcrBank':'sha256','pcrValues':[]}", "nvIndex" },
    };
    static struct clo_alternatives alternatives;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err = { 0 };
        char text[1024];
        size_t size = strlen(cases[i].json);
        for (size_t k = 0; k <= size; k++)
            text[k] = cases[i].json[k] == '\'' ? '"' : cases[i].json[k];
        bool ok = clo_alternatives_parse(clo_bytes(text, size), &alternatives, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || alternatives.counts[7] == 1, cases[i].name);
        for (size_t cut = 0; ok && cut < size; cut++)
            CHECK(!clo_alternatives_parse(clo_bytes(text, cut), &alternatives, &err),
                  cases[i].name);
    }
}

/* An index as it is sealed to: nobody but its own policy writes it. */
static void test_index(void **state)
{
    enum {
        INDEX = 0x01801234,
        ATTRIBUTES = 1 << 3 | 1 << 12 | 1 << 17,
        OWNER_WRITES = 1 << 1
    };
    static const struct {
        const char *name;
        uint32_t index, attributes;
        uint16_t hash, policy, data;
        size_t cut;
        const char *error;
    } cases[] = {
        { "systemd-pcrlock's", INDEX, ATTRIBUTES, 0xb, 32, 34, 0, NULL },
        { "the owner writes", INDEX, ATTRIBUTES | OWNER_WRITES, 0xb, 32, 34, 0,
          "others than its policy may write the index" },
        { "anyone writes", INDEX, ATTRIBUTES | 1 << 2, 0xb, 32, 34, 0,
          "others than its policy may write the index" },
        { "nobody writes by policy", INDEX, 1 << 17, 0xb, 32, 34, 0,
          "others than its policy may write the index" },
        { "no policy", INDEX, ATTRIBUTES, 0xb, 0, 34, 0,
          "others than its policy may write the index" },
        { "a counter", INDEX, ATTRIBUTES | 1 << 4, 0xb, 32, 34, 0, "not of the index of a policy" },
        { "another index", INDEX + 1, ATTRIBUTES, 0xb, 32, 34, 0, "not of the index of a policy" },
        { "a name of SHA-384", INDEX, ATTRIBUTES, 0xc, 32, 34, 0, "not of the index of a policy" },
        { "a policy of SHA-384", INDEX, ATTRIBUTES, 0xb, 32, 50, 0,
          "not of the index of a policy" },
        { "cut short", INDEX, ATTRIBUTES, 0xb, 32, 34, 1, "not the public part of an NV index" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };
        static const uint8_t digest[32] = { 1 };
        struct clo_error err = { 0 };
        clo_buffer_be16(&area, (uint16_t)(14 + cases[i].policy));
        clo_buffer_be32(&area, cases[i].index);
        clo_buffer_be16(&area, cases[i].hash);
        clo_buffer_be32(&area, cases[i].attributes);
        clo_buffer_be16(&area, cases[i].policy);
        clo_buffer_append(&area, clo_bytes(digest, cases[i].policy));
        clo_buffer_be16(&area, cases[i].data);
        area.size -= cases[i].cut;
        clo_buffer_text(&text, "{\"pcrBank\":\"sha256\",\"pcrValues\":[{\"pcr\":4,\"values\":[\"");
        clo_hex_write(clo_bytes(digest, sizeof digest), &text);
        clo_buffer_text(&text,
                        "\"]}],\"nvIndex\":25170484,\"nvHandle\":\"AYASNA==\",\"nvPublic\":\"");
        clo_base64_write(clo_buffer_bytes(&area), &text);
        clo_buffer_text(&text, "\"}");
        bool ok = clo_nv_policy_parse(clo_buffer_bytes(&text), &policy, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || (policy.pcrs == 1U << 4 && policy.handle.size == 4), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcrs),         cmocka_unit_test(test_signed_and_pin),
        cmocka_unit_test(test_to_be_signed), cmocka_unit_test(test_parent),
        cmocka_unit_test(test_alternatives), cmocka_unit_test(test_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
