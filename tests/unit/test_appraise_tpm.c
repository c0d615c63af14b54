/* A TPM that no hardware report binds: who vouches for its key, and what its quote may be signed with. */
#include "cloister/appraise.h"
#include "cloister/encoding.h"

#include "lib/tcg/tpm_challenge.h"
#include "path_maker.h"
#include "tpm_area_maker.h"

#define NONCE "one nonce"

enum {
    RSA,
    P256,
    P384,
    KEYS
};
static struct path_maker makers[KEYS];

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&makers[RSA], CLO_KEY_RSA, 2048);
    path_maker_init(&makers[P256], CLO_KEY_P256, 0);
    path_maker_init(&makers[P384], CLO_KEY_P384, 0);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        path_maker_free(&makers[i]);
    return 0;
}

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

struct scene {
    unsigned key;
    enum clo_signature_scheme scheme; /* CLO_ECDSA_RAW: as a TPM writes it */
    enum clo_hash hash;
    bool no_chain, no_issuers, other_area, area_decrypts, gives_ak, no_root, must_be_gce;
    bool clock_went_back, leaf_ran_out;
    const char *policy;
};

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* Of PCR 0 in the SHA-256 bank, which is zero. */
static void make_attest(const struct scene *scene, struct clo_buffer *out)
{
    static const uint8_t zero[32];
    struct clo_digest digest;

    clo_hash(scene->hash, clo_bytes(zero, sizeof zero), &digest);
    clo_buffer_be32(out, 0xff544347);
    clo_buffer_be16(out, 0x8018);
    sized(out, clo_bytes_text("signer"));
    sized(out, clo_bytes_text(NONCE));
    clo_buffer_be64(out, 1234);
    clo_buffer_be32(out, 5);
    clo_buffer_be32(out, 6);
    clo_buffer_u8(out, scene->clock_went_back ? 0 : 1);
    clo_buffer_be64(out, 0x2016051100162800);
    clo_buffer_be32(out, 1);
    clo_buffer_be16(out, 0x000b);
    clo_buffer_u8(out, 3);
    clo_buffer_append(out, clo_bytes("\1\0\0", 3));
    sized(out, clo_digest_bytes(&digest));
}

static void make_signature(const struct scene *scene, struct clo_bytes attest,
                           struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    struct clo_error err;

    must(clo_signature_make(makers[scene->key].leaf_key, scene->scheme, scene->hash, attest, &raw,
                            &err),
         &err);
    struct clo_bytes bytes = clo_buffer_bytes(&raw);
    clo_buffer_be16(out, scene->scheme == CLO_RSASSA_PKCS1 ? 0x0014
                         : scene->scheme == CLO_RSASSA_PSS ? 0x0016
                                                           : 0x0018);
    clo_buffer_be16(out, clo_hash_to_tpm(scene->hash));
    if (scene->scheme != CLO_ECDSA_RAW) {
        sized(out, bytes);
        return;
    }
    sized(out, clo_bytes_slice(bytes, 0, bytes.size / 2));
    sized(out, clo_bytes_slice(bytes, bytes.size / 2, bytes.size));
}

static void make_area(const struct scene *scene, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    struct clo_error err;

    must(clo_private_key_public(scene->other_area ? makers[P256].other_key : makers[P256].leaf_key,
                                &key, &err),
         &err);
    must(clo_public_key_numbers(key, &x, &y, &err), &err);
    clo_buffer_be16(out, 0x0023);
    clo_buffer_be16(out, 0x000b);
    clo_buffer_be32(out, scene->area_decrypts ? 0x00070072 : 0x00050072);
    clo_buffer_be16(out, 0);
    clo_buffer_be16(out, 0x0010);
    clo_buffer_be16(out, 0x0018);
    clo_buffer_be16(out, 0x000b);
    clo_buffer_be16(out, 0x0003);
    clo_buffer_be16(out, 0x0010);
    sized(out, clo_buffer_bytes(&x));
    sized(out, clo_buffer_bytes(&y));
}

