/* What evidence lacks, as a list of requests: of good evidence with a piece left out each. */
#include "cloister/missing.h"

#include "checks.h"
#include "sim/forge.h"
#include "sim/tdx.h"
#include "test.h"

#define NOW 1780000000LL

static struct sim_forge_keys snp_keys;
static struct sim_tdx_keys tdx_keys;
static struct sim_forged snp;
static struct sim_tdx_made tdx;

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static int start(void **state)
{
    struct sim_forge forge;
    struct sim_tdx platform;
    struct clo_error err;

    (void)state;
    if (!sim_forge_keys_new(2048, &snp_keys, &err) || !sim_tdx_keys_new(&tdx_keys, &err))
        return -1;
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &snp_keys, &forge);
    sim_tdx_good(4, CLO_TDX_BODY_TD10, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &platform);
    return sim_forge(&forge, &snp_keys, &snp, &err) &&
                           sim_tdx_make(&platform, &tdx_keys, &tdx, &err)
                   ? 0
                   : -1;
}

static int stop(void **state)
{
    (void)state;
    sim_forged_free(&snp);
    sim_tdx_made_free(&tdx);
    sim_forge_keys_free(&snp_keys);
    sim_tdx_keys_free(&tdx_keys);
    return 0;
}

/* Holds the list against kinds that end in -1, and every name against what it must begin with. */
static void expect(const struct clo_requests *list, const int *kinds, const char *begins,
                   const char *name)
{
    size_t count = 0;

    for (; kinds[count] >= 0; count++)
        CHECK(count < list->count && (int)list->items[count].kind == kinds[count] &&
                      strncmp(list->items[count].name, begins, strlen(begins)) == 0,
              name);
    CHECK(list->count == count, name);
}

/* --- SEV-SNP --- */

enum {
    LEAF = 1,
    ASK = 2,
    ARK = 4,
    LIST = 8
};

static struct clo_evidence *snp_evidence(unsigned pieces, const uint8_t *report)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    const struct clo_buffer *const der[] = { &snp.leaf, &snp.ask, &snp.ark, &snp.crl };
    struct clo_evidence *evidence;
    struct clo_error err;

    for (unsigned i = 0; i < CLO_COUNT(der); i++)
        if ((pieces >> i & 1) != 0)
            must(clo_pem_write(i == 3 ? "X509 CRL" : "CERTIFICATE", clo_buffer_bytes(der[i]), &pem,
                               &err),
                 &err);
    must(clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                  clo_bytes(report, CLO_SNP_REPORT_SIZE), &err) &&
                 (pem.size == 0 || clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES,
                                                    clo_buffer_bytes(&pem), &err)),
         &err);
    return evidence;
}

