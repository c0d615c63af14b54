#include "cloister/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "waivers.h"

static const char *const results[CLO_AUDIT_RESULT_COUNT] = { "pass", "fail", "unknown",
                                                             "consequence", "waived" };

const char *clo_audit_result_name(enum clo_audit_result result)
{
    return results[result];
}

const char *clo_audit_answer_name(enum clo_audit_answer answer)
{
    static const char *const names[] = { "no", "unknown", "yes" };

    return names[answer];
}

static bool is_older(struct clo_audit_version a, struct clo_audit_version b)
{
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
}

static bool is_known(struct clo_audit_version version)
{
    return version.major != 0;
}

static bool applies(const struct clo_audit_rule *rule, const struct clo_audit_facts *facts,
                    unsigned platforms)
{
    if (!facts->about[rule->what])
        return false;
    for (size_t i = 0; i < rule->platform_count; i++)
        if ((rule->platforms[i] & platforms) == rule->platforms[i])
            return true;
    return rule->platform_count == 0;
}

/* The rule of an earlier finding that fails and wants this option on. */
static const struct clo_audit_rule *cause_of(const struct clo_audit *audit, const char *option)
{
    struct clo_audit_term terms[TERMS_MAX];
    struct clo_error err;
    size_t count;

    for (size_t i = 0; i < audit->count; i++) {
        const struct clo_audit_finding *finding = &audit->findings[i];
        if ((finding->result == CLO_AUDIT_FAIL || finding->result == CLO_AUDIT_CONSEQUENCE ||
             finding->result == CLO_AUDIT_WAIVED) &&
            clo_audit_terms(finding->rule->wanted, terms, &count, &err) &&
            strcmp(terms[0].key, option) == 0 && strcmp(terms[0].value, "n") != 0)
            return finding->rule;
    }
    return NULL;
}

static void note(struct clo_audit_finding *finding, const char *format, ...) CLO_PRINTF(2, 3);
static void note(struct clo_audit_finding *finding, const char *format, ...)
{
    size_t used = strlen(finding->found);
    va_list args;

    va_start(args, format);
    vsnprintf(finding->found + used, sizeof finding->found - used, format, args);
    va_end(args);
}

/* What the kernel's version says where the answer is not "yes": false if the rule is not for that version.
 * An option that is there all the same (a backport) was asked about already. */
static bool weigh_version(struct clo_audit_finding *finding, struct clo_audit_version version,
                          enum clo_audit_answer *answer, bool *is_too_old)
{
    const struct clo_audit_rule *rule = finding->rule;

    if (is_known(rule->until) && !is_known(version)) {
        *answer = CLO_AUDIT_UNKNOWN;
        note(finding, " (was removed in Linux %u.%u; this kernel's version is not known)",
             rule->until.major, rule->until.minor);
        return true;
    }
    if (is_known(rule->until) && !is_older(version, rule->until))
        return false;
    if (!is_known(rule->since) || !is_known(version) || !is_older(version, rule->since))
        return true;
    if (rule->severity != CLO_AUDIT_REQUIRED || rule->was_part)
        return false;
    *is_too_old = true;
    note(finding, " (came with Linux %u.%u, this is %u.%u)", rule->since.major, rule->since.minor,
         version.major, version.minor);
    return true;
}

/* It is a consequence when an option that it depends on, or that would select it, is off and has a finding
 * of its own. */
static void weigh_failure(struct clo_audit_finding *finding, const struct clo_audit *audit,
                          const struct clo_audit_facts *facts)
{
    struct clo_audit_depend depend;
    char missing[KEY_MAX] = "";

    for (const char *at = finding->rule->depends; clo_audit_depend(&at, &depend);) {
        const char *value = clo_audit_option(facts, depend.name);
        if (value == NULL || strcmp(value, "n") != 0)
            continue;
        finding->because = cause_of(audit, depend.name);
        if (finding->because != NULL) {
            finding->result = CLO_AUDIT_CONSEQUENCE;
            return;
        }
        if (!depend.selects && missing[0] == '\0')
            memcpy(missing, depend.name, sizeof missing);
    }
    if (missing[0] != '\0')
        note(finding, " (needs %s, which is off)", missing);
}

