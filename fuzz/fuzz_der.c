/* DER: an element has one encoding, so what is read writes back the same, and lies inside what was given;
 * an OID's text reads back to its bytes. */
#include "lib/base/der.h"

#include <string.h>

#include "fuzz.h"

static void oid(struct clo_bytes value)
{
    uint8_t bytes[64];
    char text[512];
    size_t size;

    clo_der_oid_text(value, text, sizeof text);
    if (strcmp(text, "?") != 0 && clo_der_oid_from_text(text, bytes, sizeof bytes, &size))
        MUST(size <= value.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_reader r = clo_reader(in);

    while (clo_reader_left(&r) > 0) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        struct clo_reader time = r;
        struct clo_reader number = r;
        size_t before = r.at;
        int64_t value = clo_der_number(&number);
        MUST(value >= 0);
        (void)clo_der_time(&time);
        struct clo_der element = clo_der_next(&r);
        if (!clo_reader_ok(&r))
            break;
        MUST(r.at > before && lies_within(element.whole, in) &&
             lies_within(element.value, element.whole));
        clo_der_write(&again, element.tag, element.value);
        MUST(clo_bytes_equal(clo_buffer_bytes(&again), element.whole));
        if (element.tag == CLO_DER_OID)
            oid(element.value);
    }
    return 0;
}
