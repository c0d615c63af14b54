/* A reference as CoRIM and CoSERV, and back; what a CoRIM that is not whole is refused with; EAR by old names and as a
 * CWT. */
#include "cloister/corim.h"
#include "cloister/ear.h"
#include "lib/appraise/ear_internal.h"
#include "test.h"

#define NOW 1780000000LL
#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B32 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C48 A32 "cccccccccccccccccccccccccccccccc"
#define D48 B32 "dddddddddddddddddddddddddddddddd"

static void unquote(const char *text, struct clo_buffer *out)
{
    for (; *text != '\0'; text++)
        clo_buffer_u8(out, *text == '\'' ? '"' : (uint8_t)*text);
}

static void hex_to(const char *hex, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_hex_read(clo_bytes_text(hex), out, &err))
        fail_msg("%s", err.text);
}

static const char whole[] =
        "{'cloister_reference':1,'name':'demo','origin':'prediction','created':'2026-01-01T00:00:"
        "00Z',"
        "'host_inputs':['cloud-init','report'],'events':{},"
        "'pcrs':{'sha256':{'4':'" A32 "','11':{'enter-initrd':'" B32
        "','enter-initrd:leave-initrd':'" A32 "'}},'sha384':{'4':'" C48 "'}},"
        "'tdx':{'mr_td':{'single-pass':'" C48 "','two-pass':'" D48 "'},'rtmr1':'" D48 "'}}";

static struct clo_reference *reference_of(const char *text)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_reference *reference;
    struct clo_error err;

    unquote(text, &json);
    if (!clo_reference_parse(clo_buffer_bytes(&json), &reference, &err))
        fail_msg("%s", err.text);
    return reference;
}

/* All but what is said of how the file came to be. */
static void check_same(const struct clo_reference *a, const struct clo_reference *b)
{
    static const char *const members[] = { "name", "origin", "pcrs", "tdx", "host_inputs" };

    for (size_t i = 0; i < CLO_COUNT(members); i++)
        CHECK(json_equal(json_object_get(clo_reference_json(a), members[i]),
                         json_object_get(clo_reference_json(b), members[i])),
              members[i]);
}

static void test_there_and_back(void **state)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = reference_of(whole);
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_P384, 0, &key, &err) &&
                  clo_private_key_public(key, &public, &err),
          err.text);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer corim = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
        CHECK(clo_corim_write(reference, is_signed ? key : NULL, &corim, &err), err.text);
        CHECK(clo_corim_is(clo_buffer_bytes(&corim)), "is a CoRIM");
        CHECK(clo_corim_read(clo_buffer_bytes(&corim), is_signed ? public : NULL, NOW, &json, &err),
              err.text);
        CHECK(clo_corim_to_reference(json, &again, &err), err.text);
        check_same(reference, again);
        for (size_t cut = 0; cut < corim.size; cut++) {
            json_t *none = NULL;
            CHECK(!clo_corim_read(clo_bytes(corim.data, cut), is_signed ? public : NULL, NOW, &none,
                                  &err),
                  "cut");
        }
        /* Asked for without its key, and with one where it has no signature. */
        json_t *none = NULL;
        CHECK(!clo_corim_read(clo_buffer_bytes(&corim), is_signed ? NULL : public, NOW, &none,
                              &err),
              "a signature is as it must be");
        CHECK(strstr(err.text, is_signed ? "the key that it must be signed with is needed"
                                         : "it is not signed, and a key was named") != NULL,
              err.text);
    }
}

static void test_coserv(void **state)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = reference_of(whole);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_digest authority;
    struct clo_error err;

    (void)state;
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("a key"), &authority);
    CHECK(clo_coserv_write(reference, &authority, NOW, &message, &err), err.text);
    CHECK(clo_coserv_read(clo_buffer_bytes(&message), &json, &err), err.text);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "results");
    assert_string_equal(json_string_value(json_object_get(json, "artifact")), "reference values");
    assert_string_equal(json_string_value(json_object_get(json, "expires")),
                        "2026-05-28T20:26:40Z");
    CHECK(clo_corim_to_reference(json, &again, &err), err.text);
    check_same(reference, again);
    for (size_t cut = 0; cut < message.size; cut++) {
        json_t *none = NULL;
        CHECK(!clo_coserv_read(clo_bytes(message.data, cut), &none, &err), "cut");
    }
}

