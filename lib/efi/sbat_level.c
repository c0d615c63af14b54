#include "cloister/sbat_level.h"

#include <stdio.h>
#include <string.h>

#define GENERATION_MAX 65535
#define LINES_MAX      4096

/* "name,generation[,rest]". */
static bool read_line(struct clo_bytes line, struct clo_sbat_entry *out, struct clo_error *err)
{
    const uint8_t *comma = memchr(line.data, ',', line.size);
    size_t size = comma == NULL ? 0 : (size_t)(comma - line.data);
    struct clo_sbat_entry entry = { .generation = 0 };
    size_t digits = 0;

    if (size == 0 || size >= sizeof entry.name)
        return clo_fail(err, CLO_ERR_FORMAT, "SBAT: a line without a component's name");
    memcpy(entry.name, line.data, size);
    clo_sanitize(entry.name);
    struct clo_bytes rest = clo_bytes_slice(line, size + 1, line.size);
    for (; digits < rest.size && rest.data[digits] >= '0' && rest.data[digits] <= '9'; digits++) {
        entry.generation = entry.generation * 10 + (uint32_t)(rest.data[digits] - '0');
        if (entry.generation > GENERATION_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "SBAT: %s: generation too large", entry.name);
    }
    if (digits == 0 || entry.generation == 0 || (digits < rest.size && rest.data[digits] != ','))
        return clo_fail(err, CLO_ERR_FORMAT, "SBAT: %s: no generation", entry.name);
    entry.rest = clo_bytes_slice(rest, digits + 1, rest.size);
    *out = entry;
    return true;
}

enum clo_next clo_sbat_next(struct clo_bytes text, size_t *at, struct clo_sbat_entry *out,
                            struct clo_error *err)
{
    while (*at < text.size && text.data[*at] != '\0') {
        struct clo_bytes left = clo_bytes_slice(text, *at, text.size);
        const uint8_t *end = memchr(left.data, '\n', left.size);
        size_t size = end == NULL ? left.size : (size_t)(end - left.data);
        const uint8_t *nul = memchr(left.data, '\0', size);
        struct clo_bytes line =
                clo_bytes_slice(left, 0, nul == NULL ? size : (size_t)(nul - left.data));
        *at += nul == NULL ? size + 1 : line.size;
        while (line.size > 0 && strchr(" \t\r", line.data[line.size - 1]) != NULL)
            line.size--;
        if (line.size > 0)
            return read_line(line, out, err) ? CLO_NEXT_ITEM : CLO_NEXT_FAILED;
    }
    return CLO_NEXT_END;
}

/* A text of its kind begins with the line of SBAT itself. */
static bool check_first(struct clo_bytes text, const char *what, struct clo_error *err)
{
    struct clo_sbat_entry entry;
    size_t at = 0;

    enum clo_next next = clo_sbat_next(text, &at, &entry, err);
    if (next != CLO_NEXT_ITEM)
        return next == CLO_NEXT_FAILED ? clo_wrap(err, "%s", what)
                                       : clo_fail(err, CLO_ERR_FORMAT, "%s: empty", what);
    return strcmp(entry.name, "sbat") == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: SBAT: begins with \"%s\", not with \"sbat\"", what,
                    entry.name);
}

/* What the level demands of this component, if it speaks of it. */
static bool hold_against(const struct clo_sbat_entry *component, struct clo_bytes level,
                         struct clo_sbat_verdict *out, struct clo_error *err)
{
    struct clo_sbat_entry wanted;
    enum clo_next next;
    size_t at = 0;

    for (size_t lines = 0; (next = clo_sbat_next(level, &at, &wanted, err)) == CLO_NEXT_ITEM;
         lines++) {
        if (lines == LINES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "level: more than %d lines", LINES_MAX);
        if (strcmp(wanted.name, component->name) == 0 &&
            component->generation < wanted.generation && out->is_allowed) {
            out->is_allowed = false;
            snprintf(out->text, sizeof out->text,
                     "%s is of generation %u, the level demands %u: revoked", component->name,
                     component->generation, wanted.generation);
        }
    }
    return next == CLO_NEXT_END || clo_wrap(err, "level");
}

bool clo_sbat_check(struct clo_bytes sbat, struct clo_bytes level, struct clo_sbat_verdict *out,
                    struct clo_error *err)
{
    struct clo_sbat_verdict verdict = { .is_allowed = true };
    struct clo_sbat_entry component;
    enum clo_next next;
    size_t at = 0;
    size_t count = 0;

    if (!check_first(level, "level", err))
        return false;
    if (sbat.size == 0) {
        *out = (struct clo_sbat_verdict){ .text = "no .sbat section: shim does not start it" };
        return true;
    }
    if (!check_first(sbat, ".sbat", err))
        return false;
    for (; (next = clo_sbat_next(sbat, &at, &component, err)) == CLO_NEXT_ITEM; count++) {
        if (count == LINES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, ".sbat: more than %d lines", LINES_MAX);
        if (!hold_against(&component, level, &verdict, err))
            return false;
    }
    if (next == CLO_NEXT_FAILED)
        return clo_wrap(err, ".sbat");
    if (verdict.is_allowed)
        snprintf(verdict.text, sizeof verdict.text, "%zu components, none revoked", count);
    *out = verdict;
    return true;
}
