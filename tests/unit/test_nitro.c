#include "lib/cloud/nitro.h"

#include "lib/base/civil_time.h"

#include "nitro_maker.h"

static bool verify_with(struct clo_bytes in, const struct clo_nitro_trust *trust,
                        struct clo_checks *checks, struct clo_nitro_verified *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };

    return clo_nitro_parse(in, &document, err) &&
           clo_nitro_verify(in, &document, trust, checks, out, err);
}

static bool verify(struct clo_bytes in, struct clo_checks *checks, struct clo_nitro_verified *out,
                   struct clo_error *err)
{
    const struct clo_nitro_trust trust = { .at = NITRO_NOW, .roots = &maker.root, .root_count = 1 };

    return verify_with(in, &trust, checks, out, err);
}

static void test_sound(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
    struct clo_nitro_verified verified;
    struct clo_error err;

    (void)state;
    nitro_maker_reset(&maker);
    maker.user_data = clo_bytes("", 0);
    nitro_maker_make(&maker, &file);
    CHECK(clo_nitro_parse(clo_buffer_bytes(&file), &document, &err), err.text);
    CHECK(!document.is_tpm && strcmp(document.module_id, NITRO_MODULE) == 0, "module");
    CHECK(document.timestamp == NITRO_NOW - 10 && document.pcr_mask == 0x117, "time and PCRs");
    CHECK(document.pcrs[4].hash == CLO_HASH_SHA384 && document.pcrs[4].bytes[47] == 5, "PCR 4");
    CHECK(document.issuer_count == 2 && document.public_key.data == NULL &&
                  document.user_data.data == NULL,
          "an empty member is none");
    CHECK(clo_bytes_equal(document.nonce, clo_bytes_text(NITRO_NONCE)), "nonce");
    CHECK(!clo_nitro_is_debug(&document), "debug");
    CHECK(verify(clo_buffer_bytes(&file), &checks, &verified, &err), err.text);
    CHECK(clo_checks_ok(&checks) && checks.count == 5, "every check");
    CHECK(!verified.is_aws && verified.until == NITRO_NOW + 3 * 3600 &&
                  clo_digest_equal(&verified.root, &maker.root),
          "what is verified");
}

static void test_tpm(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
    struct clo_nitro_verified verified;
    struct clo_error err;

    (void)state;
    nitro_maker_reset(&maker);
    maker.is_tpm = maker.is_tagged = maker.is_debug = true;
    maker.pcr_index = 23;
    nitro_maker_make(&maker, &file);
    CHECK(clo_nitro_parse(clo_buffer_bytes(&file), &document, &err), err.text);
    CHECK(document.is_tpm && document.pcr_mask == 0x800017, "PCRs");
    CHECK(!clo_nitro_is_debug(&document), "an instance has no such mode");
    CHECK(verify(clo_buffer_bytes(&file), &checks, &verified, &err), err.text);
}

