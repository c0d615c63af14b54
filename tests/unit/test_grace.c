/* A policy's grace: just inside, just outside and off; with what it must never forgive; and how far behind an
 * outdated platform is. */
#include "checks.h"
#include "cloister/appraise.h"
#include "cloister/ear.h"
#include "cloister/jose.h"
#include "sim/tdx.h"
#include "test.h"

#define NOW   1780000000LL
#define DAY   86400LL
#define NONCE "bm9uY2Utb2Ytb3Vycw=="
#define HEX48(pair)                                                                                \
    pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair \
            pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair   \
                    pair pair pair pair pair pair pair pair pair pair pair pair
#define GUEST                                                                                 \
    "'mr_td':['" HEX48("a1") "'],'rtmr0':'any','rtmr1':['" HEX48("b1") "'],'rtmr2':['" HEX48( \
            "b2") "'],'advisories':'any'"

static struct sim_tdx_keys keys;

static int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    return sim_tdx_keys_new(&keys, &err) ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    sim_tdx_keys_free(&keys);
    return 0;
}

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

/* --- What is made out of date --- */

/* The level of 2025-03-01, which is 10892 hours and 1600 seconds before NOW. */
static void be_outdated(struct sim_tdx *tdx)
{
    tdx->body[SIM_TDX_TEE_TCB_SVN + 2] = 3;
}

static void be_overdue(struct sim_tdx *tdx)
{
    tdx->tcb_info.next_update = NOW - 10 * DAY;
}

static void identity_is_overdue(struct sim_tdx *tdx)
{
    tdx->qe_identity.next_update = NOW - 10 * DAY;
}

static void list_is_overdue(struct sim_tdx *tdx)
{
    tdx->pck_crl.next_update = NOW - 10 * DAY;
}

static void all_is_overdue(struct sim_tdx *tdx)
{
    be_outdated(tdx);
    be_overdue(tdx);
    list_is_overdue(tdx);
}

static void is_revoked_and_overdue(struct sim_tdx *tdx)
{
    all_is_overdue(tdx);
    tdx->pck_crl.revoked = tdx->leaf_certificate.serial;
}

static void level_is_revoked(struct sim_tdx *tdx)
{
    tdx->tcb_info.status = "Revoked";
}

static void outdated_and_unconfigured(struct sim_tdx *tdx)
{
    tdx->qe_report[SIM_QE_ISV_SVN] = 2;
    tdx->tcb_info.status = "ConfigurationNeeded";
}

static void not_yet_issued(struct sim_tdx *tdx)
{
    tdx->tcb_info.issue_date = NOW + DAY;
}

static void as_it_is(struct sim_tdx *tdx)
{
    (void)tdx;
}

