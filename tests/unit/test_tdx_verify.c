/* Every check of a TDX quote has something that fails it and nothing else: take the check out, and a line of
 * the table in sim/tdx_breakages.c is accepted. */
#include "checks.h"
#include "lib/crypto/certificate_cache.h"
#include "tdx_keys.h"
#include "test.h"

#define NOW 1780000000LL

struct run {
    struct clo_certificate_cache *cache; /* NULL: none */
    int64_t later;                       /* than NOW, in seconds */
    struct sim_tdx_made made;
    struct clo_tdx_quote quote;
    struct clo_tdx_platform *platform;
    struct clo_checks checks;
    struct clo_tdx_verified verified;
    bool is_verified;
};

static void run_free(struct run *run)
{
    sim_tdx_made_free(&run->made);
    clo_tdx_platform_free(run->platform);
    clo_checks_free(&run->checks);
}

static void judge(const struct sim_tdx_made *made, bool without_tcb, struct run *run,
                  const char *name)
{
    const struct clo_tdx_trust trust = {
        .at = NOW + run->later,
        .roots = &made->trusted,
        .root_count = 1,
        .without_tcb = without_tcb,
        .cache = run->cache,
    };
    struct clo_error err;

    if (!clo_tdx_parse(clo_buffer_bytes(&made->quote), &run->quote, &err) ||
        !clo_tdx_platform_new(run->quote.chain, &made->collateral, &trust, &run->checks,
                              &run->platform, &err))
        fail_msg("%s: %s", name, err.text);
    run->is_verified = clo_tdx_verify(&run->quote, run->platform, NOW + run->later, &run->checks,
                                      &run->verified, &err);
    CHECK(run->is_verified || err.status == CLO_ERR_UNVERIFIED, name);
}

static void run_made(const struct sim_tdx *tdx, bool without_tcb, struct run *run, const char *name)
{
    struct clo_error err;

    if (!sim_tdx_make(tdx, &keys, &run->made, &err))
        fail_msg("%s: %s", name, err.text);
    judge(&run->made, without_tcb, run, name);
}

static void good(struct sim_tdx *tdx)
{
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, tdx);
}

static void test_good(void **state)
{
    static const enum clo_tdx_body_type bodies[] = { CLO_TDX_BODY_TD10, CLO_TDX_BODY_TD15,
                                                     CLO_TDX_BODY_TD15_EXTENDED };

    (void)state;
    for (int i = 0; i < 8; i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
        struct sim_tdx tdx;
        sim_tdx_good(i < 6 ? 5 : 4, bodies[i / 2 % 3],
                     i % 2 == 0 ? CLO_TDX_CA_PLATFORM : CLO_TDX_CA_PROCESSOR, NOW, &keys, &tdx);
        run_made(&tdx, false, &run, "good");
        CHECK(run.is_verified && clo_checks_ok(&run.checks), "good");
        CHECK(run.verified.tcb.status == CLO_TDX_UP_TO_DATE, "up to date");
        CHECK(run.verified.tcb.advisory_count == 0 && run.verified.tcb.evaluation_number == 18,
              "TCB");
        CHECK(run.verified.tcb.date == 1767225600, "the QE's date is the earliest");
        CHECK(run.verified.pck.ca == (i % 2 == 0 ? CLO_TDX_CA_PLATFORM : CLO_TDX_CA_PROCESSOR),
              "CA");
        CHECK(!run.verified.is_intel, "nobody's root");
        claims = clo_tdx_claims(&run.verified);
        CHECK(claims != NULL, "claims");
        assert_string_equal(json_string_value(json_object_get(claims, "tcb_status")), "UpToDate");
        assert_string_equal(json_string_value(json_object_get(claims, "fmspc")), "50a06f000000");
    }
}

static bool is_expected(const struct sim_tdx_breakage *b, const char *id)
{
    bool found = strcmp(b->check, id) == 0;

    for (size_t i = 0; i < SIM_TDX_ALSO && b->also[i] != NULL; i++)
        found = found || strcmp(b->also[i], id) == 0;
    return found;
}

