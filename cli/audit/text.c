#include "cli/audit/text.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define ID_WIDTH 38
#define WIDTH    118

static const struct {
    const char *word, *color;
} looks[CLO_AUDIT_RESULT_COUNT] = {
    [CLO_AUDIT_PASS] = { "pass", "\033[32m" },
    [CLO_AUDIT_FAIL] = { "FAIL", "\033[31m" },
    [CLO_AUDIT_OPEN] = { "unknown", "\033[33m" },
    [CLO_AUDIT_CONSEQUENCE] = { "follows", "\033[33m" },
    [CLO_AUDIT_WAIVED] = { "waived", "\033[36m" },
};

/* Words of `text` in lines that begin at column `indent`, the first of which is begun already. */
static void print_wrapped(const char *text, int indent)
{
    int column = indent;

    for (const char *at = text; *at != '\0';) {
        int size = (int)strcspn(at, " ");
        if (column > indent && column + 1 + size > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        column += printf("%s%.*s", column > indent ? " " : "", size, at);
        at += size;
        at += strspn(at, " ");
    }
    putchar('\n');
}

static void print_finding(const struct clo_audit_finding *finding, bool color)
{
    const struct clo_audit_rule *rule = finding->rule;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fix = { 0 };
    struct clo_error err;

    printf("  %s%-7s%s  %-*s ", color ? looks[finding->result].color : "",
           looks[finding->result].word, color ? "\033[0m" : "", ID_WIDTH, rule->id);
    print_wrapped(finding->found, ID_WIDTH + 12);
    if (finding->result == CLO_AUDIT_PASS)
        return;
    if (finding->result == CLO_AUDIT_CONSEQUENCE) {
        printf("%*sof %s\n", ID_WIDTH + 12, "", finding->because->id);
        return;
    }
    printf("%11swhy    ", "");
    print_wrapped(rule->reason, 18);
    if (finding->waiver != NULL) {
        printf("%11swaiver ", "");
        print_wrapped(finding->waiver, 18);
    } else if (clo_audit_fix(rule, &fix, &err)) {
        printf("%11sfix    ", "");
        print_wrapped(clo_buffer_string(&fix), 18);
    }
}

static bool shows(const struct clo_audit_finding *finding, enum clo_audit_severity severity,
                  bool everything)
{
    return finding->rule->severity == severity && (everything || finding->result != CLO_AUDIT_PASS);
}

/* Groups in the order in which they come. */
static void print_severity(const struct clo_audit *audit, enum clo_audit_severity severity,
                           bool everything, bool color)
{
    const char *group = NULL;
    bool has_title = false;

    for (size_t i = 0; i < audit->count; i++) {
        const struct clo_audit_finding *finding = &audit->findings[i];
        if (!shows(finding, severity, everything))
            continue;
        if (!has_title)
            printf("\n%s%s%s\n", color ? "\033[1m" : "", clo_audit_severity_name(severity),
                   color ? "\033[0m" : "");
        has_title = true;
        if (group == NULL || strcmp(group, finding->rule->group) != 0)
            printf(" %s\n", finding->rule->group);
        group = finding->rule->group;
        print_finding(finding, color);
    }
}

/* Without a configuration every question about it is open: said once instead of a hundred times. */
static bool is_blind(const struct clo_audit_facts *facts)
{
    return facts->about[CLO_AUDIT_KCONFIG] && facts->config == NULL;
}

static void print_head(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                       const char *subject)
{
    printf("%s: ", subject);
    for (size_t i = 0, n = 0; i < CLO_AUDIT_WHAT_COUNT; i++)
        if (facts->about[i])
            printf("%s%s", n++ == 0 ? "" : ", ", clo_audit_what_name((enum clo_audit_what)i));
    if (audit->version.major != 0)
        printf("; Linux %s",
               facts->release != NULL ? facts->release : clo_kconfig_version(facts->config));
    printf("; for");
    for (unsigned bit = 1; clo_audit_platform_name(bit) != NULL; bit <<= 1)
        if ((audit->platforms & bit) != 0)
            printf(" %s", clo_audit_platform_name(bit));
    putchar('\n');
}

static void print_tally(const struct clo_audit *audit, enum clo_audit_severity level)
{
    static const char *const verdicts[] = { "not fit", "not shown to be fit", "fit" };

    printf("\n%-12s %6s %6s %8s %8s %7s\n", "", "pass", "fail", "follows", "unknown", "waived");
    for (size_t i = 0; i < CLO_AUDIT_SEVERITY_COUNT; i++)
        printf("%-12s %6zu %6zu %8zu %8zu %7zu\n",
               clo_audit_severity_name((enum clo_audit_severity)i), audit->tally[i][CLO_AUDIT_PASS],
               audit->tally[i][CLO_AUDIT_FAIL], audit->tally[i][CLO_AUDIT_CONSEQUENCE],
               audit->tally[i][CLO_AUDIT_OPEN], audit->tally[i][CLO_AUDIT_WAIVED]);
    printf("\n%s, by what is %s\n", verdicts[clo_audit_verdict(audit, level)],
           clo_audit_severity_name(level));
}

void cli_audit_print(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                     const char *subject, enum clo_audit_severity level, bool everything)
{
    bool color = cli_color(stdout);

    print_head(audit, facts, subject);
    if (is_blind(facts))
        printf("The kernel does not carry its configuration: give it with --config FILE. What is "
               "asked of it is unknown.\n");
    size_t shown = level > CLO_AUDIT_RECOMMENDED ? (size_t)level : CLO_AUDIT_RECOMMENDED;
    if (is_blind(facts))
        shown = (size_t)level;
    for (size_t i = 0; i < CLO_AUDIT_SEVERITY_COUNT; i++)
        if (everything || i <= shown)
            print_severity(audit, (enum clo_audit_severity)i, everything, color);
    print_tally(audit, level);
}
