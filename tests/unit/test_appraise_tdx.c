/* Bundles with a TDX quote: bound to their runtime data, their event log replayed, Azure's way, and everything
 * about them that can be wrong. */
#include "checks.h"
#include "cloister/appraise.h"
#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "cloister/userlog.h"
#include "eventlog_maker.h"
#include "gce_endorsement_maker.h"
#include "lib/cloud/hcl_write.h"
#include "tdx_keys.h"
#include "test.h"

#define NOW   1780000000LL
#define NONCE "bm9uY2Utb2Ytb3Vycw=="
#define HEX48(pair)                                                                                \
    pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair \
            pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair   \
                    pair pair pair pair pair pair pair pair pair pair pair pair

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

/* What one bundle is made of; a case changes some of it. */
struct scene {
    struct sim_tdx tdx;
    struct clo_buffer runtime, log, userlog, hcl, endorsement;
    struct clo_digest cloud; /* the root of the endorsement */
    bool foreign_runtime, no_runtime, no_collateral, without_tcb, no_policy, wrong_nonce,
            bring_collateral, own_alone;
    const char *policy; /* members of "tdx", quotes single; NULL: the usual ones */
    const char *top;    /* members of the policy besides: ",…"; NULL: none */
    const char *qualifying;
};

static void scene_free(struct scene *s)
{
    clo_buffer_free(&s->runtime);
    clo_buffer_free(&s->log);
    clo_buffer_free(&s->userlog);
    clo_buffer_free(&s->hcl);
    clo_buffer_free(&s->endorsement);
}

static json_t *jwk_of(const struct clo_private_key *key)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    struct clo_error err;
    json_t *jwk;

    must(clo_private_key_public(key, &public_key, &err) &&
                 clo_jwk_from_public_key(public_key, &jwk, &err),
         &err);
    return jwk;
}

static void scene_init(struct scene *s)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s,s:o}", "nonce", NONCE, "tee-pubkey", jwk_of(keys.other));
    struct clo_digest digest;
    struct clo_error err;

    *s = (struct scene){ 0 };
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, &s->tdx);
    must(clo_json_write(json, &s->runtime, &err), &err);
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&s->runtime), &digest);
    memcpy(s->tdx.body + SIM_TDX_REPORT_DATA, digest.bytes, 64);
}

static void add(struct clo_evidence *evidence, const char *label, struct clo_bytes bytes)
{
    struct clo_error err;

    must(clo_evidence_add(evidence, label, bytes, &err), &err);
}

static struct clo_policy *policy_of(const struct scene *s, const struct clo_digest *root)
{
    static const char usual[] = "'mr_td':['" HEX48("a1") "'],'rtmr0':'any','rtmr1':['" HEX48(
            "b1") "'],"
                  "'rtmr2':['" HEX48("b2") "']";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_policy *policy;
    struct clo_error err;
    char hex[2 * 32 + 1];

    clo_buffer_printf(
            &text, "{'cloister_policy':1,'name':'mine','tee':['tdx'],'roots':['%s']%s,'tdx':{%s}}",
            clo_hex_text(clo_digest_bytes(root), hex), s->top == NULL ? "" : s->top,
            s->policy == NULL ? usual : s->policy);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\'')
            text.data[i] = '"';
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    return policy;
}

static bool run(const struct scene *s, struct clo_appraisal **out, struct clo_error *err)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_bytes runtime = clo_buffer_bytes(&s->runtime);

    must(sim_tdx_make(&s->tdx, &keys, &made, err) && clo_evidence_new(&evidence, err), err);
    add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&made.quote));
    if (!s->no_runtime)
        add(evidence, CLO_EVIDENCE_RUNTIME_DATA, runtime);
    if (s->log.size > 0)
        add(evidence, CLO_EVIDENCE_TDX_CCEL, clo_buffer_bytes(&s->log));
    if (s->userlog.size > 0)
        add(evidence, CLO_EVIDENCE_USERSPACE_LOG, clo_buffer_bytes(&s->userlog));
    if (s->bring_collateral) {
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_tdx_collateral_json(&made.collateral);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        must(clo_json_write(json, &text, err), err);
        add(evidence, CLO_EVIDENCE_TDX_COLLATERAL, clo_buffer_bytes(&text));
    }
    if (s->hcl.size > 0)
        add(evidence, CLO_EVIDENCE_HCL_REPORT, clo_buffer_bytes(&s->hcl));
    policy = s->no_policy ? NULL : policy_of(s, &made.trusted);
    const struct clo_tdx_collateral *const sets[] = { &made.collateral };
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .expected_nonce = s->no_runtime ? (struct clo_bytes){ 0 }
                                        : clo_bytes_text(s->wrong_nonce ? "AAAA" : NONCE),
        .expected_qualifying =
                s->qualifying == NULL ? (struct clo_bytes){ 0 } : clo_bytes_text(s->qualifying),
        .at = NOW,
        .roots = &made.trusted,
        .root_count = 1,
        .endorsements = { .tdx_collateral = sets,
                          .tdx_collateral_count = s->no_collateral ? 0 : 1,
                          .are_required = s->own_alone },
        .without_tcb = s->without_tcb,
        .launch_endorsement = { .bytes = clo_buffer_bytes(&s->endorsement),
                                .roots = &s->cloud,
                                .root_count = 1 },
    };
    return clo_appraise(evidence, &inputs, out, err);
}