static void check_breakage(const struct sim_tdx_breakage *b, uint16_t version)
{
    CLO_CLEANUP(run_free) struct run run = { 0 };
    struct sim_tdx tdx;

    sim_tdx_good(version, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
    b->apply(&tdx, &keys);
    run_made(&tdx, false, &run, b->name);
    CHECK(has_failed(&run.checks, b->check), b->name);
    for (size_t i = 0; i < run.checks.count; i++)
        if (run.checks.items[i].result == CLO_CHECK_FAIL && !is_expected(b, run.checks.items[i].id))
            fail_msg("%s: %s: %s", b->name, run.checks.items[i].id, run.checks.items[i].detail);
    /* Only a TCB without a level, or revoked, is authentic all the same. */
    CHECK(run.is_verified == (strcmp(b->check, "tdx.tcb") == 0), b->name);
    CHECK(!clo_checks_ok(&run.checks), b->name);
}

static void test_breakages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sim_tdx_breakage_count; i++) {
        check_breakage(&sim_tdx_breakages[i], 5);
        check_breakage(&sim_tdx_breakages[i], 4);
    }
}

/* --- With a cache, nothing is accepted that is not accepted without --- */

static void expect_equal(const struct sim_tdx_made *made, struct clo_certificate_cache *cache,
                         int64_t later, const char *name)
{
    CLO_CLEANUP(run_free) struct run without = { .later = later };

    judge(made, false, &without, name);
    for (int i = 0; i < 2; i++) {
        CLO_CLEANUP(run_free) struct run with = { .cache = cache, .later = later };
        judge(made, false, &with, name);
        CHECK(with.is_verified == without.is_verified, name);
        CHECK(with.checks.count == without.checks.count, name);
        for (size_t k = 0; k < with.checks.count; k++) {
            CHECK(with.checks.items[k].result == without.checks.items[k].result, name);
            assert_string_equal(with.checks.items[k].id, without.checks.items[k].id);
            assert_string_equal(with.checks.items[k].detail, without.checks.items[k].detail);
        }
    }
}

/* All that is good in one with something broken is known already. */
static void expect_equal_broken(const struct sim_tdx_breakage *breakage,
                                struct clo_certificate_cache *cache)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    struct sim_tdx tdx;
    struct clo_error err;

    good(&tdx);
    breakage->apply(&tdx, &keys);
    CHECK(sim_tdx_make(&tdx, &keys, &made, &err), err.text);
    expect_equal(&made, cache, 0, breakage->name);
}

static void test_cached(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = NULL;
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    struct sim_tdx tdx;
    struct clo_error err;
    uint64_t found;
    size_t count;

    (void)state;
    CHECK(clo_certificate_cache_new(64, &cache, &err), err.text);
    good(&tdx);
    CHECK(sim_tdx_make(&tdx, &keys, &made, &err), err.text);
    expect_equal(&made, cache, 0, "good");
    clo_certificate_cache_counts(cache, &count, &found);
    CHECK(count == 8 && found >= 8, "four certificates, two lists, two documents");
    for (size_t i = 0; i < sim_tdx_breakage_count; i++)
        expect_equal_broken(&sim_tdx_breakages[i], cache);
    for (int64_t days = 1; days < 20000; days *= 3)
        expect_equal(&made, cache, days * 86400, "later");
    expect_equal(&made, cache, -20000 * INT64_C(86400), "before");
    expect_equal(&made, cache, 0, "and good again");
}

/* A byte of what is known, in another piece of collateral. */
static void test_cached_changed(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = NULL;
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    static const enum clo_tdx_piece pieces[] = { CLO_TDX_TCB_INFO, CLO_TDX_QE_IDENTITY };
    struct sim_tdx tdx;
    struct clo_error err;

    (void)state;
    CHECK(clo_certificate_cache_new(64, &cache, &err), err.text);
    good(&tdx);
    CHECK(sim_tdx_make(&tdx, &keys, &made, &err), err.text);
    expect_equal(&made, cache, 0, "good");
    for (size_t i = 0; i < CLO_COUNT(pieces); i++) {
        struct clo_buffer *piece = &made.collateral.pieces[pieces[i]];
        uint8_t *digit = memmem(piece->data, piece->size, "2026", 4);
        assert_non_null(digit);
        digit[3] = '5';
        CLO_CLEANUP(run_free) struct run with = { .cache = cache };
        judge(&made, false, &with, "a digit");
        CHECK(!with.is_verified, "a digit of a document that is known");
        digit[3] = '6';
    }
    expect_equal(&made, cache, 0, "and good again");
}

