/* Which of several revocation lists counts: of the owner's and the evidence's, old and new, genuine or not. */
#include "checks.h"
#include "sim/forge.h"
#include "test.h"

#define NOW 1780000000LL
#define DAY 86400LL

static struct sim_forge_keys keys;
static struct sim_forge forge;
static struct sim_forged forged;
static struct clo_snp_certificates certificates;

static int start(void **state)
{
    const struct clo_buffer *parts[] = { &forged.leaf, &forged.ask, &forged.ark };
    struct clo_error err;

    (void)state;
    if (!sim_forge_keys_new(2048, &keys, &err))
        return -1;
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &keys, &forge);
    if (!sim_forge(&forge, &keys, &forged, &err))
        return -1;
    for (size_t i = 0; i < CLO_COUNT(parts); i++)
        if (!clo_snp_certificates_add(&certificates, clo_buffer_bytes(parts[i]), &err))
            return -1;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    clo_snp_certificates_free(&certificates);
    sim_forged_free(&forged);
    sim_forge_keys_free(&keys);
    return 0;
}

/* Days from now. */
struct list {
    int from, until;
    bool revokes_ask, is_forged;
    bool is_asks; /* signed by the intermediate, in its own name */
};

static struct clo_crl *make(const struct list *list)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct sim_crl spec = forge.crl;
    struct clo_crl *crl;
    struct clo_error err;

    spec.this_update = NOW + list->from * DAY;
    spec.next_update = NOW + list->until * DAY;
    spec.revoked = list->revokes_ask ? 2 : -1;
    if (list->is_asks)
        spec.issuer = forge.ask.subject;
    if (!sim_crl(&spec,
                 list->is_forged ? keys.other_rsa
                 : list->is_asks ? keys.ask
                                 : forge.crl_signer,
                 &der, &err) ||
        !clo_crl_parse(clo_buffer_bytes(&der), &crl, &err))
        fail_msg("%s", err.text);
    return crl;
}

#define OLD                           \
    {                                 \
        -60, -30, false, false, false \
    }
#define CURRENT                      \
    {                                \
        -10, 20, false, false, false \
    }
#define NEWER                       \
    {                               \
        -5, 25, false, false, false \
    }
#define REVOKES                    \
    {                              \
        -5, 25, true, false, false \
    }
#define OLD_ONE_THAT_REVOKES         \
    {                                \
        -60, -30, true, false, false \
    }
#define FORGED                     \
    {                              \
        -1, 29, false, true, false \
    }
#define ASKS                                  \
    {                                         \
        .from = -1, .until = 29, .is_asks = 1 \
    }
#define LISTS 4