static void add_chain(const struct scene *scene, struct clo_evidence *evidence)
{
    struct clo_certificate *chain[3] = { NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error err;

    if (scene->leaf_ran_out)
        makers[scene->key].leaf_until = PATH_NOW - 1;
    path_maker_make(&makers[scene->key], chain);
    makers[scene->key].leaf_until = PATH_NOW + 3600;
    for (size_t i = 0; i < (scene->no_issuers ? 1 : 3); i++)
        must(clo_pem_write("CERTIFICATE", clo_certificate_der(chain[i]), &pem, &err), &err);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(chain[i]);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_TPM_AK_CERTIFICATES, clo_buffer_bytes(&pem), &err),
         &err);
}

static void add(struct clo_evidence *evidence, const char *label, const struct clo_buffer *bytes)
{
    struct clo_error err;

    must(clo_evidence_add(evidence, label, clo_buffer_bytes(bytes), &err), &err);
}

static struct clo_appraisal *appraise(const struct scene *scene)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    make_attest(scene, &attest);
    make_signature(scene, clo_buffer_bytes(&attest), &signature);
    make_area(scene, &area);
    must(clo_evidence_new(&evidence, &err), &err);
    add(evidence, CLO_EVIDENCE_TPM_QUOTE, &attest);
    add(evidence, CLO_EVIDENCE_TPM_SIGNATURE, &signature);
    if (scene->key == P256)
        add(evidence, CLO_EVIDENCE_TPM_AK, &area);
    if (!scene->no_chain)
        add_chain(scene, evidence);
    if (scene->gives_ak)
        must(clo_private_key_public(makers[scene->key].leaf_key, &ak, &err), &err);
    if (scene->policy != NULL)
        must(clo_policy_parse(clo_bytes_text(scene->policy), &policy, &err), &err);
    const struct clo_appraise_inputs inputs = { .policy = policy,
                                                .ak = ak,
                                                .must_be_gce = scene->must_be_gce,
                                                .expected_qualifying = clo_bytes_text(NONCE),
                                                .at = PATH_NOW,
                                                .roots = &makers[scene->key].root,
                                                .root_count = !scene->no_root };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static void test_algorithms(void **state)
{
    static const struct scene cases[] = {
        { .key = RSA, .scheme = CLO_RSASSA_PKCS1, .hash = CLO_HASH_SHA256 },
        { .key = RSA, .scheme = CLO_RSASSA_PKCS1, .hash = CLO_HASH_SHA384 },
        { .key = RSA, .scheme = CLO_RSASSA_PSS, .hash = CLO_HASH_SHA256 },
        { .key = RSA, .scheme = CLO_RSASSA_PSS, .hash = CLO_HASH_SHA384 },
        { .key = P256, .scheme = CLO_ECDSA_RAW, .hash = CLO_HASH_SHA256 },
        { .key = P384, .scheme = CLO_ECDSA_RAW, .hash = CLO_HASH_SHA384 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(&cases[i]);
        const json_t *claims = clo_appraisal_claims(appraisal);
        CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
        CHECK(json_integer_value(json_object_get(claims, "tpm_reset_count")) == 5 &&
                      json_integer_value(json_object_get(claims, "tpm_restart_count")) == 6,
              "counts");
        CHECK(strcmp(json_string_value(json_object_get(claims, "tpm_firmware_version")),
                     "0x2016051100162800") == 0,
              "firmware version");
        CHECK(json_string_length(json_object_get(claims, "tpm_signature")) > 10, "the signature");
    }
}

#define POLICY(more) \
    "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],\"evidence\":[\"tpm\"]" more "}"

static void test_vouchers(void **state)
{
    static const struct {
        const char *name;
        struct scene scene;
        const char *fails, *detail; /* NULL: nothing does */
    } cases[] = {
        { "its maker's chain", { .gives_ak = false }, NULL, NULL },
        { "the caller", { .no_chain = true, .gives_ak = true }, NULL, NULL },
        { "nobody", { .no_chain = true }, "tpm.ak.key", "nobody vouches" },
        { "nobody, and a policy that does not ask",
          { .no_chain = true, .policy = POLICY("") },
          "tpm.ak.key",
          "nobody vouches" },
        { "a chain without issuers", { .no_issuers = true }, "tpm.ak.chain", "is missing" },
        { "issuers do not matter to who gives the key",
          { .no_issuers = true, .gives_ak = true },
          NULL,
          NULL },
        { "no root is named", { .no_root = true }, "tpm.ak.root", "none of the roots" },
        { "a certificate that has run out",
          { .leaf_ran_out = true },
          "tpm.ak.validity",
          "has run out" },
        { "another key came along", { .other_area = true }, "tpm.ak.key", "is not the vouched" },
        { "a key that decrypts",
          { .area_decrypts = true },
          "tpm.ak.attributes",
          "for decrypting, too" },
        { "an instance of Google's is demanded",
          { .must_be_gce = true },
          "tpm.ak.instance",
          "names no GCE instance" },
        { "and there is no certificate",
          { .must_be_gce = true, .no_chain = true },
          "tpm.ak.chain",
          "no certificate" },
        { "the policy demands a voucher",
          { .no_chain = true, .policy = POLICY(",\"tpm\":{\"require_voucher\":true}") },
          "policy.tpm.voucher",
          "no certificate vouches" },
        { "the clock went back",
          { .clock_went_back = true, .policy = POLICY(",\"tpm\":{\"require_safe_clock\":true}") },
          "policy.tpm.safe_clock",
          "may have gone back" },
        { "another firmware",
          { .policy = POLICY(",\"tpm\":{\"firmware_versions\":[\"0x1\"]}") },
          "policy.tpm.firmware_version",
          "does not name" },
        { "the policy wants Google's",
          { .policy = POLICY(",\"tpm\":{\"gce\":{\"zones\":[\"here\"]}}") },
          "policy.tpm.gce",
          "no certificate says" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct scene scene = cases[i].scene;
        scene.key = P256;
        scene.scheme = CLO_ECDSA_RAW;
        scene.hash = CLO_HASH_SHA256;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(&scene);
        if (cases[i].fails == NULL) {
            CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
            continue;
        }
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].fails);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
        CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].name);
    }
}

