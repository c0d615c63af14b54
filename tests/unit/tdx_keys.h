/* The keys of a pretend TDX platform, made once for a test group. */
#ifndef CLOISTER_TEST_TDX_KEYS_H
#define CLOISTER_TEST_TDX_KEYS_H

#include "sim/tdx.h"

static struct sim_tdx_keys keys;

static inline int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    return sim_tdx_keys_new(&keys, &err) ? 0 : -1;
}

static inline int free_keys(void **state)
{
    (void)state;
    sim_tdx_keys_free(&keys);
    return 0;
}

#endif
