#include "cloister/uki.h"
#include "pcr_public_key.h"
#include "signer_maker.h"

/* Worked out with Python's hashlib from TPM 2.0's and systemd's documents. */
static const struct {
    enum clo_hash hash;
    const char *pcr, *policy;
} cases[] = {
    { CLO_HASH_SHA1, "79fd64c1ee694d18b37ec337fae6d78a0e0394ac",
      "0a7c28217267f249dc4ef62200c003a797755f1b00ce70c153f12cdf5be65f95" },
    { CLO_HASH_SHA256, "8b4fecab2df01d837d750537492a6b3a93ceb89c5f4e35e406a364b9d81a2e4e",
      "39afeb166a0f0f8fbd989722295a1effb51e1b2254cf0ca3f1420b9e643e4a1e" },
    { CLO_HASH_SHA384,
      "9a411babb6649706c0ef0e39013bd0dedcd343383a597364a92fbfd9e9d569fb11e8d5feda442329192d07326382"
      "2fc8",
      "4fad21dc151d735ca0276097fb950c83f710e25a44a37a8aa5e518a7e79ac7b1" },
};

static struct clo_digest usual(enum clo_hash hash, const char *phases)
{
    struct clo_digest pcr = { .hash = hash };
    struct clo_digest content;

    clo_hash(hash, clo_bytes_text("kernel"), &content);
    clo_uki_extend_section(&pcr, ".linux", &content);
    clo_hash(hash, clo_bytes_text("initrd"), &content);
    clo_uki_extend_section(&pcr, ".initrd", &content);
    clo_uki_extend_phases(&pcr, phases);
    return pcr;
}

static void test_values(void **state)
{
    static const char *const paths[] = { "enter-initrd:leave-initrd",
                                         ":enter-initrd::leave-initrd:" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        for (size_t p = 0; p < CLO_COUNT(paths); p++) {
            struct clo_digest pcr = usual(cases[i].hash, paths[p]);
            struct clo_pcr_policy policy;
            char hex[2 * CLO_HASH_SIZE_MAX + 1];
            CHECK(strcmp(clo_hex_text(clo_digest_bytes(&pcr), hex), cases[i].pcr) == 0, hex);
            clo_uki_policy(&pcr, &policy);
            CHECK(strcmp(clo_hex_text(clo_digest_bytes(&policy.digest), hex), cases[i].policy) == 0,
                  hex);
        }
    }
}

/* The same as tpm2_policypcr makes of the values in a TPM. */
static void test_several(void **state)
{
    static const struct {
        enum clo_hash bank;
        uint32_t pcrs;
        uint8_t fill; /* of the first value; each next one has 0x11 more */
        const char *policy, *numbers;
    } sets[] = {
        { CLO_HASH_SHA256, 1U << 4 | 1U << 7 | 1U << 11, 0x11,
          "8f78bdd7b7e0df5dae2fe3c0df5d45aa3bba64f5b3a1b9d3ff9bdbe867733f5b", "[4,7,11]" },
        { CLO_HASH_SHA384, 1U << 0 | 1U << 23, 0x44,
          "f9c95963ad2d608f885d22490c2912c5f6c2879483d785487d501bd16e4a53f9", "[0,23]" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sets); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
        struct clo_digest values[3];
        struct clo_pcr_policy policy;
        struct clo_error err;
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        for (size_t k = 0; k < CLO_COUNT(values); k++) {
            values[k].hash = sets[i].bank;
            memset(values[k].bytes, (int)(sets[i].fill + 0x11 * k), sizeof values[k].bytes);
        }
        clo_pcr_policy(sets[i].bank, sets[i].pcrs, values, &policy);
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&policy.digest), hex), sets[i].policy) == 0,
              hex);
        CHECK(clo_pcrsig_add(pcrsig, &policy, NULL, clo_bytes(NULL, 0), &err), err.text);
        const json_t *bank = json_object_get(pcrsig, clo_hash_name(sets[i].bank));
        char *numbers = json_dumps(json_object_get(json_array_get(bank, 0), "pcrs"), JSON_COMPACT);
        CHECK(numbers != NULL && strcmp(numbers, sets[i].numbers) == 0, numbers);
        free(numbers);
    }
}

static struct clo_pcr_policy policy_of(enum clo_hash hash, const char *phases)
{
    struct clo_digest pcr = usual(hash, phases);
    struct clo_pcr_policy policy;

