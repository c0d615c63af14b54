#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"

#define WORD "@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

bool clo_audit_is_option(const char *key)
{
    return strchr(key, '.') == NULL && key[0] != '@';
}

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " ");
}

static const char *read_operator(const char *at, char *out)
{
    static const struct {
        const char *text;
        char operator;
    } operators[] = { { "!=", '!' }, { ">=", '>' }, { "=", '=' }, { "~", '~' } };

    for (size_t i = 0; i < CLO_COUNT(operators); i++)
        if (strncmp(at, operators[i].text, strlen(operators[i].text)) == 0) {
            *out = operators[i].operator;
            return at + strlen(operators[i].text);
        }
    return NULL;
}

static const char *read_term(const char *at, struct clo_audit_term *out)
{
    at = skip_spaces(at);
    size_t size = strspn(at, WORD);
    if (size == 0 || size >= sizeof out->key)
        return NULL;
    memcpy(out->key, at, size);
    out->key[size] = '\0';
    at = read_operator(at + size, &out->operator);
    if (at == NULL)
        return NULL;
    size = strcspn(at, "|&");
    size_t used = size;
    while (size > 0 && at[size - 1] == ' ')
        size--;
    if (size == 0 || size >= sizeof out->value)
        return NULL;
    memcpy(out->value, at, size);
    out->value[size] = '\0';
    return at + used;
}

bool clo_audit_terms(const char *expression, struct clo_audit_term terms[TERMS_MAX], size_t *count,
                     struct clo_error *err)
{
    const char *at = expression;
    bool begins = true;

    *count = 0;
    for (;;) {
        if (*count == TERMS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "expression: more than %d terms", TERMS_MAX);
        struct clo_audit_term *term = &terms[*count];
        const char *behind = read_term(at, term);
        if (behind == NULL)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "expression: expected KEY=VALUE at '%.40s' of '%.80s'", at, expression);
        term->begins_alternative = begins;
        (*count)++;
        if (*behind == '\0')
            return true;
        begins = *behind == '|';
        at = behind + 1;
    }
}

const char *clo_audit_option(const struct clo_audit_facts *facts, const char *name)
{
    const char *value = facts->config == NULL ? NULL : clo_kconfig_get(facts->config, name);

    if (value == NULL && facts->config != NULL && clo_kconfig_is_full(facts->config))
        return "n";
    return value;
}

static enum clo_audit_answer answer(bool is_so)
{
    return is_so ? CLO_AUDIT_YES : CLO_AUDIT_NO;
}

static bool list_has(const char *list, const char *item)
{
    size_t size = strlen(item);

    for (const char *at = list; *at != '\0'; at += strspn(at, ", ")) {
        size_t length = strcspn(at, ", ");
        if (length == size && memcmp(at, item, size) == 0)
            return true;
        at += length;
    }
    return false;
}

/* `value` as it is, against the term. */
static enum clo_audit_answer compare(const struct clo_audit_term *term, const char *value)
{
    switch (term->operator) {
    case '!':
        return answer(strcmp(value, term->value) != 0);
    case '~':
        return answer(list_has(value, term->value));
    case '>':
        return answer(strtoull(value, NULL, 0) >= strtoull(term->value, NULL, 0));
    default:
        return answer(strcmp(value, term->value) == 0);
    }
}

static bool is_early(const char *value)
{
    size_t size = strlen(value);

    return size > 5 && strncmp(value, "y/", 2) == 0 && strcmp(value + size - 3, ".ko") == 0;
}

/* "y/virtio_blk.ko": built in, or a module that the initrd carries. That is enough also when the
 * configuration is not known. */
static enum clo_audit_answer ask_early(const struct clo_audit_term *term, const char *value,
                                       const struct clo_audit_facts *facts,
                                       struct clo_buffer *found)
{
    char name[VALUE_MAX];

