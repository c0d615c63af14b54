#include <stdio.h>
#include <string.h>

#include "audit_internal.h"

#define ROUNDS_MAX 4

/* The alternative to set: the first one whose terms are all options of the configuration. */
static size_t settable(const struct clo_audit_term *terms, size_t count, size_t *size)
{
    for (size_t start = 0; start < count; start += *size) {
        bool is_settable = true;
        for (*size = 0; start + *size < count; (*size)++) {
            const struct clo_audit_term *term = &terms[start + *size];
            if (*size > 0 && term->begins_alternative)
                break;
            is_settable &= clo_audit_is_option(term->key) && strchr("=~", term->operator) != NULL;
        }
        if (is_settable)
            return start;
    }
    return count;
}

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static void put_option(const struct clo_audit_term *term, const char *now, struct clo_buffer *out)
{
    const char *value = term->value;

    if (term->operator== '~') /* a list: what is wanted goes in front of what there is */
        clo_buffer_printf(out, "CONFIG_%s=\"%s%s%s\"\n", term->key, value,
                          now == NULL || *now == '\0' ? "" : ",", now == NULL ? "" : now);
    else if (strcmp(value, "n") == 0)
        clo_buffer_printf(out, "# CONFIG_%s is not set\n", term->key);
    else if (strncmp(value, "y/", 2) == 0)
        clo_buffer_printf(out, "CONFIG_%s=y\n", term->key);
    else if (strcmp(value, "y") == 0 || strcmp(value, "m") == 0 || is_number(value))
        clo_buffer_printf(out, "CONFIG_%s=%s\n", term->key, value);
    else
        clo_buffer_printf(out, "CONFIG_%s=\"%s\"\n", term->key, value);
}

/* False if the option has no prompt: what selects it is a finding of its own. */
static bool put_depends(const struct clo_audit_rule *rule, const struct clo_audit_facts *facts,
                        struct clo_buffer *out)
{
    struct clo_audit_depend depend;
    bool has_prompt = true;

    for (const char *at = rule->depends; clo_audit_depend(&at, &depend);) {
        const char *value = clo_audit_option(facts, depend.name);
        has_prompt &= !depend.selects;
        if (!depend.selects && (value == NULL || strcmp(value, "n") == 0))
            clo_buffer_printf(out, "CONFIG_%s=y\n", depend.name);
    }
    return has_prompt;
}

/* A module that must be in the initrd is not the configuration's fault. */
static bool is_module_now(const struct clo_audit_term *term, const char *now)
{
    return strncmp(term->value, "y/", 2) == 0 && now != NULL && strcmp(now, "m") == 0;
}

static void put_finding(const struct clo_audit_finding *finding,
                        const struct clo_audit_facts *facts, struct clo_buffer *out)
{
    struct clo_audit_term terms[TERMS_MAX];
    struct clo_error err;
    size_t count, size = 0;

    if (!clo_audit_terms(finding->rule->wanted, terms, &count, &err))
        return;
    size_t start = settable(terms, count, &size);
    if (start == count)
        return;
    for (size_t i = start; i < start + size; i++)
        if (is_module_now(&terms[i], clo_audit_option(facts, terms[i].key)))
            return;
    clo_buffer_printf(out, "\n# %s: %s\n", finding->rule->id, finding->rule->reason);
    bool has_prompt = put_depends(finding->rule, facts, out);
    for (size_t i = start; i < start + size && has_prompt; i++)
        put_option(&terms[i], clo_audit_option(facts, terms[i].key), out);
}

/* --- Until nothing is left to mend --- */

static void put_config(const struct clo_kconfig *config, struct clo_buffer *out)
{
    const char *name, *value;

    for (size_t i = 0; config != NULL && clo_kconfig_at(config, i, &name, &value); i++) {
        bool is_word = strlen(value) == 1 || is_number(value);
        if (strcmp(value, "n") == 0)
            clo_buffer_printf(out, "# CONFIG_%s is not set\n", name);
        else if (is_word || strncmp(value, "0x", 2) == 0)
            clo_buffer_printf(out, "CONFIG_%s=%s\n", name, value);
        else if (strpbrk(value, "\"\\") == NULL)
            clo_buffer_printf(out, "CONFIG_%s=\"%s\"\n", name, value);
    }
}

