/* Every check of an SEV-SNP report has something that fails it and nothing else: take the check out, and
 * a line of the table in sim/breakages.c is accepted. */
#include "sim/forge.h"

#include "checks.h"
#include "cloister/policy.h"
#include "test.h"

#define NOW 1780000000LL

static struct sim_forge_keys keys;

static int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    return sim_forge_keys_new(2048, &keys, &err) ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    sim_forge_keys_free(&keys);
    return 0;
}

/* Verified and, if it is, held against the policy. */
static void run(const struct sim_forged *forged, const struct sim_breakage *breakage,
                struct clo_checks *checks, struct clo_snp_verified *verified, const char *name)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_error err;

    sim_forge_table(forged, false, &table);
    if (!clo_snp_certificates_add(&certificates, clo_buffer_bytes(&table), &err) ||
        !clo_snp_parse(clo_bytes(forged->report, sizeof forged->report), &report, &err) ||
        !clo_snp_chain_find(&report, &certificates, &chain, &err) ||
        !sim_breakage_policy(breakage, &forged->root, &text, &err) ||
        !clo_policy_parse(clo_buffer_bytes(&text), &policy, &err))
        fail_msg("%s: %s", name, err.text);
    struct clo_snp_trust trust = { .at = NOW,
                                   .roots = &forged->root,
                                   .root_count = 1,
                                   .crls = (const struct clo_crl *const *)certificates.crls,
                                   .crl_count = certificates.crl_count };
    CHECK(certificates.count == 3 && certificates.crl_count == 1, name);
    if (clo_snp_verify(&report, &chain, &trust, checks, verified, &err))
        clo_policy_appraise_snp(policy, verified, checks);
    else
        CHECK(err.status == CLO_ERR_UNVERIFIED, name);
    /* The report is a view into `forged`; the certificates are gone now. */
}

static void make(enum clo_snp_product product, uint8_t version, bool is_vlek,
                 const struct sim_breakage *breakage, struct sim_forged *out)
{
    struct sim_forge forge;
    struct clo_error err;

    sim_forge_good(product, version, is_vlek, NOW, &keys, &forge);
    if (breakage != NULL)
        breakage->apply(&forge, &keys);
    if (!sim_forge(&forge, &keys, out, &err))
        fail_msg("%s", err.text);
}

static void must_pass(const struct clo_checks *checks, const char *name)
{
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            fail_msg("%s: %s: %s", name, checks->items[i].id, checks->items[i].detail);
}

static void test_good(void **state)
{
    (void)state;
    for (int product = CLO_SNP_MILAN; product <= CLO_SNP_VENICE; product++)
        for (uint8_t version = 2; version <= 6; version++)
            for (int is_vlek = 0; is_vlek < 2; is_vlek++) {
                CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
                CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
                struct clo_snp_verified verified = { 0 };
                char name[64];
                snprintf(name, sizeof name, "%s, version %u, %s",
                         clo_snp_product_name((enum clo_snp_product)product), version,
                         is_vlek ? "VLEK" : "VCEK");
                make((enum clo_snp_product)product, version, is_vlek, NULL, &forged);
                run(&forged, NULL, &checks, &verified, name);
                must_pass(&checks, name);
                CHECK(verified.product == (enum clo_snp_product)product, name);
                CHECK(verified.is_vlek == is_vlek && verified.has_hw_id == !is_vlek, name);
                CHECK(!is_vlek || strcmp(verified.csp_id, "CN=provider.example") == 0, name);
                CHECK(verified.report.is_newer == (version > 5), name);
                CHECK(verified.revocation_checked && !verified.is_amd, name);
            }
}

/* hwID in an OCTET STRING as well: that it is read raw first is for chips whose identity looks like one. */
static void test_wrapped_hw_id(void **state)
{
    static const enum clo_snp_product products[] = { CLO_SNP_MILAN, CLO_SNP_TURIN };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(products); i++) {
        CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_snp_verified verified = { 0 };
        struct sim_forge forge;
        struct clo_error err;
        sim_forge_good(products[i], 5, false, NOW, &keys, &forge);
        forge.hw_id_is_der = true;
        CHECK(sim_forge(&forge, &keys, &forged, &err), err.text);
        run(&forged, NULL, &checks, &verified, "wrapped hwID");
        must_pass(&checks, "wrapped hwID");
    }
}

