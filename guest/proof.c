#include "guest/proof.h"

#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "device/sev_guest.h"
#include "device/tdx_guest.h"

/* The platform device and the flag are the kernel's own: they are there without the modules of the devices. */
const struct clo_proof_signs clo_proof_signs_default = {
    .snp = { "/sys/devices/platform/sev-guest", CLO_SEV_GUEST_DEVICE },
    .tdx = CLO_TDX_GUEST_DEVICE,
    .cpuinfo = "/proc/cpuinfo",
};

bool clo_proof_look(const struct clo_proof_signs *signs, enum clo_proof *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cpuinfo = { 0 };

    if (!clo_file_read(signs->cpuinfo, CLO_FILE_LIMIT, &cpuinfo, err))
        return clo_wrap(err, "which hardware this is");
    const char *text = clo_buffer_string(&cpuinfo);
    if (text == NULL)
        return clo_out_of_memory(err);
    *out = CLO_PROOF_NOT_OWN;
    if (access(signs->snp[0], F_OK) == 0 || access(signs->snp[1], F_OK) == 0)
        *out = CLO_PROOF_SNP;
    else if (access(signs->tdx, F_OK) == 0 || strstr(text, " tdx_guest") != NULL)
        *out = CLO_PROOF_TDX;
    return true;
}

bool clo_proof_allows_tpm(enum clo_proof proof, enum clo_unlock_by by, struct clo_error *err)
{
    static const char *const names[] = { [CLO_PROOF_SNP] = "SEV-SNP", [CLO_PROOF_TDX] = "TDX" };

    return proof == CLO_PROOF_NOT_OWN || by == CLO_UNLOCK_BOTH ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "TPM: it is the host's, and not asked for the key: this machine proves itself "
                    "by %s of its own, which does not bind a TPM",
                    names[proof]);
}
