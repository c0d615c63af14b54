/* What every fuzz target shares. A target asserts a property beyond "no crash" with MUST. */
#ifndef CLOISTER_FUZZ_H
#define CLOISTER_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "cloister/base.h"

#define MUST(condition)                                                           \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: MUST(%s)\n", __FILE__, __LINE__, #condition); \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* Is `view` (if it has bytes) inside `in`? */
static inline bool lies_within(struct clo_bytes view, struct clo_bytes in)
{
    uintptr_t start = (uintptr_t)in.data;
    uintptr_t at = (uintptr_t)view.data;

    return view.size == 0 ||
           (at >= start && at - start <= in.size && view.size <= in.size - (at - start));
}

/* A target that is slow may say how many mutations of each corpus file are enough for a test run. */
extern const unsigned fuzz_mutations __attribute__((weak));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