static void put_findings(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                         enum clo_audit_severity level, struct clo_buffer *out)
{
    for (size_t i = 0; i < audit->count; i++) {
        const struct clo_audit_finding *finding = &audit->findings[i];
        if (finding->rule->what == CLO_AUDIT_KCONFIG && finding->rule->severity <= level &&
            finding->result != CLO_AUDIT_PASS && finding->result != CLO_AUDIT_WAIVED)
            put_finding(finding, facts, out);
    }
}

/* The configuration with what was said so far after it: the last line of an option counts. */
static bool merge(const struct clo_audit_facts *facts, const struct clo_buffer *fragment,
                  struct clo_kconfig **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    put_config(facts->config, &text);
    clo_buffer_append(&text, clo_buffer_bytes(fragment));
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    return clo_kconfig_parse(clo_buffer_bytes(&text), out, err);
}

/* An option that is set brings questions of its own (a signature's hash, for signatures): a few rounds. */
bool clo_audit_fragment(const struct clo_audit_request *request,
                        const struct clo_audit_facts *facts, enum clo_audit_severity level,
                        struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fragment = { 0 };

    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *merged = NULL;
        CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
        struct clo_audit_facts then = *facts;
        size_t before = fragment.size;
        if (before > 0) {
            if (!merge(facts, &fragment, &merged, err))
                return false;
            then.config = merged;
            then.release = facts->release != NULL || facts->config == NULL
                                   ? facts->release
                                   : clo_kconfig_version(facts->config);
        }
        if (!clo_audit_run(request, &then, &audit, err))
            return false;
        put_findings(&audit, &then, level, &fragment);
        if (fragment.size == before)
            break;
    }
    clo_buffer_text(out, "# For scripts/kconfig/merge_config.sh -m .config THIS, then make "
                         "olddefconfig.\n");
    clo_buffer_append(out, clo_buffer_bytes(&fragment));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* "set CONFIG_DM_CRYPT=y, or =m with dm_crypt.ko in the initrd". */
static void describe_option(const struct clo_audit_term *term, struct clo_buffer *out)
{
    size_t size = strlen(term->value);

    if (strcmp(term->value, "n") == 0)
        clo_buffer_printf(out, "leave CONFIG_%s unset", term->key);
    else if (strcmp(term->value, "y/m") == 0)
        clo_buffer_printf(out, "set CONFIG_%s=y or =m", term->key);
    else if (size > 2 && strncmp(term->value, "y/", 2) == 0)
        clo_buffer_printf(out, "set CONFIG_%s=y, or =m with %s in the initrd", term->key,
                          term->value + 2);
    else if (term->operator== '~')
        clo_buffer_printf(out, "put %s into CONFIG_%s", term->value, term->key);
    else
        clo_buffer_printf(out, "set CONFIG_%s=%s", term->key, term->value);
}

static void describe_other(const struct clo_audit_term *term, struct clo_buffer *out)
{
    const char *dot = strchr(term->key, '.');
    const char *name = dot == NULL ? term->key + 1 : dot + 1; /* "@lockdown" */

    if (strncmp(term->key, "cmdline.", 8) != 0)
        clo_buffer_printf(out, "have %s be %s%s", name, term->operator== '!' ? "other than " : "",
                          term->value);
    else if (strcmp(term->value, "absent") == 0 || term->operator== '!')
        clo_buffer_printf(out, "take %s%s%s off the command line", name,
                          term->operator== '!' ? "=" : "", term->operator== '!' ? term->value : "");
    else if (strcmp(term->value, "present") == 0)
        clo_buffer_printf(out, "put %s on the command line", name);
    else
        clo_buffer_printf(out, "put %s=%s on the command line", name, term->value);
}

bool clo_audit_fix(const struct clo_audit_rule *rule, struct clo_buffer *out, struct clo_error *err)
{
    struct clo_audit_term terms[TERMS_MAX];
    size_t count;

    if (*rule->fix != '\0') {
        clo_buffer_text(out, rule->fix);
        return clo_buffer_ok(out) || clo_out_of_memory(err);
    }
    if (!clo_audit_terms(rule->wanted, terms, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            clo_buffer_text(out, terms[i].begins_alternative ? "; or " : ", and ");
        if (clo_audit_is_option(terms[i].key))
            describe_option(&terms[i], out);
        else
            describe_other(&terms[i], out);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
