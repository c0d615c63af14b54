#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "rules_table.h"

#define TABLE_LIMIT ((size_t)4 << 20)
#define RULES_MAX   4096
#define TABLES_MAX  16
#define COLUMNS     14

static const char header[] =
        "id\tgroup\twhat\twanted\tfor\tseverity\tsince\tuntil\tneeds\tdepends\t"
        "checked\treason\tsource\tfix";

static const char *const severities[CLO_AUDIT_SEVERITY_COUNT] = { "required", "recommended",
                                                                  "optional", "info" };
static const char *const whats[CLO_AUDIT_WHAT_COUNT] = { "kconfig", "cmdline", "uki",
                                                         "image",   "guest",   "rootfs" };

static const struct {
    const char *name;
    unsigned bit;
} platforms[] = {
    { "snp", CLO_AUDIT_SNP },       { "tdx", CLO_AUDIT_TDX },   { "kvm", CLO_AUDIT_KVM },
    { "hyperv", CLO_AUDIT_HYPERV }, { "vtpm", CLO_AUDIT_VTPM }, { "svsm", CLO_AUDIT_SVSM },
    { "uki", CLO_AUDIT_UKI_BOOT },  { "fde", CLO_AUDIT_FDE },
};

struct clo_audit_rules {
    struct clo_audit_rule *rules;
    size_t count;
    char *tables[TABLES_MAX]; /* what the rules' texts lie in */
    size_t table_count;
};

struct clo_bytes clo_audit_builtin(void)
{
    return clo_bytes(clo_audit_table, clo_audit_table_size);
}

const char *clo_audit_severity_name(enum clo_audit_severity severity)
{
    return severities[severity];
}

const char *clo_audit_what_name(enum clo_audit_what what)
{
    return whats[what];
}

const char *clo_audit_platform_name(unsigned bit)
{
    for (size_t i = 0; i < CLO_COUNT(platforms); i++)
        if (platforms[i].bit == bit)
            return platforms[i].name;
    return NULL;
}

static bool find(const char *const *names, size_t count, const char *text, size_t *out)
{
    for (*out = 0; *out < count; (*out)++)
        if (strcmp(names[*out], text) == 0)
            return true;
    return false;
}

static unsigned platform_bit(const char *text, size_t size)
{
    for (size_t i = 0; i < CLO_COUNT(platforms); i++)
        if (strlen(platforms[i].name) == size && memcmp(platforms[i].name, text, size) == 0)
            return platforms[i].bit;
    return 0;
}

bool clo_audit_severity_from_name(const char *name, enum clo_audit_severity *out)
{
    size_t index;

    if (!find(severities, CLO_AUDIT_SEVERITY_COUNT, name, &index))
        return false;
    *out = (enum clo_audit_severity)index;
    return true;
}

bool clo_audit_platforms_parse(const char *text, unsigned *out, struct clo_error *err)
{
    unsigned added = 0, removed = 0, set = CLO_AUDIT_FOR_DEFAULT;

    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, ",");
        bool is_without = strncmp(at, "no-", 3) == 0;
        unsigned bit = is_without ? platform_bit(at + 3, size - 3) : platform_bit(at, size);
        if (bit == 0)
            return clo_fail(err, CLO_ERR_USAGE,
                            "platform: '%.*s' is none of snp, tdx, kvm, hyperv, "
                            "vtpm, svsm, uki, fde",
                            (int)(size < 40 ? size : 40), at);
        *(is_without ? &removed : &added) |= bit;
        at += size + (at[size] == ',');
    }
    set &= (added & CLO_AUDIT_TEES) != 0 ? ~(unsigned)CLO_AUDIT_TEES : ~0U;
    set &= (added & CLO_AUDIT_HOSTS) != 0 ? ~(unsigned)CLO_AUDIT_HOSTS : ~0U;
    *out = (set | added) & ~removed;
    return true;
}

