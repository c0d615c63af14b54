#include "cli/stranger.h"

#include <string.h>

#include "cli/view.h"
#include "lib/evidence/import.h"

bool cli_stranger(const char *path, const char *wanted, const char *own, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view view = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error ignored;

    /* Standard input was read, and is gone. */
    if (err->status != CLO_ERR_FORMAT || strcmp(path, "-") == 0 ||
        !cli_view_open(path, SIZE_MAX, &view, &ignored))
        return false;
    struct clo_bytes start = clo_bytes_slice(view.bytes, 0, CLO_IMPORT_LIMIT);
    if (!clo_import_read(start, &import, &ignored) || import.kind == CLO_IMPORT_UNKNOWN ||
        strcmp(import.what, CLO_IMPORT_OTHER_JSON) == 0 ||
        (own != NULL && strcmp(import.what, own) == 0))
        return false;
    clo_import_refuse(&import, wanted, err);
    return clo_wrap(err, "%s", path);
}
