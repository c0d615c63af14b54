/* Who vouches for the key of a TPM that no hardware report binds. */
#ifndef CLOISTER_LIB_APPRAISE_TEE_TPM_VOUCHER_H
#define CLOISTER_LIB_APPRAISE_TEE_TPM_VOUCHER_H

#include "lib/appraise/tee.h"
#include "lib/cloud/gce.h"
#include "lib/crypto/x509_path.h"
#include "lib/tcg/tpm_challenge.h"

enum tpm_voucher {
    TPM_VOUCHED_BY_NOBODY,      /* the evidence brought the key itself */
    TPM_VOUCHED_BY_CALLER,      /* who says that it is a TPM's */
    TPM_VOUCHED_BY_CERTIFICATE, /* of the TPM's maker, up to a root that is trusted */
    TPM_VOUCHED_BY_CREDENTIAL,  /* which the TPM of such an endorsement key opened */
};

struct tpm_vouched {
    enum tpm_voucher by;
    struct clo_snp_certificates certificates; /* the leaf, and all that came along */
    struct clo_public_key *own;               /* of the evidence */
    struct clo_tpm_challenge challenge;       /* the caller's; all empty: none */
    struct clo_public_key *activated;         /* the key in it, once the credential holds */
    struct clo_digest root;
    bool has_chain;   /* a certificate or a credential came along, whether or not it holds */
    bool is_makers;   /* one of Google's roots */
    bool is_instance; /* the certificate names a GCE instance: */
    struct clo_gce_instance instance;
};

/* NULL: this evidence is not of a TPM alone. */
const struct tpm_vouched *tpm_vouched(const struct work *w);
/* Sets w->ak; checks tpm.ak.*. False only for what cannot be read at all. */
CLO_MUST_USE bool tpm_voucher_find(struct work *w, struct clo_error *err);
/* What the caller gave decides about a key, and the attester chooses the kind of evidence: by another kind it would get around it.
 * Fails where something was given that nothing looks at. */
void tpm_voucher_check_given(struct work *w);
/* The policy's roots and its member "tpm". */
void tpm_voucher_check_policy(struct work *w);
/* What a quote by such a key leaves open. */
void tpm_voucher_leave_open(struct work *w);

/* --- For the two that look at certificates --- */

bool tpm_voucher_same_key(const struct clo_public_key *a, const struct clo_public_key *b);
/* `pem` with the leaf first, then all that the caller and the policy have. */
CLO_MUST_USE bool tpm_voucher_read_certificates(struct work *w, struct tpm_vouched *vouched,
                                                struct clo_bytes pem, struct clo_error *err);
/* Of the first of them up to a root that is trusted: four checks, and what the root is. */
CLO_MUST_USE bool tpm_voucher_check_chain(struct work *w, struct tpm_vouched *vouched,
                                          const struct x509_path_ids *ids, bool *holds,
                                          struct clo_error *err);
/* Checks tpm.ak.credential, tpm.ek.*, where the caller has a challenge; sets w->ak if all of them hold. */
CLO_MUST_USE bool tpm_voucher_by_credential(struct work *w, struct tpm_vouched *vouched,
                                            struct clo_error *err);

#endif