static void test_accepted(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    (void)state;
    scene_init(&s);
    must(run(&s, &appraisal, &err), &err);
    CHECK(clo_appraisal_status(appraisal) == CLO_AFFIRMING, clo_appraisal_summary(appraisal));
    CHECK(clo_appraisal_releases(appraisal, &err), err.text);
    CHECK(strcmp(clo_appraisal_tee(appraisal), "tdx") == 0, "tee");
    CHECK(clo_appraisal_tee_pubkey(appraisal) != NULL, "the bound key");
    const json_t *claims = clo_appraisal_claims(appraisal);
    assert_string_equal(json_string_value(json_object_get(claims, "tcb_status")), "UpToDate");
    assert_string_equal(json_string_value(json_object_get(claims, "mr_td")), HEX48("a1"));
}

/* Collateral in the bundle is as good: it is signed and dated. */
static void test_brought(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.no_collateral = true;
        s.bring_collateral = true;
        if (old == 1)
            s.tdx.tcb_info.next_update = NOW - 1;
        must(run(&s, &appraisal, &err), &err);
        CHECK(clo_appraisal_releases(appraisal, &err) == (old == 0), err.text);
        CHECK(has_failed(clo_appraisal_checks(appraisal), "tdx.freshness") == (old == 1), "old");
    }
}

static void break_runtime(struct scene *s)
{
    s->tdx.body[SIM_TDX_REPORT_DATA] ^= 1;
}

static void expect_other_nonce(struct scene *s)
{
    s->wrong_nonce = true;
}

static void leave_collateral_out(struct scene *s)
{
    s->no_collateral = true;
}

static void leave_tcb_out(struct scene *s)
{
    s->without_tcb = true;
}

static void be_outdated(struct scene *s)
{
    s->tdx.tcb_info.status = "OutOfDate";
}

static void be_outdated_without_policy(struct scene *s)
{
    s->tdx.tcb_info.status = "OutOfDate";
    s->no_policy = true;
}

static void be_revoked(struct scene *s)
{
    s->tdx.tcb_info.status = "Revoked";
}

static void be_another_guest(struct scene *s)
{
    s->tdx.body[SIM_TDX_MR_TD] = 0;
}

static void be_debugged(struct scene *s)
{
    s->tdx.body[SIM_TDX_ATTRIBUTES] = 1;
}

static void sign_by_another(struct scene *s)
{
    s->tdx.quote_key = keys.other;
}

#define GUEST "'mr_td':['" HEX48("a1") "'],'rtmr0':'any','rtmr1':['" HEX48("b1") "']"

static void be_of_an_old_list(struct scene *s)
{
    s->tdx.pck_crl.this_update = NOW - 20 * 86400LL;
    s->top = ",'maximum_age':{'crl':'10d'}";
}

static void be_of_old_collateral(struct scene *s)
{
    s->tdx.tcb_info.issue_date = NOW - 20 * 86400LL;
    s->top = ",'maximum_age':{'collateral':'10d'}";
}

static void have_no_dates(struct scene *s)
{
    s->without_tcb = true;
    s->policy = GUEST ",'rtmr2':['" HEX48("b2") "'],'allow_unevaluated_tcb':true";
    s->top = ",'maximum_age':{'collateral':'10d'}";
}