    if (value != NULL && strcmp(value, "m") != 0)
        return answer(strcmp(value, "y") == 0);
    memcpy(name, term->value + 2, strlen(term->value + 2) + 1);
    name[strlen(name) - 3] = '\0';
    if (facts->modules == NULL) {
        clo_buffer_printf(found, ", needs %s.ko in the initrd", name);
        return CLO_AUDIT_UNKNOWN;
    }
    bool is_there = json_object_get(facts->modules, name) != NULL;
    if (facts->modules_may_be_more) {
        clo_buffer_printf(found, ", %s is%s loaded", name, is_there ? "" : " not");
        return is_there ? CLO_AUDIT_YES : CLO_AUDIT_UNKNOWN;
    }
    clo_buffer_printf(found, ", %s.ko is%s in the initrd", name, is_there ? "" : " not");
    return value == NULL && !is_there ? CLO_AUDIT_UNKNOWN : answer(is_there);
}

static enum clo_audit_answer ask_option(const struct clo_audit_term *term,
                                        const struct clo_audit_facts *facts,
                                        struct clo_buffer *found)
{
    const char *value = clo_audit_option(facts, term->key);
    const char *said = value == NULL ? NULL : clo_kconfig_get(facts->config, term->key);

    if (value == NULL)
        clo_buffer_printf(found, "%s is not known", term->key);
    else if (said == NULL)
        clo_buffer_printf(found, "%s is absent", term->key);
    else
        clo_buffer_printf(found, "%s=%s", term->key, value);
    if (is_early(term->value))
        return ask_early(term, value, facts, found);
    if (value == NULL)
        return CLO_AUDIT_UNKNOWN;
    if (strcmp(term->value, "y/m") == 0)
        return answer(strcmp(value, "y") == 0 || strcmp(value, "m") == 0);
    return compare(term, value);
}

/* The last one of that name on a command line, as the kernel reads most of them; "-" and "_" are the same
 * in names (kernel, lib/cmdline and parameq()). False if it is not there; "" without a value. */
static bool parameter(const char *cmdline, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    bool is_there = false;

    for (const char *at = cmdline; *at != '\0';) {
        at += strspn(at, " \t\n");
        bool in_quotes = false;
        size_t used = 0;
        for (; at[used] != '\0' && (in_quotes || strchr(" \t\n", at[used]) == NULL); used++)
            in_quotes ^= at[used] == '"';
        size_t same = 0;
        while (same < length && same < used &&
               (at[same] == name[same] || (at[same] == '-' && name[same] == '_') ||
                (at[same] == '_' && name[same] == '-')))
            same++;
        if (same == length && (used == length || at[length] == '=')) {
            size_t value = used == length ? 0 : used - length - 1;
            value = value < size ? value : size - 1;
            memcpy(out, at + used - (used == length ? 0 : used - length - 1), value);
            out[value] = '\0';
            is_there = true;
        }
        if (used == 2 && at[0] == '-' && at[1] == '-') /* what follows is for init */
            break;
        at += used;
    }
    return is_there;
}

static enum clo_audit_answer ask_cmdline(const struct clo_audit_term *term, const char *name,
                                         const struct clo_audit_facts *facts,
                                         struct clo_buffer *found)
{
    char value[VALUE_MAX];

    if (facts->cmdline == NULL) {
        clo_buffer_printf(found, "the command line is not known");
        return CLO_AUDIT_UNKNOWN;
    }
    bool is_there = parameter(facts->cmdline, name, value, sizeof value);
    if (!is_there)
        clo_buffer_printf(found, "no %s on the command line", name);
    else
        clo_buffer_printf(found, "%s%s%s on the command line", name, *value == '\0' ? "" : "=",
                          value);
    if (strcmp(term->value, "absent") == 0)
        return answer(!is_there == (term->operator== '='));
    if (strcmp(term->value, "present") == 0)
        return answer(is_there == (term->operator== '='));
    return is_there ? compare(term, value) : answer(term->operator== '!');
}

static enum clo_audit_answer ask_named(const struct clo_audit_term *term,
                                       const struct clo_audit_facts *facts,
                                       struct clo_buffer *found)
{
    const char *value = json_string_value(json_object_get(facts->named, term->key));
    const char *name = strchr(term->key, '.') + 1;

