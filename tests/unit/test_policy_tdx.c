/* The policy's member "tdx": read, refused, and held against a quote with one thing wrong. */
#include "lib/policy/policy.h"
#include "test.h"

#define R48(hex) R24(hex) R24(hex)
#define R24(hex) R12(hex) R12(hex)
#define R12(hex) R6(hex) R6(hex)
#define R6(hex)  hex hex hex hex hex hex

static bool parse_policy(const char *text, struct clo_policy **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };

    for (; *text != '\0'; text++)
        clo_buffer_u8(&json, *text == '\'' ? '"' : (uint8_t)*text);
    return clo_policy_parse(clo_buffer_bytes(&json), out, err);
}

/* Everything that the member may hold; what is tried here must be all that the schema has. */
static const char everything[] =
        "{'cloister_policy':1,'tee':['tdx'],'roots':['intel'],'tdx':{"
        "'tcb_status':['UpToDate','OutOfDate','TDRelaunchAdvised'],'advisories':['INTEL-SA-00001'],"
        "'minimum_evaluation_number':17,'tcb_date':'2025-03-12','minimum_tee_tcb_svn':'"
        "03000400000000000000000000000000',"
        "'allow_debug':false,'allow_migratable':false,'allow_sept_ve':false,"
        "'allow_unevaluated_tcb':false,'mr_td':['" R48(
                "a1") "'],'rtmr0':'any','rtmr1':'any',"
                      "'rtmr2':'any','rtmr3':'any','mr_seam':'any','mr_signer_seam':'any','mr_"
                      "config_id':'any',"
                      "'mr_owner':'any','mr_owner_config':'any','mr_service_td':'any','init_servtd_"
                      "hash':'any',"
                      "'cur_servtd_hash':'any','td_attributes':['0000001000000000'],'xfam':['"
                      "e702060000000000'],"
                      "'report_data':'any','qe_vendor_id':'any','fmspc':['b0c06f000000'],'ppid':'"
                      "any','ccel':{'rtmr0':[],'rtmr1':[],'rtmr2':[],'rtmr3':[{'type':'EV_IPL',"
                      "'any':true,'minimum':0,'maximum':2}]}}}";

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse_policy(everything, &policy, &err), err.text);
    CHECK(clo_policy_trusts_maker(policy, CLO_TEE_TDX) &&
                  !clo_policy_trusts_maker(policy, CLO_TEE_SNP) &&
                  clo_policy_allows(policy, CLO_TEE_TDX),
          "roots");
    CHECK(policy->tdx.tcb_status == (1U << CLO_TDX_UP_TO_DATE | 1U << CLO_TDX_OUT_OF_DATE |
                                     1U << CLO_TDX_RELAUNCH_ADVISED),
          "tcb_status");
    CHECK(policy->tdx.minimum_evaluation_number == 17 && policy->tdx.minimum_svn[2] == 4, "floors");
    CHECK(policy->tdx.mr_td.count == 1 && policy->tdx.mr_td.items[0][47] == 0xa1, "mr_td");
    CHECK(policy->tdx.advisory_count == 1 && !policy->tdx.any_advisory, "advisories");
}

