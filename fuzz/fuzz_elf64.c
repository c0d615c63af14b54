#include "image/elf64.h"

#include <string.h>

#include "fuzz.h"

static void is_inside(const char *text, struct clo_bytes in)
{
    MUST((const uint8_t *)text >= in.data && (const uint8_t *)text < in.data + in.size);
    MUST(memchr(text, 0, (size_t)(in.data + in.size - (const uint8_t *)text)) != NULL);
}

/* What it names are strings inside the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_elf elf;
    struct clo_error err;

    if (!clo_elf_parse(in, &elf, &err))
        return 0;
    MUST(elf.needed_count <= CLO_ELF_NEEDED_MAX);
    for (size_t i = 0; i < elf.needed_count; i++)
        is_inside(elf.needed[i], in);
    if (elf.interpreter != NULL)
        is_inside(elf.interpreter, in);
    if (elf.search_path != NULL)
        is_inside(elf.search_path, in);
    return 0;
}