/* Hex, with the CoMID of the first lines in it. */
static const struct {
    const char *name, *hex, *error;
} corims[] = {
    { "not tagged", "a1006161", "CoRIM: not a CoRIM (tag 501)" },
    { "no id", "d901f5a10180", "CoRIM: it has no id" },
    { "no tags", "d901f5a1006161", "CoRIM: no tags" },
    { "a tag that is not a byte string", "d901f5a20061610181d901fa01",
      "CoRIM: tag 0: not a tagged byte string" },
    { "a CoMID without identity", "d901f5a20061610181d901fa41a0", "CoRIM: tag 0: no tag identity" },
    { "a CoMID without triples", "d901f5a20061610181d901fa45a101a10041", "CoRIM: tag 0: CBOR: " },
    { "a negative tag version", "d901f5a20061610181d901fa48a101a20061610120",
      "CoRIM: tag 0: tag version: not a number from 0" },
    { "a tag version that is text", "d901f5a20061610181d901fa49a101a2006161016161",
      "CoRIM: tag 0: tag version: not a number from 0" },
    { "no longer valid", "d901f5a30061610181d901fb41a004a101c101",
      "CoRIM: it is no longer valid at this time" },
    { "not yet valid",
      "d901f5a30061610181d901fb41a004a200c11b00000000ffffffff01c11b00000000ffffffff",
      "CoRIM: it is not yet valid at this time" },
    { "a validity without end", "d901f5a30061610181d901fb41a004a100c101",
      "CoRIM: validity: it says no end" },
    { "a profile that is a number", "d901f5a30061610181d901fb41a00301",
      "CoRIM: profile: neither a URI nor an OID" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(corims); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        json_t *none = NULL;
        struct clo_error err;
        hex_to(corims[i].hex, &bytes);
        CHECK(!clo_corim_read(clo_buffer_bytes(&bytes), NULL, NOW, &none, &err), corims[i].name);
        if (strncmp(err.text, corims[i].error, strlen(corims[i].error)) != 0)
            fail_msg("%s: %s", corims[i].name, err.text);
    }
}

/* --- EAR --- */

#define NEW "{'eat_profile':'tag:ietf.org,2026:rats/ear#03','iat':1,'submods':{'cpu0':{"

static const struct {
    const char *name, *text, *error;
} ears[] = {
    { "good", NEW "'ear_status':'warning','ear_trustworthiness_vector':{'hardware':32}}}}", NULL },
    { "worse than its vector", NEW "'ear_status':96,'ear_trustworthiness_vector':{'hardware':2}}}}",
      NULL },
    { "better than its vector",
      NEW "'ear_status':'affirming','ear_trustworthiness_vector':{'hardware':96}}}}",
      "EAR: submodule \"cpu0\": status \"affirming\", and hardware is contraindicated" },
    { "a warning better than its vector",
      NEW "'ear_status':32,'ear_trustworthiness_vector':{'executables':99}}}}",
      "EAR: submodule \"cpu0\": status \"warning\", and executables is contraindicated" },
    { "both names", NEW "'ear_status':96,'ear.status':2}}}",
      "EAR: submodule \"cpu0\": \"ear_status\" by its old name and its new one" },
    { "no status", NEW "'x':1}}}", "EAR: submodule \"cpu0\": no status, or one that is not known" },
    { "a status between the tiers", NEW "'ear_status':3}}}",
      "EAR: submodule \"cpu0\": status 3 is none of a tier" },
    { "no submodule", "{'eat_profile':'tag:ietf.org,2026:rats/ear#03','iat':1,'submods':{}}",
      "EAR: no \"submods\"" },
    { "another profile", "{'eat_profile':'tag:example.org,2026:x','iat':1,'submods':{}}",
      "EAR: profile \"tag:example.org,2026:x\"" },
    { "no time", "{'eat_profile':'tag:ietf.org,2026:rats/ear#03','submods':{}}",
      "EAR: no \"iat\"" },
};

static void test_ear(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(ears); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        struct clo_error err;
        unquote(ears[i].text, &text);
        bool ok = clo_ear_claims_read(clo_buffer_bytes(&text), &json, &err);
        if (ok != (ears[i].error == NULL) || (!ok && strcmp(err.text, ears[i].error) != 0))
            fail_msg("%s: %s", ears[i].name, ok ? "is taken" : err.text);
    }
}

/* By old names and in CBOR it says the same. */
static void test_ear_forms(void **state)
{
    static const char text[] =
            "{'eat_profile':'tag:ietf.org,2026:rats/"
            "ear#03','iat':17,'exp':18,'eat_nonce':'AQIDBAUGBwg',"
            "'ear_verifier_id':{'developer':'d','build':'b'},'submods':{'cpu0':{"
            "'ear_status':'warning','ear_trustworthiness_vector':{'hardware':32,'executables':2},"
            "'ear_appraisal_policy_ids':['p'],'cloister.claims':{'a':[1,true,null,{'b':-5}]}}}}";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json_text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cbor = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *old = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *from_old = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *from_cbor = NULL;
    struct clo_error err;

    (void)state;
    unquote(text, &json_text);
    CHECK(clo_json_parse(clo_buffer_bytes(&json_text), &claims, &err), err.text);
    old = ear_old_names(claims);
    CHECK(json_is_string(json_object_get(json_object_get(json_object_get(old, "submods"), "cpu0"),
                                         "ear.status")),
          "old name");
    CHECK(json_is_string(json_object_get(json_object_get(json_object_get(old, "submods"), "cpu0"),
                                         "ear.appraisal-policy-id")),
          "one policy");
    CHECK(ear_normalize(old, &from_old, &err), err.text);
    json_object_set(from_old, "eat_profile", json_object_get(claims, "eat_profile"));
    CHECK(json_equal(from_old, claims), "old names");
    CHECK(ear_to_cbor(claims, &cbor, &err), err.text);
    CHECK(clo_ear_claims_read(clo_buffer_bytes(&cbor), &from_cbor, &err), err.text);
    CHECK(json_equal(from_cbor, claims), "CBOR");
    for (size_t cut = 0; cut < cbor.size; cut++) {
        json_t *none = NULL;
        CHECK(!clo_ear_claims_read(clo_bytes(cbor.data, cut), &none, &err), "cut");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_coserv),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_ear),
        cmocka_unit_test(test_ear_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
