#include "lib/policy/policy.h"

#include "policy_maker.h"

#define SHA256_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA384_HEX SHA256_HEX "00112233445566778899aabbccddeeff"
#define ZEROS_HEX                                      \
    "000000000000000000000000000000000000000000000000" \
    "000000000000000000000000000000000000000000000000"

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *same = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *other = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse_policy(
                  "{'cloister_policy':1,'name':'n','tee':['snp'],'roots':['amd','" SHA256_HEX "'],"
                  "'pcrs':[4,11],'phase':'enter-initrd:leave-initrd','snp':{'allow_debug':true,"
                  "'vmpl':[0,2],'minimum_tcb':{'snp':9},'minimum_guest_svn':3,"
                  "'measurement':['" SHA384_HEX "'],'id_key_digest':'any',"
                  "'host_data':['" SHA256_HEX "'],'require_alias_check':true}}",
                  &policy, &err),
          err.text);
    CHECK(clo_policy_allows(policy, CLO_TEE_SNP) && !clo_policy_allows(policy, CLO_TEE_TDX) &&
                  clo_policy_trusts_maker(policy, CLO_TEE_SNP) && policy->root_count == 1,
          "roots");
    CHECK(policy->has_pcrs && policy->pcrs == 0x810, "pcrs");
    CHECK(strcmp(policy->phase, "enter-initrd:leave-initrd") == 0, policy->phase);
    CHECK(policy->snp.allow_debug && !policy->snp.allow_migration && policy->snp.vmpl == 5, "snp");
    CHECK(policy->snp.minimum_tcb.minimum[0].snp == 9 &&
                  policy->snp.minimum_tcb.minimum[0].microcode == -1,
          "TCB");
    CHECK(policy->snp.measurement.count == 1 && policy->snp.id_key_digest.any, "digests");
    /* Canonical: neither spaces nor the order of members make another policy. */
    CHECK(parse_policy("{'cloister_policy':1,'tee':['snp'],'roots':['amd']}", &same, &err),
          err.text);
    CHECK(parse_policy("{ 'roots': ['amd'],\n 'tee': ['snp'], 'cloister_policy': 1 }", &other,
                       &err),
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
          "policy: \"tee\": item 0 is neither \"snp\", \"tdx\" nor \"nitro\"" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':[]}",
          "policy: \"roots\": is empty: nothing could ever be accepted" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':['arm']}", NULL },
        { "{'cloister_policy':1,'tee':['snp'],'roots':[7]}",
          "policy: \"roots\": item 0: no string" },
        { "{'cloister_policy':1,'tee':['snp'],'roots':['00']}",
          "policy: \"roots\": item 0: neither \"amd\", \"intel\", \"aws\", a SHA-256 in hex, nor "
          "PEM: 1 "
          "bytes, "
          "expected "
          "32" },
        { START ",'more':1}", "policy: unknown member \"more\"" },
        { START ",'pcrs':[24]}", "policy: \"pcrs\": item 0 is not a number from 0 to 23" },
        { START ",'pcrs':[-1]}", "policy: \"pcrs\": item 0 is not a number from 0 to 23" },
        { START ",'pcrs':[10]}",
          "policy: \"pcrs\": PCR 10 (IMA) depends on what runs and is never predicted" },
        { START ",'snp':{'more':1}}", "policy: unknown member \"more\"" },
        { START ",'snp':{'allow_debug':1}}", "policy: \"allow_debug\" is neither true nor false" },
        { START ",'snp':{'vmpl':[4]}}", "policy: \"vmpl\": item 0 is not a number from 0 to 3" },
        { START ",'snp':{'minimum_tcb':{'svn':1}}}",
          "policy: \"minimum_tcb\": unknown member \"svn\"" },
        { START ",'snp':{'minimum_tcb':{'snp':256}}}",
          "policy: \"minimum_tcb\": \"snp\" is above 255" },
        { START ",'snp':{'minimum_tcb':{'Milan':{'snp':256}}}}",
          "policy: \"minimum_tcb\": \"Milan\": \"snp\" is above 255" },
        { START ",'snp':{'minimum_tcb':{'Milan':{'snp':2},'snp':3}}}",
          "policy: \"minimum_tcb\": unknown member \"snp\"" },
        { START ",'snp':{'minimum_launch_tcb':7}}",
          "policy: \"minimum_launch_tcb\" is not an object" },
        { START ",'snp':{'products':['Naples']}}",
          "policy: \"products\": item 0: \"Naples\" is not known" },
        { START ",'snp':{'products':[1]}}",
          "policy: \"products\": item 0: \"(no string)\" is not known" },
        { START ",'snp':{'signing_keys':['none']}}",
          "policy: \"signing_keys\": item 0: \"none\" is not known" },
        { START ",'snp':{'csp_id':['']}}", "policy: \"csp_id\": item 0 is not a short string" },
        { START ",'snp':{'guest_policy':{'required':['turbo']}}}",
          "policy: \"guest_policy\": \"required\": item 0: \"turbo\" is not known" },
        { START ",'snp':{'guest_policy':{'required':['smt'],'forbidden':['smt']}}}",
          "policy: \"guest_policy\": \"smt\" is both required and forbidden" },
        { START ",'snp':{'guest_policy':{'minimum_abi':'1.300'}}}",
          "policy: \"guest_policy\": \"minimum_abi\": no 2 numbers up to 255 with dots" },
        { START ",'snp':{'guest_policy':{'minimum_abi':'1'}}}",
          "policy: \"guest_policy\": \"minimum_abi\": no 2 numbers up to 255 with dots" },
        { START ",'snp':{'platform_info':{'more':[]}}}",
          "policy: \"platform_info\": unknown member \"more\"" },
        { START ",'snp':{'mitigations':{'launch':'7'}}}",
          "policy: \"mitigations\": \"launch\": neither a number nor 0x and hex" },
        { START ",'snp':{'mitigations':{'launch':'0x10000000000000000'}}}",
          "policy: \"mitigations\": \"launch\": neither a number nor 0x and hex" },
        { START ",'snp':{'minimum_guest_svn':4294967296}}",
          "policy: \"minimum_guest_svn\" is above 4294967295" },
        { START ",'snp':{'mitigations':{'lunch':'0x1'}}}",
          "policy: \"mitigations\": unknown member \"lunch\"" },
        { START ",'snp':{'minimum_committed_firmware':'1.55'}}",
          "policy: \"minimum_committed_firmware\": no 3 numbers up to 255 with dots" },
        { START ",'snp':{'minimum_current_firmware':'1.55.256'}}",
          "policy: \"minimum_current_firmware\": no 3 numbers up to 255 with dots" },
        { START ",'snp':{'minimum_firmware':'1.55'}}",
          "policy: \"minimum_firmware\": no 3 numbers up to 255 with dots" },
        { START ",'snp':{'minimum_firmware':'1.55.29.1'}}",
          "policy: \"minimum_firmware\": no 3 numbers up to 255 with dots" },
        { START ",'snp':{'family_id':['00']}}",
          "policy: \"family_id\": item 0: 1 bytes, expected 16" },
        { START ",'snp':{'id_key_digest':['" ZEROS_HEX "']}}",
          "policy: \"id_key_digest\": item 0 is zeros: that says that there is no key" },
        { START ",'snp':{'author_key_digest':['" ZEROS_HEX "']}}",
          "policy: \"author_key_digest\": item 0 is zeros: that says that there is no key" },
        { START ",'snp':{'measurement':[]}}",
          "policy: \"measurement\": is empty: leave it out instead" },
        { START ",'snp':{'measurement':'all'}}", "policy: \"measurement\" is not an array" },
        { START ",'snp':{'svsm_measurement':[]}}",
          "policy: \"svsm_measurement\": is empty: leave it out instead" },
        { START ",'snp':{'measurement':['" SHA256_HEX "']}}",
          "policy: \"measurement\": item 0: 32 bytes, expected 48" },
        { START ",'evidence':[]}", "policy: \"evidence\": is empty: nothing could be accepted" },
        { START ",'evidence':['vtmp']}", "policy: \"evidence\": item 0: \"vtmp\" is not known" },
        { START ",'evidence':['bare'],'pcrs':[0]}",
          "policy: \"evidence\": \"bare\" has no TPM, and \"pcrs\" is a TPM's" },
        { START ",'evidence':['bare'],'phase':'x'}",
          "policy: \"evidence\": \"bare\" has no TPM, and \"phase\" is a TPM's" },
        { START ",'secure_boot':'on'}", "policy: \"secure_boot\" is not \"own-db\"" },
        { START ",'maximum_age':{'crl':'30'}}",
          "policy: \"maximum_age\": \"crl\": neither days (\"30d\") nor hours (\"12h\")" },
        { START ",'maximum_age':{'crl':'0d'}}",
          "policy: \"maximum_age\": \"crl\": neither days (\"30d\") nor hours (\"12h\")" },
        { START ",'maximum_age':{'list':'1d'}}",
          "policy: \"maximum_age\": unknown member \"list\"" },
        { START ",'snp':{'measurement_covers':['disk']}}",
          "policy: \"measurement_covers\": item 0: \"disk\" is not known" },
        { START ",'roots':['amd']}", NULL },
    };
