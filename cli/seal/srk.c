#include "cli/seal/srk.h"

#include "device/file.h"
#include "lib/tcg/tpm2_seal.h"

bool cli_srk_name(const char *path, struct clo_tpm2_name *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    if (!clo_file_read(path, CLO_TPM2_PARENT_LIMIT, &area, err))
        return false;
    if (!clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, err))
        return clo_wrap(err, "%s", path);
    clo_tpm2_name_of(parent.public_part, out);
    return true;
}