static bool is_firmware_open(const struct clo_appraisal *appraisal, const char *words)
{
    const char *why;

    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
        if (strcmp(clo_appraisal_open(appraisal, i, &why), "firmware") == 0 &&
            strstr(why, words) != NULL)
            return true;
    return false;
}

/* Whose word it is decides what stays open: and without a maker the verdict is never more than a warning. */
static void test_open(void **state)
{
    const struct scene nobody = {
        .key = P256, .scheme = CLO_ECDSA_RAW, .hash = CLO_HASH_SHA256, .no_chain = true
    };
    struct scene maker = nobody;
    maker.no_chain = false;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *first = appraise(&nobody);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *second = appraise(&maker);
    struct clo_error err;

    (void)state;
    CHECK(is_firmware_open(first, "may be anybody's"), "nobody vouches");
    CHECK(!is_firmware_open(second, "may be anybody's"), "its maker does");
    CHECK(!clo_appraisal_releases(first, &err) && !clo_appraisal_releases(second, &err),
          "nothing is released on either");
}

/* --- A credential that the TPM opened --- */

/* SEQUENCE { id-tcg-kp-EKCertificate }, and of an attestation key. */
static const uint8_t ek_usage[] = { 0x30, 0x07, 0x06, 0x05, 0x67, 0x81, 0x05, 0x08, 0x01 };
static const uint8_t ak_usage[] = { 0x30, 0x07, 0x06, 0x05, 0x67, 0x81, 0x05, 0x08, 0x03 };

struct opened {
    bool no_certificate, wrong_answer, other_ek, other_usage, signs_anything, other_ak;
    bool ek_may_be_elsewhere, ran_out, has_sha1_name;
};

