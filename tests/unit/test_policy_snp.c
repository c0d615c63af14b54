/* A verified SEV-SNP report against a policy: for each check one report that passes and one that fails
 * it, and nothing else. */
#include "cloister/policy.h"

#include "policy_maker.h"

#define SHA256_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA384_HEX SHA256_HEX "00112233445566778899aabbccddeeff"
#define ONES_16    "01010101010101010101010101010101"
#define ONES_32    ONES_16 ONES_16
#define ONES_48    ONES_32 ONES_16
#define ONES_64    ONES_32 ONES_32
#define TWOS_16    "02020202020202020202020202020202"
#define TWOS_64    TWOS_16 TWOS_16 TWOS_16 TWOS_16

#define HEAD "{'cloister_policy':1,'tee':['snp'],'roots':['amd'],'snp':{"
#define ANY  HEAD "'measurement':'any'"

/* Bytes of the report that are set; `count` bytes of `value`. */
struct poke {
    size_t at, count;
    uint8_t value;
};

#define MASK_CHIP        \
    {                    \
        {                \
            0x1a0, 64, 0 \
        }                \
    }

struct platform {
    bool is_vlek, other_root, no_hw_id, revocation_checked;
    enum clo_snp_product product;
};

/* Version 5 of Milan; everything that is a byte string is ones, every TCB 5 in each component, the
 * firmware 1.55.30, ID and author key there. */
static void make_report(uint8_t out[CLO_SNP_REPORT_SIZE])
{
    static const uint8_t tcb[8] = { 5, 5, 0, 0, 0, 0, 5, 5 };
    static const size_t tcbs[] = { 0x38, 0x180, 0x1e0, 0x1f0 };
    static const uint8_t build[] = { 30, 55, 1 };

    memset(out, 0, CLO_SNP_REPORT_SIZE);
    out[0] = 5;
    out[0x04] = 3;  /* GUEST_SVN */
    out[0x08] = 20; /* ABI 1.20 */
    out[0x09] = 1;
    out[0x0a] = 0x13; /* SMT, the bit that must be one, SINGLE_SOCKET */
    memset(out + 0x10, 1, 32);
    out[0x34] = 1;
    out[0x40] = 0x25; /* SMT, ECC, ALIAS_CHECK_COMPLETE */
    out[0x48] = 1;    /* AUTHOR_KEY_EN */
    memset(out + 0x50, 1, 0x180 - 0x50);
    for (size_t i = 0; i < CLO_COUNT(tcbs); i++)
        memcpy(out + tcbs[i], tcb, sizeof tcb);
    out[0x188] = 0x19;
    out[0x189] = 1;
    memset(out + 0x1a0, 1, 64);
    memcpy(out + 0x1e8, build, sizeof build);
    memcpy(out + 0x1ec, build, sizeof build);
    out[0x1f8] = 7; /* LAUNCH_MIT_VECTOR */
    out[0x200] = 3; /* CURRENT_MIT_VECTOR */
}

static void appraise(const struct clo_policy *policy, const struct platform *platform,
                     const struct poke *pokes, size_t count, struct clo_checks *checks,
                     const char *name)
{
    uint8_t report[CLO_SNP_REPORT_SIZE];
    struct clo_error err;
    struct clo_snp_verified verified = {
        .is_amd = !platform->other_root,
        .is_vlek = platform->is_vlek,
        .product = platform->product == CLO_SNP_UNKNOWN ? CLO_SNP_MILAN : platform->product,
        .has_hw_id = !platform->is_vlek && !platform->no_hw_id,
        .revocation_checked = platform->revocation_checked,
        .csp_id = "CN=provider.example",
    };

    if (verified.has_hw_id)
        memset(verified.hw_id, 1, sizeof verified.hw_id);
    make_report(report);
    for (size_t i = 0; i < count; i++)
        memset(report + pokes[i].at, pokes[i].value, pokes[i].count);
    if (!clo_snp_parse(clo_bytes(report, sizeof report), &verified.report, &err))
        fail_msg("%s: %s", name, err.text);
    clo_policy_appraise_snp(policy, &verified, checks);
}

