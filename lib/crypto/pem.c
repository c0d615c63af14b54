/* PEM, the textual encoding (RFC 7468), tolerant of text around the blocks. */
#include "cloister/crypto.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"

static bool find(struct clo_bytes in, size_t from, const char *text, size_t *out)
{
    const uint8_t *hit =
            from > in.size ? NULL : memmem(in.data + from, in.size - from, text, strlen(text));

    if (hit == NULL)
        return false;
    *out = (size_t)(hit - in.data);
    return true;
}

static bool is_space(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

enum clo_next clo_pem_next(struct clo_bytes pem, const char *label, size_t *at,
                           struct clo_buffer *der, struct clo_error *err)
{
    char begin[64];
    char end[64];
    size_t start;
    size_t stop;

    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    snprintf(end, sizeof end, "-----END %s-----", label);
    if (pem.size == 0 || !find(pem, *at, begin, &start))
        return CLO_NEXT_END;
    if (!find(pem, start, end, &stop))
        return clo_fail(err, CLO_ERR_FORMAT, "PEM: block \"%s\" at byte %zu has no end", label,
                        start);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    clo_buffer_reserve(&text, stop - start);
    for (size_t i = start + strlen(begin), run; i < stop; i = run + 1) {
        for (run = i; run < stop && !is_space(pem.data[run]); run++)
            ;
        clo_buffer_append(&text, clo_bytes_slice(pem, i, run - i));
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer decoded = { 0 };
    struct clo_error why;
    if (!clo_base64_read(clo_buffer_bytes(&text), &decoded, &why))
        return clo_fail(err, CLO_ERR_FORMAT, "PEM: block \"%s\" at byte %zu: %s", label, start,
                        why.text);
    der->size = 0;
    clo_buffer_append(der, clo_buffer_bytes(&decoded));
    if (!clo_buffer_ok(der))
        return clo_out_of_memory(err);
    *at = stop + strlen(end);
    return CLO_NEXT_ITEM;
}

bool clo_pem_write(const char *label, struct clo_bytes der, struct clo_buffer *pem,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_base64_write(der, &text);
    clo_buffer_printf(pem, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < text.size; at += 64) {
        clo_buffer_append(pem, clo_bytes_slice(clo_buffer_bytes(&text), at, 64));
        clo_buffer_text(pem, "\n");
    }
    clo_buffer_printf(pem, "-----END %s-----\n", label);
    return (clo_buffer_ok(&text) && clo_buffer_ok(pem)) || clo_out_of_memory(err);
}
