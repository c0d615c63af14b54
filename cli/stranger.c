#include "cli/stranger.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/view.h"
#include "lib/evidence/import.h"

/* What was read from a pipe is gone, and opening it again waits for another writer. */
static bool can_be_read_again(const char *path)
{
    struct stat info;

    return strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool cli_stranger(const char *path, const char *wanted, const char *own, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view view = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_error ignored;

    if (err->status != CLO_ERR_FORMAT || !can_be_read_again(path) ||
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
