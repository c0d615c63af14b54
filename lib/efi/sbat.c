/* SBAT metadata (shim, SBAT.md): lines of CSV that name components and their generations. */
#include <string.h>

#include "cloister/uki.h"

static const char header[] =
        "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

const char clo_sbat_uki[] =
        "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
        "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n";
const char clo_sbat_addon[] =
        "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
        "uki-addon,1,UKI Addon,addon,1,"
        "https://www.freedesktop.org/software/systemd/man/latest/systemd-stub.html\n";

/* The next line that is not empty. */
static bool next_line(struct clo_bytes *left, struct clo_bytes *line)
{
    while (left->size > 0) {
        const uint8_t *end = memchr(left->data, '\n', left->size);
        size_t length = end == NULL ? left->size : (size_t)(end - left->data);
        *line = clo_bytes_slice(*left, 0, length);
        *left = clo_bytes_slice(*left, length + 1, left->size);
        while (line->size > 0 && strchr(" \t\r", line->data[line->size - 1]) != NULL)
            line->size--;
        if (line->size > 0)
            return true;
    }
    return false;
}

static bool holds(struct clo_bytes text, struct clo_bytes line)
{
    struct clo_bytes other;

    while (next_line(&text, &other))
        if (clo_bytes_equal(other, line))
            return true;
    return false;
}

bool clo_sbat_merge(const struct clo_bytes *texts, size_t count, struct clo_buffer *out,
                    struct clo_error *err)
{
    struct clo_bytes line;

    out->size = 0;
    clo_buffer_text(out, header);
    for (size_t i = 0; i < count; i++) {
        struct clo_bytes text = texts[i];
        while (text.size > 0 && text.data[text.size - 1] == '\0')
            text.size--;
        if (!next_line(&text, &line))
            continue;
        if (line.size < 5 || memcmp(line.data, "sbat,", 5) != 0 ||
            memchr(text.data == NULL ? line.data : text.data, '\0', text.size) != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "SBAT: text %zu does not begin with \"sbat,\"",
                            i + 1);
        while (next_line(&text, &line)) {
            if (holds(clo_buffer_bytes(out), line))
                continue;
            clo_buffer_append(out, line);
            clo_buffer_u8(out, '\n');
        }
    }
    clo_buffer_u8(out, 0); /* shim reads up to it */
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
