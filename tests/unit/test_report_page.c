#include "cloister/report.h"

#include "test.h"

#define NOW 1796000000LL /* 2026-11-30 */

static const char *same(const char *text)
{
    return text;
}

static const char *marked(const char *text)
{
    static char out[2000];

    snprintf(out, sizeof out, "[%.1900s]", text);
    return out;
}

/* --- Documents: of one image and one machine, all of it good. Cases change a member or two. --- */

static const char audit_text[] =
        "{'cloister_audit': 1, 'subject': 'demo.img', 'for': ['snp', 'hyperv'], 'about': "
        "['kconfig', "
        "'cmdline', 'uki', 'image'], 'findings': ["
        "{'id': 'kconfig.X', 'severity': 'required', 'result': 'pass', 'found': 'X=y'},"
        "{'id': 'cmdline.init', 'severity': 'required', 'result': 'pass', 'found': 'f'},"
        "{'id': 'image.root_encrypted', 'severity': 'required', 'result': 'pass', 'found': 'f', "
        "'reason': 'why', 'wanted': 'w', 'fix': 'set CONFIG_A=y'}],"
        "'inputs': {'subject': 'demo.img'}, 'identity': {'kind': 'disk', 'bytes': 1, 'sha256': "
        "'aa', "
        "'uki': {'sha256': 'bb'}, 'registers': {'pcrs': {'sha256': {'4': '04', '5': '05', '11': "
        "{'enter-initrd': '11', 'ready': '1f'}}}, 'rtmr1': 'd1', 'rtmr2': 'd2'}}}";

static const char image_text[] =
        "{'disk': 'x', 'partitions': [{'name': 'esp', 'type': "
        "'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', 'bytes': 1048576}, {'name': 'my root', 'type': "
        "'4f68bce3-e8cd-4db1-96e7-fbcaf984b709', 'bytes': 8388608}], 'root': {'fit': true}, "
        "'identity': {'kind': 'disk', 'bytes': 1, 'sha256': 'aa', 'uki': {'sha256': 'bb'}, "
        "'registers': {'pcrs': {'sha256': {'4': '04', '5': '05', '11': {'enter-initrd': '11'}}}, "
        "'rtmr1': 'd1', 'rtmr2': 'd2'}}}";

static const char appraisal_text[] =
        "{'status': 'affirming', 'tee': 'snp', 'summary': 'accepted', 'is_fresh': true, 'policy': "
        "'patients', 'policy_sha256': 'cc', 'policy_is_owners': true, 'at': "
        "'2026-11-30T00:00:00Z', 'root': {'sha256': 'ee', 'maker': 'AMD', 'name': 'CN=ARK'}, "
        "'expires': {'at': '2027-01-01T00:00:00Z', 'what': 'revocation list'}, 'checks': ["
        "{'id': 'snp.signature', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'snp.revocation', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'policy.tcb', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'pcr.0', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'pcr.4', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'pcr.11', 'result': 'pass', 'detail': 'd'},"
        "{'id': 'pcr.12', 'result': 'pass', 'detail': 'd'}],"
        "'claims': {'product': 'Milan', 'measurement': 'ff', 'hw_id': '77', 'hcl': {}, 'pcrs': "
        "{'sha256': {'4': '04', '5': '05', '11': '11'}}}}";

/* JSON with single quotes, which C can hold. */
static json_t *parse(const char *text)
{
    char copy[4096];
    json_error_t why;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    json_t *json = json_loads(copy, JSON_DECODE_ANY, &why);
    CHECK(json != NULL, why.text);
    return json;
}

/* Puts a value at a path of members and indexes: "checks/1/result"; "" as the value takes it away. */
static void change(json_t *json, const char *path, const char *value)
{
    char name[64];

    while (strchr(path, '/') != NULL) {
        size_t size = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(name))
                                   : json_object_get(json, name);
        assert_non_null(json);
        path += size + 1;
    }
    if (*value == '\0' && json_is_array(json))
        json_array_remove(json, (size_t)atoi(path));
    else if (*value == '\0')
        json_object_del(json, path);
    else
        json_object_set_new(json, path, parse(value));
}

struct change {
    char document; /* 'a'udit, 'e'vidence, 'i'mage */
    const char *path, *value;
};

