/* The rules themselves: every one has a case that passes and one that fails, made from what it wants and
 * read as text, as a real subject is; and the reading of tables. */
#include "cloister/audit.h"

#include <jansson.h>

#include "test.h"

#define FILLER 600 /* a full configuration says "is not set" of many options */

struct scene {
    struct clo_buffer config;
    struct clo_buffer cmdline;
    json_t *named;
    json_t *modules;
};

static void scene_free(struct scene *scene)
{
    clo_buffer_free(&scene->config);
    clo_buffer_free(&scene->cmdline);
    json_decref(scene->named);
    json_decref(scene->modules);
}

static void put_option(struct scene *scene, const char *name, const char *value)
{
    if (strcmp(value, "n") == 0)
        clo_buffer_printf(&scene->config, "# CONFIG_%s is not set\n", name);
    else if (strlen(value) == 1 || value[strspn(value, "0123456789")] == '\0')
        clo_buffer_printf(&scene->config, "CONFIG_%s=%s\n", name, value);
    else
        clo_buffer_printf(&scene->config, "CONFIG_%s=\"%s\"\n", name, value);
}

/* --- One term, made true or false --- */

static void meet_option(struct scene *scene, const char *name, char operator, const char * value,
                        bool wanted)
{
    size_t size = strlen(value);
    bool is_module =
            size > 5 && strncmp(value, "y/", 2) == 0 && strcmp(value + size - 3, ".ko") == 0;

    if (is_module) { /* wanted: a module, and in the initrd; not wanted: a module that is not */
        char module[128];
        snprintf(module, sizeof module, "%.*s", (int)(size - 5), value + 2);
        put_option(scene, name, "m");
        if (wanted)
            json_object_set_new(scene->modules, module, json_true());
    } else if (operator== '~') {
        put_option(scene, name, wanted ? value : "something,else");
    } else if (strcmp(value, "n") == 0) {
        put_option(scene, name, wanted ? "n" : "y");
    } else if (strcmp(value, "y") == 0 || strcmp(value, "y/m") == 0) {
        put_option(scene, name, wanted ? "y" : "n");
    } else {
        put_option(scene, name, wanted ? value : "something else");
    }
}

static void meet_cmdline(struct scene *scene, const char *name, char operator, const char * value,
                         bool wanted)
{
    bool is_absent = strcmp(value, "absent") == 0;

    if (operator== '!') {
        if (!wanted)
            clo_buffer_printf(&scene->cmdline, "%s=%s ", name, value);
    } else if (is_absent || strcmp(value, "present") == 0) {
        if (is_absent != wanted)
            clo_buffer_printf(&scene->cmdline, "%s ", name);
    } else if (wanted) {
        clo_buffer_printf(&scene->cmdline, "%s=%s ", name, value);
    }
}

static void meet_named(struct scene *scene, const char *name, char operator, const char * value,
                       bool wanted)
{
    const char *other = operator== '>' ? "1" : "something else";

    json_object_set_new(scene->named, name,
                        json_string((operator== '!') == wanted ? other : value));
}

static void meet_term(struct scene *scene, char *term, bool wanted)
{
    char *name = term + strspn(term, " ");
    char *at = name + strcspn(name, "!=~>");
    char operator= * at;
    char *value = at + (operator== '!' || operator== '>' ? 2 : 1);

    *at = '\0';
    for (size_t size = strlen(value); size > 0 && value[size - 1] == ' '; size--)
        value[size - 1] = '\0';
    if (*name == '@') {
        if (wanted) {
            put_option(scene, "SECURITY_LOCKDOWN_LSM", "y");
            clo_buffer_text(&scene->cmdline, "lockdown=confidentiality ");
        }
    } else if (strncmp(name, "cmdline.", 8) == 0) {
        meet_cmdline(scene, name + 8, operator, value, wanted);
    } else if (strchr(name, '.') != NULL) {
        meet_named(scene, name, operator, value, wanted);
    } else {
        meet_option(scene, name, operator, value, wanted);
    }
}

