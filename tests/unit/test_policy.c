#include "cloister/policy.h"

#include "snp_chain.h"

#define SHA256_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA384_HEX SHA256_HEX "00112233445566778899aabbccddeeff"

static bool parse(const char *single_quoted, struct clo_policy **out, struct clo_error *err)
{
    char text[4096];

    snprintf(text, sizeof text, "%s", single_quoted);
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    return clo_policy_parse(clo_bytes_text(text), out, err);
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *same = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *other = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse("{'cloister_policy':1,'name':'n','tee':['snp'],'roots':['amd','" SHA256_HEX "'],"
                "'pcrs':[4,11],'phase':'enter-initrd:leave-initrd','snp':{'allow_debug':true,"
                "'vmpl':[0,2],'minimum_tcb':{'snp':9},'minimum_guest_svn':3,"
                "'measurement':['" SHA384_HEX "'],'id_key_digest':'any',"
                "'host_data':['" SHA256_HEX "'],'require_alias_check':true}}",
                &policy, &err),
          err.text);
    CHECK(policy->tee_snp && !policy->tee_tdx && policy->roots_amd && policy->root_count == 1,
          "roots");
    CHECK(policy->has_pcrs && policy->pcrs == 0x810, "pcrs");
    CHECK(strcmp(policy->phase, "enter-initrd:leave-initrd") == 0, policy->phase);
    CHECK(policy->snp.allow_debug && !policy->snp.allow_migration && policy->snp.vmpl == 5, "snp");
    CHECK(policy->snp.minimum_tcb.snp == 9 && policy->snp.minimum_tcb.microcode == -1, "TCB");
    CHECK(policy->snp.measurement.count == 1 && policy->snp.id_key_digest.any, "digests");
    /* Canonical: neither spaces nor the order of members make another policy. */
    CHECK(parse("{'cloister_policy':1,'tee':['snp'],'roots':['amd']}", &same, &err), err.text);
    CHECK(parse("{ 'roots': ['amd'],\n 'tee': ['snp'], 'cloister_policy': 1 }", &other, &err),
          err.text);
    CHECK(clo_digest_equal(&same->fingerprint, &other->fingerprint), "fingerprint");
    CHECK(!clo_digest_equal(&same->fingerprint, &policy->fingerprint), "fingerprint");
    /* What it does not say is denied. */
    CHECK(!same->snp.allow_debug && !same->snp.allow_migration && same->snp.vmpl == 1 &&
                  same->snp.measurement.count == 0 && !same->snp.measurement.any &&
                  strcmp(same->phase, "enter-initrd") == 0 && !same->has_pcrs,
          "defaults");
}

static void test_refused(void **state)
{
#define START "{'cloister_policy':1,'tee':['snp'],'roots':['amd']"
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{'cloister_policy':2}", "policy: version 2, expected 1" },
        { "{}", "policy: \"cloister_policy\" is missing" },
        { "{'cloister_policy':1,'tee':['snp']}", "policy: \"roots\" is missing" },
        { "{'cloister_policy':1,'roots':['amd']}", "policy: \"tee\" is missing" },
        { "{'cloister_policy':1,'tee':['sgx'],'roots':['amd']}",
          "policy: \"tee\": item 0 is neither \"snp\" nor \"tdx\"" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':[]}",
          "policy: \"roots\": is empty: nothing could ever be accepted" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':['intel']}", NULL },
        { "{'cloister_policy':1,'tee':['snp'],'roots':[7]}",
          "policy: \"roots\": item 0: no string" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':['00']}",
          "policy: \"roots\": item 0: neither \"amd\", a SHA-256 in hex, nor PEM: 1 bytes, "
          "expected "
          "32" },
        { START ",'more':1}", "policy: unknown member \"more\"" },
        { START ",'pcrs':[24]}", "policy: \"pcrs\": item 0 is no number from 0 to 23" },
        { START ",'pcrs':[-1]}", "policy: \"pcrs\": item 0 is no number from 0 to 23" },
        { START ",'pcrs':[10]}",
          "policy: \"pcrs\": PCR 10 (IMA) depends on what runs and is never predicted" },
        { START ",'snp':{'more':1}}", "policy: unknown member \"more\"" },
        { START ",'snp':{'allow_debug':1}}", "policy: \"allow_debug\" is neither true nor false" },
        { START ",'snp':{'vmpl':[4]}}", "policy: \"vmpl\": item 0 is no number from 0 to 3" },
        { START ",'snp':{'minimum_tcb':{'svn':1}}}",
          "policy: \"minimum_tcb\": unknown member \"svn\"" },
        { START ",'snp':{'minimum_tcb':{'snp':256}}}",
          "policy: \"minimum_tcb\": \"snp\" is above 255" },
        { START ",'snp':{'measurement':[]}}",
          "policy: \"measurement\": is empty: leave it out instead" },
        { START ",'snp':{'measurement':'all'}}", "policy: \"measurement\" is no array" },
        { START ",'snp':{'measurement':['" SHA256_HEX "']}}",
          "policy: \"measurement\": item 0: 32 bytes, expected 48" },
        { START ",'roots':['amd']}", NULL },
    };
#undef START

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_policy *policy = NULL;
        struct clo_error err;
        CHECK(!parse(cases[i].text, &policy, &err) && policy == NULL, cases[i].text);
        if (cases[i].error != NULL && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s\n%s, not\n%s", cases[i].text, err.text, cases[i].error);
    }
}

/* --- A verified report against a policy --- */

#define GENUINE "{'cloister_policy':1,'tee':['snp'],'roots':['amd'],'snp':{'measurement':'any'"

