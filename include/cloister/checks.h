/* A list of named checks with their results: what verification and appraisal found.
 *
 * All checks that can be made are made and listed, not only the first that fails. Ids are stable:
 * docs/verify.md has the table. */
#ifndef CLOISTER_CHECKS_H
#define CLOISTER_CHECKS_H

#include "cloister/json.h"

CLO_BEGIN_C

enum clo_check_result {
    CLO_CHECK_PASS,
    CLO_CHECK_FAIL,
    CLO_CHECK_SKIP, /* could not be made, and why; or was not asked for */
};

#define CLO_CHECK_DETAIL_MAX 600

struct clo_check {
    char id[48];
    enum clo_check_result result;
    char detail[CLO_CHECK_DETAIL_MAX]; /* one line for people; control characters replaced */
};

/* A zeroed struct is an empty list. When memory runs out it latches, and counts as a failure. */
struct clo_checks {
    struct clo_check *items;
    size_t count;
    size_t capacity;
    size_t failures;
    bool failed;
};

CLO_API void clo_checks_free(struct clo_checks *checks);  /* for CLO_CLEANUP: leaves it empty */
CLO_API void clo_checks_clear(struct clo_checks *checks); /* empty again, keeping its memory */
/* Adds one; both return `holds`. */
CLO_API bool clo_check_that(struct clo_checks *checks, const char *id, bool holds,
                            const char *format, ...) CLO_PRINTF(4, 5);
CLO_API void clo_check_skip(struct clo_checks *checks, const char *id, const char *format, ...)
        CLO_PRINTF(3, 4);
/* Did none fail, and is the list whole? */
CLO_API bool clo_checks_ok(const struct clo_checks *checks);
/* The first with this id; NULL. */
CLO_API const struct clo_check *clo_checks_get(const struct clo_checks *checks, const char *id);
CLO_API const char *clo_check_result_name(enum clo_check_result result); /* "pass" */
/* [{"id":…,"result":…,"detail":…}]; NULL when out of memory. */
CLO_API json_t *clo_checks_json(const struct clo_checks *checks);

CLO_END_C

#endif