    clo_uki_policy(&pcr, &policy);
    return policy;
}

static void test_sign(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ours = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *theirs = NULL;
    struct signer signer = { 0 }, other = { 0 }, curve = { 0 };
    struct clo_pcr_policy pcr = policy_of(CLO_HASH_SHA256, "enter-initrd");
    struct clo_pcr_policy later = policy_of(CLO_HASH_SHA256, "enter-initrd:leave-initrd");
    struct clo_pcr_policy bank = policy_of(CLO_HASH_SHA384, "enter-initrd");
    struct clo_error err;

    (void)state;
    signer_make(&signer, CLO_KEY_RSA, "ours");
    signer_make(&other, CLO_KEY_RSA, "theirs");
    signer_make(&curve, CLO_KEY_P256, "curve");
    CHECK(clo_private_key_public(signer.key, &ours, &err), err.text);
    CHECK(clo_private_key_public(other.key, &theirs, &err), err.text);

    CHECK(!clo_pcrsig_verify(pcrsig, &pcr, ours, &err) && err.status == CLO_ERR_REFUSED, "empty");
    CHECK(clo_pcrsig_sign(pcrsig, &pcr, signer.key, &err), err.text);
    CHECK(clo_pcrsig_verify(pcrsig, &pcr, ours, &err), err.text);
    CHECK(!clo_pcrsig_verify(pcrsig, &pcr, theirs, &err), "another key");
    CHECK(strcmp(err.text, "no signature over this policy (sha256) holds") == 0, err.text);
    CHECK(!clo_pcrsig_verify(pcrsig, &later, ours, &err), "another phase");
    CHECK(!clo_pcrsig_verify(pcrsig, &bank, ours, &err), "another bank");
    CHECK(!clo_pcrsig_sign(pcrsig, &pcr, curve.key, &err), "no RSA key");
    CHECK(err.status == CLO_ERR_UNSUPPORTED, err.text);

    /* The same again adds nothing; another key, and another bank, do. */
    CHECK(clo_pcrsig_sign(pcrsig, &pcr, signer.key, &err), err.text);
    CHECK(json_array_size(json_object_get(pcrsig, "sha256")) == 1, "no double");
    CHECK(clo_pcrsig_sign(pcrsig, &pcr, other.key, &err), err.text);
    CHECK(clo_pcrsig_sign(pcrsig, &bank, signer.key, &err), err.text);
    CHECK(json_array_size(json_object_get(pcrsig, "sha256")) == 2, "two keys");
    CHECK(json_array_size(json_object_get(pcrsig, "sha384")) == 1, "two banks");
    CHECK(clo_pcrsig_verify(pcrsig, &pcr, theirs, &err), err.text);

    /* A signature that is moved to another value does not hold there. */
    json_t *entry = json_array_get(json_object_get(pcrsig, "sha256"), 0);
    json_t *moved = json_deep_copy(entry);
    json_object_set_new(moved, "pol", clo_json_hex(clo_digest_bytes(&later.digest)));
    json_array_append_new(json_object_get(pcrsig, "sha256"), moved);
    CHECK(!clo_pcrsig_verify(pcrsig, &later, ours, &err), "moved");

    signer_free(&signer);
    signer_free(&other);
    signer_free(&curve);
}

/* The name is what `openssl rsa -RSAPublicKey_out -outform DER` writes of it, hashed. */
static void test_fingerprint(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_pcr_policy pcr = policy_of(CLO_HASH_SHA256, "enter-initrd");
    struct clo_error err;

    (void)state;
    CHECK(clo_public_key_from_pem(clo_bytes_text(pcr_public_key), &key, &err), err.text);
    CHECK(clo_pcrsig_add(pcrsig, &pcr, key, clo_bytes(NULL, 0), &err), err.text);
    const json_t *entry = json_array_get(json_object_get(pcrsig, "sha256"), 0);
    const char *name = json_string_value(json_object_get(entry, "pkfp"));
    CHECK(name != NULL && strcmp(name, "b1d4a300f135c34365f8947cb93de29d"
                                       "b55eaad8b1df0b0ddd5840d07a17253a") == 0,
          "pkfp");
}

