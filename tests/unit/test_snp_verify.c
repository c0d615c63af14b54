#include "cloister/snp.h"

#include "checks.h"
#include "snp_chain.h"

/* --- A chain of our own, and everything that can be wrong with it --- */

struct trial {
    const char *name;
    const char *check; /* the one that fails; NULL: verifies */
    const char *detail;
    const char *also; /* fails with it; NULL */
};

static void try_one(struct snp_maker *maker, const struct trial *trial,
                    void (*change)(struct snp_maker *, struct clo_snp_trust *))
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_snp_report report;
    struct clo_snp_chain chain = { 0 };
    struct clo_snp_verified verified;
    struct clo_error err;
    struct clo_snp_trust trust = { .at = SNP_MAKER_NOW, .roots = &maker->root, .root_count = 1 };

    snp_maker_reset(maker);
    if (change != NULL)
        change(maker, &trust);
    snp_maker_make(maker, &certificates);
    CHECK(clo_snp_parse(clo_bytes(maker->report, sizeof maker->report), &report, &err),
          trial->name);
    CHECK(clo_snp_chain_find(&report, &certificates, &chain, &err), trial->name);
    bool ok = clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err);
    if (ok != (trial->check == NULL))
        fail_msg("%s: %s", trial->name, ok ? "verifies" : err.text);
    if (ok)
        return;
    CHECK(err.status == CLO_ERR_UNVERIFIED, trial->name);
    CHECK(has_failed(&checks, trial->check), trial->name);
    for (size_t i = 0; i < checks.count; i++)
        if (checks.items[i].result == CLO_CHECK_FAIL &&
            strcmp(checks.items[i].id, trial->check) != 0 &&
            (trial->also == NULL || strcmp(checks.items[i].id, trial->also) != 0))
            fail_msg("%s: %s failed too: %s", trial->name, checks.items[i].id,
                     checks.items[i].detail);
    if (strstr(clo_checks_get(&checks, trial->check)->detail, trial->detail) == NULL)
        fail_msg("%s: \"%s\"", trial->name, clo_checks_get(&checks, trial->check)->detail);
}

static void sign_elsewhere(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->sign_with_wrong_key = true;
}
static void change_after(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->flip_after_signing = 0x90;
}
static void dirty_padding(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->flip_after_signing = 0x2a0 + 50;
}
static void other_algorithm(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0x34] = 2;
}
static void claims_vlek(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0x48] = 1 << 2;
}
static void too_early(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)m;
    trust->at = SNP_MAKER_NOW - 100 * 86400;
}
static void too_late(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)m;
    trust->at = SNP_MAKER_NOW + 4000LL * 86400;
}
static void no_roots(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)m;
    trust->root_count = 0;
}
static void amd_only(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)m;
    trust->root_count = 0;
    trust->amd = true;
}
static void other_chip(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0x1a0] ^= 1;
}
static void masked_chip(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    memset(m->report + 0x1a0, 0, 64);
}
static void key_usage(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->leaf_has_key_usage = true;
}
static void higher_tcb(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0x187]++;
}
static void other_product(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0x189] = 0x11;
}
/* Version 2 does not say what it is of, so that the certificate alone has to. */
static void unknown_product(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->report[0] = 2;
    memset(m->report + 0x188, 0, 3);
    m->product = "\x16\x09Naples-B1";
}
static void pkcs1_leaf(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->leaf_scheme = CLO_RSASSA_PKCS1;
}
static void sha256_leaf(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->leaf_hash = CLO_HASH_SHA256;
}
static void no_ca(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->intermediate_is_no_ca = true;
}
static void foreign_intermediate(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->intermediate_by_wrong_key = true;
}
static void no_intermediate(struct snp_maker *m, struct clo_snp_trust *trust)
{
    (void)trust;
    m->leave_out_intermediate = true;
}