static void test_refused(void **state)
{
#define START "{'cloister_policy':1,'tee':['tdx'],'roots':['intel']"
    static const struct {
        const char *text, *error;
    } cases[] = {
        { START ",'tdx':{'more':1}}", "policy: \"tdx\": unknown member \"more\"" },
        { START ",'tdx':{'ccel':{'rtmr0':[{'type':'EV_IPL'}]}}}",
          "policy: \"tdx\": \"ccel\": \"rtmr0\": rule 0: says none of \"digests\", \"text\" and "
          "\"any\": exactly one is needed" },
        { START ",'tdx':{'tcb_status':'UpToDate'}}",
          "policy: \"tdx\": \"tcb_status\" is not an array" },
        { START ",'tdx':{'tcb_status':['Fine']}}",
          "policy: \"tdx\": \"tcb_status\": item 0 is not a status" },
        { START ",'tdx':{'tcb_status':['Revoked']}}",
          "policy: \"tdx\": \"tcb_status\": \"Revoked\" is never accepted" },
        { START ",'tdx':{'tcb_status':['NotSupported']}}",
          "policy: \"tdx\": \"tcb_status\": \"NotSupported\" is never accepted" },
        { START ",'tdx':{'tcb_date':'2025-13-01'}}",
          "policy: \"tdx\": \"tcb_date\": neither a date (\"2025-03-12\") nor a time in UTC "
          "(\"2025-03-12T00:00:00Z\")" },
        { START ",'tdx':{'tcb_date':'2025-03-12T00:00:00+02:00'}}",
          "policy: \"tdx\": \"tcb_date\": neither a date (\"2025-03-12\") nor a time in UTC "
          "(\"2025-03-12T00:00:00Z\")" },
        { START ",'tdx':{'tcb_date':'1969-12-31'}}", "policy: \"tdx\": \"tcb_date\": before 1970" },
        { START ",'grace':{'out_of_date':'0d'}}",
          "policy: \"grace\": \"out_of_date\": neither days (\"30d\") nor hours (\"12h\")" },
        { START ",'grace':{'collateral':'30d'}}",
          "policy: \"grace\": unknown member \"collateral\"" },
        { START ",'tdx':{'advisories':[1]}}",
          "policy: \"tdx\": \"advisories\": item 0 is not a short string" },
        { START ",'tdx':{'minimum_tee_tcb_svn':'03'}}",
          "policy: \"tdx\": \"minimum_tee_tcb_svn\": 1 bytes, expected 16" },
        { START ",'tdx':{'mr_td':['00']}}",
          "policy: \"tdx\": \"mr_td\": item 0: 1 bytes, expected 48" },
        { START ",'tdx':{'allow_debug':1}}",
          "policy: \"tdx\": \"allow_debug\" is neither true nor false" },
    };
#undef START

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_policy *policy = NULL;
        struct clo_error err;
        CHECK(!parse_policy(cases[i].text, &policy, &err) && policy == NULL, cases[i].text);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s\n  gives    %s\n  expected %s", cases[i].text, err.text, cases[i].error);
    }
}

/* The members that the schema has, and those tried above, are the same. */
static void test_schema(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer schema_text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *schema = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *tried = NULL;
    const char *tests = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char path[4096];
    const char *key;
    json_t *value;

    (void)state;
    snprintf(path, sizeof path, "%s/../docs/schema/policy.json", tests == NULL ? "tests" : tests);
    CHECK(clo_file_read(path, CLO_FILE_LIMIT, &schema_text, &err), err.text);
    CHECK(clo_json_parse(clo_buffer_bytes(&schema_text), &schema, &err), err.text);
    for (const char *at = everything; *at != '\0'; at++)
        clo_buffer_u8(&text, *at == '\'' ? '"' : (uint8_t)*at);
    CHECK(clo_json_parse(clo_buffer_bytes(&text), &tried, &err), err.text);
    const json_t *members = json_object_get(
            json_object_get(json_object_get(schema, "properties"), "tdx"), "properties");
    json_t *tdx = json_object_get(tried, "tdx");
    json_object_foreach (tdx, key, value)
        CHECK(json_object_get(members, key) != NULL, key);
    CHECK(json_object_size(members) == json_object_size(tdx), "the schema has more");
}

/* --- Appraising --- */

/* A verified quote as it must be: every byte string is all of one value. */
struct example {
    uint8_t bytes[24][64];
    struct clo_tdx_verified verified;
};

static struct clo_bytes filled(struct example *e, size_t *at, uint8_t value, size_t size)
{
    uint8_t *bytes = e->bytes[(*at)++];

    memset(bytes, value, size);
    return clo_bytes(bytes, size);
}

static void example_init(struct example *e)
{
    static const uint8_t vendor[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
    static const uint8_t attributes[8] = { 0, 0, 0, 0x10 };
    static const uint8_t xfam[8] = { 0xe7, 0x02, 0x06 };
    struct clo_tdx_body *body = &e->verified.quote.body;
    size_t at = 0;

    *e = (struct example){ .verified = { .is_intel = true } };
    body->tee_tcb_svn = filled(e, &at, 5, 16);
    body->tee_tcb_svn2 = filled(e, &at, 5, 16);
    body->mr_seam = filled(e, &at, 0xb1, 48);
    body->mr_signer_seam = filled(e, &at, 0, 48);
    body->seam_attributes = filled(e, &at, 0, 8);
    body->mr_td = filled(e, &at, 0xa1, 48);
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++)
        body->rtmr[i] = filled(e, &at, i == 3 ? 0 : 0xc0, 48);
    body->mr_config_id = filled(e, &at, 0xd0, 48);
    body->mr_owner = filled(e, &at, 0xd1, 48);
    body->mr_owner_config = filled(e, &at, 0xd2, 48);
    body->mr_service_td = filled(e, &at, 0xd3, 48);
    body->init_servtd_hash = filled(e, &at, 0xd4, 48);
    body->cur_servtd_hash = filled(e, &at, 0xd5, 48);
    body->report_data = filled(e, &at, 0xd6, 64);
    memcpy(e->bytes[at], attributes, 8);
    body->td_attributes = clo_bytes(e->bytes[at++], 8);
    memcpy(e->bytes[at], xfam, 8);
    body->xfam = clo_bytes(e->bytes[at++], 8);
    memcpy(e->bytes[at], vendor, sizeof vendor);
    e->verified.quote.qe_vendor_id = clo_bytes(e->bytes[at], sizeof vendor);
    memset(e->verified.pck.fmspc, 0xe0, 6);
    memset(e->verified.pck.ppid, 0xe1, 16);
    e->verified.tcb = (struct clo_tdx_tcb){
        .is_evaluated = true,
        .status = CLO_TDX_UP_TO_DATE,
        .evaluation_number = 17,
        .advisories = { clo_bytes_text("INTEL-SA-00001") },
        .advisory_count = 1,
    };
}

