#include "cloister/efi_auth.h"

#include "cloister/signature_list.h"
#include "fuzz.h"

/* Views lie inside; lists that hold appended to themselves add nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_efi_auth auth;
    struct clo_error err;
    size_t count;

    if (clo_efi_auth_parse(in, &auth, &err)) {
        MUST(auth.pkcs7.size > 0 && lies_within(auth.pkcs7, in));
        MUST(lies_within(auth.payload, in));
        in = auth.payload;
    }
    if (size > 16384 || !clo_signature_lists_check(in, &count, &err))
        return 0;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
    size_t added;
    MUST(clo_signature_lists_append(in, in, &twice, &added, &err));
    MUST(added == 0 && clo_bytes_equal(clo_buffer_bytes(&twice), in));
    struct clo_signature_walk walk = clo_signature_walk(in);
    struct clo_signature_entry entry;
    while (clo_signature_next(&walk, &entry, &err) == CLO_NEXT_ITEM) {
        MUST(lies_within(entry.whole, in));
        MUST(clo_signature_lists_have(in, &entry.type, entry.data, &entry.owner));
    }
    return 0;
}
