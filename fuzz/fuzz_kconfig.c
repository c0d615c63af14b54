#include "cloister/kconfig.h"

#include <string.h>

#include "fuzz.h"

/* What parses has sorted names, each of them found again with its value, and every line was counted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_kconfig_freep) struct clo_kconfig *config = NULL;
    struct clo_bytes in = { data, size };
    const char *name, *value, *before = NULL;
    struct clo_error err;
    size_t count = 0;

    (void)clo_kconfig_is(in);
    if (!clo_kconfig_parse(in, &config, &err))
        return 0;
    for (; clo_kconfig_at(config, count, &name, &value); count++) {
        MUST(*name != '\0' && (before == NULL || strcmp(before, name) < 0));
        MUST(clo_kconfig_get(config, name) == value);
        before = name;
    }
    const struct clo_kconfig_counts *counts = clo_kconfig_counts(config);
    MUST(count > 0 && counts->y + counts->m + counts->n + counts->other == count + counts->again);
    return 0;
}