static void set_byte(struct clo_bytes field, size_t at, uint8_t value)
{
    ((uint8_t *)(uintptr_t)field.data)[at] = value;
}

/* A policy that this quote meets; each case says how the quote, or one member, is otherwise. */
#define GOOD                                                                                                                                                                                               \
    "'advisories':['INTEL-SA-00001'],'minimum_evaluation_number':17,"                                                                                                                                      \
    "'minimum_tee_tcb_svn':'05050505050505050505050505050505','mr_td':['" R48(                                                                                                                             \
            "a1") "'],"                                                                                                                                                                                    \
                  "'rtmr0':['" R48("c0") "'],'rtmr1':['" R48("c0") "'],'rtmr2':['" R48(                                                                                                                    \
                          "c0") "'],"                                                                                                                                                                      \
                                "'mr_seam':['" R48("b1") "'],'mr_signer_seam':['" R48(                                                                                                                     \
                                        "00") "'],"                                                                                                                                                        \
                                              "'mr_config_id':['" R48(                                                                                                                                     \
                                                      "d0") "'],'mr_owner':['" R48("d1") "'],"                                                                                                             \
                                                                                         "'mr_"                                                                                                            \
                                                                                         "owner_"                                                                                                          \
                                                                                         "config'"                                                                                                         \
                                                                                         ":["                                                                                                              \
                                                                                         "'" R48("d2") "'],'mr_service_td':['" R48(                                                                        \
                                                                                                 "d3") "'],"                                                                                               \
                                                                                                       "'init_servtd_hash':['" R48("d4") "'],'cur_servtd_hash':['" R48(                                    \
                                                                                                               "d5") "'],"                                                                                 \
                                                                                                                     "'report_data':['" R48(                                                               \
                                                                                                                             "d6")                                                                         \
                                                                                                                             R12("d6") "d6d6d6d6'],"                                                       \
                                                                                                                                       "'td_attributes':['0000001000000000'],'xfam':['e702060000000000']," \
                                                                                                                                       "'fmspc':['" R6("e0") "'],'ppid':['" R12(                           \
                                                                                                                                               "e1") "e1e1e1e1']"

