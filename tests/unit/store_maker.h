/* A store in a folder of the test group's own. */
#ifndef CLOISTER_TEST_STORE_MAKER_H
#define CLOISTER_TEST_STORE_MAKER_H

#include "test.h"
#include "verifier/store/store.h"

static struct clo_scratch scratch;
static char folder[4200];

static inline int make_scratch(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    return 0;
}

static inline int free_scratch(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static inline struct clo_store *open_store(void)
{
    struct clo_store *store;
    struct clo_error err;

    if (!clo_store_open(folder, &store, &err))
        fail_msg("%s", err.text);
    return store;
}

#endif