static void meet_some(struct scene *scene, const char *expression, int true_one, bool wanted)
{
    char *copy = strdup(expression);
    char *rest = copy;

    for (int i = 0; rest != NULL; i++) {
        char *alternative = strsep(&rest, "|");
        while (alternative != NULL && (i == true_one) == wanted)
            meet_term(scene, strsep(&alternative, "&"), wanted);
    }
    free(copy);
}

/* All alternatives false, and then the n-th, if there is one, true: the last value of a key counts. */
static void meet(struct scene *scene, const char *expression, int true_one)
{
    meet_some(scene, expression, true_one, false);
    meet_some(scene, expression, true_one, true);
}

static int count_alternatives(const char *expression)
{
    int count = 1;

    for (; *expression != '\0'; expression++)
        count += *expression == '|';
    return count;
}

/* --- One rule --- */

static void begin(struct scene *scene, const struct clo_audit_rule *rule)
{
    unsigned major = 6, minor = 12;

    *scene = (struct scene){ .named = json_object(), .modules = json_object() };
    if (rule->since.major != 0 &&
        (rule->since.major > major || (rule->since.major == major && rule->since.minor > minor))) {
        major = rule->since.major;
        minor = rule->since.minor;
    }
    if (rule->until.major != 0) {
        major = rule->until.minor == 0 ? rule->until.major - 1 : rule->until.major;
        minor = rule->until.minor == 0 ? 19 : rule->until.minor - 1;
    }
    clo_buffer_printf(&scene->config, "# Linux/x86 %u.%u.0 Kernel Configuration\nCONFIG_64BIT=y\n",
                      major, minor);
    for (int i = 0; i < FILLER; i++)
        clo_buffer_printf(&scene->config, "# CONFIG_FILLER_%d is not set\n", i);
}

static enum clo_audit_result result_of(struct scene *scene, const struct clo_audit_rules *rules,
                                       const char *id)
{
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *config = NULL;
    CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
    struct clo_audit_facts facts = { .about = { true, true, true, true, true, true } };
    struct clo_error err;

    CHECK(clo_kconfig_parse(clo_buffer_bytes(&scene->config), &config, &err), err.text);
    facts.config = config;
    facts.cmdline = clo_buffer_string(&scene->cmdline);
    facts.named = scene->named;
    facts.modules = scene->modules;
    CHECK(clo_audit_run(&(struct clo_audit_request){ rules, ~0U, NULL, 0 }, &facts, &audit, &err),
          err.text);
    for (size_t i = 0; i < audit.count; i++)
        if (strcmp(audit.findings[i].rule->id, id) == 0)
            return audit.findings[i].result;
    fail_msg("%s: does not apply", id);
    return CLO_AUDIT_OPEN;
}

/* Each alternative by itself is enough, and without all of them the rule fails (perhaps because of another). */
static void test_each_rule(void **state)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_audit_rules_new(&rules, &err), err.text);
    CHECK(clo_audit_rules_count(rules) > 200, "all of them");
    for (size_t i = 0; i < clo_audit_rules_count(rules); i++) {
        const struct clo_audit_rule *rule = clo_audit_rules_at(rules, i);
        for (int n = -1; n < count_alternatives(rule->wanted); n++) {
            CLO_CLEANUP(scene_free) struct scene scene;
            begin(&scene, rule);
            meet(&scene, rule->wanted, n);
            if (*rule->needs != '\0')
                meet(&scene, rule->needs, 0);
            enum clo_audit_result result = result_of(&scene, rules, rule->id);
            CHECK(n >= 0 ? result == CLO_AUDIT_PASS
                         : result == CLO_AUDIT_FAIL || result == CLO_AUDIT_CONSEQUENCE,
                  rule->id);
        }
    }
}

