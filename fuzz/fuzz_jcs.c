/* RFC 8785: what is written reads back as the same values, and is written the same again. */
#include <math.h>
#include <string.h>

#include "lib/base/jcs.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text_again = { 0 };
    struct clo_error err;
    double value = 0;

    if (size >= sizeof value)
        memcpy(&value, data, sizeof value);
    if (isfinite(value)) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer number = { 0 };
        clo_jcs_write_number(value, &number);
        MUST(strtod(clo_buffer_string(&number), NULL) == value);
    }
    if (!clo_json_parse(clo_bytes(data, size), &json, &err))
        return 0;
    MUST(clo_jcs_write(json, &text, &err));
    /* A whole number that was rounded may be beyond what the reader takes as one. */
    if (!clo_json_parse(clo_buffer_bytes(&text), &again, &err))
        return 0;
    MUST(clo_jcs_write(again, &text_again, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&text), clo_buffer_bytes(&text_again)));
    return 0;
}
