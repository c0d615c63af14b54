/* Pins on the command line: a claim's name and the value it must have. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/appraise/tee.h"

/* Whether or not this evidence has it: a misspelt name must not pass as "not there". */
static bool is_known(const char *name)
{
    static const char *const common[] = {
        "root",
        "nonce",
        "endorsement_svn",
        "endorsement_firmware_sha384",
        "endorsement_time",
        "endorsement_issuer",
        "endorsement_feed",
        "report_digest",
        "report_timestamp",
    };

    for (size_t i = 0; i < CLO_COUNT(common); i++)
        if (strcmp(common[i], name) == 0)
            return true;
    for (size_t i = 0; tees[i] != NULL; i++)
        for (size_t k = 0; tees[i]->claims != NULL && tees[i]->claims[k] != NULL; k++)
            if (strcmp(tees[i]->claims[k], name) == 0)
                return true;
    return false;
}

static bool number(const char *text, uint64_t *out)
{
    bool is_hex = strncasecmp(text, "0x", 2) == 0;
    const char *digits = is_hex ? text + 2 : text;
    char *end;

    if (*digits == '\0' || strlen(digits) > 20 ||
        strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
        return false;
    *out = strtoull(digits, &end, is_hex ? 16 : 10);
    return true;
}

/* Numbers by value, truth by word or digit, hex without regard to case. */
static bool matches_text(const json_t *claim, const char *expected)
{
    uint64_t a;
    uint64_t b;

    if (json_is_boolean(claim))
        return strcasecmp(expected, json_is_true(claim) ? "true" : "false") == 0 ||
               strcmp(expected, json_is_true(claim) ? "1" : "0") == 0;
    if (json_is_integer(claim))
        return number(expected, &a) && json_integer_value(claim) >= 0 &&
               a == (uint64_t)json_integer_value(claim);
    const char *text = json_string_value(claim);
    if (text == NULL)
        return false;
    if (strncmp(text, "0x", 2) == 0)
        return number(text, &a) && number(expected, &b) && a == b;
    return strcasecmp(text, expected) == 0;
}

/* A TCB by its eight bytes as they lie, or, with 0x, as one number. */
static bool matches(const json_t *claim, const char *expected)
{
    if (!json_is_object(claim))
        return matches_text(claim, expected);
    return matches_text(
            json_object_get(claim, strncasecmp(expected, "0x", 2) == 0 ? "value" : "raw"),
            expected);
}

static void show(const json_t *claim, char *out, size_t size)
{
    if (json_is_object(claim))
        claim = json_object_get(claim, "raw");
    if (json_is_integer(claim))
        snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(claim));
    else if (json_is_boolean(claim))
        snprintf(out, size, "%s", json_is_true(claim) ? "true" : "false");
    else
        snprintf(out, size, "%s", json_is_string(claim) ? json_string_value(claim) : "absent");
}

bool appraise_expectations(struct work *w, struct clo_error *err)
{
    for (size_t i = 0; i < w->inputs->expectation_count; i++) {
        const struct clo_expectation *expectation = &w->inputs->expectations[i];
        const json_t *claim = json_object_get(w->appraisal->claims, expectation->name);
        char id[48];
        char value[256];
        if (!is_known(expectation->name))
            return clo_fail(err, CLO_ERR_USAGE, "expect: there is no claim \"%.40s\"",
                            expectation->name);
        snprintf(id, sizeof id, "expect.%s", expectation->name);
        show(claim, value, sizeof value);
        bool holds = claim != NULL && matches(claim, expectation->value);
        clo_check_that(w->checks, id, holds, "%s is %s%s%.200s", expectation->name, value,
                       holds ? "" : ", expected ", holds ? "" : expectation->value);
        w->appraised = true;
    }
    return true;
}