static const struct {
    const char *name, *fails; /* fails NULL: accepted */
    size_t field;             /* offset of a view in the quote's body, or SIZE_MAX */
    size_t at;
    uint8_t value;
} changes[] = {
#define FIELD(name) offsetof(struct clo_tdx_body, name)
    { "as it must be", NULL, SIZE_MAX, 0, 0 },
    { "debug", "policy.debug", FIELD(td_attributes), 0, 1 },
    { "migratable", "policy.migratable", FIELD(td_attributes), 3, 0x30 },
    { "reserved attribute in byte 0", "policy.reserved", FIELD(td_attributes), 0, 0x80 },
    { "reserved attribute in the middle", "policy.reserved", FIELD(td_attributes), 5, 1 },
    { "no SEPT_VE_DISABLE", "policy.sept_ve_disable", FIELD(td_attributes), 3, 0 },
    { "SEAMATTRIBUTES", "policy.seam_attributes", FIELD(seam_attributes), 0, 1 },
    { "XFAM without SSE", "policy.xfam_reserved", FIELD(xfam), 0, 0xe5 },
    { "XFAM reserved", "policy.xfam_reserved", FIELD(xfam), 3, 0x80 },
    { "attributes otherwise", "policy.td_attributes", FIELD(td_attributes), 7, 0x80 },
    { "XFAM otherwise", "policy.xfam", FIELD(xfam), 0, 0x07 },
    { "TEE_TCB_SVN", "policy.tee_tcb_svn", FIELD(tee_tcb_svn), 15, 4 },
    { "TEE_TCB_SVN2", "policy.tee_tcb_svn", FIELD(tee_tcb_svn2), 0, 4 },
    { "MRTD", "policy.mr_td", FIELD(mr_td), 47, 0 },
    { "RTMR 0", "policy.rtmr0", FIELD(rtmr[0]), 0, 0 },
    { "RTMR 1", "policy.rtmr1", FIELD(rtmr[1]), 0, 0 },
    { "RTMR 2", "policy.rtmr2", FIELD(rtmr[2]), 0, 0 },
    { "RTMR 3 extended, and nobody said so", "policy.rtmr3", FIELD(rtmr[3]), 0, 1 },
    { "MRSEAM", "policy.mr_seam", FIELD(mr_seam), 0, 0 },
    { "MRSIGNERSEAM", "policy.mr_signer_seam", FIELD(mr_signer_seam), 0, 1 },
    { "MRCONFIGID", "policy.mr_config_id", FIELD(mr_config_id), 0, 0 },
    { "MROWNER", "policy.mr_owner", FIELD(mr_owner), 0, 0 },
    { "MROWNERCONFIG", "policy.mr_owner_config", FIELD(mr_owner_config), 0, 0 },
    { "MRSERVICETD", "policy.mr_service_td", FIELD(mr_service_td), 0, 0 },
    { "INIT_SERVTD_HASH", "policy.init_servtd_hash", FIELD(init_servtd_hash), 0, 0 },
    { "CUR_SERVTD_HASH", "policy.cur_servtd_hash", FIELD(cur_servtd_hash), 0, 0 },
    { "REPORTDATA", "policy.report_data", FIELD(report_data), 63, 0 },
#undef FIELD
};

static void check_only_failure(const struct clo_checks *checks, const char *id, const char *name)
{
    if (id == NULL) {
        for (size_t i = 0; i < checks->count; i++)
            CHECK(checks->items[i].result != CLO_CHECK_FAIL, checks->items[i].detail);
        return;
    }
    const struct clo_check *check = clo_checks_get(checks, id);
    CHECK(check != NULL && check->result == CLO_CHECK_FAIL, name);
}

static void test_fields(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse_policy("{'cloister_policy':1,'tee':['tdx'],'roots':['intel'],'tdx':{" GOOD "}}",
                       &policy, &err),
          err.text);
    for (size_t i = 0; i < CLO_COUNT(changes); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct example e;
        example_init(&e);
        if (changes[i].field != SIZE_MAX) {
            struct clo_bytes view;
            memcpy(&view, (const uint8_t *)&e.verified.quote.body + changes[i].field, sizeof view);
            set_byte(view, changes[i].at, changes[i].value);
        }
        clo_policy_appraise_tdx(policy, &e.verified, 0, &checks);
        check_only_failure(&checks, changes[i].fails, changes[i].name);
    }
}

/* --- What is not in the quote's body --- */

static void change_status(struct example *e)
{
    e->verified.tcb.status = CLO_TDX_SW_HARDENING_NEEDED;
}

static void change_advisory(struct example *e)
{
    e->verified.tcb.advisories[0] = clo_bytes_text("INTEL-SA-00002");
}

static void change_number(struct example *e)
{
    e->verified.tcb.evaluation_number = 16;
}

static void leave_tcb_out(struct example *e)
{
    e->verified.tcb = (struct clo_tdx_tcb){ 0 };
}

static void change_root(struct example *e)
{
    e->verified.is_intel = false;
}

static void change_vendor(struct example *e)
{
    set_byte(e->verified.quote.qe_vendor_id, 0, 0);
}

static void change_fmspc(struct example *e)
{
    e->verified.pck.fmspc[0] = 0;
}

static void change_ppid(struct example *e)
{
    e->verified.pck.ppid[0] = 0;
}

static void test_rest(void **state)
{
    static const struct {
        const char *fails;
        void (*change)(struct example *e);
    } cases[] = {
        { "policy.tcb_status", change_status },
        { "policy.advisories", change_advisory },
        { "policy.evaluation_number", change_number },
        { "policy.tcb_status", leave_tcb_out },
        { "policy.root", change_root },
        { "policy.qe_vendor_id", change_vendor },
        { "policy.fmspc", change_fmspc },
        { "policy.ppid", change_ppid },
    };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse_policy("{'cloister_policy':1,'tee':['tdx'],'roots':['intel'],'tdx':{" GOOD "}}",
                       &policy, &err),
          err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct example e;
        example_init(&e);
        cases[i].change(&e);
        clo_policy_appraise_tdx(policy, &e.verified, 0, &checks);
        check_only_failure(&checks, cases[i].fails, cases[i].fails);
        CHECK(checks.failures == 1, cases[i].fails);
    }
}