    if (value == NULL || strcmp(value, "unknown") == 0) {
        clo_buffer_printf(found, "%s is not known", name);
        return CLO_AUDIT_UNKNOWN;
    }
    clo_buffer_printf(found, "%s: %s", name, value);
    return compare(term, value);
}

/* What many rules ask for, under one name: lockdown that is switched on, by the kernel itself, by Secure
 * Boot (a patch of several distributions; it cannot be told here whether Secure Boot is on: that is a rule of
 * its own), or by the command line. */
static const struct {
    const char *key, *expression, *words;
} aliases[] = {
    { "@lockdown",
      "LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y | LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y | "
      "LOCK_DOWN_IN_EFI_SECURE_BOOT=y | SECURITY_LOCKDOWN_LSM=y & cmdline.lockdown=integrity | "
      "SECURITY_LOCKDOWN_LSM=y & cmdline.lockdown=confidentiality",
      "lockdown" },
    { "@confidentiality",
      "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y | "
      "SECURITY_LOCKDOWN_LSM=y & cmdline.lockdown=confidentiality",
      "lockdown=confidentiality" },
};

static enum clo_audit_answer ask_alias(const struct clo_audit_term *term,
                                       const struct clo_audit_facts *facts,
                                       struct clo_buffer *found)
{
    static const char *const states[] = { "is off", "is not known to be on", "is on" };

    for (size_t i = 0; i < CLO_COUNT(aliases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer ignored = { 0 };
        struct clo_error err;
        enum clo_audit_answer one;
        if (strcmp(aliases[i].key, term->key) == 0 &&
            clo_audit_ask(aliases[i].expression, facts, &one, &ignored, &err)) {
            clo_buffer_printf(found, "%s %s", aliases[i].words, states[one]);
            return one;
        }
    }
    clo_buffer_printf(found, "%s is not known", term->key);
    return CLO_AUDIT_UNKNOWN;
}

static enum clo_audit_answer ask_term(const struct clo_audit_term *term,
                                      const struct clo_audit_facts *facts, struct clo_buffer *found)
{
    static const char cmdline[] = "cmdline.";

    if (clo_audit_is_option(term->key))
        return ask_option(term, facts, found);
    if (term->key[0] == '@')
        return ask_alias(term, facts, found);
    if (strncmp(term->key, cmdline, strlen(cmdline)) == 0)
        return ask_cmdline(term, term->key + strlen(cmdline), facts, found);
    return ask_named(term, facts, found);
}

/* What was found is said once, however often it is asked for. */
static enum clo_audit_answer ask_once(const struct clo_audit_term *term,
                                      const struct clo_audit_facts *facts, struct clo_buffer *found)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    enum clo_audit_answer one = ask_term(term, facts, &text);
    const char *said = clo_buffer_string(found);
    const char *more = clo_buffer_string(&text);

    if (said != NULL && more != NULL && strstr(said, more) == NULL)
        clo_buffer_printf(found, "%s%s", *said == '\0' ? "" : "; ", more);
    found->failed |= text.failed;
    return one;
}

/* Kleene's three values, in the order NO < UNKNOWN < YES: '&' is the least, '|' the greatest. */
bool clo_audit_ask(const char *expression, const struct clo_audit_facts *facts,
                   enum clo_audit_answer *out, struct clo_buffer *found, struct clo_error *err)
{
    struct clo_audit_term terms[TERMS_MAX];
    enum clo_audit_answer all = CLO_AUDIT_NO;
    enum clo_audit_answer alternative = CLO_AUDIT_NO;
    size_t count;

    if (!clo_audit_terms(expression, terms, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        enum clo_audit_answer one = ask_once(&terms[i], facts, found);
        if (terms[i].begins_alternative) {
            all = alternative > all ? alternative : all;
            alternative = one;
        } else {
            alternative = one < alternative ? one : alternative;
        }
    }
    *out = alternative > all ? alternative : all;
    return clo_buffer_ok(found) || clo_out_of_memory(err);
}
