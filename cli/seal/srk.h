/* A TPM's storage key, as a file of its public part names it. */
#ifndef CLOISTER_CLI_SEAL_SRK_H
#define CLOISTER_CLI_SEAL_SRK_H

#include "lib/tcg/tpm2_policy.h"
#include "lib/tcg/tpm2_seal.h"

/* The key whose TPM2B_PUBLIC is in the file; `out` is of views into `area`. */
CLO_MUST_USE bool cli_srk_read(const char *path, struct clo_buffer *area,
                               struct clo_tpm2_parent *out, struct clo_error *err);
/* The name of the key whose TPM2B_PUBLIC is in the file. */
CLO_MUST_USE bool cli_srk_name(const char *path, struct clo_tpm2_name *out, struct clo_error *err);

#endif