static void be_of_an_old_number(struct scene *s)
{
    s->tdx.qe_identity.evaluation_number--;
    s->policy = GUEST ",'rtmr2':['" HEX48("b2") "'],'minimum_evaluation_number':18";
}

static void be_of_another_kernel(struct scene *s)
{
    s->tdx.body[SIM_TDX_RTMR + 2 * 48] ^= 1;
}

static void be_debugged_although(struct scene *s)
{
    s->tdx.body[SIM_TDX_ATTRIBUTES] = 1;
    s->top = ",'evidence':['vtpm']";
}

static void test_refused(void **state)
{
    static const struct {
        const char *check;
        void (*change)(struct scene *s);
    } cases[] = {
        { "tdx.report_data", break_runtime },
        { "evidence.nonce", expect_other_nonce },
        { "tdx.tcb_info", leave_collateral_out },
        { "policy.tcb_status", leave_tcb_out },
        { "policy.tcb_status", be_outdated },
        { "tdx.tcb_status", be_outdated_without_policy },
        { "tdx.tcb", be_revoked },
        { "policy.mr_td", be_another_guest },
        { "policy.debug", be_debugged },
        { "policy.crl_age", be_of_an_old_list },
        { "policy.collateral_age", be_of_old_collateral },
        { "policy.collateral_age", have_no_dates },
        { "policy.evaluation_number", be_of_an_old_number },
        { "policy.rtmr2", be_of_another_kernel },
        { "policy.evidence", be_debugged_although },
        { "tdx.quote_signature", sign_by_another },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        cases[i].change(&s);
        must(run(&s, &appraisal, &err), &err);
        CHECK(has_failed(clo_appraisal_checks(appraisal), cases[i].check), cases[i].check);
        CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].check);
        CHECK(!clo_appraisal_releases(appraisal, &err), cases[i].check);
    }
}

/* Not as old as the policy allows. */
static void test_young_enough(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    (void)state;
    scene_init(&s);
    be_of_an_old_list(&s);
    s.tdx.tcb_info.issue_date = NOW - 20 * 86400LL;
    s.top = ",'maximum_age':{'crl':'481h','collateral':'481h'}";
    must(run(&s, &appraisal, &err), &err);
    CHECK(clo_appraisal_releases(appraisal, &err), err.text);
    CHECK(has_passed(clo_appraisal_checks(appraisal), "policy.crl_age") &&
                  has_passed(clo_appraisal_checks(appraisal), "policy.collateral_age"),
          "ages");
}

/* "any" for what RTMR 1 and 2 show: any loader and kernel of the firmware that is named. */
static void test_open(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        const char *why;
        struct clo_error err;
        scene_init(&s);
        s.policy = i == 0   ? GUEST ",'rtmr2':'any'"
                   : i == 1 ? "'mr_td':['" HEX48("a1") "'],'rtmr0':'any','rtmr1':'any',"
                                                       "'rtmr2':['" HEX48("b2") "']"
                            : "'mr_td':'any','rtmr0':'any','rtmr1':['" HEX48(
                                      "b1") "'],"
                                            "'rtmr2':['" HEX48("b2") "']";
        must(run(&s, &appraisal, &err), &err);
        CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
        CHECK(!clo_appraisal_releases(appraisal, &err), "released");
        CHECK(strcmp(clo_appraisal_open(appraisal, 0, &why), i == 2 ? "firmware" : "program") == 0,
              why);
    }
}

/* Nothing was appraised, or the TCB was not looked at: never better than a warning, nothing is released. */
static void test_warning(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.no_policy = i < 2;
        s.without_tcb = i > 0;
        if (i == 2)
            s.policy = "'mr_td':'any','rtmr0':'any','rtmr1':'any','rtmr2':'any',"
                       "'allow_unevaluated_tcb':true";
        must(run(&s, &appraisal, &err), &err);
        CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
        CHECK(!clo_appraisal_releases(appraisal, &err), "released");
    }
}

