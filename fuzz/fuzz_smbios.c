#include "guest/smbios.h"

#include <string.h>

#include "fuzz.h"

static bool look(void *context, unsigned type, unsigned index, struct clo_bytes text,
                 struct clo_error *err)
{
    const struct clo_bytes *in = context;

    (void)err;
    MUST(type <= 0xff && index >= 1);
    MUST(text.data >= in->data && text.size <= in->size &&
         (size_t)(text.data - in->data) <= in->size - text.size);
    MUST(text.size > 0 && memchr(text.data, 0, text.size) == NULL);
    return true;
}

/* Strings lie inside the table, are not empty and end where their NUL is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_error err;

    (void)!clo_smbios_walk(in, look, &in, &err);
    return 0;
}
