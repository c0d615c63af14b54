/* CoRIM and CoSERV: what is ours reads back as it was written. */
#include "cloister/corim.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *coserv = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *same = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;

    if (clo_coserv_read(in, &coserv, &err))
        MUST(json_is_string(json_object_get(coserv, "kind")));
    if (!clo_corim_read(in, NULL, 1780000000, &json, &err))
        return 0;
    MUST(clo_corim_is(in) && json_is_array(json_object_get(json, "reference_values")));
    if (!clo_corim_to_reference(json, &reference, &err) ||
        !clo_corim_write(reference, NULL, &written, &err))
        return 0;
    MUST(clo_corim_read(clo_buffer_bytes(&written), NULL, 1780000000, &again, &err));
    MUST(clo_corim_to_reference(again, &same, &err));
    MUST(json_equal(clo_reference_json(reference), clo_reference_json(same)));
    return 0;
}