/* Without a policy the evidence is accepted, and what a policy would look at is told; of what is as it must be, nothing. */
static void test_warnings(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint64_t value;    /* 0: as it is */
        const char *words; /* NULL: no such warning */
    } cases[] = {
        { "as it must be", SIM_TDX_XFAM, 0, NULL },
        { "every bit of XFAM that is known", SIM_TDX_XFAM, CLO_TDX_XFAM_KNOWN, NULL },
        { "XFAM without a bit that is fixed", SIM_TDX_XFAM, 0x2, "XFAM 0x" },
        { "XFAM with a reserved bit", SIM_TDX_XFAM, CLO_TDX_XFAM_FIXED | 1ULL << 63, "XFAM 0x" },
        { "debug", SIM_TDX_ATTRIBUTES, 1 | 1ULL << 28, "can be debugged" },
        { "migratable", SIM_TDX_ATTRIBUTES, 1ULL << 29 | 1ULL << 28, "can be migrated" },
        { "attributes with a reserved bit", SIM_TDX_ATTRIBUTES, 1ULL << 62 | 1ULL << 28,
          "reserved bits are set" },
        { "SEPT_VE_DISABLE off", SIM_TDX_ATTRIBUTES, 1ULL << 63, "SEPT_VE_DISABLE is not set" },
    };
    static const char *const all[] = { "XFAM 0x", "can be debugged", "can be migrated",
                                       "reserved bits are set", "SEPT_VE_DISABLE is not set" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.no_policy = true;
        for (size_t k = 0; cases[i].value != 0 && k < 8; k++)
            s.tdx.body[cases[i].at + k] = (uint8_t)(cases[i].value >> (8 * k));
        must(run(&s, &appraisal, &err), &err);
        CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, cases[i].name);
        for (size_t k = 0; k < CLO_COUNT(all); k++) {
            bool is_wanted = cases[i].words != NULL && strcmp(all[k], cases[i].words) == 0;
            bool is_told = false;
            for (size_t n = 0; n < clo_appraisal_warning_count(appraisal); n++)
                is_told = is_told || strstr(clo_appraisal_warning(appraisal, n), all[k]) != NULL;
            if (is_told != is_wanted)
                print_message("%s: %s\n", cases[i].name, all[k]);
            CHECK(is_told == is_wanted, cases[i].name);
        }
    }
}

/* What the evidence brings does not count where the verifier's own alone does, and that is said: not even where the
 * verifier has none. */
static void test_own_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.bring_collateral = true;
        s.own_alone = i > 0;
        s.no_collateral = i == 2;
        must(run(&s, &appraisal, &err), &err);
        const struct clo_checks *checks = clo_appraisal_checks(appraisal);
        const struct clo_check *note = clo_checks_get(checks, "tdx.collateral");
        CHECK((note != NULL && strstr(note->detail, "only what the verifier holds") != NULL) ==
                      (i > 0),
              "said");
        CHECK(has_passed(checks, "tdx.tcb") == (i < 2), "what counts");
    }
}

/* RTMR 0 and 1 are firmware's: a log that does not lead to them fails. What runs may have extended the others since. */
static void test_log(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    static const struct {
        const char *name;
        unsigned wrong; /* register; 4: none */
        enum clo_check_result result;
    } cases[] = {
        { "leads to all", 4, CLO_CHECK_PASS }, { "RTMR 0", 0, CLO_CHECK_FAIL },
        { "RTMR 1", 1, CLO_CHECK_FAIL },       { "RTMR 2", 2, CLO_CHECK_SKIP },
        { "RTMR 3", 3, CLO_CHECK_SKIP },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.no_policy = true;
        log_header(&s.log, &bank, 1);
        memset(s.tdx.body + SIM_TDX_RTMR, 0, (size_t)4 * 48); /* nothing is in the log */
        if (cases[i].wrong < 4)
            s.tdx.body[SIM_TDX_RTMR + 48 * cases[i].wrong] = 1;
        must(run(&s, &appraisal, &err), &err);
        for (unsigned n = 0; n < 4; n++) {
            char id[] = "ccel.rtmr0";
            id[9] = (char)('0' + n);
            CHECK(check_is(clo_appraisal_checks(appraisal), id,
                           n == cases[i].wrong ? cases[i].result : CLO_CHECK_PASS),
                  cases[i].name);
        }
        CHECK((clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED) == (cases[i].wrong < 2),
              cases[i].name);
    }
}

