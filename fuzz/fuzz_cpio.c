#include "lib/unpack/cpio.h"

#include <string.h>

#include "fuzz.h"

#define LIMIT ((size_t)4 << 20)

static bool visit(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    size_t *total = context;

    (void)err;
    MUST(strlen(entry->name) < CLO_CPIO_NAME_MAX && entry->name[0] != '/');
    *total += entry->data.size;
    return true;
}

/* The files of an initrd are no larger than itself and what it may unpack to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_reader r = clo_reader(in);
    struct clo_error err;
    size_t total = 0;
    bool is_end = false;

    (void)!clo_initrd_walk(in, LIMIT, visit, &total, &err);
    MUST(total <= LIMIT + size);
    CLO_CLEANUP(clo_freep) struct clo_cpio_entry *entry = malloc(sizeof *entry);
    while (entry != NULL && !is_end && clo_cpio_read(&r, entry, &is_end, &err))
        MUST(lies_within(entry->data, in) && r.at <= size);
    return 0;
}
