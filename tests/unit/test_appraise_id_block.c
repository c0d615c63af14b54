/* An ID block that was given, against a report: each check holds, and each can be the one that fails. */
#include "cloister/appraise.h"

#include "cloister/id_block.h"
#include "snp_chain.h"

struct trial {
    struct snp_maker maker;
    struct clo_private_key *id_key, *author_key, *other_key;
    struct clo_snp_id_block block;
    bool has_author, swap_signer;
};

static void digest_of(const struct clo_private_key *key, uint8_t *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = snp_maker_public(key);
    struct clo_digest digest;
    struct clo_error err;

    CHECK(clo_snp_id_key_digest(public_key, &digest, &err), err.text);
    memcpy(out, digest.bytes, 48);
}

static void reset(struct trial *t)
{
    uint8_t *report = t->maker.report;

    snp_maker_reset(&t->maker);
    t->has_author = true;
    t->swap_signer = false;
    t->block = (struct clo_snp_id_block){ .version = 1, .guest_svn = 7, .policy = 0x30000 };
    memset(t->block.launch_digest, 0xab, 48);
    memset(t->block.family_id, 1, 16);
    memset(t->block.image_id, 2, 16);
    report[0x04] = 7;
    memset(report + 0x10, 1, 16);
    memset(report + 0x20, 2, 16);
    report[0x48] = 1; /* AUTHOR_KEY_EN */
    digest_of(t->id_key, report + 0xe0);
    digest_of(t->author_key, report + 0x110);
}

static void nothing(struct trial *t)
{
    (void)t;
}
static void without_author(struct trial *t)
{
    t->has_author = false;
    t->maker.report[0x48] = 0;
    memset(t->maker.report + 0x110, 0, 48);
}
static void other_signer(struct trial *t)
{
    t->swap_signer = true;
}
static void other_id_key(struct trial *t)
{
    digest_of(t->other_key, t->maker.report + 0xe0);
}
static void other_author(struct trial *t)
{
    digest_of(t->other_key, t->maker.report + 0x110);
}
static void author_not_enabled(struct trial *t)
{
    t->maker.report[0x48] = 0;
}
static void author_unexpected(struct trial *t)
{
    t->has_author = false;
}
static void other_digest(struct trial *t)
{
    t->block.launch_digest[47] ^= 1;
}
static void other_fields(struct trial *t)
{
    t->block.family_id[0] ^= 1;
    t->block.image_id[15] ^= 1;
    t->block.guest_svn++;
    t->block.policy |= 1ULL << 20;
}

static void run(struct trial *t, struct clo_appraisal **out)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer block = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer auth = { 0 };
    struct clo_snp_id_block signed_block = t->block;
    struct clo_error err;

    snp_maker_make(&t->maker, &certificates);
    signed_block.guest_svn += t->swap_signer ? 1 : 0; /* another block than the one shown */
    CHECK(clo_snp_id_auth_make(&signed_block, t->id_key, t->has_author ? t->author_key : NULL,
                               &auth, &err),
          err.text);
    clo_snp_id_block_write(&t->block, &block);
    CHECK(clo_evidence_new(&evidence, &err) &&
                  clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                   clo_bytes(t->maker.report, sizeof t->maker.report), &err),
          err.text);
    const struct clo_appraise_inputs inputs = { .at = SNP_MAKER_NOW,
                                                .roots = &t->maker.root,
                                                .root_count = 1,
                                                .endorsements.certificates = &certificates,
                                                .id_block = clo_buffer_bytes(&block),
                                                .id_auth = clo_buffer_bytes(&auth) };
    CHECK(clo_appraise(evidence, &inputs, out, &err), err.text);
}

static void test_checks(void **state)
{
    static const struct {
        const char *name;
        void (*change)(struct trial *);
        const char *failing, *detail; /* NULL: accepted */
    } cases[] = {
        { "as signed", nothing, NULL, NULL },
        { "without an author key", without_author, NULL, NULL },
        { "another block was signed", other_signer, "id_block.signature", "signature" },
        { "another ID key", other_id_key, "id_block.id_key", "that of another key" },
        { "another author key", other_author, "id_block.author_key", "the report names another" },
        { "author key not enabled", author_not_enabled, "id_block.author_key",
          "the report names no author key, the authentication has one" },
        { "author key only in the report", author_unexpected, "id_block.author_key",
          "the authentication has none" },
        { "another launch digest", other_digest, "id_block.fields",
          "the report has another launch digest" },
        { "everything else is another", other_fields, "id_block.fields",
          "the report has another FAMILY_ID, IMAGE_ID, guest SVN, guest policy" },
    };
    struct trial trial = { 0 };
    struct clo_error err;

    (void)state;
    snp_maker_init(&trial.maker);
    CHECK(clo_private_key_new(CLO_KEY_P384, 0, &trial.id_key, &err) &&
                  clo_private_key_new(CLO_KEY_P384, 0, &trial.author_key, &err) &&
                  clo_private_key_new(CLO_KEY_P384, 0, &trial.other_key, &err),
          err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        reset(&trial);
        cases[i].change(&trial);
        run(&trial, &appraisal);
        const struct clo_checks *checks = clo_appraisal_checks(appraisal);
        for (size_t k = 0; k < checks->count; k++)
            if (checks->items[k].result == CLO_CHECK_FAIL &&
                (cases[i].failing == NULL || strcmp(checks->items[k].id, cases[i].failing) != 0))
                fail_msg("%s: %s: %s", cases[i].name, checks->items[k].id, checks->items[k].detail);
        if (cases[i].failing == NULL) {
            /* It pins the firmware; what its digest covers besides nobody says. No nonce was given. */
            CHECK(clo_appraisal_status(appraisal) == CLO_WARNING &&
                          clo_appraisal_open_count(appraisal) == 2,
                  cases[i].name);
            continue;
        }
        const struct clo_check *check = clo_checks_get(checks, cases[i].failing);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
    }
    clo_private_key_free(trial.id_key);
    clo_private_key_free(trial.author_key);
    clo_private_key_free(trial.other_key);
    snp_maker_free(&trial.maker);
}

static void test_unreadable(void **state)
{
    static const uint8_t bytes[CLO_SNP_ID_AUTH_SIZE] = { 0 };
    static const struct {
        const char *name;
        size_t block, auth; /* sizes; 0: not given */
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "block alone", 96, 0, CLO_ERR_USAGE,
          "the ID block and its authentication belong together" },
        { "authentication alone", 0, 4096, CLO_ERR_USAGE,
          "the ID block and its authentication belong together" },
        { "block cut short", 95, 4096, CLO_ERR_FORMAT, "ID block: 95 bytes, expected 96" },
        { "version 0", 96, 4096, CLO_ERR_UNSUPPORTED, "ID block: version 0, expected 1" },
    };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_error err;
    uint8_t report[CLO_SNP_REPORT_SIZE] = { 3 };

    (void)state;
    CHECK(clo_evidence_new(&evidence, &err) &&
                  clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                   clo_bytes(report, sizeof report), &err),
          err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_appraisal *appraisal = NULL;
        const struct clo_appraise_inputs inputs = {
            .at = SNP_MAKER_NOW,
            .id_block = clo_bytes(cases[i].block == 0 ? NULL : bytes, cases[i].block),
            .id_auth = clo_bytes(cases[i].auth == 0 ? NULL : bytes, cases[i].auth),
        };
        CHECK(!clo_appraise(evidence, &inputs, &appraisal, &err), cases[i].name);
        CHECK(err.status == cases[i].status && strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_unreadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