/* A signature that held is of that key, that document and those bytes. */
static void test_signed_names(void **state)
{
    CLO_CLEANUP(clo_certificate_cache_freep) struct clo_certificate_cache *cache = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *one = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *other = NULL;
    struct clo_bytes a = clo_bytes_text("a"), b = clo_bytes_text("b");
    struct clo_digest known, name;
    struct clo_error err;

    (void)state;
    CHECK(clo_certificate_cache_new(8, &cache, &err), err.text);
    CHECK(clo_private_key_public(keys.attestation, &one, &err), err.text);
    CHECK(clo_private_key_public(keys.pck, &other, &err), err.text);
    clo_signed_name(one, a, b, &known);
    CHECK(!clo_signed_cache_has(cache, &known), "not yet");
    clo_signed_cache_keep(cache, &known);
    CHECK(clo_signed_cache_has(cache, &known) && !clo_signed_cache_has(NULL, &known), "known");
    clo_signed_name(other, a, b, &name);
    CHECK(!clo_signed_cache_has(cache, &name), "another key");
    clo_signed_name(one, b, b, &name);
    CHECK(!clo_signed_cache_has(cache, &name), "another document");
    clo_signed_name(one, a, a, &name);
    CHECK(!clo_signed_cache_has(cache, &name), "another signature");
}

/* On the day of a promotion the two differ; Intel's own verifier takes the lower (QvE). */
static void test_numbers_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        struct sim_tdx tdx;
        good(&tdx);
        (i == 0 ? &tdx.qe_identity : &tdx.tcb_info)->evaluation_number = 17;
        run_made(&tdx, false, &run, "numbers");
        CHECK(run.is_verified && clo_checks_ok(&run.checks), "numbers");
        CHECK(run.verified.tcb.evaluation_number == 17, "the lower");
        CHECK(run.verified.tcb.tcb_info_number + run.verified.tcb.qe_identity_number == 17 + 18,
              "both");
    }
}

