/* Looking a signature up in .pcrsig, as one who submits it to a TPM has to. */
#ifndef CLOISTER_LIB_PCRSIG_H
#define CLOISTER_LIB_PCRSIG_H

#include "cloister/uki.h"

/* The signature of the entry for this policy by the key with this fingerprint, under `ref` (NULL: the entries without one). It was
 * not verified. CLO_ERR_REFUSED if there is none. */
CLO_MUST_USE bool clo_pcrsig_find(const json_t *pcrsig, const struct clo_pcr_policy *policy,
                                  const struct clo_digest *fingerprint, const char *ref,
                                  struct clo_buffer *signature, struct clo_error *err);

/* As clo_pcrsig_add() and clo_pcrsig_sign(), for tokens of one purpose alone that name this reference (systemd 262); NULL: of none. */
CLO_MUST_USE bool clo_pcrsig_add_for(json_t *pcrsig, const struct clo_pcr_policy *policy,
                                     const struct clo_public_key *key, struct clo_bytes signature,
                                     const char *ref, struct clo_error *err);
CLO_MUST_USE bool clo_pcrsig_sign_for(json_t *pcrsig, const struct clo_pcr_policy *policy,
                                      const struct clo_private_key *key, const char *ref,
                                      struct clo_error *err);

#endif
