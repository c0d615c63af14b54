/* Policies in tests: JSON with single quotes. */
#ifndef CLOISTER_TEST_POLICY_MAKER_H
#define CLOISTER_TEST_POLICY_MAKER_H

#include "cloister/policy.h"
#include "test.h"

static inline bool parse_policy(const char *single_quoted, struct clo_policy **out,
                                struct clo_error *err)
{
    char text[4096];

    snprintf(text, sizeof text, "%s", single_quoted);
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    return clo_policy_parse(clo_bytes_text(text), out, err);
}

#endif