#undef START

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_policy *policy = NULL;
        struct clo_error err;
        CHECK(!parse_policy(cases[i].text, &policy, &err) && policy == NULL, cases[i].text);
        if (cases[i].error != NULL && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s\n%s, not\n%s", cases[i].text, err.text, cases[i].error);
    }
}

static void test_strict(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_policy_strict(&policy, &err), err.text);
    CHECK(policy->is_strict_builtin && strcmp(policy->name, "strict") == 0, policy->name);
    CHECK(!policy->snp.allow_debug && !policy->snp.allow_migration &&
                  clo_policy_trusts_maker(policy, CLO_TEE_SNP),
          "strict");
}

/* Everything that the member "snp" may hold; what is tried here must be all that the schema has. */
static const char everything[] =
        "{'cloister_policy':1,'tee':['snp'],'roots':['amd'],'snp':{"
        "'allow_debug':false,'allow_migration':false,'allow_cxl':true,'allow_tio':true,"
        "'allow_masked_chip':true,'allow_provisional':true,'allow_unknown_platform_info':true,"
        "'require_alias_check':true,'require_revocation':true,"
        "'products':['Milan','Genoa','Turin','Venice'],'signing_keys':['VCEK','VLEK'],"
        "'csp_id':['CN=provider.example'],'vmpl':[0],"
        "'guest_policy':{'required':['single_socket'],'forbidden':['smt'],'minimum_abi':'1.51'},"
        "'platform_info':{'required':['ecc_en'],'forbidden':['tsme_en']},"
        "'mitigations':{'launch':'0x1','current':3},'minimum_version':3,'minimum_guest_svn':1,"
        "'minimum_tcb':{'fmc':0,'bootloader':4,'tee':0,'snp':24,'microcode':219},"
        "'minimum_reported_tcb':{'Milan':{'snp':24}},'minimum_committed_tcb':{'snp':24},"
        "'minimum_current_tcb':{'snp':24},'minimum_launch_tcb':{'snp':24},"
        "'minimum_firmware':'1.55.29','minimum_current_firmware':'1.55.29',"
        "'minimum_committed_firmware':'1.55.29','measurement':['" SHA384_HEX "'],"
        "'measurement_covers':['firmware','kernel'],'svsm_measurement':['" SHA384_HEX "'],"
        "'id_key_digest':'any','author_key_digest':'any','host_data':['" SHA256_HEX "'],"
        "'report_data':'any','family_id':'any','image_id':'any','report_id':'any',"
        "'report_id_ma':'any','chip_id':'any'}}";