/* What is not a document is told from one that nobody vouches for. */
static void test_malformed(void **state)
{
    static const struct {
        const char *name;
        size_t pcr_size;
        uint64_t pcr_index;
        const char *digest, *extra, *error;
        bool is_twice;
    } cases[] = {
        { "a PCR of 47 bytes", 47, 8, "SHA384", NULL, "Nitro document: PCR 8: not 48 bytes",
          false },
        { "PCR 32", 48, 32, "SHA384", NULL, "Nitro document: PCRs: an index that is not 0 to 31",
          false },
        { "a PCR twice", 48, 4, "SHA384", NULL, "twice", false },
        { "another digest", 48, 8, "SHA256", NULL, "Nitro document: \"digest\": SHA384 expected",
          false },
        { "a member that is not known", 48, 8, "SHA384", "debug",
          "Nitro document: payload: unknown member \"debug\"", false },
        { "PCRs of both kinds", 48, 8, "SHA384", "nitrotpm_pcrs",
          "Nitro document: not either \"pcrs\" or \"nitrotpm_pcrs\"", false },
        { "a member twice", 48, 8, "SHA384", NULL, "twice", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
        struct clo_error err;
        nitro_maker_reset(&maker);
        maker.pcr_size = cases[i].pcr_size;
        maker.pcr_index = cases[i].pcr_index;
        maker.digest = cases[i].digest;
        maker.extra = cases[i].extra;
        maker.is_twice = cases[i].is_twice;
        nitro_maker_make(&maker, &file);
        CHECK(!clo_nitro_parse(clo_buffer_bytes(&file), &document, &err), cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *id, *detail;
        bool ca_is_no_ca, ca_by_other_key, leaf_is_ca, other_key, no_ca, no_root;
        int64_t made, leaf_until;
    } cases[] = {
        { "a CA without the flag", "nitro.chain", "is not a CA's", .ca_is_no_ca = true },
        { "a CA that another key signed", "nitro.chain", "signature", .ca_by_other_key = true },
        { "a leaf that is a CA", "nitro.chain", "the document's certificate is a CA's",
          .leaf_is_ca = true },
        { "another key", "nitro.signature", "COSE: ", .other_key = true },
        { "a link is missing", "nitro.chain", "", .no_ca = true },
        { "no root", "nitro.root", "none of the roots that are trusted", .no_root = true },
        { "the leaf has run out", "nitro.validity", "has run out", .leaf_until = NITRO_NOW - 1 },
        { "made after now", "nitro.timestamp", "made 301 seconds after now",
          .made = NITRO_NOW + 301 },
        { "made before its certificate", "nitro.timestamp", "when its certificate was not valid",
          .made = NITRO_NOW - 3601 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_nitro_verified verified = { .is_aws = true };
        struct clo_error err;
        nitro_maker_reset(&maker);
        maker.ca_is_no_ca = cases[i].ca_is_no_ca;
        maker.ca_by_other_key = cases[i].ca_by_other_key;
        maker.leaf_is_ca = cases[i].leaf_is_ca;
        maker.sign_with_other_key = cases[i].other_key;
        maker.leave_out_ca = cases[i].no_ca;
        maker.leave_out_root = cases[i].no_root;
        if (cases[i].made != 0)
            maker.made = cases[i].made;
        if (cases[i].leaf_until != 0)
            maker.leaf_until = cases[i].leaf_until;
        nitro_maker_make(&maker, &file);
        CHECK(!verify(clo_buffer_bytes(&file), &checks, &verified, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_UNVERIFIED, err.text);
        const struct clo_check *check = clo_checks_get(&checks, cases[i].id);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
        CHECK(verified.is_aws, "nothing is verified");
    }
}

/* The root that came along is nobody's word, and neither is AWS's name. */
static void test_roots(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    const struct clo_nitro_trust trusts[] = {
        { .at = NITRO_NOW, .aws = true },
        { .at = NITRO_NOW },
        { .at = NITRO_NOW + 86401, .roots = &maker.root, .root_count = 1 },
        { .at = NITRO_NOW - 3601, .roots = &maker.root, .root_count = 1 },
    };

    (void)state;
    nitro_maker_reset(&maker);
    nitro_maker_make(&maker, &file);
    for (size_t i = 0; i < CLO_COUNT(trusts); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_nitro_verified verified;
        struct clo_error err;
        const char *id = i < 2 ? "nitro.root" : "nitro.validity";
        CHECK(!verify_with(clo_buffer_bytes(&file), &trusts[i], &checks, &verified, &err), id);
        CHECK(clo_checks_get(&checks, id)->result == CLO_CHECK_FAIL, id);
    }
}

/* Every truncation is refused, and every flipped bit of it. */
static void test_cut(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_nitro_verified verified;
    struct clo_error err;

    (void)state;
    nitro_maker_reset(&maker);
    nitro_maker_make(&maker, &file);
    for (size_t size = 0; size < file.size; size++) {
        CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
        CHECK(!clo_nitro_parse(clo_bytes_slice(clo_buffer_bytes(&file), 0, size), &document, &err),
              "cut");
    }
    for (size_t i = 0; i < file.size; i += 7) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        file.data[i] ^= 1;
        CHECK(!verify(clo_buffer_bytes(&file), &checks, &verified, &err), "flipped");
        file.data[i] ^= 1;
    }
    clo_buffer_text(&file, "x");
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
    CHECK(!clo_nitro_parse(clo_buffer_bytes(&file), &document, &err), "a byte after it");
}

static int64_t time_of(const json_t *entry)
{
    const char *rest;
    int64_t at;

    CHECK(clo_civil_time_read(json_string_value(json_object_get(entry, "verify_time")), &at, &rest),
          "time");
    return at;
}

/* Real documents of AWS since 2022, and broken ones: form, signature and chain. */
static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer manifest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;
    size_t i, accepted = 0, refused = 0;
    json_t *entry;

    (void)state;
    read_vector("nitro/MANIFEST.json", &manifest);
    CHECK(clo_json_parse(clo_buffer_bytes(&manifest), &json, &err), err.text);
    json_array_foreach (json_object_get(json, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *root = NULL;
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        const char *id = json_string_value(json_object_get(entry, "id"));
        const json_t *expected = json_object_get(entry, "expected");
        struct clo_nitro_trust trust = { .at = time_of(entry), .aws = true };
        struct clo_nitro_verified verified;
        struct clo_digest fingerprint;
        char name[200];
        size_t at = 0;
        snprintf(name, sizeof name, "nitro/%s/document.cbor", id);
        read_vector(name, &file);
        if (strncmp(id, "synth-", 6) == 0 && strcmp(id, "synth-neg-own-root") != 0) {
            snprintf(name, sizeof name, "nitro/%s/root.pem", id);
            read_vector(name, &pem);
            CHECK(clo_pem_next(clo_buffer_bytes(&pem), "CERTIFICATE", &at, &der, &err) ==
                          CLO_NEXT_ITEM,
                  id);
            CHECK(clo_certificate_parse(clo_buffer_bytes(&der), &root, &err), err.text);
            CHECK(clo_public_key_fingerprint(clo_certificate_key(root), &fingerprint, &err), id);
            trust.aws = false;
            trust.roots = &fingerprint;
            trust.root_count = 1;
        }
        bool holds = verify_with(clo_buffer_bytes(&file), &trust, &checks, &verified, &err);
        bool wanted =
                strcmp(json_string_value(json_object_get(expected, "verdict")), "accept") == 0;
        if (holds != wanted)
            fail_msg("%s: %s", id, holds ? "accepted" : err.text);
        CHECK(!holds || verified.is_aws == trust.aws, id);
        accepted += holds;
        refused += !holds;
    }
    CHECK(accepted >= 9 && refused >= 10, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),     cmocka_unit_test(test_tpm),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_roots),     cmocka_unit_test(test_cut),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, nitro_make_keys, nitro_free_keys);
}
