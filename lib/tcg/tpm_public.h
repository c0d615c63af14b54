/* A TPM key's public area: what the key may do, and its name (TPM 2.0 Library, part 2, section 12.2.4; part 1, section 16). */
#ifndef CLOISTER_LIB_TPM_PUBLIC_H
#define CLOISTER_LIB_TPM_PUBLIC_H

#include "cloister/quote.h"

#define CLO_TPMA_FIXED_TPM             (1U << 1)
#define CLO_TPMA_SENSITIVE_DATA_ORIGIN (1U << 5)
#define CLO_TPMA_RESTRICTED            (1U << 16)
#define CLO_TPMA_DECRYPT               (1U << 17)
#define CLO_TPMA_SIGN                  (1U << 18)

#define CLO_TPM_NAME_MAX (2 + CLO_HASH_SIZE_MAX)

struct clo_tpm_public {
    struct clo_bytes area; /* TPMT_PUBLIC; a view */
    uint16_t type;
    enum clo_hash name_hash;
    uint32_t attributes;
    struct clo_public_key *key;
};

/* TPMT_PUBLIC or TPM2B_PUBLIC of an RSA or ECC key. */
CLO_MUST_USE bool clo_tpm_public_read(struct clo_bytes in, struct clo_tpm_public *out,
                                      struct clo_error *err);
void clo_tpm_public_free(struct clo_tpm_public *key); /* for CLO_CLEANUP */
/* nameAlg and the area's hash: what credentials and certifications know a key by. Returns its size. */
size_t clo_tpm_public_name(const struct clo_tpm_public *key, uint8_t out[CLO_TPM_NAME_MAX]);
/* An attestation key never leaves its TPM, was made in it, and signs nothing that the TPM did not make itself. */
CLO_MUST_USE bool clo_tpm_public_attests(const struct clo_tpm_public *key, struct clo_error *err);
/* An endorsement key never leaves its TPM, was made in it, and decrypts what the TPM asks for alone. */
CLO_MUST_USE bool clo_tpm_public_endorses(const struct clo_tpm_public *key, struct clo_error *err);

#endif