static void read_tree(const char *path, struct clo_buffer *out)
{
    const char *tests = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char full[4096];

    snprintf(full, sizeof full, "%s/../%s", tests == NULL ? "tests" : tests, path);
    if (!clo_file_read(full, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
}

/* The members that the parser knows, the schema's, and those tried above are the same. */
static void test_schema(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer schema_text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer source = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *schema = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *tried = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;
    char text[4096];
    const char *key;
    json_t *value;
    size_t known = 0;

    (void)state;
    CHECK(parse_policy(everything, &policy, &err), err.text);
    read_tree("docs/schema/policy.json", &schema_text);
    CHECK(clo_json_parse(clo_buffer_bytes(&schema_text), &schema, &err), err.text);
    snprintf(text, sizeof text, "%s", everything);
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    CHECK(clo_json_parse(clo_bytes_text(text), &tried, &err), err.text);
    const json_t *members = json_object_get(
            json_object_get(json_object_get(schema, "properties"), "snp"), "properties");
    json_t *snp = json_object_get(tried, "snp");
    json_object_foreach (snp, key, value)
        CHECK(json_object_get(members, key) != NULL, key);
    CHECK(json_object_size(members) == json_object_size(snp), "the schema has more");

    read_tree("lib/policy/policy_snp.c", &source);
    const char *at = strstr(clo_buffer_string(&source), "bool policy_read_snp(");
    CHECK(at != NULL, "the parser's list");
    const char *end = strstr(at, "NULL");
    while ((at = strchr(at, '"')) != NULL && at < end) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
        CHECK(json_object_get(members, name) != NULL, name);
        at = strchr(at + 1, '"') + 1;
        known++;
    }
    CHECK(known == json_object_size(members), "the schema has more than the parser");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