/* Every rule says why and from where, can be fixed, and its parents, if they have rules, come before it. */
static void test_table_is_whole(void **state)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_audit_rules_new(&rules, &err), err.text);
    for (size_t i = 0; i < clo_audit_rules_count(rules); i++) {
        const struct clo_audit_rule *rule = clo_audit_rules_at(rules, i);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer fix = { 0 };
        char prefix[32];
        CHECK(strlen(rule->reason) > 10 || strcmp(rule->reason, "the same") == 0, rule->id);
        CHECK(*rule->source != '\0', rule->id);
        CHECK(clo_audit_fix(rule, &fix, &err) && fix.size > 0, rule->id);
        snprintf(prefix, sizeof prefix, "%s.", clo_audit_what_name(rule->what));
        CHECK(strncmp(rule->id, prefix, strlen(prefix)) == 0, rule->id);
        for (size_t k = i + 1; k < clo_audit_rules_count(rules); k++) {
            const char *later = clo_audit_rules_at(rules, k)->id;
            if (strstr(clo_audit_rules_at(rules, k)->wanted, "=n") != NULL)
                continue; /* it wants it off: no parent */
            const char *found =
                    strncmp(later, "kconfig.", 8) != 0 ? NULL : strstr(rule->depends, later + 8);
            size_t size = strlen(later + (found == NULL ? 0 : 8));
            CHECK(found == NULL || (found[size] != ',' && found[size] != '\0') ||
                          (found > rule->depends && found[-1] != ',' && found[-1] != '<'),
                  rule->id);
        }
    }
}

#define HEADER                                                                                \
    "id\tgroup\twhat\twanted\tfor\tseverity\tsince\tuntil\tneeds\tdepends\tchecked\treason\t" \
    "source\tfix\n"

