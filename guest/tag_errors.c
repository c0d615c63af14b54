#include "guest/tag_errors.h"

#include <stdlib.h>
#include <string.h>

#include "guest/kernel_log.h"

#define WORDS "INTEGRITY AEAD ERROR, sector "

void clo_tag_errors_line(const char *line, struct clo_tag_errors *errors)
{
    const char *at = strstr(line, WORDS);

    /* Of device-mapper itself: "device-mapper: crypt: dm-1: INTEGRITY AEAD ERROR, sector 8". */
    if (at == NULL || strstr(line, "crypt: ") == NULL || strstr(line, "crypt: ") > at)
        return;
    if (errors->count++ == 0)
        errors->first = strtoull(at + strlen(WORDS), NULL, 10);
}

static bool take_line(void *context, const char *line)
{
    clo_tag_errors_line(line, context);
    return true;
}

void clo_tag_errors_read(const char *path, struct clo_tag_errors *out)
{
    *out = (struct clo_tag_errors){ 0 };
    clo_kernel_log_each(path, take_line, out);
}
