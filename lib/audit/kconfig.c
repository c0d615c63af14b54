#include "cloister/kconfig.h"

#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 100000 /* Linux 7.2 has some 20000 for all architectures */
#define FULL_MIN \
    500 /* "is not set": 865 in the tersest full configuration seen, 92 in the longest defconfig */

struct option {
    const char *name;
    const char *value;
    size_t line;
};

struct clo_kconfig {
    char *text;             /* names and values are in it, NUL-terminated */
    struct option *options; /* by name, once each */
    size_t count;
    size_t capacity;
    const char *version;
    bool is_generated; /* its header says so: Kconfig wrote all of it */
    struct clo_kconfig_counts counts;
};

void clo_kconfig_free(struct clo_kconfig *config)
{
    if (config == NULL)
        return;
    free(config->text);
    free(config->options);
    free(config);
}

void clo_kconfig_freep(struct clo_kconfig **config)
{
    clo_kconfig_free(*config);
    *config = NULL;
}

static size_t name_length(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
}

static bool add(struct clo_kconfig *config, char *name, const char *value, size_t line,
                struct clo_error *err)
{
    if (config->count == OPTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "line %zu: more than %d options", line, OPTIONS_MAX);
    if (config->count == config->capacity) {
        size_t capacity = config->capacity == 0 ? 4096 : config->capacity * 2;
        struct option *options = realloc(config->options, capacity * sizeof *options);
        if (options == NULL)
            return clo_out_of_memory(err);
        config->options = options;
        config->capacity = capacity;
    }
    config->options[config->count++] = (struct option){ name, value, line };
    return true;
}

/* "text" with \" and \\ inside; nothing behind the closing quote. */
static bool unquote(char *value)
{
    char *to = value;

    for (const char *from = value + 1; *from != '\0'; from++) {
        if (*from == '"') {
            *to = '\0';
            return from[1] == '\0';
        }
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from;
    }
    return false;
}

/* "# CONFIG_X is not set", perhaps with a remark after it; any other comment is passed over. */
static bool read_comment(struct clo_kconfig *config, char *line, size_t number,
                         struct clo_error *err)
{
    static const char prefix[] = "# CONFIG_";
    static const char banner[] = " Kernel Configuration";
    static const char generated[] = "# Automatically generated file; DO NOT EDIT.";
    static const char unset[] = " is not set";

    if (strncmp(line, prefix, strlen(prefix)) == 0) {
        char *name = line + strlen(prefix);
        size_t length = name_length(name);
        char *behind = name + length;
        bool is_unset = length > 0 && strncmp(behind, unset, strlen(unset)) == 0 &&
                        (behind[strlen(unset)] == '\0' || behind[strlen(unset)] == ' ');
        if (!is_unset)
            return true;
        *behind = '\0';
        config->counts.n++;
        return add(config, name, "n", number, err);
    }
    if (strncmp(line, generated, strlen(generated)) == 0)
        config->is_generated = true;
    char *end = strstr(line, banner);
    if (config->version == NULL && strncmp(line, "# Linux/", 8) == 0 && end != NULL) {
        char *space = strchr(line + 8, ' ');
        if (space < end) {
            *end = '\0';
            config->version = space + 1;
        }
    }
    return true;
}

static bool read_line(struct clo_kconfig *config, char *line, size_t number, struct clo_error *err)
{
    static const char prefix[] = "CONFIG_";

    line += strspn(line, " \t");
    size_t length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL)
        line[--length] = '\0';
    if (*line == '\0')
        return true;
    if (*line == '#')
        return read_comment(config, line, number, err);
    char *name = line + strlen(prefix);
    if (strncmp(line, prefix, strlen(prefix)) != 0 || name_length(name) == 0 ||
        name[name_length(name)] != '=')
        return clo_fail(err, CLO_ERR_FORMAT, "line %zu: no line of a kernel configuration: '%.40s'",
                        number, line);
    char *value = name + name_length(name);
    *value++ = '\0';
    if (*value == '"' && !unquote(value))
        return clo_fail(err, CLO_ERR_FORMAT, "line %zu: CONFIG_%.60s: text without an end", number,
                        name);
    if (strcmp(value, "y") == 0)
        config->counts.y++;
    else if (strcmp(value, "m") == 0)
        config->counts.m++;
    else
        config->counts.other++;
    return add(config, name, value, number, err);
}