/* Bits that we do not know, in a value that the owner names in full. */
static void test_named_reserved(void **state)
{
    static const struct {
        const char *name, *sets, *fails; /* fails NULL: accepted */
        size_t field, at;
        uint8_t value;
    } cases[] = {
        { "not named", "", "policy.reserved", offsetof(struct clo_tdx_body, td_attributes), 5, 1 },
        { "named", ",'td_attributes':['0000001000010000']", NULL,
          offsetof(struct clo_tdx_body, td_attributes), 5, 1 },
        { "any", ",'td_attributes':'any'", "policy.reserved",
          offsetof(struct clo_tdx_body, td_attributes), 5, 1 },
        { "another is named", ",'td_attributes':['0000001000020000']", "policy.reserved",
          offsetof(struct clo_tdx_body, td_attributes), 5, 1 },
        { "named, and untrusted", ",'td_attributes':['8000001000000000']", "policy.reserved",
          offsetof(struct clo_tdx_body, td_attributes), 0, 0x80 },
        { "XFAM not named", "", "policy.xfam_reserved", offsetof(struct clo_tdx_body, xfam), 3,
          0x80 },
        { "XFAM named", ",'xfam':['e702068000000000']", NULL, offsetof(struct clo_tdx_body, xfam),
          3, 0x80 },
        { "XFAM named, without SSE", ",'xfam':['e502060000000000']", "policy.xfam_reserved",
          offsetof(struct clo_tdx_body, xfam), 0, 0xe5 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_bytes view;
        struct example e;
        struct clo_error err;
        char text[512];
        example_init(&e);
        memcpy(&view, (const uint8_t *)&e.verified.quote.body + cases[i].field, sizeof view);
        set_byte(view, cases[i].at, cases[i].value);
        snprintf(text, sizeof text,
                 "{'cloister_policy':1,'tee':['tdx'],'roots':['intel'],'tdx':{'mr_td':'any',"
                 "'rtmr0':'any','rtmr1':'any','rtmr2':'any','advisories':'any'%s}}",
                 cases[i].sets);
        CHECK(parse_policy(text, &policy, &err), err.text);
        clo_policy_appraise_tdx(policy, &e.verified, 0, &checks);
        check_only_failure(&checks, cases[i].fails, cases[i].name);
    }
}

/* What a policy does not say is denied; what a reference value accounts for need not be said. */
static void test_silence(void **state)
{
    static const char *const denied[] = { "policy.mr_td", "policy.rtmr0", "policy.rtmr1",
                                          "policy.rtmr2", "policy.advisories" };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *amd = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *strict = NULL;
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks proven = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks of_amd = { 0 };
    CLO_CLEANUP(clo_checks_free) struct clo_checks of_strict = { 0 };
    struct example e;
    struct clo_error err;

    (void)state;
    example_init(&e);
    CHECK(parse_policy("{'cloister_policy':1,'tee':['tdx'],'roots':['intel']}", &policy, &err),
          err.text);
    clo_policy_appraise_tdx(policy, &e.verified, 0, &checks);
    for (size_t i = 0; i < CLO_COUNT(denied); i++)
        check_only_failure(&checks, denied[i], denied[i]);
    CHECK(checks.failures == CLO_COUNT(denied), "no more than these");
    e.verified.tcb.advisory_count = 0;
    clo_policy_appraise_tdx(policy, &e.verified, CLO_POLICY_TDX_MRTD | 0x7, &proven);
    check_only_failure(&proven, NULL, "proven");
    CHECK(parse_policy("{'cloister_policy':1,'tee':['snp'],'roots':['amd'],'tdx':{" GOOD "}}", &amd,
                       &err),
          err.text);
    clo_policy_appraise_tdx(amd, &e.verified, 0, &of_amd);
    check_only_failure(&of_amd, "policy.tee", "another platform");
    check_only_failure(&of_amd, "policy.root", "another root");
    CHECK(clo_policy_strict(&strict, &err), err.text);
    e.verified.tcb.status = CLO_TDX_SW_HARDENING_NEEDED;
    clo_policy_appraise_tdx(strict, &e.verified, 0, &of_strict);
    check_only_failure(&of_strict, NULL, "strict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_schema),  cmocka_unit_test(test_fields),
        cmocka_unit_test(test_rest),    cmocka_unit_test(test_named_reserved),
        cmocka_unit_test(test_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