static void test_refused(void **state)
{
    static const struct {
        const char *name, *table, *error;
    } cases[] = {
        { "nothing", "", "rule table: it is empty" },
        { "no header", "a\tb\n",
          "rule table: line 1: expected the names of the columns, as in docs/audit.md" },
        { "too few columns", HEADER "a\tb\n", "rule table: line 2: 2 columns, expected 14" },
        { "too many columns", HEADER "a\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to\n",
          "rule table: line 2: more than 14 columns" },
        { "no id", HEADER "\tb\tkconfig\tA=y\tany\tinfo\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: no id or no group, or too long a one" },
        { "of what?", HEADER "a\tb\tc\tA=y\tany\tinfo\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: what: 'c' is none of kconfig, cmdline, uki, image, guest, rootfs" },
        { "how bad?", HEADER "a\tb\tkconfig\tA=y\tany\tbad\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: severity: 'bad' is none of required, recommended, optional, info, "
          "off" },
        { "for whom?", HEADER "a\tb\tkconfig\tA=y\tsnp+sgx\tinfo\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: for: 'sgx' is not a platform" },
        { "since when?", HEADER "a\tb\tkconfig\tA=y\tany\tinfo\tsix\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: 'six' is not a kernel version" },
        { "no operator", HEADER "a\tb\tkconfig\tA\tany\tinfo\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: wanted: expression: expected KEY=VALUE at 'A' of 'A'" },
        { "no value", HEADER "a\tb\tkconfig\tA=y |\tany\tinfo\t-\t-\t-\t-\t-\tr\ts\t-\n",
          "rule table: line 2: wanted: expression: expected KEY=VALUE at '' of 'A=y |'" },
        { "wrong needs", HEADER "a\tb\tkconfig\tA=y\tany\tinfo\t-\t-\t=y\t-\t-\tr\ts\t-\n",
          "rule table: line 2: needs: expression: expected KEY=VALUE at '=y' of '=y'" },
        { "off, and not there", HEADER "a\tb\t-\t-\t-\toff\t-\t-\t-\t-\t-\t-\t-\t-\n",
          "rule table: line 2: a: there is no such rule to switch off" },
        { "a bell", HEADER "\a\n", "rule table: a control character at byte 86" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
        struct clo_error err;
        CHECK(clo_audit_rules_new(&rules, &err), err.text);
        CHECK(!clo_audit_rules_add(rules, clo_bytes_text(cases[i].table), &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_added(void **state)
{
    static const char table[] = HEADER
            "# mine\n"
            "kconfig.KEXEC\tx\t-\t-\t-\toff\t-\t-\t-\t-\t-\t-\t-\t-\n"
            "kconfig.DEVMEM\tmine\tkconfig\tDEVMEM=n\tsnp+svsm,hyperv\trequired\t5.4\t7.0\tA=y\t"
            "B,<C\t-\tbecause\tme\tdo it\n"
            "mine.new\tmine\tcmdline\tcmdline.quiet=present\tany\tinfo\t-\t-\t-\t-\t-\tr\ts\t-";
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_audit_rules_new(&rules, &err), err.text);
    size_t before = clo_audit_rules_count(rules);
    CHECK(clo_audit_rules_add(rules, clo_bytes_text(table), &err), err.text);
    CHECK(clo_audit_rules_count(rules) == before, "one less, one more");
    size_t seen = 0;
    for (size_t i = 0; i < before; i++) {
        const struct clo_audit_rule *rule = clo_audit_rules_at(rules, i);
        CHECK(strcmp(rule->id, "kconfig.KEXEC") != 0, "switched off");
        if (strcmp(rule->id, "kconfig.DEVMEM") == 0) {
            seen++;
            CHECK(rule->severity == CLO_AUDIT_REQUIRED && rule->platform_count == 2 &&
                          rule->platforms[0] == (CLO_AUDIT_SNP | CLO_AUDIT_SVSM) &&
                          rule->platforms[1] == CLO_AUDIT_HYPERV && rule->since.major == 5 &&
                          rule->since.minor == 4 && rule->until.major == 7,
                  "replaced");
            CHECK(strcmp(rule->fix, "do it") == 0 && strcmp(rule->depends, "B,<C") == 0, "texts");
        }
    }
    CHECK(seen == 1, "once");
    CHECK(strcmp(clo_audit_rules_at(rules, before - 1)->id, "mine.new") == 0, "at the end");
    for (size_t cut = 0; cut < strlen(table); cut++) {
        CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *other = NULL;
        CLO_CLEANUP(clo_freep) char *copy = malloc(cut + 1);
        CHECK(clo_audit_rules_new(&other, &err), err.text);
        memcpy(copy, table, cut);
        if (!clo_audit_rules_add(other, clo_bytes(copy, cut), &err))
            CHECK(strncmp(err.text, "rule table: ", 12) == 0, err.text);
    }
}

static void test_platforms(void **state)
{
    static const struct {
        const char *text;
        unsigned platforms;
    } cases[] = {
        { "", CLO_AUDIT_FOR_DEFAULT },
        { "tdx", CLO_AUDIT_FOR_DEFAULT & ~(unsigned)CLO_AUDIT_SNP },
        { "snp,hyperv",
          CLO_AUDIT_SNP | CLO_AUDIT_HYPERV | CLO_AUDIT_VTPM | CLO_AUDIT_UKI_BOOT | CLO_AUDIT_FDE },
        { "svsm,no-fde,no-tdx",
          CLO_AUDIT_SNP | CLO_AUDIT_KVM | CLO_AUDIT_VTPM | CLO_AUDIT_SVSM | CLO_AUDIT_UKI_BOOT },
    };
    struct clo_error err;
    unsigned platforms;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(clo_audit_platforms_parse(cases[i].text, &platforms, &err), err.text);
        CHECK(platforms == cases[i].platforms, cases[i].text);
    }
    CHECK(!clo_audit_platforms_parse("snp,sgx", &platforms, &err), "sgx");
    CHECK(strcmp(err.text,
                 "platform: 'sgx' is none of snp, tdx, kvm, hyperv, vtpm, svsm, uki, fde") == 0,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule), cmocka_unit_test(test_table_is_whole),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_added),
        cmocka_unit_test(test_platforms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