/* What user space measured goes on where firmware's log ends, and the policy's rules see it. */
static void test_user_log(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    static const struct {
        const char *name;
        struct clo_userlog_event event; /* its digest is of "enter-initrd" */
        const char *policy;
        enum clo_check_result rtmr2, rules;
    } cases[] = {
        { "accounts for RTMR 2",
          { .kind = CLO_USERLOG_RTMR, .index = 2, .text = "enter-initrd" },
          "'ccel':{'rtmr2':[{'type':'EV_IPL','text':'enter-initrd'}]}",
          CLO_CHECK_PASS,
          CLO_CHECK_PASS },
        { "is none that the rules allow",
          { .kind = CLO_USERLOG_RTMR, .index = 2, .text = "enter-initrd" },
          "'ccel':{'rtmr2':[{'type':'EV_IPL','text':'another'}]}",
          CLO_CHECK_PASS,
          CLO_CHECK_FAIL },
        { "its words are not what was measured",
          { .kind = CLO_USERLOG_RTMR, .index = 2, .text = "another" },
          "'ccel':{'rtmr2':[{'type':'EV_IPL','text':'another'}]}",
          CLO_CHECK_PASS,
          CLO_CHECK_FAIL },
        { "is of another register",
          { .kind = CLO_USERLOG_RTMR, .index = 3 },
          "'ccel':{'rtmr2':[{'type':'EV_IPL','text':'enter-initrd'}]}",
          CLO_CHECK_SKIP,
          CLO_CHECK_FAIL },
        { "is of a PCR",
          { .kind = CLO_USERLOG_PCR, .pcr = 11 },
          "'ccel':{'rtmr2':[{'type':'EV_IPL','text':'enter-initrd'}]}",
          CLO_CHECK_SKIP,
          CLO_CHECK_FAIL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_userlog_event event = cases[i].event;
        struct clo_pcr_bank registers;
        struct clo_error err;
        scene_init(&s);
        s.policy = cases[i].policy;
        log_header(&s.log, &bank, 1);
        clo_buffer_zero(&s.log, 7); /* what firmware leaves after its log */
        clo_hash(bank, clo_bytes_text("enter-initrd"), &event.digests[event.digest_count++]);
        must(clo_userlog_append(&event, &s.userlog, &err), &err);
        clo_pcr_reset(&registers, bank);
        clo_pcr_extend(&registers, 2, &event.digests[0]);
        memset(s.tdx.body + SIM_TDX_RTMR, 0, (size_t)4 * 48);
        memcpy(s.tdx.body + SIM_TDX_RTMR + 2 * 48, registers.values[2].bytes, 48);
        must(run(&s, &appraisal, &err), &err);
        const struct clo_checks *checks = clo_appraisal_checks(appraisal);
        CHECK(check_is(checks, "ccel.rtmr2", cases[i].rtmr2), cases[i].name);
        CHECK(check_is(checks, "policy.ccel.rtmr2", cases[i].rules), cases[i].name);
    }
}

static void test_qualifying(void **state)
{
    static const struct {
        const char *nonce;
        bool holds;
    } cases[] = { { "dddd", false }, { "nonce", true }, { "nonc", false }, { "noncf", false } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        s.no_runtime = true;
        s.qualifying = cases[i].nonce;
        memset(s.tdx.body + SIM_TDX_REPORT_DATA, 0, 64);
        memcpy(s.tdx.body + SIM_TDX_REPORT_DATA, "nonce", 5);
        must(run(&s, &appraisal, &err), &err);
        CHECK(has_passed(clo_appraisal_checks(appraisal), "tdx.report_data") == cases[i].holds,
              cases[i].nonce);
    }
}

/* --- Azure's way --- */

/* The TDREPORT of the TD in the quote, as the paravisor puts it next to the claims. */
static void tdreport(const struct scene *s, struct clo_buffer *out)
{
    const uint8_t *body = s->tdx.body;

    clo_buffer_u8(out, CLO_TDX_TEE_TYPE);
    clo_buffer_zero(out, 127);
    clo_buffer_append(out, clo_bytes(body + SIM_TDX_REPORT_DATA, 64));
    clo_buffer_zero(out, 64 + 8);
    clo_buffer_append(out, clo_bytes(body, 0x78)); /* to SEAMATTRIBUTES */
    clo_buffer_zero(out, 512 - out->size);
    clo_buffer_append(out, clo_bytes(body + SIM_TDX_ATTRIBUTES, 0x208 - SIM_TDX_ATTRIBUTES));
    clo_buffer_zero(out, CLO_HCL_HARDWARE_SIZE - out->size);
}

static void make_hcl(struct scene *s, bool other_td)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer claims = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    json_t *jwk = jwk_of(keys.other);
    struct clo_digest digest;
    struct clo_error err;

    json_object_set_new(jwk, "kid", json_string("HCLAkPub"));
    CLO_CLEANUP(clo_json_freep) json_t *json = json_pack("{s:[o]}", "keys", jwk);
    must(clo_json_write(json, &claims, &err), &err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&claims), &digest);
    memset(s->tdx.body + SIM_TDX_REPORT_DATA, 0, 64);
    memcpy(s->tdx.body + SIM_TDX_REPORT_DATA, digest.bytes, 32);
    tdreport(s, &report);
    if (other_td)
        report.data[512 + 16] ^= 1; /* MRTD */
    must(clo_hcl_write(CLO_HCL_TDX, clo_buffer_bytes(&report), clo_buffer_bytes(&claims), &s->hcl,
                       &err),
         &err);
}