/* Entries whose signature holds and that systemd passes over; and one it takes before a good one. */
static void test_found(void **state)
{
    static const struct {
        const char *name, *change; /* merged into the entry */
        enum clo_status status;
    } odd[] = {
        { "as it is", "{}", CLO_OK },
        { "named otherwise", "{\"pkfp\": \"00\"}", CLO_ERR_UNVERIFIED },
        { "no name", "{\"pkfp\": null}", CLO_ERR_UNVERIFIED },
        { "other registers", "{\"pcrs\": [11, 12]}", CLO_ERR_UNVERIFIED },
        { "no registers", "{\"pcrs\": []}", CLO_ERR_UNVERIFIED },
        { "register -1", "{\"pcrs\": [11, -1]}", CLO_ERR_UNVERIFIED },
        { "for one use only", "{\"ref\": \"initrd\"}", CLO_ERR_REFUSED },
        { "wrong signature", "{\"sig\": \"AAAA\"}", CLO_ERR_UNVERIFIED },
    };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct signer signer = { 0 };
    struct clo_pcr_policy pcr = policy_of(CLO_HASH_SHA256, "enter-initrd");
    struct clo_error err;

    (void)state;
    signer_make(&signer, CLO_KEY_RSA, "ours");
    CHECK(clo_private_key_public(signer.key, &key, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
        CLO_CLEANUP(clo_json_freep) json_t *change = json_loads(odd[i].change, 0, NULL);
        CHECK(clo_pcrsig_sign(pcrsig, &pcr, signer.key, &err), err.text);
        json_t *array = json_object_get(pcrsig, "sha256");
        json_object_update(json_array_get(array, 0), change);
        bool ok = clo_pcrsig_verify(pcrsig, &pcr, key, &err);
        CHECK(ok == (odd[i].status == CLO_OK) && (ok || err.status == odd[i].status), odd[i].name);
        CHECK(clo_pcrsig_sign(pcrsig, &pcr, signer.key, &err), err.text);
        bool blocks = strcmp(odd[i].name, "wrong signature") == 0;
        CHECK(clo_pcrsig_verify(pcrsig, &pcr, key, &err) == !blocks, odd[i].name);
    }
    signer_free(&signer);
}

/* What is to be signed elsewhere, and its signature put in. */
static void test_offline(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *digests = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct signer signer = { 0 };
    struct clo_pcr_policy pcr = policy_of(CLO_HASH_SHA256, "enter-initrd");
    struct clo_error err;

    (void)state;
    signer_make(&signer, CLO_KEY_RSA, "ours");
    CHECK(clo_private_key_public(signer.key, &key, &err), err.text);
    CHECK(clo_pcrsig_add(digests, &pcr, key, clo_bytes(NULL, 0), &err), err.text);
    json_t *entry = json_array_get(json_object_get(digests, "sha256"), 0);
    CHECK(json_object_get(entry, "sig") == NULL && json_object_get(entry, "pkfp") != NULL, "form");
    CHECK(clo_json_get_bytes(entry, "pol", CLO_JSON_HEX, 64, &policy, &err), err.text);
    CHECK(clo_signature_make(signer.key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256,
                             clo_buffer_bytes(&policy), &signature, &err),
          err.text);
    json_object_set_new(entry, "sig", clo_json_base64(clo_buffer_bytes(&signature)));
    CHECK(clo_pcrsig_merge(pcrsig, digests, &err), err.text);
    CHECK(clo_pcrsig_verify(pcrsig, &pcr, key, &err), err.text);
    signer_free(&signer);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        { "[]", "PCR signatures: not a JSON object" },
        { "{\"md5\": []}", "PCR signatures: no such bank: md5" },
        { "{\"sha256\": {}}", "PCR signatures: sha256: no array" },
        { "{\"sha256\": [{}]}", "PCR signatures: sha256, entry 0: no \"pol\"" },
        { "{\"sha256\": [1]}", "PCR signatures: sha256, entry 0: no \"pol\"" },
    };
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = json_object();
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(bad); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        CHECK(clo_json_parse(clo_bytes_text(bad[i].text), &json, &err), err.text);
        CHECK(!clo_pcrsig_merge(pcrsig, json, &err), bad[i].text);
        CHECK(err.status == CLO_ERR_FORMAT && strcmp(err.text, bad[i].error) == 0, err.text);
    }
    CHECK(json_object_size(pcrsig) == 0, "nothing was added");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_several),
        cmocka_unit_test(test_sign),        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_found),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