static void test_snp(void **state)
{
    static const struct {
        const char *name;
        unsigned brought, held;
        bool are_required;
        int kinds[3];
        const char *begins;
        bool is_named;
    } cases[] = {
        { "all is brought", LEAF | ASK | ARK | LIST, 0, false, { -1 }, "", false },
        { "all is held", 0, LEAF | ASK | ARK | LIST, false, { -1 }, "", false },
        { "some is brought, the rest held", LEAF | ARK, ASK | LIST, false, { -1 }, "", false },
        { "nothing", 0, 0, false, { CLO_REQUEST_VCEK, -1 }, "VCEK of chip ", false },
        { "no leaf", ASK | ARK | LIST, 0, false, { CLO_REQUEST_VCEK, -1 }, "VCEK of chip ", false },
        { "no ASK",
          LEAF | ARK | LIST,
          0,
          false,
          { CLO_REQUEST_SNP_CHAIN, -1 },
          "certificate chain of Milan's VCEK",
          false },
        { "no list",
          LEAF | ASK | ARK,
          0,
          false,
          { CLO_REQUEST_SNP_CRL, -1 },
          "revocation list of Milan's VCEK",
          false },
        { "a list of the evidence's where the caller's alone count",
          LEAF | ASK | ARK | LIST,
          0,
          true,
          { CLO_REQUEST_SNP_CRL, -1 },
          "revocation list of Milan's VCEK",
          false },
        { "one of the caller's", LEAF | ASK | ARK, LIST, true, { -1 }, "", false },
        { "no ARK",
          LEAF | ASK | LIST,
          0,
          false,
          { CLO_REQUEST_SNP_CHAIN, -1 },
          "certificate chain of Milan's VCEK",
          false },
    };
    const struct clo_buffer *const der[] = { &snp.leaf, &snp.ask, &snp.ark, &snp.crl };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep)
        struct clo_evidence *evidence = snp_evidence(cases[i].brought, snp.report);
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates held = { 0 };
        CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
        struct clo_error err;
        for (unsigned k = 0; k < CLO_COUNT(der); k++)
            if ((cases[i].held >> k & 1) != 0)
                must(clo_snp_certificates_read(&held, clo_buffer_bytes(der[k]), &err), &err);
        const struct clo_appraise_inputs inputs = {
            .at = NOW,
            .endorsements = { .certificates = &held, .are_required = cases[i].are_required },
        };
        must(clo_appraise_missing(evidence, &inputs, &list, &err), &err);
        expect(&list, cases[i].kinds, cases[i].begins, cases[i].name);
        CHECK(list.count == 0 || list.items[0].is_named == cases[i].is_named, cases[i].name);
        CHECK(list.count == 0 || list.items[0].product == CLO_SNP_MILAN, cases[i].name);
    }
}

/* An ASK that only has the right name is missing as well, and that it is there is told. */
static void test_snp_named(void **state)
{
    CLO_CLEANUP(clo_evidence_freep)
    struct clo_evidence *evidence = snp_evidence(LEAF | ARK | LIST, snp.report);
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates held = { 0 };
    CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
    CLO_CLEANUP(sim_forged_free) struct sim_forged other = { 0 };
    struct sim_forge forge;
    struct clo_error err;

    (void)state;
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &snp_keys, &forge);
    forge.ask_signer = snp_keys.other_rsa;
    must(sim_forge(&forge, &snp_keys, &other, &err) &&
                 clo_snp_certificates_read(&held, clo_buffer_bytes(&other.ask), &err),
         &err);
    const struct clo_appraise_inputs inputs = { .at = NOW,
                                                .endorsements = { .certificates = &held } };
    must(clo_appraise_missing(evidence, &inputs, &list, &err), &err);
    expect(&list, (const int[]){ CLO_REQUEST_SNP_CHAIN, -1 }, "certificate chain", "named");
    CHECK(list.items[0].is_named, "named");
}

/* The root that the list is asked for is the one that the chain ends in, and a list that has run out is missing. */
static void test_snp_about(void **state)
{
    CLO_CLEANUP(clo_evidence_freep)
    struct clo_evidence *evidence = snp_evidence(LEAF | ASK | ARK | LIST, snp.report);
    CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_error err;

    (void)state;
    must(clo_crl_parse(clo_buffer_bytes(&snp.crl), &crl, &err), &err);
    const struct clo_appraise_inputs inputs = { .at = clo_crl_next_update(crl) + 1 };
    must(clo_appraise_missing(evidence, &inputs, &list, &err), &err);
    expect(&list, (const int[]){ CLO_REQUEST_SNP_CRL, -1 }, "revocation list", "run out");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&list.items[0].about), clo_buffer_bytes(&snp.ark)),
          "of this root");
}