static int by_name_and_line(const void *a, const void *b)
{
    const struct option *first = a;
    const struct option *second = b;
    int order = strcmp(first->name, second->name);

    return order != 0 ? order : (first->line > second->line) - (first->line < second->line);
}

/* Sorts, and keeps the last of each name. */
static void settle(struct clo_kconfig *config)
{
    size_t kept = 0;

    if (config->count == 0)
        return;
    qsort(config->options, config->count, sizeof config->options[0], by_name_and_line);
    for (size_t i = 1; i < config->count; i++) {
        if (strcmp(config->options[i].name, config->options[kept].name) == 0)
            config->counts.again++;
        else
            kept++;
        config->options[kept] = config->options[i];
    }
    config->count = kept + 1;
}

static bool read_lines(struct clo_kconfig *config, size_t size, struct clo_error *err)
{
    size_t at = 0;

    for (size_t number = 1; at < size; number++) {
        char *line = config->text + at;
        char *end = memchr(line, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - line);
        line[length] = '\0';
        if (!read_line(config, line, number, err))
            return false;
        at += length + 1;
    }
    return true;
}

bool clo_kconfig_parse(struct clo_bytes in, struct clo_kconfig **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *config = calloc(1, sizeof *config);

    if (in.size > CLO_KCONFIG_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "kernel configuration: more than %zu MiB",
                        CLO_KCONFIG_LIMIT >> 20);
    if (in.size > 0 && memchr(in.data, '\0', in.size) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "kernel configuration: a NUL character in it");
    if (config == NULL || (config->text = malloc(in.size + 1)) == NULL)
        return clo_out_of_memory(err);
    if (in.size > 0)
        memcpy(config->text, in.data, in.size);
    if (!read_lines(config, in.size, err))
        return clo_wrap(err, "kernel configuration");
    if (config->count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "kernel configuration: no option in it");
    settle(config);
    *out = CLO_TAKE(config);
    return true;
}

static int name_against(const void *name, const void *option)
{
    return strcmp(name, ((const struct option *)option)->name);
}

const char *clo_kconfig_get(const struct clo_kconfig *config, const char *name)
{
    const struct option *found =
            bsearch(name, config->options, config->count, sizeof config->options[0], name_against);

    return found == NULL ? NULL : found->value;
}

const char *clo_kconfig_version(const struct clo_kconfig *config)
{
    return config->version;
}

const struct clo_kconfig_counts *clo_kconfig_counts(const struct clo_kconfig *config)
{
    return &config->counts;
}

bool clo_kconfig_is_full(const struct clo_kconfig *config)
{
    return config->is_generated ||
           (config->counts.n >= FULL_MIN && (clo_kconfig_get(config, "64BIT") != NULL ||
                                             clo_kconfig_get(config, "CC_VERSION_TEXT") != NULL));
}

bool clo_kconfig_at(const struct clo_kconfig *config, size_t index, const char **name,
                    const char **value)
{
    if (index >= config->count)
        return false;
    *name = config->options[index].name;
    *value = config->options[index].value;
    return true;
}

bool clo_kconfig_is(struct clo_bytes in)
{
    struct clo_bytes head = clo_bytes_slice(in, 0, 64 << 10);

    if (head.size == 0 || memchr(head.data, '\0', head.size) != NULL)
        return false;
    return memcmp(head.data, "CONFIG_", head.size < 7 ? head.size : 7) == 0 ||
           memmem(head.data, head.size, "\nCONFIG_", 8) != NULL ||
           memmem(head.data, head.size, "# CONFIG_", 9) != NULL;
}