struct clo_audit_version clo_audit_version(const char *text)
{
    struct clo_audit_version version = { 0 };
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return version;
    unsigned long major = strtoul(text, &end, 10);
    if (*end != '.' || end[1] < '0' || end[1] > '9')
        return version;
    unsigned long minor = strtoul(end + 1, NULL, 10);
    if (major > 1000 || minor > 1000)
        return version;
    return (struct clo_audit_version){ (unsigned)major, (unsigned)minor };
}

/* --- Reading a table --- */

static bool read_version(const char *text, struct clo_audit_version *out, struct clo_error *err)
{
    *out = clo_audit_version(text);
    return *text == '\0' || out->major != 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "'%.40s' is not a kernel version", text);
}

/* "snp+svsm,hyperv": both of the first, or the second. */
static bool read_platforms(const char *text, struct clo_audit_rule *rule, struct clo_error *err)
{
    if (strcmp(text, "any") == 0)
        return true;
    for (const char *at = text;; at++) {
        if (rule->platform_count == CLO_AUDIT_ALTERNATIVES)
            return clo_fail(err, CLO_ERR_FORMAT, "for: more than %d alternatives",
                            CLO_AUDIT_ALTERNATIVES);
        unsigned *bits = &rule->platforms[rule->platform_count++];
        for (;; at++) {
            size_t size = strcspn(at, "+,");
            unsigned bit = platform_bit(at, size);
            if (bit == 0)
                return clo_fail(err, CLO_ERR_FORMAT, "for: '%.*s' is not a platform",
                                (int)(size < 40 ? size : 40), at);
            *bits |= bit;
            at += size;
            if (*at != '+')
                break;
        }
        if (*at == '\0')
            return true;
    }
}

bool clo_audit_depend(const char **at, struct clo_audit_depend *out)
{
    out->selects = **at == '<';
    *at += out->selects;
    size_t size = strcspn(*at, ",");
    if (size == 0 || size >= sizeof out->name)
        return false;
    memcpy(out->name, *at, size);
    out->name[size] = '\0';
    *at += size + ((*at)[size] == ',');
    return true;
}

/* An empty cell may be written as "-". */
static bool split(char *line, char *cells[COLUMNS], struct clo_error *err)
{
    size_t count = 0;

    for (char *at = line; at != NULL; count++) {
        char *tab = strchr(at, '\t');
        if (count == COLUMNS)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d columns", COLUMNS);
        if (tab != NULL)
            *tab = '\0';
        cells[count] = strcmp(at, "-") == 0 ? at + 1 : at;
        at = tab == NULL ? NULL : tab + 1;
    }
    return count == COLUMNS ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu columns, expected %d", count, COLUMNS);
}

static bool check_expression(const char *name, const char *text, struct clo_error *err)
{
    struct clo_audit_term terms[TERMS_MAX];
    size_t count;

    return clo_audit_terms(text, terms, &count, err) || clo_wrap(err, "%s", name);
}

static bool read_rule(char *line, struct clo_audit_rule *out, bool *is_off, struct clo_error *err)
{
    char *cells[COLUMNS];
    size_t what = 0, severity = 0;

    if (!split(line, cells, err))
        return false;
    *out = (struct clo_audit_rule){
        .id = cells[0],
        .group = cells[1],
        .wanted = cells[3],
        .needs = cells[8],
        .depends = cells[9],
        .checked = cells[10],
        .reason = cells[11],
        .source = cells[12],
        .fix = cells[13],
    };
    if (*out->id == '\0' || strlen(out->id) >= KEY_MAX || *out->group == '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "no id or no group, or too long a one");
    *is_off = strcmp(cells[5], "off") == 0;
    if (*is_off)
        return true;
    if (!find(whats, CLO_AUDIT_WHAT_COUNT, cells[2], &what))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "what: '%.40s' is none of kconfig, cmdline, uki, image, guest, rootfs",
                        cells[2]);
    if (!find(severities, CLO_AUDIT_SEVERITY_COUNT, cells[5], &severity))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "severity: '%.40s' is none of required, recommended, optional, info, off",
                        cells[5]);
    out->what = (enum clo_audit_what)what;
    out->severity = (enum clo_audit_severity)severity;
    out->was_part = strchr(cells[6], '?') != NULL;
    return check_expression("wanted", out->wanted, err) &&
           (*out->needs == '\0' || check_expression("needs", out->needs, err)) &&
           read_platforms(cells[4], out, err) && read_version(cells[6], &out->since, err) &&
           read_version(cells[7], &out->until, err);
}

