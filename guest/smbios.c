#include "guest/smbios.h"

#include <string.h>

#define HEADER_SIZE 4

/* The strings after the formatted area: each ends in NUL, an empty one ends them; a structure without any
 * has two NULs (section 6.1.3). */
static bool read_strings(struct clo_reader *r, unsigned type, clo_smbios_string *each,
                         void *context, struct clo_error *err)
{
    for (unsigned index = 1;; index++) {
        struct clo_bytes rest = clo_bytes_slice(r->in, r->at, clo_reader_left(r));
        const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.data, 0, rest.size);
        if (end == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "SMBIOS: truncated at byte %zu", r->at);
        struct clo_bytes text = clo_read_bytes(r, (size_t)(end - rest.data));
        clo_read_skip(r, 1);
        if (text.size == 0 && index > 1)
            return true;
        if (text.size == 0) {
            clo_read_skip(r, 1);
            return clo_reader_ok(r) ||
                   clo_fail(err, CLO_ERR_FORMAT, "SMBIOS: truncated at byte %zu", r->at);
        }
        if (!each(context, type, index, text, err))
            return false;
    }
}

bool clo_smbios_walk(struct clo_bytes table, clo_smbios_string *each, void *context,
                     struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);

    while (clo_reader_left(&r) > 0) {
        unsigned type = clo_read_u8(&r);
        size_t size = clo_read_u8(&r);
        if (clo_reader_ok(&r) && size < HEADER_SIZE)
            return clo_fail(err, CLO_ERR_FORMAT, "SMBIOS: a structure of %zu bytes at byte %zu",
                            size, r.at - 2);
        clo_read_skip(&r, size - 2);
        if (!clo_reader_ok(&r))
            return clo_fail(err, CLO_ERR_FORMAT, "SMBIOS: truncated at byte %zu", r.at);
        if (!read_strings(&r, type, each, context, err))
            return false;
    }
    return true;
}
