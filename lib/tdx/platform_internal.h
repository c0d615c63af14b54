/* A platform while it is being made. */
#ifndef CLOISTER_LIB_TDX_PLATFORM_INTERNAL_H
#define CLOISTER_LIB_TDX_PLATFORM_INTERNAL_H

#include "tdx_internal.h"

/* Who signed TCB info, or QE identity: each has a chain of its own. */
struct signer {
    const struct clo_certificate *certificate; /* NULL: not found, and `error` says why */
    struct clo_error error;
};

struct build {
    struct clo_tdx_platform *platform;
    const struct clo_tdx_collateral *collateral; /* NULL: none */
    const struct clo_tdx_trust *trust;
    struct clo_checks *checks;
    struct clo_error chain_error; /* status CLO_OK: the quote's chain could be read */
    size_t chain_count;           /* certificates of the quote's chain: the platform's first */
    bool has_pck;
    struct clo_error pck_error;
    bool has_trusted_root;
    struct signer tcb_signer, qe_signer;
    struct clo_crl *root_crl, *pck_crl; /* NULL: none */
    bool has_root_crl, has_pck_crl;     /* and genuine */
    struct clo_digest signed_names[2];  /* of signatures that hold, of TCB info and QE identity */
    size_t signed_count;
    struct clo_error tcb_info_error; /* status CLO_OK: none; else why it says nothing */
    struct clo_error qe_identity_error;
};

/* Parses what the collateral has; false for what is malformed. */
CLO_MUST_USE bool tdx_read_collateral(struct build *b, struct clo_error *err);
/* Intel's root, byte by byte: its own signature need not be checked each time. */
bool tdx_is_intel_certificate(const struct clo_certificate *certificate);
/* All checks but those of the PCK chain. */
void tdx_check_collateral(struct build *b);

#endif