static void test_own_chain(void **state)
{
    static const struct {
        struct trial trial;
        void (*change)(struct snp_maker *, struct clo_snp_trust *);
    } trials[] = {
        { { "nothing wrong", NULL, NULL, NULL }, NULL },
        { { "CHIP_ID masked", NULL, NULL, NULL }, masked_chip },
        { { "leaf whose KeyUsage is for signatures", NULL, NULL, NULL }, key_usage },
        { { "signed by another key", "snp.signature", "not signed by this VCEK", NULL },
          sign_elsewhere },
        { { "measurement changed after signing", "snp.signature", "or was changed", NULL },
          change_after },
        { { "signature's padding dirty", "snp.signature", "padding is not zero", NULL },
          dirty_padding },
        { { "another algorithm", "snp.signature", "algorithm 2, expected 1", NULL },
          other_algorithm },
        { { "VCEK certificate, report says VLEK", "snp.signer",
            "the report names VLEK as its signer, the certificate is a VCEK", NULL },
          claims_vlek },
        { { "before the certificates", "snp.validity", "valid from", NULL }, too_early },
        { { "after the certificates", "snp.validity", "valid from", NULL }, too_late },
        { { "no root at all", "snp.root", "no root is trusted", NULL }, no_roots },
        { { "only AMD is trusted", "snp.root", "is not trusted", NULL }, amd_only },
        { { "VCEK of another chip", "snp.chip", "the VCEK of another chip", NULL }, other_chip },
        { { "TCB higher than certified", "snp.tcb", "microcode 116, the certificate is for 115",
            NULL },
          higher_tcb },
        { { "Genoa's report, Milan's certificate", "snp.product",
            "the report is of Genoa, its certificate of Milan", NULL },
          other_product },
        { { "a product that we do not know", "snp.product",
            "product \"Naples-B1\" is none that we know", NULL },
          unknown_product },
        { { "leaf signed with PKCS #1", "snp.chain", "not signed with the algorithm", NULL },
          pkcs1_leaf },
        { { "leaf signed with SHA-256", "snp.chain", "not signed with the algorithm", NULL },
          sha256_leaf },
        { { "intermediate is not a CA", "snp.chain", "is not a CA's", NULL }, no_ca },
        { { "intermediate signed by another root", "snp.chain", "signature does not hold",
            "snp.root" },
          foreign_intermediate },
    };
    struct snp_maker maker;

    (void)state;
    snp_maker_init(&maker);
    for (size_t i = 0; i < CLO_COUNT(trials); i++)
        try_one(&maker, &trials[i].trial, trials[i].change);
    snp_maker_free(&maker);
}

/* Without its intermediate a chain fails in more than one place, and says what is missing. */
static void test_missing(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct snp_maker maker;
    struct clo_snp_report report;
    struct clo_snp_chain chain = { 0 };
    struct clo_snp_verified verified;
    struct clo_error err;

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    no_intermediate(&maker, NULL);
    snp_maker_make(&maker, &certificates);
    struct clo_snp_trust trust = { .at = SNP_MAKER_NOW, .roots = &maker.root, .root_count = 1 };
    CHECK(clo_snp_parse(clo_bytes(maker.report, sizeof maker.report), &report, &err), "parse");
    CHECK(clo_snp_chain_find(&report, &certificates, &chain, &err), "find");
    CHECK(chain.intermediate == NULL && chain.root == NULL, "no intermediate");
    CHECK(!clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err), "missing");
    CHECK(has_passed(&checks, "snp.signature"), "the leaf signed it all the same");
    CHECK(has_failed(&checks, "snp.chain") && has_failed(&checks, "snp.root"), "chain and root");
    CHECK(strstr(err.text, "is missing") != NULL, err.text);

    chain = (struct clo_snp_chain){ 0 };
    clo_checks_free(&checks);
    CHECK(!clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err), "no leaf");
    CHECK(has_failed(&checks, "snp.signature") && has_failed(&checks, "snp.leaf"), "no leaf");
    CHECK(!has_passed(&checks, "snp.tcb") && !has_passed(&checks, "snp.chip"), "no leaf");
    CHECK(!has_passed(&checks, "snp.signer") && !has_passed(&checks, "snp.product"), "no leaf");
    snp_maker_free(&maker);
}