/* Those that are wanted, with changes; the caller frees `out`. */
static bool make(const char *wanted, const struct change *changes, size_t count,
                 const char *(*translate)(const char *), struct clo_buffer *out,
                 struct clo_error *err)
{
    const char kinds[] = "aei";
    const char *const texts[] = { audit_text, appraisal_text, image_text };
    struct clo_report_input input = {
        .language = "en", .version = "1", .now = NOW, .translate = translate
    };
    json_t *parsed[3] = { NULL };
    bool ok = true;

    for (size_t i = 0; i < 3; i++) {
        if (strchr(wanted, kinds[i]) == NULL)
            continue;
        parsed[i] = parse(texts[i]);
        for (size_t k = 0; k < count && changes[k].path != NULL; k++)
            if (changes[k].document == kinds[i])
                change(parsed[i], changes[k].path, changes[k].value);
        ok = ok && clo_report_take(&input, parsed[i], err);
    }
    ok = ok && clo_report_write(&input, out, err);
    for (size_t i = 0; i < 3; i++)
        json_decref(parsed[i]);
    return ok;
}

/* "answer|why", as the page has them in its card. */
static const char *answer(const char *page)
{
    static char out[600];
    const char *word = strstr(page, "<p class=\"word ");
    const char *why = strstr(page, "<p class=\"why\">");

    assert_true(word != NULL && why != NULL);
    word = strchr(word, '>') + 1;
    why = strchr(why, '>') + 1;
    snprintf(out, sizeof out, "%.*s|%.*s", (int)strcspn(word, "<"), word, (int)strcspn(why, "<"),
             why);
    return out;
}

/* The states of the links, from the picture: one letter for each, g, b or o. */
static const char *links(const char *page)
{
    static char out[8];
    size_t count = 0;

    for (const char *at = strstr(page, "class=\"dot "); at != NULL && count < sizeof out - 1;
         at = strstr(at, "class=\"dot ")) {
        at += strlen("class=\"dot ");
        out[count++] = *at;
    }
    out[count] = '\0';
    return out;
}

#define APART "The documents do not belong together"

/* --- The answers --- */