/* Each document has the signer that its own chain brings: a good one in the other's does not stand in. */
static void test_own_chains(void **state)
{
    static const struct {
        const char *name, *fails, *passes;
        enum clo_tdx_piece chain, becomes;
    } chains[] = {
        { "TCB info's has none", "tdx.tcb_info", "tdx.qe_identity", CLO_TDX_TCB_INFO_ISSUER_CHAIN,
          CLO_TDX_PCK_CRL_ISSUER_CHAIN },
        { "QE identity's has none", "tdx.qe_identity", "tdx.tcb_info",
          CLO_TDX_QE_IDENTITY_ISSUER_CHAIN, CLO_TDX_PCK_CRL_ISSUER_CHAIN },
        { "TCB info's is expired", "tdx.validity", "tdx.tcb_info", CLO_TDX_TCB_INFO_ISSUER_CHAIN,
          CLO_TDX_TCB_INFO_ISSUER_CHAIN },
        { "QE identity's is expired", "tdx.validity", "tdx.qe_identity",
          CLO_TDX_QE_IDENTITY_ISSUER_CHAIN, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(chains); i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made expired = { 0 };
        struct sim_tdx tdx, old;
        struct clo_error err;
        good(&tdx);
        good(&old);
        old.signer_certificate.not_after = NOW - 1;
        CHECK(sim_tdx_make(&tdx, &keys, &run.made, &err) &&
                      sim_tdx_make(&old, &keys, &expired, &err) &&
                      clo_tdx_parse(clo_buffer_bytes(&run.made.quote), &run.quote, &err),
              chains[i].name);
        struct clo_buffer *chain = &run.made.collateral.pieces[chains[i].chain];
        clo_buffer_free(chain);
        clo_buffer_append(chain, clo_buffer_bytes(&expired.collateral.pieces[chains[i].becomes]));
        struct clo_tdx_trust trust = { .at = NOW, .roots = &run.made.trusted, .root_count = 1 };
        CHECK(clo_tdx_platform_new(run.quote.chain, &run.made.collateral, &trust, &run.checks,
                                   &run.platform, &err),
              err.text);
        CHECK(has_failed(&run.checks, chains[i].fails), chains[i].name);
        CHECK(has_passed(&run.checks, chains[i].passes), chains[i].name);
        CHECK(run.checks.failures == 1, chains[i].name);
    }
}

/* Each check that a good quote passes is failed by some line of the table. */
static void test_all_checks_are_broken(void **state)
{
    CLO_CLEANUP(run_free) struct run run = { 0 };
    struct sim_tdx tdx;

    (void)state;
    good(&tdx);
    run_made(&tdx, false, &run, "good");
    CHECK(run.checks.count == 16, "checks");
    for (size_t i = 0; i < run.checks.count; i++) {
        size_t k = 0;
        CHECK(run.checks.items[i].result == CLO_CHECK_PASS, run.checks.items[i].id);
        while (k < sim_tdx_breakage_count &&
               strcmp(sim_tdx_breakages[k].check, run.checks.items[i].id) != 0)
            k++;
        CHECK(k < sim_tdx_breakage_count, run.checks.items[i].id);
    }
}

/* --- Statuses --- */

static void test_converge(void **state)
{
    static const struct {
        const char *platform, *module, *qe;
        enum clo_tdx_status expected;
    } cases[] = {
        { "UpToDate", "UpToDate", "UpToDate", CLO_TDX_UP_TO_DATE },
        { "SWHardeningNeeded", "UpToDate", "UpToDate", CLO_TDX_SW_HARDENING_NEEDED },
        { "ConfigurationNeeded", "UpToDate", "UpToDate", CLO_TDX_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", "UpToDate", "UpToDate",
          CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED },
        { "OutOfDate", "UpToDate", "UpToDate", CLO_TDX_OUT_OF_DATE },
        { "OutOfDateConfigurationNeeded", "UpToDate", "UpToDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "Revoked", "UpToDate", "UpToDate", CLO_TDX_REVOKED },
        { "UpToDate", "OutOfDate", "UpToDate", CLO_TDX_OUT_OF_DATE },
        { "SWHardeningNeeded", "OutOfDate", "UpToDate", CLO_TDX_OUT_OF_DATE },
        { "ConfigurationNeeded", "OutOfDate", "UpToDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", "OutOfDate", "UpToDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "OutOfDate", "OutOfDate", "OutOfDate", CLO_TDX_OUT_OF_DATE },
        { "OutOfDateConfigurationNeeded", "OutOfDate", "UpToDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "UpToDate", "UpToDate", "OutOfDate", CLO_TDX_OUT_OF_DATE },
        { "SWHardeningNeeded", "UpToDate", "OutOfDate", CLO_TDX_OUT_OF_DATE },
        { "ConfigurationNeeded", "UpToDate", "OutOfDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", "UpToDate", "OutOfDate",
          CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "UpToDate", "Revoked", "UpToDate", CLO_TDX_REVOKED },
        { "OutOfDate", "Revoked", "OutOfDate", CLO_TDX_REVOKED },
        { "UpToDate", "UpToDate", "Revoked", CLO_TDX_REVOKED },
        { "Revoked", "OutOfDate", "OutOfDate", CLO_TDX_REVOKED },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        struct sim_tdx tdx;
        /* TD 1.0: no relaunch to advise. */
        sim_tdx_good(4, CLO_TDX_BODY_TD10, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
        tdx.tcb_info.status = cases[i].platform;
        tdx.tcb_info.module = cases[i].module;
        tdx.qe_identity.status = cases[i].qe;
        run_made(&tdx, false, &run, cases[i].platform);
        CHECK(run.is_verified, cases[i].platform);
        if (run.verified.tcb.status != cases[i].expected)
            fail_msg("%s, %s, %s gives %s", cases[i].platform, cases[i].module, cases[i].qe,
                     clo_tdx_status_name(run.verified.tcb.status));
    }
}

static void test_older_level(void **state)
{
    CLO_CLEANUP(run_free) struct run run = { 0 };
    struct sim_tdx tdx;

    (void)state;
    good(&tdx);
    tdx.pck.components[3] = 4; /* below the first level, above the second */
    run_made(&tdx, false, &run, "older");
    CHECK(run.is_verified && run.verified.tcb.status == CLO_TDX_OUT_OF_DATE, "out of date");
    CHECK(run.verified.tcb.module_status == CLO_TDX_UP_TO_DATE, "the module is not");
    CHECK(run.verified.tcb.advisory_count == 2, "advisories");
    CHECK(run.verified.tcb.date == 1740787200, "the platform's date is the earliest");
}

/* With a module of its own version, components 0 and 1 are the module's affair; without, they count. */
static void test_module_rule(void **state)
{
    static const struct {
        const char *name;
        uint8_t svn[3];
        enum clo_tdx_status expected;
    } cases[] = {
        { "module 1, SVN below the components of the level", { 3, 1, 5 }, CLO_TDX_OUT_OF_DATE },
        { "module 0, the same SVN", { 3, 0, 5 }, CLO_TDX_OUT_OF_DATE },
        { "module 0, newest", { 5, 0, 5 }, CLO_TDX_UP_TO_DATE },
        { "module 0, below all", { 2, 0, 5 }, CLO_TDX_NOT_SUPPORTED },
        { "module 1, newest", { 5, 1, 5 }, CLO_TDX_UP_TO_DATE },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        struct sim_tdx tdx;
        sim_tdx_good(4, CLO_TDX_BODY_TD10, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
        memcpy(tdx.body + SIM_TDX_TEE_TCB_SVN, cases[i].svn, 3);
        run_made(&tdx, false, &run, cases[i].name);
        CHECK(run.is_verified && run.verified.tcb.status == cases[i].expected, cases[i].name);
    }
}

static void test_relaunch(void **state)
{
    static const struct {
        const char *name, *platform, *qe;
        uint8_t launch[3], now[3];
        enum clo_tdx_body_type body;
        enum clo_tdx_status expected;
    } cases[] = {
        { "updated under it",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_RELAUNCH_ADVISED },
        { "updated, configuration needed",
          "ConfigurationNeeded",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
        { "updated to a module of version 0",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 0, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_RELAUNCH_ADVISED },
        { "not updated",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 3, 1, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_OUT_OF_DATE },
        { "the loader is old",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 4 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_OUT_OF_DATE },
        { "updated to a module nobody knows",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 2, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_OUT_OF_DATE },
        { "the platform itself is out of date",
          "OutOfDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_OUT_OF_DATE },
        { "the QE is out of date",
          "UpToDate",
          "OutOfDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD15,
          CLO_TDX_OUT_OF_DATE },
        { "TD 1.0 cannot say",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD10,
          CLO_TDX_OUT_OF_DATE },
        { "extended",
          "UpToDate",
          "UpToDate",
          { 3, 1, 5 },
          { 5, 1, 5 },
          CLO_TDX_BODY_TD15_EXTENDED,
          CLO_TDX_RELAUNCH_ADVISED },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        struct sim_tdx tdx;
        sim_tdx_good(5, cases[i].body, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
        tdx.tcb_info.status = cases[i].platform;
        tdx.qe_identity.status = cases[i].qe;
        memcpy(tdx.body + SIM_TDX_TEE_TCB_SVN, cases[i].launch, 3);
        memcpy(tdx.body + SIM_TDX_TEE_TCB_SVN2, cases[i].now, 3);
        run_made(&tdx, false, &run, cases[i].name);
        if (!run.is_verified || run.verified.tcb.status != cases[i].expected)
            fail_msg("%s: %s", cases[i].name, clo_tdx_status_name(run.verified.tcb.status));
    }
}

/* --- What is tolerated --- */

static void test_lenient(void **state)
{
    static const size_t sizes[] = { 0, 1, 32, 4096 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
        CLO_CLEANUP(run_free) struct run run = { 0 };
        struct sim_tdx tdx;
        good(&tdx);
        tdx.auth_size = sizes[i];
        tdx.trailing = sizes[i];
        tdx.trailing_value = 0xaa;
        tdx.chain_beside = i == 1;
        run_made(&tdx, false, &run, "lenient");
        CHECK(run.is_verified && clo_checks_ok(&run.checks), "lenient");
        CHECK(run.quote.trailing.size == sizes[i], "trailing");
    }
}

static void test_unknown_members(void **state)
{
    CLO_CLEANUP(run_free) struct run run = { 0 };
    struct sim_tdx tdx;

    (void)state;
    good(&tdx);
    tdx.tcb_info.from = "\"tcbType\":0";
    tdx.tcb_info.to = "\"newRule\":{\"a\":[1]},\"tcbType\":0";
    tdx.qe_identity.from = "\"isvprodid\":2";
    tdx.qe_identity.to = "\"isvprodid\":2,\"other\":true";
    run_made(&tdx, false, &run, "unknown");
    CHECK(run.is_verified, "verified");
    assert_string_equal(clo_tdx_platform_unknown(run.platform), "newRule, other");
}

static void test_without_tcb(void **state)
{
    static const char *const skipped[] = { "tdx.freshness", "tdx.tcb_info", "tdx.qe_identity",
                                           "tdx.fmspc",     "tdx.qe",       "tdx.module",
                                           "tdx.tcb" };
    CLO_CLEANUP(run_free) struct run run = { 0 };
    CLO_CLEANUP(run_free) struct run revoked = { 0 };
    struct sim_tdx tdx;

    (void)state;
    good(&tdx);
    tdx.tcb_info.status = "Revoked";
    tdx.tcb_info.next_update = NOW - 1;
    run_made(&tdx, true, &run, "without TCB");
    CHECK(run.is_verified && !run.verified.tcb.is_evaluated, "verified");
    for (size_t i = 0; i < CLO_COUNT(skipped); i++)
        CHECK(check_is(&run.checks, skipped[i], CLO_CHECK_SKIP), skipped[i]);
    good(&tdx);
    tdx.pck_crl.revoked = 3;
    run_made(&tdx, true, &revoked, "revoked");
    CHECK(!revoked.is_verified && has_failed(&revoked.checks, "tdx.revocation"), "revoked");
}

/* --- One platform for many quotes --- */

static void test_reuse(void **state)
{
    CLO_CLEANUP(run_free) struct run run = { 0 };
    CLO_CLEANUP(run_free) struct run other = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks foreign = { 0 };
    struct clo_tdx_verified verified;
    struct sim_tdx tdx;
    struct clo_error err;
    int64_t from;
    int64_t until;

    (void)state;
    good(&tdx);
    run_made(&tdx, false, &run, "platform");
    clo_tdx_platform_window(run.platform, &from, &until);
    CHECK(from == NOW - 86400 && until == NOW + 29 * 86400, "window");
    CHECK(clo_tdx_verify(&run.quote, run.platform, until, &checks, &verified, &err), err.text);
    CHECK(!clo_tdx_verify(&run.quote, run.platform, until + 1, &checks, &verified, &err), "late");
    CHECK(has_failed(&checks, "tdx.freshness"), "late");
    CHECK(!clo_tdx_verify(&run.quote, run.platform, from - 1, &checks, &verified, &err), "early");
    tdx.leaf_certificate.serial = 9;
    run_made(&tdx, false, &other, "another platform");
    CHECK(other.is_verified, "by itself");
    CHECK(!clo_tdx_verify(&other.quote, run.platform, NOW, &foreign, &verified, &err), "foreign");
    CHECK(has_failed(&foreign, "tdx.qe_report"), "foreign");
}

static void test_no_roots(void **state)
{
    struct clo_tdx_trust trust = { .at = NOW };
    struct clo_checks checks = { 0 };
    struct clo_tdx_platform *platform = NULL;
    struct clo_error err;

    (void)state;
    CHECK(!clo_tdx_platform_new(clo_bytes(NULL, 0), NULL, &trust, &checks, &platform, &err),
          "no roots");
    CHECK(err.status == CLO_ERR_USAGE && platform == NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_breakages),
        cmocka_unit_test(test_cached),         cmocka_unit_test(test_signed_names),
        cmocka_unit_test(test_cached_changed), cmocka_unit_test(test_numbers_differ),
        cmocka_unit_test(test_own_chains),     cmocka_unit_test(test_all_checks_are_broken),
        cmocka_unit_test(test_converge),       cmocka_unit_test(test_older_level),
        cmocka_unit_test(test_module_rule),    cmocka_unit_test(test_relaunch),
        cmocka_unit_test(test_lenient),        cmocka_unit_test(test_unknown_members),
        cmocka_unit_test(test_without_tcb),    cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_no_roots),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
