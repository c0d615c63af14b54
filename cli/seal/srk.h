/* A TPM's storage key, as a file of its public part names it. */
#ifndef CLOISTER_CLI_SEAL_SRK_H
#define CLOISTER_CLI_SEAL_SRK_H

#include "lib/tcg/tpm2_policy.h"

/* The name of the key whose TPM2B_PUBLIC is in the file. */
CLO_MUST_USE bool cli_srk_name(const char *path, struct clo_tpm2_name *out, struct clo_error *err);

#endif