static void test_answers(void **state)
{
    static const struct {
        const char *name, *documents;
        struct change changes[4];
        const char *answer, *links, *says;
    } cases[] = {
        { "all of it is shown", "aei", { { 0 } }, "Yes|As far as", "ggggg", "my root, 8 MiB" },
        { "a later phase of the boot",
          "ae",
          { { 'e', "claims/pcrs/sha256/11", "'1f'" } },
          "Not shown|The disk image was not looked into",
          "ggggo",
          NULL },
        { "an audit alone", "a", { { 0 } }, "Not shown|No machine was asked", "ooooo", NULL },
        { "evidence alone", "e", { { 0 } }, "Not shown|No audit was given", "gggoo", NULL },
        { "an image alone", "i", { { 0 } }, "Not shown|No machine was asked", "ooooo", NULL },
        { "an audit of another image",
          "aei",
          { { 'a', "identity/sha256", "'ab'" },
            { 'a', "identity/registers/pcrs/sha256/4", "'ff'" } },
          "Not shown|" APART ": the machine that gave the evidence runs another image",
          "gggoo",
          "MIXED DOCUMENTS" },
        { "evidence of another image",
          "aei",
          { { 'e', "claims/pcrs/sha256/4", "'ff'" } },
          "Not shown|" APART ": the machine that gave the evidence runs another image",
          "gggoo",
          "MIXED DOCUMENTS" },
        { "evidence of another boot file's parts",
          "aei",
          { { 'e', "claims/pcrs/sha256/11", "'ff'" } },
          "Not shown|" APART,
          "gggoo",
          "MIXED DOCUMENTS" },
        { "the disk of another image",
          "aei",
          { { 'i', "identity/sha256", "'ab'" },
            { 'i', "identity/registers/pcrs/sha256/5", "'ff'" } },
          "Not shown|" APART ": the machine that gave the evidence started from another disk",
          "gggoo",
          "MIXED DOCUMENTS" },
        { "another disk, the same UKI, no evidence",
          "ai",
          { { 'i', "identity/sha256", "'ab'" } },
          "Not shown|" APART ": the image that was audited is not",
          "ooooo",
          "MIXED DOCUMENTS" },
        { "a UKI that was audited by itself",
          "aei",
          { { 'a', "identity/kind", "'program'" },
            { 'a', "identity/sha256", "'99'" },
            { 'a', "identity/registers/pcrs/sha256/5", "" } },
          "Yes|",
          "ggggg",
          NULL },
        { "an audit for another platform",
          "aei",
          { { 'a', "for", "['tdx', 'hyperv']" } },
          "Not shown|" APART ": the audit was made for another kind of platform",
          "gggoo",
          "MIXED DOCUMENTS" },
        { "an audit for another kind of host",
          "aei",
          { { 'a', "for", "['snp', 'kvm']" } },
          "Not shown|" APART ": the audit was made for another kind of platform",
          "gggoo",
          "MIXED DOCUMENTS" },
        { "an audit of a line of text",
          "aei",
          { { 'a', "identity", "" } },
          "Not shown|It cannot be told whether",
          "gggoo",
          NULL },
        { "an audit of a file that says hello",
          "aei",
          { { 'a', "identity", "{'kind': 'file', 'bytes': 5, 'sha256': '2c'}" },
            { 'a', "findings/0", "" } },
          "Not shown|The audit did not see how the kernel",
          "gggoo",
          "It cannot be told whether" },
        { "registers that were not quoted",
          "aei",
          { { 'e', "claims/pcrs/sha256/11", "" } },
          "Not shown|It cannot be told whether",
          "gggoo",
          NULL },
        { "no nonce",
          "aei",
          { { 'e', "is_fresh", "false" }, { 'e', "status", "'warning'" } },
          "Not shown|Freshness was not shown",
          "ooooo",
          "Some of the lower links would be good by themselves" },
        { "no nonce, of an older program",
          "aei",
          { { 'e', "is_fresh", "" } },
          "Not shown|Freshness was not shown",
          "ooooo",
          NULL },
        { "a simulated root",
          "aei",
          { { 'e', "root/maker", "null" } },
          "Not shown|This is a simulation or a test",
          "ooooo",
          "<strong>SIMULATION</strong>" },
        { "nobody vouches",
          "aei",
          { { 'e', "root", "" } },
          "Not shown|The appraisal does not say who vouches",
          "ooooo",
          NULL },
        { "no policy",
          "aei",
          { { 'e', "policy_is_owners", "" }, { 'e', "policy", "" } },
          "Not shown|The evidence was held against no policy",
          "ooooo",
          NULL },
        { "a built-in policy",
          "aei",
          { { 'e', "policy_is_owners", "false" }, { 'e', "policy", "'strict'" } },
          "Not shown|The evidence was not held against a policy of the owner",
          "ooooo",
          NULL },
        { "no revocation list",
          "aei",
          { { 'e', "checks/1/result", "'skip'" } },
          "Not shown|Nobody looked whether",
          "ooooo",
          NULL },
        { "no minimum TCB",
          "aei",
          { { 'e', "checks/2", "" } },
          "Not shown|No minimum version",
          "ooooo",
          NULL },
        { "run out since",
          "aei",
          { { 'e', "expires/at", "'2026-11-29T23:59:59Z'" } },
          "Not shown|What vouches for the evidence has run out",
          "ooooo",
          NULL },
        { "firmware without a reference",
          "aei",
          { { 'e', "checks/3", "" } },
          "Not shown|Nothing shows which firmware",
          "goooo",
          NULL },
        { "the launch measurement is the paravisor's",
          "aei",
          { { 'e', "checks/3/id", "'policy.measurement'" } },
          "Not shown|Nothing shows which firmware",
          "goooo",
          NULL },
        { "PCR 11 without PCR 4",
          "aei",
          { { 'e', "checks/4", "" } },
          "Not shown|Nothing shows which kernel",
          "ggooo",
          NULL },
        { "what the policy leaves open",
          "aei",
          { { 'e', "status", "'warning'" },
            { 'e', "open", "[{'aspect': 'program', 'why': 'any loader'}]" } },
          "Not shown|The policy leaves something open",
          "ggooo",
          "any loader" },
        { "a warning of any kind",
          "aei",
          { { 'e', "status", "'warning'" } },
          "Not shown|The appraisal ended in a warning",
          "ooooo",
          NULL },
        { "a TPM alone",
          "aei",
          { { 'e', "tee", "'tpm'" } },
          "Not shown|The evidence comes from a TPM alone",
          "ooooo",
          NULL },
        { "refused",
          "aei",
          { { 'e', "status", "'contraindicated'" },
            { 'e', "summary", "'snp.signature: not signed by the VCEK'" },
            { 'e', "checks/0/result", "'fail'" } },
          "No|The evidence of this machine was refused",
          "boooo",
          "<p class=\"detail\">not signed by the VCEK</p>" },
        { "refused for its program",
          "aei",
          { { 'e', "status", "'contraindicated'" }, { 'e', "checks/5/result", "'fail'" } },
          "No|The evidence of this machine was refused",
          "ggboo",
          NULL },
        { "refused, and mixed",
          "aei",
          { { 'e', "status", "'contraindicated'" },
            { 'e', "checks/0/result", "'fail'" },
            { 'i', "identity/sha256", "'ab'" } },
          "No|The evidence of this machine was refused",
          "boooo",
          "MIXED DOCUMENTS" },
        { "debugging",
          "aei",
          { { 'e', "claims/policy_bits", "{'debug': true}" } },
          "No|The machine was started in a mode in which the host can read",
          "boooo",
          NULL },
        { "an audit that fails",
          "aei",
          { { 'a', "findings/0/result", "'fail'" } },
          "No|The audit found something required that does not hold.",
          "gggbo",
          NULL },
        { "a consequence is no better",
          "a",
          { { 'a', "findings/0/result", "'consequence'" } },
          "No|The audit found something",
          "ooobo",
          NULL },
        { "a waiver does not make it hold",
          "aei",
          { { 'a', "findings/0/result", "'waived'" } },
          "No|The audit found something required that does not hold. Someone has accepted",
          "gggbo",
          NULL },
        { "an unknown is not good",
          "aei",
          { { 'a', "findings/2/result", "'unknown'" } },
          "Not shown|The audit could not find out",
          "ggggo",
          NULL },
        { "a command line given by hand",
          "aei",
          { { 'a', "inputs/cmdline", "'quiet'" } },
          "Not shown|The audit held a command line",
          "gggoo",
          NULL },
        { "an image that is not fit",
          "aei",
          { { 'i', "root", "{'fit': false, 'refusal': 'cipher_null'}" } },
          "No|The disk is not encrypted",
          "ggggb",
          "cipher_null" },
        { "TDX, by its registers",
          "aei",
          { { 'e', "tee", "'tdx'" },
            { 'e', "claims", "{'mr_td': 'ff', 'rtmr1': 'd1', 'rtmr2': 'd3'}" },
            { 'a', "for", "['tdx']" } },
          "Not shown|" APART,
          "ooooo",
          "MIXED DOCUMENTS" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        CHECK(make(cases[i].documents, cases[i].changes, CLO_COUNT(cases[i].changes), same, &out,
                   &err),
              err.text);
        const char *page = clo_buffer_string(&out);
        if (strncmp(answer(page), cases[i].answer, strlen(cases[i].answer)) != 0 ||
            strcmp(links(page), cases[i].links) != 0)
            print_message("%s: %s, %s\n", cases[i].name, answer(page), links(page));
        CHECK(strncmp(answer(page), cases[i].answer, strlen(cases[i].answer)) == 0, cases[i].name);
        CHECK(strcmp(links(page), cases[i].links) == 0, cases[i].name);
        CHECK(cases[i].says == NULL || strstr(page, cases[i].says) != NULL, cases[i].name);
        bool is_mixed = strstr(page, "MIXED DOCUMENTS") != NULL;
        CHECK(is_mixed == (cases[i].says != NULL && strcmp(cases[i].says, "MIXED DOCUMENTS") == 0),
              cases[i].name);
    }
}

/* What a page says besides its answer: it may be no more than was shown, and no less. */
static void test_first_screen(void **state)
{
    static const char *const wanted[] = {
        "<span class=\"digest\">77</span>",    "AMD EPYC Milan, SEV-SNP",
        "<span class=\"digest\">aa</span>",    "2026-11-30, 00:00 UTC",
        "the evidence itself carries no date", "<span>patients</span>",
        "<span class=\"digest\">cc</span>",    "<span>AMD</span>",
        "<span class=\"note\">CN=ARK</span>",  "2027-01-01, 00:00 UTC",
        "the revocation list ends first",      "audit, appraisal of evidence, look into",
        "encryption without integrity hides",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(make("aei", NULL, 0, same, &out, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(wanted); i++)
        CHECK(strstr(clo_buffer_string(&out), wanted[i]) != NULL, wanted[i]);
}

/* All that is missing stands before the contents, with what to do about it, each remedy once. */
static void test_what_is_missing(void **state)
{
    static const struct change changes[] = {
        { 'e', "root/maker", "null" },      { 'e', "is_fresh", "false" },
        { 'e', "status", "'warning'" },     { 'e', "checks/1/result", "'skip'" },
        { 'i', "identity/sha256", "'ab'" },
    };
    static const char *const wanted[] = {
        "<li>Make the audit, the appraisal and the look",
        "<li>Run the image on a real",
        "<li>Give the machine a number",
        "<li>Appraise with the maker&#39;s current",
        "Freshness was not shown",
        "Nobody looked whether",
        "This is a simulation",
        "Checks of the appraisal that were not made (the annex lists them): 1",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(make("aei", changes, CLO_COUNT(changes), same, &out, &err), err.text);
    const char *page = clo_buffer_string(&out);
    const char *end = strstr(page, "<nav");
    for (size_t i = 0; i < CLO_COUNT(wanted); i++) {
        const char *at = strstr(page, wanted[i]);
        CHECK(at != NULL && at < end, wanted[i]);
    }
    const char *first = strstr(page, wanted[0]);
    CHECK(strstr(first + 1, wanted[0]) == NULL, "a remedy twice");
}

/* --- What it is made of --- */

static void test_escaped(void **state)
{
    static const char evil[] =
            "'<script>alert(1)</script> a & b \\\"><img src=x onerror=1> \\u0007'";
    static const char *const paths[] = {
        "asubject",
        "afindings/2/found",
        "afindings/2/reason",
        "afindings/2/fix",
        "aidentity/disk/x",
        "ainputs/subject",
        "epolicy",
        "eroot/name",
        "esummary",
        "echecks/0/detail",
        "echecks/0/id",
        "eat",
        "eexpires/at",
        "eclaims/product",
        "eclaims/hw_id",
        "ipartitions/1/name",
        "iidentity/sha256",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(paths); i++) {
        const struct change changes[] = {
            { 'a', "identity/disk", "{}" },
            { 'a', "findings/2/result", "'fail'" },
            { paths[i][0], paths[i] + 1, evil },
        };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        CHECK(make("aei", changes, CLO_COUNT(changes), same, &out, &err), err.text);
        const char *page = clo_buffer_string(&out);
        CHECK(strstr(page, "<script") == NULL && strstr(page, "<img") == NULL, paths[i]);
        CHECK(strchr(page, '\a') == NULL, paths[i]);
    }
}

/* Nothing is loaded from anywhere. */
static void test_self_contained(void **state)
{
    static const char *const refused[] = { "<script", "<link",   "<img",   "<iframe",
                                           "url(",    "@import", "src=\"", "href=\"http" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(make("aei", NULL, 0, same, &out, &err) && make("aei", NULL, 0, same, &again, &err),
          err.text);
    for (size_t i = 0; i < CLO_COUNT(refused); i++)
        CHECK(strstr(clo_buffer_string(&out), refused[i]) == NULL, refused[i]);
    CHECK(strstr(clo_buffer_string(&out), "default-src 'none'") != NULL, "and nothing may be");
    CHECK(strcmp(clo_buffer_string(&out), clo_buffer_string(&again)) == 0, "the same bytes");
}

/* Every link of the contents leads somewhere, every part and picture has its name. */
static void test_structure(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    static const char *const marks[] = { "href=\"#", "aria-labelledby=\"" };
    struct clo_error err;

    (void)state;
    CHECK(make("aei", NULL, 0, same, &out, &err), err.text);
    const char *page = clo_buffer_string(&out);
    for (size_t m = 0; m < CLO_COUNT(marks); m++)
        for (const char *at = strstr(page, marks[m]); at != NULL; at = strstr(at, marks[m])) {
            char id[80];
            at += strlen(marks[m]);
            snprintf(id, sizeof id, "id=\"%.*s\"", (int)strcspn(at, "\" "), at);
            CHECK(strstr(page, id) != NULL, id);
        }
    CHECK(strstr(page, "<html lang=\"en\">") != NULL && strstr(page, "<main id=\"main\">") != NULL,
          "landmarks");
    /* A heading is never an id. */
    const char *annex = strstr(page, "id=\"annex\"");
    const char *id = strstr(page, "snp.signature");
    CHECK(id != NULL && id > annex, "ids are in the annex");
}

/* Each sentence of ours goes through the translation. */
static void test_translated(void **state)
{
    static const struct change changes[] = { { 'a', "findings/2/result", "'fail'" } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(make("a", changes, 1, marked, &out, &err), err.text);
    const char *page = clo_buffer_string(&out);
    CHECK(strstr(page, "<h2 id=\"key\">[How the key travels]</h2>") != NULL, "a title");
    CHECK(strstr(page, "<h3>[why]") != NULL, "a rule's reason that the catalogue knows");
    CHECK(strstr(page, "lang=\"en\">[why]") == NULL, "what is translated is not English");
}

/* --- What is refused --- */

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        struct change change;
        const char *error;
    } cases[] = {
        { "a status that is none", { 'e', "status", "'superb'" }, "\"status\" is \"superb\"" },
        { "a TEE that is none", { 'e', "tee", "'sgx'" }, "\"tee\" is \"sgx\"" },
        { "a TEE that is a number", { 'e', "tee", "7" }, "\"tee\" is \"?\"" },
        { "affirming, with a check that fails",
          { 'e', "checks/0/result", "'fail'" },
          "says \"affirming\" and lists 1 checks that fail of 7" },
        { "affirming, without checks",
          { 'e', "checks", "[]" },
          "says \"affirming\" and lists 0 checks that fail of 0" },
        { "a check that is text", { 'e', "checks", "['x']" }, "check 0: \"id\" is not text" },
        { "a result that is none",
          { 'e', "checks/1/result", "'perhaps'" },
          "check 1: \"result\" is \"perhaps\"" },
        { "claims that are a list", { 'e', "claims", "[]" }, "\"claims\" is not an object" },
        { "freshness that is text",
          { 'e', "is_fresh", "'yes'" },
          "\"is_fresh\" is neither true nor false" },
        { "a root that is text", { 'e', "root", "'AMD'" }, "\"root\" is not an object" },
        { "an end that is a number",
          { 'e', "expires/at", "5" },
          "\"expires\": \"at\" is not text" },
        { "a newer form of audit",
          { 'a', "cloister_audit", "2" },
          "an audit of a form that is not known here" },
        { "a severity that is none",
          { 'a', "findings/0/severity", "'grave'" },
          "finding 0: \"severity\" is \"grave\"" },
        { "a finding that is a number",
          { 'a', "findings", "[1]" },
          "finding 0: \"id\" is not text" },
        { "platforms that are numbers", { 'a', "for", "[1]" }, "\"for\": item 0 is not text" },
        { "an identity that is text",
          { 'a', "identity", "'aa'" },
          "identity: \"identity\" is not an object" },
        { "a digest that is a number",
          { 'i', "identity/sha256", "5" },
          "identity: \"sha256\" is not text" },
        { "a root that is perhaps fit",
          { 'i', "root/fit", "'yes'" },
          "root: \"fit\" is neither true nor false" },
        { "a partition without a size",
          { 'i', "partitions/0/bytes", "" },
          "partition 0: \"bytes\" is not a number" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        CHECK(!make("aei", &cases[i].change, 1, same, &out, &err), cases[i].name);
        if (strcmp(err.text, cases[i].error) != 0)
            print_message("%s: %s\n", cases[i].name, err.text);
        CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
    }
}

static void test_kinds(void **state)
{
    static const struct {
        const char *name, *first, *second, *error;
    } cases[] = {
        { "something else", "{'a': 1}", NULL,
          "neither an audit's, an appraisal's nor an image's JSON document" },
        { "a list", "[]", NULL, "neither an audit's, an appraisal's nor an image's JSON document" },
        { "two audits", audit_text, audit_text, "two documents of the same kind: an audit" },
    };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_report_input input = { .language = "en", .translate = same };
        json_t *first = parse(cases[i].first);
        json_t *second = cases[i].second == NULL ? NULL : parse(cases[i].second);
        bool ok = clo_report_take(&input, first, &err) &&
                  (second == NULL || clo_report_take(&input, second, &err));
        CHECK(!ok, cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        json_decref(first);
        json_decref(second);
    }
    struct clo_report_input input = { .language = "en", .translate = same };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CHECK(!clo_report_write(&input, &out, &err), "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),         cmocka_unit_test(test_first_screen),
        cmocka_unit_test(test_what_is_missing), cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_self_contained),  cmocka_unit_test(test_structure),
        cmocka_unit_test(test_translated),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
