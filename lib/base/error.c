#include "cloister/base.h"

#include <stdio.h>
#include <string.h>

/* U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: they make a line read in another order than it has. */
static bool is_direction(const unsigned char *text)
{
    if (text[0] == 0xd8)
        return text[1] == 0x9c;
    if (text[0] != 0xe2)
        return false;
    return text[1] == 0x80
                   ? text[2] == 0x8e || text[2] == 0x8f || (text[2] >= 0xaa && text[2] <= 0xae)
           : text[1] == 0x81 ? text[2] >= 0xa6 && text[2] <= 0xa9
                             : false;
}

/* How many bytes the UTF-8 sequence at `text` has; 0 if it is none (RFC 3629). */
static size_t sequence(const unsigned char *text)
{
    if (text[0] < 0x80)
        return 1;
    size_t size = text[0] >= 0xc2 && text[0] <= 0xdf   ? 2
                  : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                  : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                       : 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    /* C1 controls (U+0080 to U+009F) drive terminals too. */
    if (text[0] == 0xc2 && text[1] < 0xa0)
        return 0;
    return is_direction(text) ? 0 : size;
}

void clo_sanitize(char *text)
{
    unsigned char *at = (unsigned char *)text;

    while (*at != '\0') {
        size_t size = sequence(at);
        if (size == 0 || *at < 0x20 || *at == 0x7f) {
            *at = '?';
            size = 1;
        }
        at += size;
    }
}

bool clo_error_set(struct clo_error *err, const char *file, enum clo_status status,
                   const char *format, ...)
{
    va_list args;

    err->status = status;
    err->file = file;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    clo_sanitize(err->text);
    return false;
}

/* The folder's name in `path`, "../lib/disk/gpt.c": "disk". */
static struct clo_bytes folder_of(const char *path)
{
    const char *end = path == NULL ? NULL : strrchr(path, '/');

    if (end == NULL)
        return (struct clo_bytes){ 0 };
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    return (struct clo_bytes){ (const uint8_t *)start, (size_t)(end - start) };
}

struct clo_error_code clo_error_code(const struct clo_error *err)
{
    static const char *const kinds[] = {
        [CLO_ERR_REFUSED] = "refused",
        [CLO_ERR_UNVERIFIED] = "unverified",
        [CLO_ERR_USAGE] = "usage",
        [CLO_ERR_FORMAT] = "format",
        [CLO_ERR_UNSUPPORTED] = "unsupported",
        [CLO_ERR_SYSTEM] = "system",
        [CLO_ERR_UNAVAILABLE] = "unavailable",
    };
    struct clo_error_code code = { "" };
    struct clo_bytes folder = folder_of(err->file);

    if (folder.size > 0 && (size_t)err->status < CLO_COUNT(kinds) && kinds[err->status] != NULL)
        snprintf(code.text, sizeof code.text, "%.*s.%s", (int)folder.size, folder.data,
                 kinds[err->status]);
    return code;
}

bool clo_out_of_memory(struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

bool clo_wrap(struct clo_error *err, const char *format, ...)
{
    char inner[sizeof err->text];
    char context[sizeof err->text];
    va_list args;

    memcpy(inner, err->text, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    int size = snprintf(err->text, sizeof err->text, "%.*s: %s", (int)sizeof context / 2, context,
                        inner);
    (void)size; /* what does not fit is cut: the outer words matter most */
    clo_sanitize(err->text);
    return false;
}