static bool is_expected(const struct sim_breakage *breakage, const char *id)
{
    for (size_t i = 0; i < SIM_BREAKAGE_ALSO; i++)
        if (breakage->also[i] != NULL && strcmp(breakage->also[i], id) == 0)
            return true;
    return strcmp(breakage->check, id) == 0;
}

static void test_breakages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sim_breakage_count; i++) {
        const struct sim_breakage *breakage = &sim_breakages[i];
        CLO_CLEANUP(sim_forged_free) struct sim_forged good = { 0 };
        CLO_CLEANUP(sim_forged_free) struct sim_forged broken = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks before = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks after = { 0 };
        struct clo_snp_verified verified;
        make(CLO_SNP_MILAN, 5, false, NULL, &good);
        run(&good, breakage, &before, &verified, breakage->name);
        must_pass(&before, breakage->name);
        make(CLO_SNP_MILAN, 5, false, breakage, &broken);
        run(&broken, breakage, &after, &verified, breakage->name);
        for (size_t k = 0; k < after.count; k++)
            if (after.items[k].result == CLO_CHECK_FAIL &&
                !is_expected(breakage, after.items[k].id))
                fail_msg("%s: %s: %s", breakage->name, after.items[k].id, after.items[k].detail);
        if (!has_failed(&after, breakage->check))
            fail_msg("%s: %s has not failed", breakage->name, breakage->check);
        for (size_t k = 0; k < SIM_BREAKAGE_ALSO; k++)
            if (breakage->also[k] != NULL && !has_failed(&after, breakage->also[k]))
                fail_msg("%s: %s has not failed", breakage->name, breakage->also[k]);
    }
}

/* Turin's own: the first eight bytes count, the rest is zero, and its TCB has an fmc. */
static void test_turin(void **state)
{
    static const struct {
        const char *name, *check;
        size_t at;
        uint8_t value;
    } cases[] = {
        { "another chip", "snp.chip", 0x1a7, 0xff },
        { "something after the eight bytes", "snp.chip", 0x1a8, 1 },
        { "another fmc", "snp.tcb", 0x180, 9 },
        { "another bootloader", "snp.tcb", 0x181, 9 },
        { "another tee", "snp.tcb", 0x182, 9 },
        { "another snp", "snp.tcb", 0x183, 9 },
        { "another microcode", "snp.tcb", 0x187, 9 },
        { "a reserved byte", "snp.tcb", 0x186, 9 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_snp_verified verified;
        struct sim_forge forge;
        struct clo_error err;
        sim_forge_good(CLO_SNP_TURIN, 5, false, NOW, &keys, &forge);
        forge.report[cases[i].at] = cases[i].value;
        CHECK(sim_forge(&forge, &keys, &forged, &err), err.text);
        run(&forged, NULL, &checks, &verified, cases[i].name);
        CHECK(checks.failures == 1 && has_failed(&checks, cases[i].check), cases[i].name);
    }
}

/* A chain verified once serves many reports, until something of it ends. */
static void test_endorser(void **state)
{
    CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_snp_endorser endorser;
    struct clo_snp_verified verified;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_error err;

    (void)state;
    make(CLO_SNP_GENOA, 3, false, NULL, &forged);
    sim_forge_table(&forged, false, &table);
    CHECK(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&table), &err), err.text);
    CHECK(clo_snp_parse(clo_bytes(forged.report, sizeof forged.report), &report, &err), err.text);
    CHECK(clo_snp_chain_find(&report, &certificates, &chain, &err), err.text);
    struct clo_snp_trust trust = { .at = NOW,
                                   .roots = &forged.root,
                                   .root_count = 1,
                                   .crls = (const struct clo_crl *const *)certificates.crls,
                                   .crl_count = certificates.crl_count };
    CHECK(clo_snp_chain_verify(&chain, &trust, &checks, &endorser, &err), err.text);
    CHECK(endorser.from == NOW - 86400 && endorser.until == NOW + 180LL * 86400,
          "the list ends first");
    for (int i = 0; i < 3; i++) {
        clo_checks_clear(&checks);
        CHECK(clo_snp_report_verify(&report, &endorser, NOW, &checks, &verified, &err), err.text);
        CHECK(verified.product == CLO_SNP_GENOA && verified.revocation_checked, "verified");
        CHECK(checks.count == 6 && checks.failures == 0, "six checks");
    }
    CHECK(!clo_snp_report_verify(&report, &endorser, endorser.until + 1, &checks, &verified, &err),
          "too late");
    CHECK(strncmp(err.text, "snp.validity: ", 14) == 0, err.text);
    clo_checks_clear(&checks);
    forged.report[0x90] ^= 1;
    CHECK(!clo_snp_report_verify(&report, &endorser, NOW, &checks, &verified, &err), "changed");
    CHECK(strncmp(err.text, "snp.signature: ", 15) == 0, err.text);
    /* A failure that was there before does not count. */
    CHECK(checks.failures == 1, "one");
    forged.report[0x90] ^= 1;
    CHECK(clo_snp_report_verify(&report, &endorser, NOW, &checks, &verified, &err), err.text);

    /* AMD's roots are each of one product line. */
    struct clo_snp_endorser of_turin = endorser;
    of_turin.root_product = CLO_SNP_TURIN;
    clo_checks_clear(&checks);
    CHECK(!clo_snp_report_verify(&report, &of_turin, NOW, &checks, &verified, &err),
          "Turin's root");
    CHECK(strcmp(err.text, "snp.product: the report is of Genoa, the root is Turin's") == 0,
          err.text);

    clo_checks_clear(&checks);
    trust.root_count = 0;
    CHECK(!clo_snp_chain_verify(&chain, &trust, &checks, &endorser, &err), "no root");
    CHECK(strcmp(err.text, "snp.root: no root is trusted: name one") == 0, err.text);
}

