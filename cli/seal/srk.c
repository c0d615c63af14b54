#include "cli/seal/srk.h"

#include "device/file.h"

bool cli_srk_read(const char *path, struct clo_buffer *area, struct clo_tpm2_parent *out,
                  struct clo_error *err)
{
    return clo_file_read(path, CLO_TPM2_PARENT_LIMIT, area, err) &&
           (clo_tpm2_parent_parse(clo_buffer_bytes(area), out, err) || clo_wrap(err, "%s", path));
}

bool cli_srk_name(const char *path, struct clo_tpm2_name *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    if (!cli_srk_read(path, &area, &parent, err))
        return false;
    clo_tpm2_name_of(parent.public_part, out);
    return true;
}