/* `*is_out`: the rule is for another kernel or circumstance. */
static bool find_out(struct clo_audit_finding *finding, const struct clo_audit *audit,
                     const struct clo_audit_facts *facts, bool *is_out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer found = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ignored = { 0 };
    const struct clo_audit_rule *rule = finding->rule;
    enum clo_audit_answer answer, is_needed = CLO_AUDIT_YES;
    bool is_too_old = false;

    if (*rule->needs != '\0' && !clo_audit_ask(rule->needs, facts, &is_needed, &ignored, err))
        return false;
    if (!clo_audit_ask(rule->wanted, facts, &answer, &found, err))
        return false;
    *is_out = is_needed == CLO_AUDIT_NO;
    note(finding, "%s", clo_buffer_string(&found));
    clo_sanitize(finding->found);
    if (*is_out)
        return true;
    if (answer == CLO_AUDIT_NO && is_needed == CLO_AUDIT_UNKNOWN)
        answer = CLO_AUDIT_UNKNOWN;
    if (answer != CLO_AUDIT_YES && rule->what == CLO_AUDIT_KCONFIG)
        *is_out = !weigh_version(finding, audit->version, &answer, &is_too_old);
    finding->result = answer == CLO_AUDIT_YES ? CLO_AUDIT_PASS : CLO_AUDIT_OPEN;
    if (answer == CLO_AUDIT_NO)
        finding->result = CLO_AUDIT_FAIL;
    if (answer == CLO_AUDIT_NO && !is_too_old)
        weigh_failure(finding, audit, facts);
    return true;
}

bool clo_audit_run(const struct clo_audit_request *request, const struct clo_audit_facts *facts,
                   struct clo_audit *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { .platforms = request->platforms };
    CLO_CLEANUP(clo_json_freep) json_t *day = clo_json_time(request->now);
    size_t count = clo_audit_rules_count(request->rules);
    const char *release = facts->release;

    if (release == NULL && facts->config != NULL)
        release = clo_kconfig_version(facts->config);
    audit.version = clo_audit_version(release);
    audit.findings = calloc(count + 1, sizeof *audit.findings);
    if (audit.findings == NULL || day == NULL)
        return clo_out_of_memory(err);
    if (!clo_audit_waivers_known(request->waivers, request->rules, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct clo_audit_finding *finding = &audit.findings[audit.count];
        bool is_out;
        *finding = (struct clo_audit_finding){ .rule = clo_audit_rules_at(request->rules, i) };
        if (!applies(finding->rule, facts, request->platforms))
            continue;
        if (!find_out(finding, &audit, facts, &is_out, err))
            return clo_wrap(err, "rule %s", finding->rule->id);
        if (is_out)
            continue;
        if (finding->result != CLO_AUDIT_PASS)
            finding->waiver =
                    clo_audit_waived(request->waivers, finding->rule->id, json_string_value(day));
        if (finding->waiver != NULL)
            finding->result = CLO_AUDIT_WAIVED;
        audit.tally[finding->rule->severity][finding->result]++;
        audit.count++;
    }
    *out = audit;
    audit.findings = NULL;
    return true;
}

void clo_audit_free(struct clo_audit *audit)
{
    free(audit->findings);
    audit->findings = NULL;
    audit->count = 0;
}

/* A consequence is as bad as what causes it, which may be of a lower severity. */
enum clo_audit_answer clo_audit_verdict(const struct clo_audit *audit,
                                        enum clo_audit_severity level)
{
    enum clo_audit_answer verdict = CLO_AUDIT_YES;

    for (size_t i = 0; i <= (size_t)level; i++) {
        if (audit->tally[i][CLO_AUDIT_FAIL] + audit->tally[i][CLO_AUDIT_CONSEQUENCE] > 0)
            return CLO_AUDIT_NO;
        if (audit->tally[i][CLO_AUDIT_OPEN] > 0)
            verdict = CLO_AUDIT_UNKNOWN;
    }
    return verdict;
}