static void test_appraise(void **state)
{
    static const struct {
        const char *name, *policy;
        size_t at; /* byte of the report that is set; 0: none */
        uint8_t value;
        const char *failing; /* the check that fails, NULL: none does */
    } cases[] = {
        { "accepted", GENUINE "}}", 0, 0, NULL },
        { "another TEE",
          "{'cloister_policy':1,'tee':['tdx'],'roots':['amd'],"
          "'snp':{'measurement':'any'}}",
          0, 0, "policy.tee" },
        { "another root",
          "{'cloister_policy':1,'tee':['snp'],'roots':['" SHA256_HEX "'],"
          "'snp':{'measurement':'any'}}",
          0, 0, "policy.root" },
        { "debugging", GENUINE "}}", 0x0a, 0x0a, "policy.debug" },
        { "debugging, allowed", GENUINE ",'allow_debug':true}}", 0x0a, 0x0a, NULL },
        { "a migration agent", GENUINE "}}", 0x0a, 0x06, "policy.migration" },
        { "migration, allowed", GENUINE ",'allow_migration':true}}", 0x0a, 0x06, NULL },
        { "a reserved bit", GENUINE "}}", 0x0d, 0x01, "policy.reserved" },
        { "without the bit that must be one", GENUINE "}}", 0x0a, 0x00, "policy.reserved" },
        { "VMPL 2", GENUINE "}}", 0x30, 2, "policy.vmpl" },
        { "VMPL 2, allowed", GENUINE ",'vmpl':[2]}}", 0x30, 2, NULL },
        { "guest SVN", GENUINE ",'minimum_guest_svn':2}}", 0x04, 1, "policy.guest_svn" },
        { "guest SVN reached", GENUINE ",'minimum_guest_svn':2}}", 0x04, 2, NULL },
        { "no alias check", GENUINE ",'require_alias_check':true}}", 0x40, 0,
          "policy.alias_check" },
        { "with an alias check", GENUINE ",'require_alias_check':true}}", 0x40, 0x20, NULL },
        { "no measurement named", "{'cloister_policy':1,'tee':['snp'],'roots':['amd']}", 0, 0,
          "policy.measurement" },
        { "another measurement",
          "{'cloister_policy':1,'tee':['snp'],'roots':['amd'],"
          "'snp':{'measurement':['" SHA384_HEX "']}}",
          0, 0, "policy.measurement" },
        { "another ID key", GENUINE ",'id_key_digest':['" SHA384_HEX "']}}", 0, 0,
          "policy.measurement" },
        { "another HOST_DATA", GENUINE ",'host_data':['" SHA256_HEX "']}}", 0, 0,
          "policy.host_data" },
        { "TCB below the minimum", GENUINE ",'minimum_tcb':{'microcode':255}}}", 0, 0,
          "policy.tcb" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        uint8_t report[CLO_SNP_REPORT_SIZE] = { 0 };
        struct clo_snp_verified verified = { .is_amd = true, .product = CLO_SNP_MILAN };
        struct clo_error err;
        report[0] = 3;
        report[0x34] = 1;
        report[0x0a] = 0x02; /* bit 17: must be one */
        if (cases[i].at != 0)
            report[cases[i].at] = cases[i].value;
        CHECK(parse(cases[i].policy, &policy, &err), err.text);
        CHECK(clo_snp_parse(clo_bytes(report, sizeof report), &verified.report, &err), err.text);
        clo_policy_appraise_snp(policy, &verified, &checks);
        CHECK(checks.failures == (cases[i].failing != NULL), cases[i].name);
        if (cases[i].failing == NULL)
            continue;
        const struct clo_check *check = clo_checks_get(&checks, cases[i].failing);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL && check->detail[0] != '\0',
              cases[i].name);
    }
}

/* Each of the four TCBs must reach the minimum: the host may set back what is reported. */
static void test_every_tcb(void **state)
{
    static const struct {
        const char *name;
        size_t at;
    } cases[] = {
        { "CURRENT_TCB", 0x38 },
        { "REPORTED_TCB", 0x180 },
        { "COMMITTED_TCB", 0x1e0 },
        { "LAUNCH_TCB", 0x1f0 },
    };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse(GENUINE ",'minimum_tcb':{'snp':5}}}", &policy, &err), err.text);
    for (size_t i = 0; i <= CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        uint8_t report[CLO_SNP_REPORT_SIZE] = { 0 };
        struct clo_snp_verified verified = { .is_amd = true, .product = CLO_SNP_MILAN };
        report[0] = 3;
        report[0x34] = 1;
        report[0x0a] = 0x02;
        for (size_t k = 0; k < CLO_COUNT(cases); k++)
            report[cases[k].at + 6] = k == i ? 4 : 5;
        CHECK(clo_snp_parse(clo_bytes(report, sizeof report), &verified.report, &err), err.text);
        clo_policy_appraise_snp(policy, &verified, &checks);
        const struct clo_check *check = clo_checks_get(&checks, "policy.tcb");
        bool all_reach = i == CLO_COUNT(cases);
        CHECK(check != NULL && (check->result == CLO_CHECK_PASS) == all_reach, "all four");
        CHECK(all_reach || strncmp(check->detail, cases[i].name, strlen(cases[i].name)) == 0,
              check->detail);
    }
}

static void test_strict(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_policy_strict(&policy, &err), err.text);
    CHECK(policy->is_strict_builtin && strcmp(policy->name, "strict") == 0, policy->name);
    CHECK(!policy->snp.allow_debug && !policy->snp.allow_migration && policy->roots_amd, "strict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_appraise), cmocka_unit_test(test_every_tcb),
        cmocka_unit_test(test_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