static const struct {
    const char *name;
    void (*change)(struct sim_tdx *tdx);
    const char *top, *tdx; /* further members of the policy */
    const char *fails;     /* the check; NULL: it is accepted */
    const char *open;      /* what grace leaves open; NULL: nothing */
} cases[] = {
    { "a good platform needs none", as_it_is,
      ",'grace':{'out_of_date':'1d','stale_collateral':'1d','stale_crl':'1d'}", "", NULL, NULL },
    /* Out of date. */
    { "outdated, no grace", be_outdated, "", "", "policy.tcb_status", NULL },
    { "outdated, other grace alone", be_outdated, ",'grace':{'stale_collateral':'9999d'}", "",
      "policy.tcb_status", NULL },
    { "outdated, just inside", be_outdated, ",'grace':{'out_of_date':'10893h'}", "", NULL, "TCB" },
    { "outdated, just outside", be_outdated, ",'grace':{'out_of_date':'10892h'}", "",
      "policy.tcb_status", NULL },
    { "outdated, accepted by name", be_outdated, ",'grace':{'out_of_date':'1d'}",
      ",'tcb_status':['OutOfDate']", NULL, NULL },
    { "outdated, needs configuration too", outdated_and_unconfigured,
      ",'grace':{'out_of_date':'9999d'}", "", "policy.tcb_status", NULL },
    { "and configuration is accepted", outdated_and_unconfigured,
      ",'grace':{'out_of_date':'9999d'}", ",'tcb_status':['UpToDate','ConfigurationNeeded']", NULL,
      "TCB" },
    { "a revoked level", level_is_revoked, ",'grace':{'out_of_date':'9999d'}", "", "tdx.tcb",
      NULL },
    /* A date. */
    { "the date itself", as_it_is, "", ",'tcb_date':'2026-01-01'", NULL, NULL },
    { "a day later", as_it_is, "", ",'tcb_date':'2026-01-02'", "policy.tcb_date", NULL },
    { "a second later", as_it_is, "", ",'tcb_date':'2026-01-01T00:00:01Z'", "policy.tcb_date",
      NULL },
    { "grace goes no further back than the date", be_outdated, ",'grace':{'out_of_date':'9999d'}",
      ",'tcb_date':'2025-03-02'", "policy.tcb_date", NULL },
    /* Collateral. */
    { "overdue, no grace", be_overdue, "", "", "tdx.freshness", NULL },
    { "overdue, other grace alone", be_overdue,
      ",'grace':{'stale_crl':'99d','out_of_date':'9999d'}", "", "tdx.freshness", NULL },
    { "overdue, just inside", be_overdue, ",'grace':{'stale_collateral':'10d'}", "", NULL,
      "collateral" },
    { "overdue, just outside", be_overdue, ",'grace':{'stale_collateral':'239h'}", "",
      "tdx.freshness", NULL },
    { "QE identity, just inside", identity_is_overdue, ",'grace':{'stale_collateral':'10d'}", "",
      NULL, "collateral" },
    { "QE identity, just outside", identity_is_overdue, ",'grace':{'stale_collateral':'239h'}", "",
      "tdx.freshness", NULL },
    { "overdue, and older than the maximum age", be_overdue,
      ",'grace':{'stale_collateral':'10d'},'maximum_age':{'collateral':'1h'}", "",
      "policy.collateral_age", NULL },
    { "not yet issued is nothing that grace forgives", not_yet_issued,
      ",'grace':{'stale_collateral':'99d'}", "", "tdx.freshness", NULL },
    /* Lists. */
    { "list overdue, no grace", list_is_overdue, "", "", "tdx.freshness", NULL },
    { "list overdue, grace for documents", list_is_overdue, ",'grace':{'stale_collateral':'99d'}",
      "", "tdx.freshness", NULL },
    { "list overdue, just inside", list_is_overdue, ",'grace':{'stale_crl':'10d'}", "", NULL,
      "revocation" },
    { "list overdue, just outside", list_is_overdue, ",'grace':{'stale_crl':'239h'}", "",
      "tdx.freshness", NULL },
    /* Together. */
    { "everything, each with its grace", all_is_overdue,
      ",'grace':{'out_of_date':'999d','stale_collateral':'10d','stale_crl':'10d'}", "", NULL,
      "TCB" },
    { "and the certificate is revoked", is_revoked_and_overdue,
      ",'grace':{'out_of_date':'999d','stale_collateral':'10d','stale_crl':'10d'}", "",
      "tdx.revocation", NULL },
};

static struct clo_policy *policy_of(const char *top, const char *tdx, const struct clo_digest *root)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_policy *policy;
    struct clo_error err;
    char hex[2 * 32 + 1];

    clo_buffer_printf(
            &text,
            "{'cloister_policy':1,'name':'mine','tee':['tdx'],'roots':['%s']%s,'tdx':{" GUEST
            "%s}}",
            clo_hex_text(clo_digest_bytes(root), hex), top, tdx);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\'')
            text.data[i] = '"';
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    return policy;
}

static void appraise(struct sim_tdx *tdx, const char *top, const char *more,
                     struct clo_appraisal **out)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    struct clo_digest digest;
    struct clo_error err;
    json_t *jwk;

    must(clo_private_key_public(keys.other, &key, &err) && clo_jwk_from_public_key(key, &jwk, &err),
         &err);
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s,s:o}", "nonce", NONCE, "tee-pubkey", jwk);
    must(clo_json_write(json, &runtime, &err), &err);
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&runtime), &digest);
    memcpy(tdx->body + SIM_TDX_REPORT_DATA, digest.bytes, 64);
    must(sim_tdx_make(tdx, &keys, &made, &err) && clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&made.quote),
                                  &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&runtime),
                                  &err),
         &err);
    policy = top == NULL ? NULL : policy_of(top, more, &made.trusted);
    const struct clo_tdx_collateral *const sets[] = { &made.collateral };
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .expected_nonce = clo_bytes_text(NONCE),
        .at = NOW,
        .roots = &made.trusted,
        .root_count = 1,
        .endorsements = { .tdx_collateral = sets, .tdx_collateral_count = 1 },
    };
    must(clo_appraise(evidence, &inputs, out, &err), &err);
}

static void good(struct sim_tdx *tdx)
{
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, tdx);
}

static bool is_open(const struct clo_appraisal *appraisal, const char *aspect)
{
    const char *why;

    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
        if (strcmp(clo_appraisal_open(appraisal, i, &why), aspect) == 0)
            return strncmp(why, "grace: ", 7) == 0;
    return false;
}

