/* Claims of a result: what is read has a status in words for each submodule, and reads the same again. */
#include "cloister/ear.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;
    const char *name;
    json_t *value;

    if (!clo_ear_claims_read(clo_bytes(data, size), &json, &err))
        return 0;
    MUST(json_object_size(json_object_get(json, "submods")) > 0);
    json_object_foreach (json_object_get(json, "submods"), name, value)
        MUST(json_is_string(json_object_get(value, "ear_status")));
    if (!clo_json_write(json, &text, &err) ||
        !clo_ear_claims_read(clo_buffer_bytes(&text), &again, &err))
        return 0;
    MUST(json_equal(json, again));
    return 0;
}
