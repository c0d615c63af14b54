#include "cloister/shim.h"

#include <string.h>

#include "fuzz.h"

/* Views lie inside; a level that shim left is one that it keeps; names end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_shim_line line;
    struct clo_shim shim;
    struct clo_error err;

    if (clo_shim_parse(in, &shim, &err)) {
        MUST(lies_within(shim.certificate, in) && lies_within(shim.db, in));
        MUST(lies_within(shim.dbx, in) && lies_within(shim.sbat, in));
        MUST(lies_within(shim.level_automatic, in) && lies_within(shim.level_latest, in));
        struct clo_bytes level = clo_shim_level(&shim, shim.level_latest, 0, true);
        MUST(clo_bytes_equal(clo_shim_level(&shim, level, 0, true), level));
    }
    if (clo_shim_line(in, &line, &err))
        MUST(line.file[0] != '\0' && strlen(line.file) < sizeof line.file);
    return 0;
}
