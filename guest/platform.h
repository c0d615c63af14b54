/* On what kind of machine this guest runs, as far as files, and the TPM that it found, tell: so that the evidence which fits is
 * collected. It is a hint from the host and decides nothing: what the evidence is worth, a verifier says. */
#ifndef CLOISTER_GUEST_PLATFORM_H
#define CLOISTER_GUEST_PLATFORM_H

#include "cloister/json.h"
#include "device/tpm.h"

enum clo_platform {
    CLO_PLATFORM_NONE, /* nothing that could prove itself */
    CLO_PLATFORM_AZURE,
    CLO_PLATFORM_ENCLAVE, /* of AWS Nitro */
    CLO_PLATFORM_SVSM,    /* SEV-SNP, with a service module at VMPL 0 */
    CLO_PLATFORM_SNP,
    CLO_PLATFORM_TDX,
    CLO_PLATFORM_NITRO_TPM,
    CLO_PLATFORM_GCE, /* whose TPM alone proves something */
    CLO_PLATFORM_TPM,
    CLO_PLATFORM_COUNT
};

/* As --platform has it: "azure", "tpm". */
const char *clo_platform_name(enum clo_platform platform);
const char *clo_platform_title(enum clo_platform platform); /* for people */
bool clo_platform_from_name(const char *name, enum clo_platform *out);

#define CLO_PLATFORM_REASONS 3

struct clo_platform_found {
    enum clo_platform platform;
    char reasons[CLO_PLATFORM_REASONS][160]; /* what was seen, and where */
    size_t reason_count;
};

/* `sysroot`: what stands before "/sys" and "/dev"; "" for this machine. `tpm`: NULL, there is none. */
void clo_platform_find(const char *sysroot, struct clo_tpm *tpm, struct clo_platform_found *out);
/* {"platform","title","found","collects"}; NULL: out of memory. */
json_t *clo_platform_json(const struct clo_platform_found *found);
/* The labels that evidence of it may have; ends in NULL. */
const char *const *clo_platform_collects(enum clo_platform platform);

#endif