/* What the verifier kept; `maker`'s leaf is the certificate of the endorsement key. */
static void make_challenge(const struct opened *opened, struct path_maker *maker,
                           struct clo_buffer *out)
{
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge kept = { .ak = { 0 } };
    struct clo_certificate *chain[3] = { NULL };
    const struct clo_certificate_extension_spec usage = {
        .oid = "2.5.29.37",
        .value = opened->other_usage ? clo_bytes(ak_usage, sizeof ak_usage)
                                     : clo_bytes(ek_usage, sizeof ek_usage),
    };
    const struct tpm_area ek = { opened->ek_may_be_elsewhere ? TPM_EK & ~CLO_TPMA_FIXED_TPM
                                                             : TPM_EK };
    const struct tpm_area ak = { .attributes = opened->signs_anything
                                                       ? TPM_AK & ~CLO_TPMA_RESTRICTED
                                                       : TPM_AK,
                                 .name_hash = opened->has_sha1_name ? 0x0004 : 0 };
    uint8_t secret[32];
    struct clo_error err;

    memset(secret, 7, sizeof secret);
    clo_hash(CLO_HASH_SHA256, clo_bytes(secret, sizeof secret), &kept.answer);
    tpm_area_make(&ek, opened->other_ek ? NULL : maker->leaf_key, &kept.ek);
    tpm_area_make(&ak, opened->other_ak ? NULL : makers[P256].leaf_key, &kept.ak);
    maker->leaf_extensions = &usage;
    maker->leaf_extension_count = 1;
    if (opened->ran_out)
        maker->leaf_until = PATH_NOW - 1;
    path_maker_make(maker, chain);
    path_maker_reset(maker);
    for (size_t i = 0; i < 3; i++) {
        if (!opened->no_certificate)
            must(clo_pem_write("CERTIFICATE", clo_certificate_der(chain[i]), &kept.certificates,
                               &err),
                 &err);
        clo_certificate_free(chain[i]);
    }
    must(clo_tpm_challenge_write(&kept, out, &err), &err);
}

static struct clo_appraisal *appraise_opened(const struct opened *opened, bool has_root)
{
    static const struct scene scene = { .key = P256,
                                        .scheme = CLO_ECDSA_RAW,
                                        .hash = CLO_HASH_SHA256 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    struct clo_appraisal *appraisal;
    uint8_t answer[32];
    struct clo_error err;

    memset(answer, opened->wrong_answer ? 8 : 7, sizeof answer);
    make_attest(&scene, &attest);
    make_signature(&scene, clo_buffer_bytes(&attest), &signature);
    make_challenge(opened, &makers[P384], &kept);
    must(clo_evidence_new(&evidence, &err), &err);
    add(evidence, CLO_EVIDENCE_TPM_QUOTE, &attest);
    add(evidence, CLO_EVIDENCE_TPM_SIGNATURE, &signature);
    const struct clo_appraise_inputs inputs = {
        .activation = { clo_buffer_bytes(&kept), clo_bytes(answer, sizeof answer) },
        .expected_qualifying = clo_bytes_text(NONCE),
        .at = PATH_NOW,
        .roots = &makers[P384].root,
        .root_count = has_root,
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static void test_credential(void **state)
{
    static const struct {
        const char *name;
        struct opened opened;
        bool no_root;
        const char *fails, *detail; /* NULL: nothing does */
    } cases[] = {
        { "opened", { false }, false, NULL, NULL },
        { "another answer",
          { .wrong_answer = true },
          false,
          "tpm.ak.credential",
          "not what the credential held" },
        { "for a key that signs anything",
          { .signs_anything = true },
          false,
          "tpm.ak.credential",
          "not restricted" },
        { "for a key whose name is a SHA-1 digest",
          { .has_sha1_name = true },
          false,
          "tpm.ak.credential",
          "SHA-1" },
        { "no certificate",
          { .no_certificate = true },
          false,
          "tpm.ek.chain",
          "no certificate of its endorsement key" },
        { "the certificate of another TPM",
          { .other_ek = true },
          false,
          "tpm.ek.key",
          "is not of the TPM's endorsement key" },
        { "a certificate of an attestation key",
          { .other_usage = true },
          false,
          "tpm.ek.key",
          "is not one of an endorsement key" },
        { "an endorsement key that may be elsewhere",
          { .ek_may_be_elsewhere = true },
          false,
          "tpm.ek.key",
          "not fixedTPM" },
        { "no root is named", { false }, true, "tpm.ek.root", "none of the roots" },
        { "a certificate that has run out",
          { .ran_out = true },
          false,
          "tpm.ek.validity",
          "has run out" },
        { "the quote is of another key",
          { .other_ak = true },
          false,
          "tpm.quote.signature",
          "does not hold" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise_opened(&cases[i].opened, !cases[i].no_root);
        if (cases[i].fails == NULL) {
            CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
            CHECK(!is_firmware_open(appraisal, "may be anybody's"), "its maker vouches");
            continue;
        }
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].fails);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
        CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].name);
    }
}