static void test_checks(void **state)
{
    static const struct {
        const char *name, *policy;
        const char *failing; /* the one check that fails, NULL: none does */
        struct poke pokes[3];
        struct platform platform;
        const char *detail; /* words of it; NULL: any */
    } cases[] = {
        { "accepted", ANY "}}", NULL, { { 0 } }, { 0 }, NULL },
        { "another TEE",
          "{'cloister_policy':1,'tee':['tdx'],'roots':['amd'],'snp':{'measurement':'any'}}",
          "policy.tee",
          { { 0 } },
          { 0 },
          NULL },
        { "another root", ANY "}}", "policy.root", { { 0 } }, { .other_root = true }, NULL },
        { "product named", ANY ",'products':['Milan']}}", NULL, { { 0 } }, { 0 }, NULL },
        { "product not named",
          ANY ",'products':['Genoa','Turin']}}",
          "policy.product",
          { { 0 } },
          { 0 },
          "does not allow Milan" },
        { "no product", ANY ",'products':[]}}", "policy.product", { { 0 } }, { 0 }, NULL },
        { "old version",
          ANY ",'minimum_version':5}}",
          "policy.version",
          { { 0, 1, 3 }, { 0x1f8, 16, 0 } },
          { 0 },
          "report version 3, the policy demands 5" },
        { "version reached", ANY ",'minimum_version':5}}", NULL, { { 0 } }, { 0 }, NULL },
        { "VLEK, not named",
          ANY ",'csp_id':'any'}}",
          "policy.signing_key",
          { { 0 } },
          { .is_vlek = true },
          "signed by a VLEK" },
        { "VLEK, named",
          ANY ",'signing_keys':['VLEK'],'csp_id':['CN=provider.example']}}",
          NULL,
          { { 0 } },
          { .is_vlek = true },
          NULL },
        { "VLEK wanted, VCEK there",
          ANY ",'signing_keys':['VLEK']}}",
          "policy.signing_key",
          { { 0 } },
          { 0 },
          "signed by a VCEK" },
        { "VLEK of nobody named",
          ANY ",'signing_keys':['VLEK']}}",
          "policy.csp_id",
          { { 0 } },
          { .is_vlek = true },
          "which the policy does not name" },
        { "VLEK of another",
          ANY ",'signing_keys':['VLEK'],'csp_id':['CN=other.example']}}",
          "policy.csp_id",
          { { 0 } },
          { .is_vlek = true },
          NULL },
        { "no revocation list",
          ANY ",'require_revocation':true}}",
          "policy.revocation",
          { { 0 } },
          { 0 },
          "was not looked at" },
        { "revocation list",
          ANY ",'require_revocation':true}}",
          NULL,
          { { 0 } },
          { .revocation_checked = true },
          NULL },
        { "chip masked", ANY "}}", "policy.masked_chip", MASK_CHIP, { 0 }, "masked by the host" },
        { "chip masked, allowed", ANY ",'allow_masked_chip':true}}", NULL, MASK_CHIP, { 0 }, NULL },
        { "chip masked, of a VLEK",
          ANY ",'signing_keys':['VLEK'],'csp_id':'any'}}",
          NULL,
          MASK_CHIP,
          { .is_vlek = true },
          NULL },
        { "chip named", ANY ",'chip_id':['" ONES_64 "']}}", NULL, { { 0 } }, { 0 }, NULL },
        { "another chip",
          ANY ",'chip_id':['" TWOS_64 "']}}",
          "policy.chip_id",
          { { 0 } },
          { 0 },
          NULL },
        { "chip masked, named by its certificate",
          ANY ",'allow_masked_chip':true,'chip_id':['" ONES_64 "']}}",
          NULL,
          MASK_CHIP,
          { 0 },
          NULL },
        { "chip masked, named by nobody",
          ANY ",'signing_keys':['VLEK'],'csp_id':'any','chip_id':['" ONES_64 "']}}",
          "policy.chip_id",
          MASK_CHIP,
          { .is_vlek = true },
          NULL },
        { "debugging", ANY "}}", "policy.debug", { { 0x0a, 1, 0x0a } }, { 0 }, NULL },
        { "debugging, allowed",
          ANY ",'allow_debug':true}}",
          NULL,
          { { 0x0a, 1, 0x0a } },
          { 0 },
          NULL },
        { "a migration agent", ANY "}}", "policy.migration", { { 0x0a, 1, 0x06 } }, { 0 }, NULL },
        { "migration, allowed",
          ANY ",'allow_migration':true}}",
          NULL,
          { { 0x0a, 1, 0x06 } },
          { 0 },
          NULL },
        { "CXL", ANY "}}", "policy.cxl", { { 0x0a, 1, 0x22 } }, { 0 }, NULL },
        { "CXL, allowed", ANY ",'allow_cxl':true}}", NULL, { { 0x0a, 1, 0x22 } }, { 0 }, NULL },
        { "a reserved bit", ANY "}}", "policy.reserved", { { 0x0d, 1, 0x01 } }, { 0 }, NULL },
        { "without the bit that must be one",
          ANY "}}",
          "policy.reserved",
          { { 0x0a, 1, 0 } },
          { 0 },
          NULL },
        { "single socket",
          ANY ",'guest_policy':{'required':['single_socket']}}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "two bits missing, one too many",
          ANY ",'guest_policy':{'required':['rapl_dis','page_swap_disable'],"
              "'forbidden':['smt']}}}",
          "policy.guest_policy",
          { { 0 } },
          { 0 },
          "smt is forbidden, rapl_dis is required, page_swap_disable is required" },
        { "a bit missing",
          ANY ",'guest_policy':{'required':['smt','rapl_dis']}}}",
          "policy.guest_policy",
          { { 0 } },
          { 0 },
          "130114, rapl_dis is required" },
        { "a bit too many",
          ANY ",'guest_policy':{'forbidden':['rapl_dis','smt']}}}",
          "policy.guest_policy",
          { { 0 } },
          { 0 },
          "130114, smt is forbidden" },
        { "ABI reached",
          ANY ",'guest_policy':{'minimum_abi':'1.20'}}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "ABI too low",
          ANY ",'guest_policy':{'minimum_abi':'1.21'}}}",
          "policy.abi",
          { { 0 } },
          { 0 },
          "firmware ABI 1.20, the owner's 1.21" },
        { "trusted I/O", ANY "}}", "policy.tio", { { 0x40, 1, 0xa5 } }, { 0 }, NULL },
        { "trusted I/O, allowed",
          ANY ",'allow_tio':true}}",
          NULL,
          { { 0x40, 1, 0xa5 } },
          { 0 },
          NULL },
        { "platform bit 6",
          ANY "}}",
          "policy.platform_reserved",
          { { 0x40, 1, 0x65 } },
          { 0 },
          NULL },
        { "platform bit 6, allowed",
          ANY ",'allow_unknown_platform_info':true}}",
          NULL,
          { { 0x40, 1, 0x65 } },
          { 0 },
          NULL },
        { "platform as named",
          ANY ",'platform_info':{'required':['ecc_en','alias_check_complete'],"
              "'forbidden':['tsme_en']}}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "platform otherwise",
          ANY ",'platform_info':{'required':['rapl_dis','ciphertext_hiding_en'],"
              "'forbidden':['smt_en']}}}",
          "policy.platform_info",
          { { 0 } },
          { 0 },
          "smt_en is forbidden, rapl_dis is required, ciphertext_hiding_en is required" },
        { "no alias check",
          ANY ",'require_alias_check':true}}",
          "policy.alias_check",
          { { 0x40, 1, 0 } },
          { 0 },
          NULL },
        { "alias check", ANY ",'require_alias_check':true}}", NULL, { { 0 } }, { 0 }, NULL },
        { "VMPL 2", ANY "}}", "policy.vmpl", { { 0x30, 1, 2 } }, { 0 }, NULL },
        { "VMPL 2, allowed", ANY ",'vmpl':[2]}}", NULL, { { 0x30, 1, 2 } }, { 0 }, NULL },
        { "VMPL that does not exist",
          ANY ",'vmpl':[0,1,2,3]}}",
          "policy.vmpl",
          { { 0x30, 1, 32 } },
          { 0 },
          NULL },
        { "REPORTED_TCB above what runs",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x187, 1, 6 } },
          { 0 },
          NULL },
        { "REPORTED_TCB above in tee",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x181, 1, 6 } },
          { 0 },
          NULL },
        { "REPORTED_TCB above in snp",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x186, 1, 6 } },
          { 0 },
          NULL },
        { "REPORTED_TCB above in fmc",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x180, 1, 6 } },
          { .product = CLO_SNP_TURIN },
          NULL },
        { "COMMITTED_TCB above what runs",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x1e0, 1, 6 } },
          { 0 },
          NULL },
        { "committed version above what runs",
          ANY ",'allow_provisional':true}}",
          "policy.tcb_order",
          { { 0x1ec, 1, 31 } },
          { 0 },
          NULL },
        { "TCB not committed", ANY "}}", "policy.provisional", { { 0x3f, 1, 6 } }, { 0 }, NULL },
        { "version not committed",
          ANY "}}",
          "policy.provisional",
          { { 0x1e8, 1, 31 } },
          { 0 },
          NULL },
        { "not committed, allowed",
          ANY ",'allow_provisional':true}}",
          NULL,
          { { 0x3f, 1, 6 }, { 0x1e8, 1, 31 } },
          { 0 },
          NULL },
        { "firmware reached", ANY ",'minimum_firmware':'1.55.30'}}", NULL, { { 0 } }, { 0 }, NULL },
        { "current firmware too old",
          ANY ",'minimum_current_firmware':'1.56.0'}}",
          "policy.current_firmware",
          { { 0 } },
          { 0 },
          "firmware 1.55.30, the policy demands 1.56.0" },
        { "committed firmware too old",
          ANY ",'minimum_firmware':'1.55.30','allow_provisional':true}}",
          "policy.committed_firmware",
          { { 0x1ec, 1, 29 } },
          { 0 },
          "firmware 1.55.29, the policy demands 1.55.30" },
        { "mitigations there",
          ANY ",'mitigations':{'launch':'0x5','current':3}}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "launch mitigation missing",
          ANY ",'mitigations':{'launch':'0x8','current':3}}}",
          "policy.launch_mitigations",
          { { 0 } },
          { 0 },
          "LAUNCH_MIT_VECTOR 0x7, the policy demands 0x8" },
        { "current mitigation missing",
          ANY ",'mitigations':{'launch':7,'current':4}}}",
          "policy.current_mitigations",
          { { 0 } },
          { 0 },
          NULL },
        { "mitigations of an old report",
          ANY ",'mitigations':{'launch':1}}}",
          "policy.launch_mitigations",
          { { 0, 1, 3 }, { 0x1f8, 16, 0 } },
          { 0 },
          "a report of version 3 has no mitigation vectors" },
        { "guest SVN", ANY ",'minimum_guest_svn':4}}", "policy.guest_svn", { { 0 } }, { 0 }, NULL },
        { "guest SVN reached", ANY ",'minimum_guest_svn':3}}", NULL, { { 0 } }, { 0 }, NULL },
        { "nothing named",
          "{'cloister_policy':1,'tee':['snp'],'roots':['amd']}",
          "policy.measurement",
          { { 0 } },
          { 0 },
          "any guest of a genuine machine" },
        { "measurement named",
          HEAD "'measurement':['" ONES_48 "']}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "another measurement",
          HEAD "'measurement':['" SHA384_HEX "']}}",
          "policy.measurement",
          { { 0 } },
          { 0 },
          "not one that the policy names" },
        { "ID key named", HEAD "'id_key_digest':['" ONES_48 "']}}", NULL, { { 0 } }, { 0 }, NULL },
        { "another ID key",
          ANY ",'id_key_digest':['" SHA384_HEX "']}}",
          "policy.id_key",
          { { 0 } },
          { 0 },
          NULL },
        { "author key named",
          HEAD "'author_key_digest':['" ONES_48 "']}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "another author key",
          HEAD "'author_key_digest':['" SHA384_HEX "']}}",
          "policy.author_key",
          { { 0 } },
          { 0 },
          NULL },
        { "author key not in use",
          HEAD "'author_key_digest':['" ONES_48 "']}}",
          "policy.author_key",
          { { 0x48, 1, 0 } },
          { 0 },
          "no author key has signed" },
        { "any author key, none in use",
          HEAD "'author_key_digest':'any'}}",
          NULL,
          { { 0x48, 1, 0 } },
          { 0 },
          NULL },
        { "HOST_DATA", ANY ",'host_data':['" ONES_32 "']}}", NULL, { { 0 } }, { 0 }, NULL },
        { "another HOST_DATA",
          ANY ",'host_data':['" SHA256_HEX "']}}",
          "policy.host_data",
          { { 0 } },
          { 0 },
          NULL },
        { "REPORT_DATA", ANY ",'report_data':['" ONES_64 "']}}", NULL, { { 0 } }, { 0 }, NULL },
        { "another REPORT_DATA",
          ANY ",'report_data':['" TWOS_64 "']}}",
          "policy.report_data",
          { { 0 } },
          { 0 },
          NULL },
        { "FAMILY_ID",
          ANY ",'family_id':['" TWOS_16 "','" ONES_16 "']}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "another FAMILY_ID",
          ANY ",'family_id':['" TWOS_16 "']}}",
          "policy.family_id",
          { { 0 } },
          { 0 },
          NULL },
        { "another IMAGE_ID",
          ANY ",'image_id':['" TWOS_16 "']}}",
          "policy.image_id",
          { { 0 } },
          { 0 },
          NULL },
        { "another REPORT_ID",
          ANY ",'report_id':['" SHA256_HEX "']}}",
          "policy.report_id",
          { { 0 } },
          { 0 },
          NULL },
        { "another REPORT_ID_MA",
          ANY ",'report_id_ma':['" SHA256_HEX "']}}",
          "policy.report_id_ma",
          { { 0 } },
          { 0 },
          NULL },
        { "minimum of Milan",
          ANY ",'minimum_tcb':{'Milan':{'snp':5},'Genoa':{'snp':23}}}}",
          NULL,
          { { 0 } },
          { 0 },
          NULL },
        { "below the minimum of Genoa",
          ANY ",'minimum_tcb':{'Milan':{'snp':5},'Genoa':{'snp':23}}}}",
          "policy.tcb",
          { { 0 } },
          { .product = CLO_SNP_GENOA },
          "LAUNCH_TCB has snp 5, the policy demands 23" },
        { "no minimum for this product",
          ANY ",'minimum_tcb':{'Turin':{'snp':5}}}}",
          "policy.tcb",
          { { 0 } },
          { 0 },
          "names no minimum REPORTED_TCB for Milan" },
        { "a component that Milan has not",
          ANY ",'minimum_tcb':{'fmc':0}}}",
          "policy.tcb",
          { { 0 } },
          { 0 },
          "REPORTED_TCB has no fmc" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_error err;
        if (!parse_policy(cases[i].policy, &policy, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        appraise(policy, &cases[i].platform, cases[i].pokes, CLO_COUNT(cases[i].pokes), &checks,
                 cases[i].name);
        for (size_t k = 0; k < checks.count; k++)
            if (checks.items[k].result == CLO_CHECK_FAIL &&
                (cases[i].failing == NULL || strcmp(checks.items[k].id, cases[i].failing) != 0))
                fail_msg("%s: %s: %s", cases[i].name, checks.items[k].id, checks.items[k].detail);
        if (cases[i].failing == NULL)
            continue;
        const struct clo_check *check = clo_checks_get(&checks, cases[i].failing);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        if (cases[i].detail != NULL && strstr(check->detail, cases[i].detail) == NULL)
            fail_msg("%s: %s", cases[i].name, check->detail);
    }
}

/* Each of the four TCBs must reach the minimum: the host may set back what is reported. And each has a
 * minimum of its own, which the others need not reach. */
static void test_every_tcb(void **state)
{
    static const struct {
        const char *name, *member;
        size_t at;
    } cases[] = {
        { "CURRENT_TCB", "minimum_current_tcb", 0x38 },
        { "REPORTED_TCB", "minimum_reported_tcb", 0x180 },
        { "COMMITTED_TCB", "minimum_committed_tcb", 0x1e0 },
        { "LAUNCH_TCB", "minimum_launch_tcb", 0x1f0 },
    };
    static const struct {
        const char *name;
        size_t at;
    } components[] = { { "bootloader", 0 }, { "tee", 1 }, { "snp", 6 }, { "microcode", 7 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        for (size_t k = 0; k < CLO_COUNT(components); k++)
            for (int own = 0; own < 3; own++) {
                CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
                CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
                const struct poke poke = { cases[i].at + components[k].at, 1, 4 };
                const struct platform platform = { 0 };
                struct clo_error err;
                char text[256];
                char words[64];
                /* 0: of all four, 1: of this one, 2: of the next one, which is not set back. */
                const char *member = own == 0 ? "minimum_tcb" : cases[(i + (own == 2)) % 4].member;
                snprintf(text, sizeof text, ANY ",'%s':{'%s':5}}}", member, components[k].name);
                CHECK(parse_policy(text, &policy, &err), err.text);
                appraise(policy, &platform, &poke, 1, &checks, text);
                const struct clo_check *check = clo_checks_get(&checks, "policy.tcb");
                CHECK(check != NULL && (check->result == CLO_CHECK_PASS) == (own == 2), text);
                snprintf(words, sizeof words, "%s has %s 4, the policy demands 5", cases[i].name,
                         components[k].name);
                CHECK(own == 2 || strcmp(check->detail, words) == 0, check->detail);
            }
}

/* All shortcomings are told, not only the first. */
static void test_all_are_told(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    const struct poke pokes[] = { { 0x0a, 1, 0x0e }, { 0x187, 1, 1 }, { 0x180, 1, 1 } };
    const struct platform platform = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(parse_policy(HEAD "'minimum_tcb':{'bootloader':2,'microcode':3},'vmpl':[1]}}", &policy,
                       &err),
          err.text);
    appraise(policy, &platform, pokes, CLO_COUNT(pokes), &checks, "all");
    CHECK(checks.failures == 5, "debug, migration, VMPL, TCB, measurement");
    const struct clo_check *check = clo_checks_get(&checks, "policy.tcb");
    CHECK(strcmp(check->detail, "REPORTED_TCB has bootloader 1, the policy demands 2; REPORTED_TCB "
                                "has microcode 1, the policy demands 3") == 0,
          check->detail);
}

static void test_strict(void **state)
{
    static const struct {
        const char *name;
        struct poke poke;
        const char *failing;
    } cases[] = {
        { "as it comes", { 0 }, NULL },
        { "not committed", { 0x3f, 1, 6 }, NULL },
        { "REPORTED_TCB above what runs", { 0x187, 1, 6 }, NULL },
        { "VMPL 3", { 0x30, 1, 3 }, NULL },
        { "trusted I/O and an unknown bit", { 0x40, 1, 0xff }, NULL },
        { "chip masked", { 0x1a0, 64, 0 }, NULL },
        { "debugging", { 0x0a, 1, 0x0a }, "policy.debug" },
        { "migration agent", { 0x0a, 1, 0x06 }, "policy.migration" },
        { "reserved bit", { 0x0f, 1, 0x80 }, "policy.reserved" },
        { "VMPL 4", { 0x30, 1, 4 }, "policy.vmpl" },
    };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    const struct platform platform = { .other_root = true };
    struct clo_error err;

    (void)state;
    CHECK(clo_policy_strict(&policy, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        appraise(policy, &platform, &cases[i].poke, 1, &checks, cases[i].name);
        CHECK(checks.failures == (cases[i].failing != NULL), cases[i].name);
        CHECK(cases[i].failing == NULL ||
                      clo_checks_get(&checks, cases[i].failing)->result == CLO_CHECK_FAIL,
              cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_every_tcb),
        cmocka_unit_test(test_all_are_told),
        cmocka_unit_test(test_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
