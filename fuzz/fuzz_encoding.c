/* Decoders: what is read writes back the same (hex: in lower case), and UTF-16 always gives UTF-8. */
#include "cloister/encoding.h"

#include <ctype.h>
#include <string.h>

#include "fuzz.h"

typedef bool (*reader)(struct clo_bytes, struct clo_buffer *, struct clo_error *);
typedef void (*writer)(struct clo_bytes, struct clo_buffer *);

static void round_trip(struct clo_bytes in, reader read, writer write, bool is_hex)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_error err;

    if (!read(in, &out, &err))
        return;
    write(clo_buffer_bytes(&out), &again);
    MUST(again.size == in.size);
    for (size_t i = 0; i < in.size; i++)
        MUST(again.data[i] == (is_hex ? (uint8_t)tolower(in.data[i]) : in.data[i]));
}

static void utf16(struct clo_bytes in)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer back = { 0 };
    struct clo_error err;

    clo_utf16_text(in, &text);
    MUST(clo_utf16_write(clo_buffer_string(&text), &back, &err));
    MUST(back.size <= in.size + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_guid guid;
    struct clo_error err;
    char text[64] = { 0 };
    char again[CLO_GUID_TEXT];

    round_trip(in, clo_hex_read, clo_hex_write, true);
    round_trip(in, clo_base64_read, clo_base64_write, false);
    round_trip(in, clo_base64url_read, clo_base64url_write, false);
    utf16(in);
    if (size < sizeof text) {
        memcpy(text, data, size);
        if (clo_guid_read(text, &guid, &err))
            MUST(strcasecmp(clo_guid_text(&guid, again), text) == 0);
    }
    return 0;
}
