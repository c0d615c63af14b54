#include "cloister/signature_list.h"

#include <string.h>

#include "fuzz.h"

static void walk_lists(struct clo_bytes lists)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry entry;
    struct clo_error err = { .status = CLO_OK };
    enum clo_next next;
    size_t count = 0;

    while ((next = clo_signature_next(&walk, &entry, &err)) == CLO_NEXT_ITEM) {
        MUST(lies_within(entry.whole, lists) && lies_within(entry.data, lists));
        MUST(entry.whole.size == entry.data.size + 16);
        if (++count > 200)
            return;
    }
    MUST((next == CLO_NEXT_END && err.status == CLO_OK) ||
         (next == CLO_NEXT_FAILED && err.status == CLO_ERR_FORMAT));
}

/* Tried as signature lists, and as a variable store: one that parses is written with the same
 * variables that can be found in it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;

    walk_lists(in);
    if (!clo_varstore_parse(in, &store, &err))
        return 0;
    bool is_json = memchr(data, '{', size < 64 ? size : 64) != NULL && data[0] != 0;
    for (size_t i = 0; !is_json && i < clo_varstore_count(store); i++)
        MUST(lies_within(clo_varstore_at(store, i)->data, in));
    if (!clo_varstore_write(store, NULL, 0, &out, &err))
        return 0;
    MUST((is_json || out.size == size) && clo_varstore_parse(clo_buffer_bytes(&out), &again, &err));
    for (size_t i = 0; i < clo_varstore_count(again); i++) {
        const struct clo_efivar *variable = clo_varstore_at(again, i);
        const struct clo_efivar *old = clo_varstore_find(store, variable->name, &variable->vendor);
        MUST(old != NULL && clo_bytes_equal(old->data, variable->data));
    }
    return 0;
}