static bool put_rule(struct clo_audit_rules *rules, const struct clo_audit_rule *rule, bool is_off,
                     struct clo_error *err)
{
    size_t at = 0;

    while (at < rules->count && strcmp(rules->rules[at].id, rule->id) != 0)
        at++;
    if (is_off) {
        if (at == rules->count)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: there is no such rule to switch off",
                            rule->id);
        memmove(&rules->rules[at], &rules->rules[at + 1],
                (rules->count - at - 1) * sizeof *rules->rules);
        rules->count--;
        return true;
    }
    if (at == RULES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d rules", RULES_MAX);
    if (at == rules->count) {
        struct clo_audit_rule *grown = realloc(rules->rules, (at + 1) * sizeof *grown);
        if (grown == NULL)
            return clo_out_of_memory(err);
        rules->rules = grown;
        rules->count++;
    }
    rules->rules[at] = *rule;
    return true;
}

static bool read_line(struct clo_audit_rules *rules, char *line, bool *has_header,
                      struct clo_error *err)
{
    struct clo_audit_rule rule;
    bool is_off;

    if (*line == '\0' || *line == '#')
        return true;
    if (!*has_header) {
        *has_header = true;
        return strcmp(line, header) == 0 ||
               clo_fail(err, CLO_ERR_FORMAT,
                        "expected the names of the columns, as in docs/audit.md");
    }
    return read_rule(line, &rule, &is_off, err) && put_rule(rules, &rule, is_off, err);
}

bool clo_audit_rules_add(struct clo_audit_rules *rules, struct clo_bytes table,
                         struct clo_error *err)
{
    bool has_header = false;

    if (table.size > TABLE_LIMIT || rules->table_count == TABLES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "rule table: more than %zu MiB, or too many tables",
                        TABLE_LIMIT >> 20);
    char *text = malloc(table.size + 1);
    if (text == NULL)
        return clo_out_of_memory(err);
    rules->tables[rules->table_count++] = text;
    for (size_t i = 0; i < table.size; i++) {
        uint8_t byte = table.data[i];
        if (byte < ' ' && byte != '\t' && byte != '\n')
            return clo_fail(err, CLO_ERR_FORMAT, "rule table: a control character at byte %zu", i);
        text[i] = (char)byte;
    }
    text[table.size] = '\0';
    char *at = text;
    for (size_t number = 1; at != NULL; number++) {
        char *end = strchr(at, '\n');
        if (end != NULL)
            *end = '\0';
        if (!read_line(rules, at, &has_header, err))
            return clo_wrap(err, "rule table: line %zu", number);
        at = end == NULL ? NULL : end + 1;
    }
    return has_header || clo_fail(err, CLO_ERR_FORMAT, "rule table: it is empty");
}

bool clo_audit_rules_new(struct clo_audit_rules **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = calloc(1, sizeof *rules);

    if (rules == NULL)
        return clo_out_of_memory(err);
    if (!clo_audit_rules_add(rules, clo_audit_builtin(), err))
        return false;
    *out = CLO_TAKE(rules);
    return true;
}

void clo_audit_rules_free(struct clo_audit_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->table_count; i++)
        free(rules->tables[i]);
    free(rules->rules);
    free(rules);
}

void clo_audit_rules_freep(struct clo_audit_rules **rules)
{
    clo_audit_rules_free(*rules);
    *rules = NULL;
}

size_t clo_audit_rules_count(const struct clo_audit_rules *rules)
{
    return rules->count;
}

const struct clo_audit_rule *clo_audit_rules_at(const struct clo_audit_rules *rules, size_t index)
{
    return index < rules->count ? &rules->rules[index] : NULL;
}