static const char *text_at(const json_t *json, const char *list, size_t index, const char *key)
{
    const char *text = json_string_value(
            json_object_get(json_array_get(json_object_get(json, list), index), key));

    return text == NULL ? "" : text;
}

/* What is shown of certificates and lists, and in which forms they may come. */
static void test_shown(void **state)
{
    CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer list = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer both = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer torn = { 0 };
    struct clo_error err;

    (void)state;
    make(CLO_SNP_TURIN, 5, true, NULL, &forged);
    CHECK(clo_pem_write("X509 CRL", clo_buffer_bytes(&forged.crl), &list, &err) &&
                  clo_pem_write("CERTIFICATE", clo_buffer_bytes(&forged.leaf), &both, &err) &&
                  clo_pem_write("X509 CRL", clo_buffer_bytes(&forged.crl), &both, &err),
          err.text);
    clo_buffer_append(&torn, clo_buffer_bytes(&both));
    clo_buffer_text(&torn, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const struct {
        const char *name;
        struct clo_bytes in;
        size_t certificates, lists;
        const char *error; /* NULL: it is read */
    } cases[] = {
        { "leaf, DER", clo_buffer_bytes(&forged.leaf), 1, 0, NULL },
        { "list, DER", clo_buffer_bytes(&forged.crl), 0, 1, NULL },
        { "list, PEM", clo_buffer_bytes(&list), 0, 1, NULL },
        { "leaf and list, PEM", clo_buffer_bytes(&both), 1, 1, NULL },
        { "one good, one torn", clo_buffer_bytes(&torn), 0, 0, "certificate 2: " },
        { "list cut short", clo_bytes_slice(clo_buffer_bytes(&forged.crl), 0, 300), 0, 0,
          "certificate" },
        { "text", clo_bytes_text("nothing of it"), 0, 0,
          "neither certificates nor revocation lists" },
        { "nothing", clo_bytes(NULL, 0), 0, 0, "neither certificates nor revocation lists" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates out = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        bool ok = clo_snp_certificates_read(&out, cases[i].in, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        if (!ok)
            continue;
        CHECK(out.count == cases[i].certificates && out.crl_count == cases[i].lists, cases[i].name);
        json = clo_snp_certificates_json(&out);
        CHECK(cases[i].certificates == 0 ||
                      (strcmp(text_at(json, "certificates", 0, "kind"), "VLEK") == 0 &&
                       strcmp(text_at(json, "certificates", 0, "csp_id"), "CN=provider.example") ==
                               0),
              cases[i].name);
        CHECK(cases[i].lists == 0 ||
                      strcmp(text_at(json, "revocation_lists", 0, "issuer"),
                             "CN=ARK-simulation,O=Cloister simulation\\, no AMD product") == 0,
              text_at(json, "revocation_lists", 0, "issuer"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_wrapped_hw_id),
        cmocka_unit_test(test_breakages), cmocka_unit_test(test_turin),
        cmocka_unit_test(test_endorser),  cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
