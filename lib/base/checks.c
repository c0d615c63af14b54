#include "cloister/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const result_names[] = {
    [CLO_CHECK_PASS] = "pass",
    [CLO_CHECK_FAIL] = "fail",
    [CLO_CHECK_SKIP] = "skip",
};

void clo_checks_free(struct clo_checks *checks)
{
    free(checks->items);
    *checks = (struct clo_checks){ 0 };
}

void clo_checks_clear(struct clo_checks *checks)
{
    checks->count = 0;
    checks->failures = 0;
    checks->failed = false;
}

static void add(struct clo_checks *checks, const char *id, enum clo_check_result result,
                const char *format, va_list args)
{
    if (result == CLO_CHECK_FAIL)
        checks->failures++;
    if (checks->count == checks->capacity) {
        size_t capacity = checks->capacity == 0 ? 32 : checks->capacity * 2;
        struct clo_check *items = realloc(checks->items, capacity * sizeof *items);
        if (items == NULL) {
            checks->failed = true;
            return;
        }
        checks->items = items;
        checks->capacity = capacity;
    }
    struct clo_check *check = &checks->items[checks->count++];
    snprintf(check->id, sizeof check->id, "%s", id);
    check->result = result;
    vsnprintf(check->detail, sizeof check->detail, format, args);
    clo_sanitize(check->detail);
}

bool clo_check_that(struct clo_checks *checks, const char *id, bool holds, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(checks, id, holds ? CLO_CHECK_PASS : CLO_CHECK_FAIL, format, args);
    va_end(args);
    return holds;
}

void clo_check_skip(struct clo_checks *checks, const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(checks, id, CLO_CHECK_SKIP, format, args);
    va_end(args);
}

bool clo_checks_ok(const struct clo_checks *checks)
{
    return checks->failures == 0 && !checks->failed;
}

const struct clo_check *clo_checks_get(const struct clo_checks *checks, const char *id)
{
    for (size_t i = 0; i < checks->count; i++)
        if (strcmp(checks->items[i].id, id) == 0)
            return &checks->items[i];
    return NULL;
}

const char *clo_check_result_name(enum clo_check_result result)
{
    return result_names[result];
}

json_t *clo_checks_json(const struct clo_checks *checks)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < checks->count; i++) {
        const struct clo_check *check = &checks->items[i];
        json_t *item = json_pack("{s:s,s:s,s:s}", "id", check->id, "result",
                                 clo_check_result_name(check->result), "detail", check->detail);
        if (item == NULL || json_array_append_new(array, item) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}
