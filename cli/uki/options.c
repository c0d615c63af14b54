#include "cli/uki/options.h"

void cli_uki_tell(const char *line)
{
    fprintf(stderr, "cloister: %s\n", line);
}

size_t cli_uki_warn(const struct uki_image *image)
{
    struct clo_pe_warning warning;
    size_t count = 0;

    for (; clo_pe_warning_at(&image->uki.pe, count, &warning); count++)
        fprintf(stderr, "cloister: warning: %s: at 0x%llx: %s\n", image->file.path,
                (unsigned long long)warning.offset, warning.text);
    return count;
}