static int hardware_of(const struct clo_appraisal *appraisal)
{
    const struct clo_ear_spec spec = { .developer = "d", .build = "b", .issued = NOW };
    CLO_CLEANUP(clo_json_freep) json_t *ear = NULL;
    struct clo_error err;

    must(clo_ear_claims(appraisal, &spec, &ear, &err), &err);
    return (int)json_integer_value(json_object_get(
            json_object_get(json_object_get(json_object_get(ear, "submods"), "cpu0"),
                            "ear_trustworthiness_vector"),
            "hardware"));
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        enum clo_appraisal_status expected = cases[i].fails != NULL  ? CLO_CONTRAINDICATED
                                             : cases[i].open != NULL ? CLO_WARNING
                                                                     : CLO_AFFIRMING;
        struct sim_tdx tdx;
        struct clo_error err;
        good(&tdx);
        cases[i].change(&tdx);
        appraise(&tdx, cases[i].top, cases[i].tdx, &appraisal);
        if (cases[i].fails != NULL)
            CHECK(has_failed(clo_appraisal_checks(appraisal), cases[i].fails), cases[i].name);
        if (clo_appraisal_status(appraisal) != expected)
            fail_msg("%s: %s", cases[i].name, clo_appraisal_summary(appraisal));
        CHECK(cases[i].open == NULL || is_open(appraisal, cases[i].open), cases[i].name);
        CHECK(clo_appraisal_releases(appraisal, &err) == (expected == CLO_AFFIRMING),
              cases[i].name);
        CHECK(hardware_of(appraisal) == (expected == CLO_AFFIRMING ? 2
                                         : expected == CLO_WARNING ? 32
                                                                   : 96),
              cases[i].name);
    }
}

/* An owner who writes down why what is open is accepted gets his key; the verdict stays a warning. */
static void test_accepted_in_words(void **state)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct sim_tdx tdx;
    struct clo_error err;

    (void)state;
    good(&tdx);
    be_outdated(&tdx);
    appraise(&tdx, ",'grace':{'out_of_date':'999d'},'accept_weak':'until the host is updated'", "",
             &appraisal);
    CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, "status");
    CHECK(clo_appraisal_releases(appraisal, &err), err.text);
}

/* --- How far behind --- */

static void module_and_qe_are_old(struct sim_tdx *tdx)
{
    tdx->body[SIM_TDX_TEE_TCB_SVN] = 3;
    tdx->qe_report[SIM_QE_ISV_SVN] = 2;
}

static void everything_is_old(struct sim_tdx *tdx)
{
    module_and_qe_are_old(tdx);
    tdx->body[SIM_TDX_TEE_TCB_SVN + 2] = 3;
    memset(tdx->pck.components, 4, sizeof tdx->pck.components);
    tdx->pck.pce_svn = 7;
}

static void named(struct sim_tdx *tdx)
{
    tdx->pck.components[0] = 4;
    tdx->tcb_info.from = "\"sgxtcbcomponents\":[{\"svn\":5}";
    tdx->tcb_info.to = "\"sgxtcbcomponents\":[{\"svn\":5,\"category\":\"BIOS\",\"type\":\"Early "
                       "Microcode Update\"}";
}

static const struct {
    const char *name;
    void (*change)(struct sim_tdx *tdx);
    size_t count;
    const char *words;
} behinds[] = {
    { "a component of TEE_TCB_SVN", be_outdated, 1,
      "OutOfDate: TDX component 2 has SVN 3, needs 5 (level of 2026-03-01)" },
    { "module and quoting enclave", module_and_qe_are_old, 2,
      "OutOfDate: TDX module has SVN 3, needs 5 (level of 2026-02-01); quoting enclave has SVN "
      "2, needs 4 (level of 2026-01-01)" },
    { "everything", everything_is_old, 20, " more" },
    { "with Intel's name for it", named, 1,
      "SGX component 0 (Early Microcode Update) has SVN 4, needs 5" },
};

static void test_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * CLO_COUNT(behinds); i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        size_t k = i / 2;
        bool has_policy = i % 2 == 0;
        struct sim_tdx tdx;
        good(&tdx);
        behinds[k].change(&tdx);
        appraise(&tdx, has_policy ? "" : NULL, "", &appraisal);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal),
                               has_policy ? "policy.tcb_status" : "tdx.tcb_status");
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, behinds[k].name);
        if (strstr(check->detail, behinds[k].words) == NULL)
            fail_msg("%s: %s", behinds[k].name, check->detail);
        const json_t *list = json_object_get(clo_appraisal_claims(appraisal), "tcb_behind");
        CHECK(json_array_size(list) == behinds[k].count, behinds[k].name);
        const json_t *first = json_array_get(list, 0);
        CHECK(json_integer_value(json_object_get(first, "svn")) <
                      json_integer_value(json_object_get(first, "svn_needed")),
              behinds[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_accepted_in_words),
        cmocka_unit_test(test_behind),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
