#include "lib/disk/integrity.h"

#include "fuzz.h"

#define SIZE ((uint64_t)1 << 32)

/* What parses lies inside its device, tag and data apart, and writes back as what parses equal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_integrity integrity, second;
    struct clo_error err;

    if (!clo_integrity_parse(clo_bytes(data, size), SIZE, &integrity, &err))
        return 0;
    uint64_t last = integrity.provided - integrity.block_size;
    MUST(clo_integrity_data_at(&integrity, last) + integrity.block_size <= SIZE);
    MUST(clo_integrity_tag_at(&integrity, last) + integrity.tag_size <=
         clo_integrity_data_at(&integrity, last));
    MUST(clo_integrity_tag_at(&integrity, 0) >= CLO_INTEGRITY_SUPERBLOCK + integrity.section * 512);
    MUST(clo_integrity_write(&integrity, &again, &err));
    MUST(clo_integrity_parse(clo_buffer_bytes(&again), SIZE, &second, &err));
    MUST(second.provided == integrity.provided && second.first == integrity.first);
    /* Twice as large, it has no less, and what it had lies where it was. */
    MUST(clo_integrity_grow(&integrity, 2 * SIZE, &second, &err));
    MUST(second.provided >= integrity.provided);
    MUST(clo_integrity_data_at(&second, last) == clo_integrity_data_at(&integrity, last));
    last = second.provided - second.block_size;
    MUST(clo_integrity_data_at(&second, last) + second.block_size <= 2 * SIZE);
    return 0;
}
