/* Sealing a key to the TPM that is here, and getting it back, as systemd does: an object under the storage key whose
 * policy is the only way to it, in sessions that are salted to that key and encrypted, since the host may sit on the wire.
 *
 * Anyone who can send commands to the TPM while its registers are in the sealed state gets the key: after use something has
 * to be measured into one of them. */
#ifndef CLOISTER_DEVICE_TPM_SEAL_H
#define CLOISTER_DEVICE_TPM_SEAL_H

#include "cloister/json.h"
#include "device/tpm.h"
#include "lib/tcg/alternatives.h"
#include "lib/tcg/tpm2_sealing.h"

#define CLO_TPM_SRK 0x81000001u

/* Why a token gave no key. The first seven are of another machine, or of another state of this one: then the next token is tried,
 * as systemd-cryptsetup does. The others end the search. */
enum clo_unseal_why {
    CLO_UNSEAL_OTHER_TPM,    /* sealed to another TPM */
    CLO_UNSEAL_NO_NV,        /* its NV index is not there */
    CLO_UNSEAL_NO_SIGNATURE, /* none for the present state */
    CLO_UNSEAL_NV_DIFFERS,   /* the NV index holds another policy */
    CLO_UNSEAL_NO_BRANCH,    /* none of the alternatives is the present state */
    CLO_UNSEAL_FLOOR,        /* of a generation below the floor */
    CLO_UNSEAL_PCRS_DIFFER,  /* the policy is not that of the present state */
    CLO_UNSEAL_PCRS_MOVE,    /* they were extended again and again meanwhile */
    CLO_UNSEAL_BAD_PIN,
    CLO_UNSEAL_NO_PIN, /* it wants one, and none was given */
    CLO_UNSEAL_LOCKOUT,
    CLO_UNSEAL_FAILED, /* the TPM, or the token, is broken */
};
bool clo_unseal_is_next(enum clo_unseal_why why); /* goes on to the next token */

/* What else than the TPM it takes. */
struct clo_unseal {
    const json_t *pcrsig;            /* .pcrsig, of signed policies; NULL: none */
    const struct clo_tpm2_name *srk; /* the storage key that it must be; NULL: the token's word */
    struct clo_bytes pin;            /* empty: none */
    const struct clo_alternatives *alternatives; /* of NV policies: pcrlock.json; NULL: none */
};

/* The storage key's TPM2B_PUBLIC at CLO_TPM_SRK: made from systemd's template (ECC, P-256) where there is none. */
CLO_MUST_USE bool clo_tpm_srk(struct clo_tpm *tpm, struct clo_buffer *out, struct clo_error *err);

/* The floor: what a system must be at least that opens the disk (CLO_TPM2_FLOOR_INDEX). Its counter is made where it is not there. */
CLO_MUST_USE bool clo_tpm_floor(struct clo_tpm *tpm, uint64_t *out, struct clo_error *err);
/* Whatever was sealed for an older generation is lost from here on. */
CLO_MUST_USE bool clo_tpm_floor_raise(struct clo_tpm *tpm, uint64_t generation,
                                      struct clo_error *err);

/* The name of an NV index whose policy counts, as it is once it was written. */
CLO_MUST_USE bool clo_tpm_nv_name(struct clo_tpm *tpm, uint32_t index, struct clo_tpm2_name *out,
                                  struct clo_error *err);

/* Seals `secret` under the TPM's storage key; sizes as for clo_tpm2_sealing_offline(). Where `srk` names another one
 * (NULL: any will do) it is CLO_ERR_REFUSED, and the TPM gets nothing. */
CLO_MUST_USE bool clo_tpm_seal(struct clo_tpm *tpm, const struct clo_tpm2_name *srk,
                               const struct clo_tpm2_sealing *sealing, struct clo_bytes secret,
                               const struct clo_random *random, struct clo_tpm2_token *out,
                               struct clo_error *err);

/* What was sealed. On failure `why` says what kind of failure it is. */
CLO_MUST_USE bool clo_tpm_unseal(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                                 const struct clo_unseal *with, struct clo_secret **out,
                                 enum clo_unseal_why *why, struct clo_error *err);
/* The same, as the key of the token's key slot: of an own token what was sealed, of systemd's its text. */
CLO_MUST_USE bool clo_tpm_slot_key(struct clo_tpm *tpm, const struct clo_tpm2_token *token,
                                   const struct clo_unseal *with, struct clo_secret **out,
                                   enum clo_unseal_why *why, struct clo_error *err);

#endif
