/* Questions that tests ask of a list of checks. */
#ifndef CLOISTER_TEST_CHECKS_H
#define CLOISTER_TEST_CHECKS_H

#include <string.h>

#include "cloister/checks.h"

static inline bool check_is(const struct clo_checks *checks, const char *id,
                            enum clo_check_result result)
{
    const struct clo_check *check = clo_checks_get(checks, id);

    return check != NULL && check->result == result;
}

static inline bool has_passed(const struct clo_checks *checks, const char *id)
{
    return check_is(checks, id, CLO_CHECK_PASS);
}

static inline bool has_failed(const struct clo_checks *checks, const char *id)
{
    return check_is(checks, id, CLO_CHECK_FAIL);
}

#endif