static void test_hcl(void **state)
{
    static const struct {
        const char *name, *check; /* NULL: nothing fails of the binding */
        bool other_td, other_claims, unsigned_quote;
    } cases[] = {
        { "bound", NULL, false, false, false },
        { "the TDREPORT of another TD", "hcl.tdreport", true, false, false },
        { "other claims", "hcl.binding", false, true, false },
        { "a quote that is not signed", "tdx.quote_signature", false, false, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct clo_error err;
        scene_init(&s);
        make_hcl(&s, cases[i].other_td);
        if (cases[i].other_claims)
            s.hcl.data[s.hcl.size - 8] ^= 1;
        if (cases[i].unsigned_quote)
            s.tdx.quote_key = keys.other;
        s.no_policy = true;
        must(run(&s, &appraisal, &err), &err);
        const struct clo_checks *checks = clo_appraisal_checks(appraisal);
        if (cases[i].check != NULL)
            CHECK(has_failed(checks, cases[i].check), cases[i].name);
        CHECK(has_passed(checks, "hcl.binding") ==
                      (!cases[i].other_claims && !cases[i].unsigned_quote),
              cases[i].name);
    }
}

/* What starts in an endorsed TD has a quote over any claims: a vTPM next to it is anybody's. */
static void test_hcl_endorsed(void **state)
{
    struct path_maker maker;

    (void)state;
    path_maker_init(&maker, CLO_KEY_RSA, 2048);
    for (int is_wrapped = 0; is_wrapped < 2; is_wrapped++) {
        CLO_CLEANUP(scene_free) struct scene s;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        bool is_open = false;
        struct clo_error err;
        const char *why;
        scene_init(&s);
        s.no_policy = true;
        gce_endorsement_make(&maker,
                             &(struct gce_scene){ .measurement = s.tdx.body + SIM_TDX_MR_TD },
                             &s.endorsement);
        s.cloud = maker.root;
        if (is_wrapped)
            make_hcl(&s, false);
        must(run(&s, &appraisal, &err), &err);
        CHECK(has_passed(clo_appraisal_checks(appraisal), "endorsement.measurement"), "endorsed");
        for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
            is_open |= strcmp(clo_appraisal_open(appraisal, i, &why), "firmware") == 0 &&
                       strstr(why, "no MRTD is named") != NULL;
        CHECK(is_open == (is_wrapped == 1), is_wrapped ? "claims next to it" : "a bare quote");
    }
    path_maker_free(&maker);
}

/* --- What cannot be read --- */

static void test_malformed(void **state)
{
    CLO_CLEANUP(scene_free) struct scene s;
    struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    (void)state;
    scene_init(&s);
    clo_buffer_text(&s.log, "no log");
    CHECK(!run(&s, &appraisal, &err) && strstr(err.text, "CCEL") != NULL, err.text);
    s.log.size = 0;
    s.tdx.tcb_info.from = "\"version\":3";
    s.tdx.tcb_info.to = "\"version\":3,\"version\":3";
    CHECK(!run(&s, &appraisal, &err) && err.status == CLO_ERR_FORMAT, err.text);
    CHECK(strstr(err.text, "a second time") != NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),     cmocka_unit_test(test_brought),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_warning),
        cmocka_unit_test(test_warnings),     cmocka_unit_test(test_own_alone),
        cmocka_unit_test(test_log),          cmocka_unit_test(test_user_log),
        cmocka_unit_test(test_qualifying),   cmocka_unit_test(test_hcl),
        cmocka_unit_test(test_hcl_endorsed), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_young_enough), cmocka_unit_test(test_open),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
