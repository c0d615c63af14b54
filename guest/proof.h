/* Whether this machine proves itself by a report or quote of its own, by what the kernel found: the host can withhold a report,
 * and put one of Azure's form into a TPM, but it cannot hide SEV-SNP or TDX from the kernel.
 *
 * There a TPM is the host's. A key from it would start the host's own root in a boot that the broker still counts as
 * unspent, under a genuine measurement: that root could then ask the broker itself. */
#ifndef CLOISTER_GUEST_PROOF_H
#define CLOISTER_GUEST_PROOF_H

#include "guest/config.h"

enum clo_proof {
    CLO_PROOF_NOT_OWN, /* no confidential VM, or a paravisor has the report, and its TPM is bound by it */
    CLO_PROOF_SNP,
    CLO_PROOF_TDX,
};

/* Where the kernel says so. */
struct clo_proof_signs {
    const char *snp[2]; /* one of them is there */
    const char *tdx;
    const char *cpuinfo; /* or it has the flag tdx_guest */
};
extern const struct clo_proof_signs clo_proof_signs_default;

CLO_MUST_USE bool clo_proof_look(const struct clo_proof_signs *signs, enum clo_proof *out,
                                 struct clo_error *err);
/* CLO_ERR_REFUSED: not for a whole key. A share of one does no harm: the broker has the other. */
CLO_MUST_USE bool clo_proof_allows_tpm(enum clo_proof proof, enum clo_unlock_by by,
                                       struct clo_error *err);

#endif