/* A list by another issuer, of no certificate in the chain: named for this it fails, brought along it is passed over. */
static void test_foreign_list(void **state)
{
    /* By "CN=leaf", made by OpenSSL 3.0; empty. */
    static const char list_hex[] =
            "3081a7304e020101300a06082a8648ce3d040302300f310d300b06035504030c046c656166170d3236"
            "313132333231333733365a170d3236313232333231333733365aa00e300c300a0603551d1404030201"
            "01300a06082a8648ce3d0403020349003046022100f473b6b3d1f2f31ca3902cdfe50f83ef4b80b7ce"
            "b7f923c1519068682503868a022100eaee5682e9e4b6c1ad377d8deb79c9121917f49b60f17c886f3a"
            "3dfe6fa4ab3a";
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct snp_maker maker;
    struct clo_error err;

    (void)state;
    snp_maker_init(&maker);
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &certificates);
    CHECK(clo_snp_parse(clo_bytes(maker.report, sizeof maker.report), &report, &err), err.text);
    CHECK(clo_snp_chain_find(&report, &certificates, &chain, &err), err.text);
    CHECK(clo_crl_parse(from_hex(list_hex, &der), &crl, &err), err.text);
    const struct clo_crl *crls[] = { crl };
    for (size_t named = 0; named < 2; named++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_snp_verified verified;
        const struct clo_snp_trust trust = { .at = SNP_MAKER_NOW,
                                             .roots = &maker.root,
                                             .root_count = 1,
                                             .crls = crls,
                                             .crl_count = 1,
                                             .named_crl_count = named };
        bool ok = clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err);
        CHECK(ok == (named == 0), "a foreign list");
        CHECK(ok ? !verified.revocation_checked : has_failed(&checks, "snp.revocation"), "which");
    }
    snp_maker_free(&maker);
}

/* One call: the same answer as the steps give, and an answer with its checks where it is no. */
static void test_one_call(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct snp_maker *maker = *state;
    struct clo_error err;

    snp_maker_reset(maker);
    snp_maker_make(maker, &certificates);
    for (size_t i = 0; i < certificates.count; i++)
        assert_true(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[i]), &pem,
                                  &err));
    const struct {
        const char *name;
        size_t size, root_size;
        bool is_damaged;
        int64_t at;
        enum clo_status status; /* CLO_OK: verifies */
        const char *json;       /* NULL: none */
    } cases[] = {
        { "genuine", CLO_SNP_REPORT_SIZE, 32, false, SNP_MAKER_NOW, CLO_OK, "\"verified\":true" },
        { "by AMD's roots", CLO_SNP_REPORT_SIZE, 0, false, SNP_MAKER_NOW, CLO_ERR_UNVERIFIED,
          "\"verified\":false" },
        { "another day", CLO_SNP_REPORT_SIZE, 32, false, 0, CLO_ERR_UNVERIFIED,
          "\"verified\":false" },
        { "changed", CLO_SNP_REPORT_SIZE, 32, true, SNP_MAKER_NOW, CLO_ERR_UNVERIFIED,
          "\"verified\":false" },
        { "half a root", CLO_SNP_REPORT_SIZE, 16, false, SNP_MAKER_NOW, CLO_ERR_USAGE, NULL },
        { "cut short", 100, 32, false, SNP_MAKER_NOW, CLO_ERR_FORMAT, NULL },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        maker->report[0x90] ^= cases[i].is_damaged;
        bool ok = clo_snp_verify_json(
                clo_bytes(maker->report, cases[i].size), clo_buffer_bytes(&pem),
                clo_bytes(maker->root.bytes, cases[i].root_size), cases[i].at, &json, &err);
        maker->report[0x90] ^= cases[i].is_damaged;
        if (ok != (cases[i].status == CLO_OK) || (!ok && err.status != cases[i].status))
            fail_msg("%s: %s", cases[i].name, ok ? "verifies" : err.text);
        CHECK((json.size != 0) == (cases[i].json != NULL), cases[i].name);
        CHECK(cases[i].json == NULL || strstr(clo_buffer_string(&json), cases[i].json) != NULL,
              cases[i].name);
        CHECK((json.size != 0 && strstr(clo_buffer_string(&json), "\"claims\"") != NULL) == ok,
              cases[i].name);
    }
}

static int start(void **state)
{
    static struct snp_maker maker;

    snp_maker_init(&maker);
    *state = &maker;
    return 0;
}

static int stop(void **state)
{
    snp_maker_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_chain),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_foreign_list),
        cmocka_unit_test_setup_teardown(test_one_call, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