/* The first `owner` of the lists are the owner's, the rest came with the evidence. */
static const struct {
    const char *name;
    struct list lists[LISTS];
    size_t count, owner;
    bool alone;
    enum clo_check_result result;
    const char *words;
    int issued; /* days from now, of the list that decided */
    bool by_owner;
} cases[] = {
    { "current",
      { CURRENT },
      1,
      0,
      false,
      CLO_CHECK_PASS,
      "no certificate of the chain is revoked",
      -10,
      false },
    { "stale", { OLD }, 1, 0, false, CLO_CHECK_FAIL, "get a current one", 0, false },
    { "stale before current",
      { OLD, CURRENT },
      2,
      2,
      false,
      CLO_CHECK_PASS,
      "left out the owner's: the revocation list of",
      -10,
      true },
    { "current before stale",
      { CURRENT, OLD },
      2,
      2,
      false,
      CLO_CHECK_PASS,
      "get a current one",
      -10,
      true },
    { "the host's stale one next to the owner's",
      { CURRENT, OLD },
      2,
      1,
      false,
      CLO_CHECK_PASS,
      "left out the evidence's: the revocation list of",
      -10,
      true },
    { "the newest of two",
      { CURRENT, NEWER },
      2,
      2,
      false,
      CLO_CHECK_PASS,
      "no certificate",
      -5,
      true },
    { "the newest of two, turned round",
      { NEWER, CURRENT },
      2,
      2,
      false,
      CLO_CHECK_PASS,
      "no certificate",
      -5,
      true },
    { "the evidence's is older",
      { NEWER, CURRENT },
      2,
      1,
      false,
      CLO_CHECK_PASS,
      "older than the owner's",
      -5,
      true },
    { "the evidence's is newer",
      { CURRENT, NEWER },
      2,
      1,
      false,
      CLO_CHECK_PASS,
      "no certificate",
      -5,
      false },
    { "the owner's revokes, the evidence chose an older one",
      { REVOKES, CURRENT },
      2,
      1,
      false,
      CLO_CHECK_FAIL,
      "is revoked by",
      0,
      false },
    { "the owner's alone, and the evidence's revokes",
      { CURRENT, REVOKES },
      2,
      1,
      true,
      CLO_CHECK_FAIL,
      "is revoked by",
      0,
      false },
    { "an old one that revokes, next to a current one",
      { CURRENT, OLD_ONE_THAT_REVOKES },
      2,
      2,
      false,
      CLO_CHECK_FAIL,
      "is revoked by",
      0,
      false },
    { "not genuine, next to a good one",
      { FORGED, CURRENT },
      2,
      0,
      false,
      CLO_CHECK_PASS,
      "signature does not hold",
      -10,
      false },
    { "not genuine", { FORGED }, 1, 0, false, CLO_CHECK_FAIL, "signature does not hold", 0, false },
    { "the owner's alone, which has none",
      { CURRENT },
      1,
      0,
      true,
      CLO_CHECK_FAIL,
      "only those that the verifier holds itself count",
      0,
      false },
    { "the owner's alone, and there is none at all",
      { CURRENT },
      0,
      0,
      true,
      CLO_CHECK_FAIL,
      "the verifier holds no revocation list",
      0,
      false },
    { "the owner's alone is stale",
      { OLD, CURRENT },
      2,
      1,
      true,
      CLO_CHECK_FAIL,
      "get a current one",
      0,
      false },
    { "the intermediate's own, of which the root says nothing",
      { ASKS },
      1,
      0,
      false,
      CLO_CHECK_FAIL,
      "there is no revocation list of the root's",
      0,
      false },
    { "the intermediate's own, and the root's is stale",
      { OLD, ASKS },
      2,
      1,
      false,
      CLO_CHECK_FAIL,
      "get a current one",
      0,
      false },
    { "the intermediate's own next to the root's",
      { CURRENT, ASKS },
      2,
      2,
      false,
      CLO_CHECK_PASS,
      "no certificate",
      -10,
      true },
    { "none", { CURRENT }, 0, 0, false, CLO_CHECK_SKIP, "no revocation list was given", 0, false },
};