/* SEQUENCE { "zone-1", 7, "project-1", 9, "vm-1", [0] { SEQUENCE { [0] 1, [1] TRUE } } } */
static const uint8_t instance[] = { 0x30, 0x2d, 0x0c, 0x06, 0x7a, 0x6f, 0x6e, 0x65, 0x2d, 0x31,
                                    0x02, 0x01, 0x07, 0x0c, 0x09, 0x70, 0x72, 0x6f, 0x6a, 0x65,
                                    0x63, 0x74, 0x2d, 0x31, 0x02, 0x01, 0x09, 0x0c, 0x04, 0x76,
                                    0x6d, 0x2d, 0x31, 0xa0, 0x0c, 0x30, 0x0a, 0xa0, 0x03, 0x02,
                                    0x01, 0x01, 0xa1, 0x03, 0x01, 0x01, 0xff };

static void test_gce(void **state)
{
    static const struct {
        const char *name, *policy;
        uint8_t is_production; /* the boolean's byte */
        const char *fails;
    } cases[] = {
        { "an instance", NULL, 0xff, NULL },
        { "as the policy says",
          POLICY(",\"tpm\":{\"gce\":{\"project_ids\":[\"project-1\"],\"zones\":[\"zone-1\"],"
                 "\"instance_ids\":[\"9\"]}}"),
          0xff, NULL },
        { "another project", POLICY(",\"tpm\":{\"gce\":{\"project_ids\":[\"project-2\"]}}"), 0xff,
          "policy.tpm.project_id" },
        { "another zone", POLICY(",\"tpm\":{\"gce\":{\"zones\":[\"zone-2\"]}}"), 0xff,
          "policy.tpm.zone" },
        { "another instance", POLICY(",\"tpm\":{\"gce\":{\"instance_ids\":[\"8\"]}}"), 0xff,
          "policy.tpm.instance_id" },
        { "not a production instance", NULL, 0, "tpm.ak.instance" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t value[sizeof instance];
        memcpy(value, instance, sizeof value);
        value[sizeof value - 1] = cases[i].is_production;
        struct scene scene = { .key = P256,
                               .scheme = CLO_ECDSA_RAW,
                               .hash = CLO_HASH_SHA256,
                               .must_be_gce = true,
                               .policy = cases[i].policy };
        const struct clo_certificate_extension_spec extension = {
            .oid = "1.3.6.1.4.1.11129.2.1.21",
            .value = clo_bytes(value, sizeof value),
        };
        makers[P256].leaf_extensions = &extension;
        makers[P256].leaf_extension_count = 1;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(&scene);
        path_maker_reset(&makers[P256]);
        if (cases[i].fails != NULL) {
            const struct clo_check *check =
                    clo_checks_get(clo_appraisal_checks(appraisal), cases[i].fails);
            CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
            continue;
        }
        const json_t *claims = clo_appraisal_claims(appraisal);
        CHECK(strcmp(json_string_value(json_object_get(claims, "gce_project_id")), "project-1") ==
                      0,
              clo_appraisal_summary(appraisal));
        CHECK(is_firmware_open(appraisal, "outside of the confidential VM"), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_vouchers),
        cmocka_unit_test(test_open),       cmocka_unit_test(test_credential),
        cmocka_unit_test(test_gce),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
