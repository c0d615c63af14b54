#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/civil_time.h"
#include "waivers.h"

#define WAIVERS_LIMIT ((size_t)1 << 20)
#define DAY_SIZE      10

struct waiver {
    const char *id;
    const char *until;
    const char *reason;
    size_t line;
};

struct clo_audit_waivers {
    char *text;
    struct waiver *waivers;
    size_t count;
};

/* "2027-03-31": such texts are in the order of the days. */
static bool is_day(const char *text)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < DAY_SIZE; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != '-')
            return false;
    int year = 0, month = 0, day = 0;
    int64_t ignored;
    return text[DAY_SIZE] == '\0' && sscanf(text, "%4d-%2d-%2d", &year, &month, &day) == 3 &&
           clo_civil_time(year, month, day, 0, 0, 0, &ignored);
}

static bool read_line(struct clo_audit_waivers *waivers, char *line, size_t number,
                      struct clo_error *err)
{
    if (*line == '\0' || *line == '#')
        return true;
    char *until = strchr(line, '\t');
    char *reason = until == NULL ? NULL : strchr(until + 1, '\t');
    if (reason == NULL || reason[1] == '\0' || strchr(reason + 1, '\t') != NULL)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "expected rule id, last day and reason, with tabs between");
    *until++ = '\0';
    *reason++ = '\0';
    if (!is_day(until))
        return clo_fail(err, CLO_ERR_FORMAT, "'%.40s' is not a day like 2027-03-31", until);
    struct waiver *grown = realloc(waivers->waivers, (waivers->count + 1) * sizeof *grown);
    if (grown == NULL)
        return clo_out_of_memory(err);
    waivers->waivers = grown;
    waivers->waivers[waivers->count++] = (struct waiver){ line, until, reason, number };
    clo_sanitize(reason);
    return true;
}

bool clo_audit_waivers_parse(struct clo_bytes in, struct clo_audit_waivers **out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_waivers_freep)
    struct clo_audit_waivers *waivers = calloc(1, sizeof *waivers);

    if (in.size > WAIVERS_LIMIT || (in.size > 0 && memchr(in.data, '\0', in.size) != NULL))
        return clo_fail(err, CLO_ERR_FORMAT, "waivers: too large, or no text");
    if (waivers == NULL || (waivers->text = malloc(in.size + 1)) == NULL)
        return clo_out_of_memory(err);
    if (in.size > 0)
        memcpy(waivers->text, in.data, in.size);
    waivers->text[in.size] = '\0';
    char *at = waivers->text;
    for (size_t number = 1; at != NULL; number++) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end = '\0';
        if (!read_line(waivers, at, number, err))
            return clo_wrap(err, "waivers: line %zu", number);
        at = end == NULL ? NULL : end + 1;
    }
    *out = CLO_TAKE(waivers);
    return true;
}

void clo_audit_waivers_freep(struct clo_audit_waivers **waivers)
{
    if (*waivers != NULL) {
        free((*waivers)->text);
        free((*waivers)->waivers);
        free(*waivers);
    }
    *waivers = NULL;
}

static bool is_rule(const struct clo_audit_rules *rules, const char *id)
{
    for (size_t i = 0; i < clo_audit_rules_count(rules); i++)
        if (strcmp(clo_audit_rules_at(rules, i)->id, id) == 0)
            return true;
    return false;
}

bool clo_audit_waivers_known(const struct clo_audit_waivers *waivers,
                             const struct clo_audit_rules *rules, struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *builtin = NULL;

    for (size_t i = 0; waivers != NULL && i < waivers->count; i++) {
        const struct waiver *waiver = &waivers->waivers[i];
        if (is_rule(rules, waiver->id))
            continue;
        if (builtin == NULL && !clo_audit_rules_new(&builtin, err))
            return false;
        /* One that a table has switched off is still a rule. */
        if (!is_rule(builtin, waiver->id))
            return clo_fail(err, CLO_ERR_FORMAT, "waivers: line %zu: there is no rule '%.60s'",
                            waiver->line, waiver->id);
    }
    return true;
}

const char *clo_audit_waived(const struct clo_audit_waivers *waivers, const char *id,
                             const char *day)
{
    for (size_t i = 0; waivers != NULL && i < waivers->count; i++)
        if (strcmp(waivers->waivers[i].id, id) == 0 &&
            strncmp(day, waivers->waivers[i].until, DAY_SIZE) <= 0)
            return waivers->waivers[i].reason;
    return NULL;
}