static void test_lists(void **state)
{
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_error err;

    (void)state;
    if (!clo_snp_parse(clo_bytes(forged.report, sizeof forged.report), &report, &err) ||
        !clo_snp_chain_find(&report, &certificates, &chain, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_crl *crls[LISTS] = { NULL };
        struct clo_snp_endorser endorser = { 0 };
        for (size_t k = 0; k < cases[i].count; k++)
            crls[k] = make(&cases[i].lists[k]);
        const struct clo_snp_trust trust = {
            .at = NOW,
            .roots = &forged.root,
            .root_count = 1,
            .crls = (const struct clo_crl *const *)crls,
            .crl_count = cases[i].count,
            .owner_crl_count = cases[i].owner,
            .owner_crls_alone = cases[i].alone,
        };
        bool ok = clo_snp_chain_verify(&chain, &trust, &checks, &endorser, &err);
        const struct clo_check *check = clo_checks_get(&checks, "snp.revocation");
        CHECK(check != NULL && check->result == cases[i].result, cases[i].name);
        CHECK(strstr(check->detail, cases[i].words) != NULL, check->detail);
        CHECK(ok == (cases[i].result != CLO_CHECK_FAIL), cases[i].name);
        CHECK(!ok || endorser.revocation_checked == (cases[i].result == CLO_CHECK_PASS),
              cases[i].name);
        if (endorser.revocation_checked) {
            CHECK(endorser.revocation_issued == NOW + cases[i].issued * DAY, cases[i].name);
            CHECK(endorser.revocation_is_owners == cases[i].by_owner, cases[i].name);
            CHECK(endorser.until <= NOW + 25 * DAY, "no longer than the list");
        }
        for (size_t k = 0; k < LISTS; k++)
            clo_crl_free(crls[k]);
    }
}

static void test_lacks(void **state)
{
    static const struct {
        const char *name;
        struct list list;
        bool is_there, without_leaf, without_root;
        unsigned lacks;
    } wanted[] = {
        { "nothing", CURRENT, true, false, false, 0 },
        { "no list", CURRENT, false, false, false, CLO_SNP_LACKS_CRL },
        { "an old list", OLD, true, false, false, CLO_SNP_LACKS_CRL },
        { "a forged list", FORGED, true, false, false, CLO_SNP_LACKS_CRL },
        { "no root", CURRENT, true, false, true, CLO_SNP_LACKS_ISSUERS | CLO_SNP_LACKS_CRL },
        { "no leaf", CURRENT, true, true, false, CLO_SNP_LACKS_LEAF | CLO_SNP_LACKS_ISSUERS },
    };
    struct clo_snp_report report;
    struct clo_snp_chain whole;
    struct clo_error err;

    (void)state;
    if (!clo_snp_parse(clo_bytes(forged.report, sizeof forged.report), &report, &err) ||
        !clo_snp_chain_find(&report, &certificates, &whole, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < CLO_COUNT(wanted); i++) {
        CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = make(&wanted[i].list);
        const struct clo_crl *crls[] = { crl };
        struct clo_snp_chain chain = whole;
        if (wanted[i].without_leaf)
            chain.leaf = NULL;
        if (wanted[i].without_root)
            chain.root = NULL;
        CHECK(clo_snp_chain_lacks(&report, &chain, crls, wanted[i].is_there, NOW) ==
                      wanted[i].lacks,
              wanted[i].name);
    }
}

/* A list that is overdue by ten days, forgiven for some time. */
static void test_grace(void **state)
{
    static const struct {
        const char *name;
        struct list list;
        int64_t grace;
        enum clo_check_result result;
    } graces[] = {
        { "off", { .from = -40, .until = -10 }, 0, CLO_CHECK_FAIL },
        { "just inside", { .from = -40, .until = -10 }, 10 * DAY, CLO_CHECK_PASS },
        { "just outside", { .from = -40, .until = -10 }, 10 * DAY - 1, CLO_CHECK_FAIL },
        { "not yet issued", { .from = 1, .until = 30 }, 10 * DAY, CLO_CHECK_FAIL },
        { "overdue, and it revokes",
          { .from = -40, .until = -10, .revokes_ask = true },
          10 * DAY,
          CLO_CHECK_FAIL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(graces); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = make(&graces[i].list);
        const struct clo_crl *crls[] = { crl };
        struct clo_snp_verified verified;
        struct clo_snp_report report;
        struct clo_snp_chain chain;
        struct clo_error err;
        struct clo_snp_trust trust = { .at = NOW,
                                       .roots = &forged.root,
                                       .root_count = 1,
                                       .crls = crls,
                                       .crl_count = 1,
                                       .owner_crl_count = 1,
                                       .stale_crls = graces[i].grace };
        CHECK(clo_snp_parse(clo_bytes(forged.report, sizeof forged.report), &report, &err) &&
                      clo_snp_chain_find(&report, &certificates, &chain, &err),
              err.text);
        bool ok = clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err);
        const struct clo_check *check = clo_checks_get(&checks, "snp.revocation");
        CHECK(check != NULL && check->result == graces[i].result, graces[i].name);
        CHECK(ok == (graces[i].result == CLO_CHECK_PASS), graces[i].name);
        CHECK(!ok || verified.revocation_until == NOW - 10 * DAY, graces[i].name);
        CHECK(!ok || strstr(check->detail, "overdue") != NULL, graces[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lacks),
        cmocka_unit_test(test_grace),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
