/* The entry `index` of concatenated signature lists, for tests that ask for one of them. */
#ifndef CLOISTER_TEST_SIGNATURE_ENTRY_H
#define CLOISTER_TEST_SIGNATURE_ENTRY_H

#include "cloister/signature_list.h"

static inline enum clo_next signature_entry(struct clo_bytes lists, size_t index,
                                            struct clo_signature_entry *out, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    enum clo_next next = clo_signature_next(&walk, out, err);

    for (size_t i = 0; next == CLO_NEXT_ITEM && i < index; i++)
        next = clo_signature_next(&walk, out, err);
    return next;
}

#endif