/* Another TCB is another VCEK, and a VLEK nobody can be asked for. */
static void test_snp_leaf(void **state)
{
    uint8_t report[CLO_SNP_REPORT_SIZE];
    char first[CLO_REQUEST_NAME];
    struct clo_error err;

    (void)state;
    for (int step = 0; step < 3; step++) {
        memcpy(report, snp.report, sizeof report);
        if (step == 1)
            report[0x180]++; /* REPORTED_TCB: the boot loader */
        if (step == 2)
            report[0x48] = 1U << 2; /* SIGNING_KEY: VLEK */
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(0, report);
        CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
        const struct clo_appraise_inputs inputs = { .at = NOW };
        must(clo_appraise_missing(evidence, &inputs, &list, &err), &err);
        CHECK(list.count == 1, "one request");
        CHECK((list.items[0].kind == CLO_REQUEST_VLEK) == (step == 2), "VLEK");
        if (step == 0)
            memcpy(first, list.items[0].name, sizeof first);
        else
            CHECK(strcmp(first, list.items[0].name) != 0, "another name");
    }
}

/* --- TDX --- */

static void test_tdx(void **state)
{
    static const struct {
        const char *name;
        enum clo_tdx_piece left_out; /* CLO_TDX_PIECE_COUNT: none */
        bool nothing, without_tcb;
        int kinds[5];
    } cases[] = {
        { "all is there", CLO_TDX_PIECE_COUNT, false, false, { -1 } },
        { "no TCB info", CLO_TDX_TCB_INFO, false, false, { CLO_REQUEST_TCB_INFO, -1 } },
        { "no QE identity", CLO_TDX_QE_IDENTITY, false, false, { CLO_REQUEST_QE_IDENTITY, -1 } },
        { "no list of the PCK's CA", CLO_TDX_PCK_CRL, false, false, { CLO_REQUEST_PCK_CRL, -1 } },
        { "no list of the root", CLO_TDX_ROOT_CA_CRL, false, false, { CLO_REQUEST_ROOT_CRL, -1 } },
        { "nothing",
          CLO_TDX_PIECE_COUNT,
          true,
          false,
          { CLO_REQUEST_TCB_INFO, CLO_REQUEST_QE_IDENTITY, CLO_REQUEST_PCK_CRL,
            CLO_REQUEST_ROOT_CRL, -1 } },
        { "the TCB is left out", CLO_TDX_PIECE_COUNT, true, true, { -1 } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
        struct clo_tdx_collateral held = tdx.collateral; /* borrowed */
        const struct clo_tdx_collateral *const sets[] = { &held };
        struct clo_error err;
        must(clo_evidence_new(&evidence, &err) &&
                     clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE,
                                      clo_buffer_bytes(&tdx.quote), &err),
             &err);
        if (cases[i].left_out != CLO_TDX_PIECE_COUNT)
            held.pieces[cases[i].left_out] = (struct clo_buffer){ 0 };
        const struct clo_appraise_inputs inputs = {
            .at = NOW,
            .without_tcb = cases[i].without_tcb,
            .endorsements = { .tdx_collateral = sets,
                              .tdx_collateral_count = cases[i].nothing ? 0 : 1 },
        };
        must(clo_appraise_missing(evidence, &inputs, &list, &err), &err);
        expect(&list, cases[i].kinds, "TDX collateral of FMSPC ", cases[i].name);
    }
}

/* What cannot be read is for the appraisal to refuse. */
static void test_unreadable(void **state)
{
    static const char *const labels[] = { CLO_EVIDENCE_SNP_REPORT, CLO_EVIDENCE_TDX_QUOTE,
                                          CLO_EVIDENCE_HCL_REPORT, CLO_EVIDENCE_TPM_QUOTE };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(labels); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_requests_free) struct clo_requests list = { 0 };
        const struct clo_appraise_inputs inputs = { .at = NOW };
        struct clo_error err;
        must(clo_evidence_new(&evidence, &err) &&
                     clo_evidence_add(evidence, labels[i], clo_bytes_text("no such thing"), &err) &&
                     clo_appraise_missing(evidence, &inputs, &list, &err),
             &err);
        CHECK(list.count == 0, labels[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),       cmocka_unit_test(test_snp_about),
        cmocka_unit_test(test_snp_named), cmocka_unit_test(test_snp_leaf),
        cmocka_unit_test(test_tdx),       cmocka_unit_test(test_unreadable),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
