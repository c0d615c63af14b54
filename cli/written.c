#include "cli/written.h"

#include <string.h>

#include "cli/view.h"
#include "cloister/crypto.h"
#include "cloister/encoding.h"

bool cli_is_standard_output(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0 ||
           strcmp(path, "/dev/fd/1") == 0 || strcmp(path, "/proc/self/fd/1") == 0;
}

bool cli_written_check(const struct cli_written *written, const char *path, struct clo_error *err)
{
    return !written->as_json || path == NULL || !cli_is_standard_output(path) ||
           clo_fail(err, CLO_ERR_USAGE, "--json: %s is where the file goes", path);
}

bool cli_written_tell(const struct cli_written *written, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view view = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest digest;

    if (!written->as_json)
        return true;
    if (!cli_view_open(path, SIZE_MAX, &view, err))
        return false;
    clo_hash(CLO_HASH_SHA256, view.bytes, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    json = json_pack("{s:s, s:I, s:s}", "output", path, "bytes", (json_int_t)view.bytes.size,
                     "sha256", hex);
    return cli_print_json(json, err);
}
