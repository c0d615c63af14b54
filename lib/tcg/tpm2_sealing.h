/* What a key is sealed under, and the token that says so (docs/formats/tpm2_token.md). */
#ifndef CLOISTER_LIB_TPM2_SEALING_H
#define CLOISTER_LIB_TPM2_SEALING_H

#include "lib/disk/tpm2_token.h"
#include "lib/tcg/tpm2_policy.h"
#include "lib/tcg/tpm2_seal.h"

#define CLO_TPM2_SHARD_SIZE 32

struct clo_tpm2_sealing {
    enum clo_hash bank;
    uint32_t pcrs;                       /* bound to their values */
    const struct clo_digest *values;     /* of each, the lowest first */
    const struct clo_public_key *signer; /* of the signed policy; NULL: none */
    uint32_t signed_pcrs;
    const char *ref;                /* NULL: none */
    const struct clo_tpm2_name *nv; /* the index whose policy counts (pcrlock); NULL: none */
    uint32_t nv_pcrs;               /* that the index's policy binds now, whatever else it may */
    struct clo_bytes nv_handle;     /* of the index, as systemd's tokens name it; may be empty */
    struct clo_bytes pin;           /* empty: none */
    unsigned keyslot;
    bool is_own, is_share, is_volume_key; /* as in the token */
    uint64_t
            floor; /* bound to the floor's counter being at most this; of own tokens alone; 0: not bound */
    bool is_legacy; /* under the primary of systemd before 254, made anew each time; only by the TPM itself */
};

/* PCRs 7 and 11 alone leave firmware, command line and add-ons to the host: refused, with what is missing. */
CLO_MUST_USE bool clo_tpm2_sealing_check(const struct clo_tpm2_sealing *sealing,
                                         struct clo_error *err);
/* The policy of each object, in the order of a token's shards. */
CLO_MUST_USE bool clo_tpm2_sealing_policies(const struct clo_tpm2_sealing *sealing,
                                            struct clo_digest out[CLO_TPM2_SHARDS], size_t *count,
                                            struct clo_error *err);
/* All of the token that is not the TPM's to say: blobs, storage key and salt are still empty. */
CLO_MUST_USE bool clo_tpm2_sealing_token(const struct clo_tpm2_sealing *sealing,
                                         struct clo_tpm2_token *out, struct clo_error *err);
/* What a PIN becomes: under a salt the base64 text of PBKDF2 over it, without one itself. */
CLO_MUST_USE bool clo_tpm2_pin_text(struct clo_bytes pin, struct clo_bytes salt,
                                    struct clo_secret **out, struct clo_error *err);
/* An object's authorization value for a text: its SHA-256 without zeros at the end. */
void clo_tpm2_auth_value(struct clo_bytes text, struct clo_digest *out, size_t *size);
/* A new salt for the PIN goes into the token; what the objects' authorization value is then: none without a PIN. */
CLO_MUST_USE bool clo_tpm2_sealing_auth(const struct clo_tpm2_sealing *sealing,
                                        const struct clo_random *random,
                                        struct clo_tpm2_token *token, struct clo_digest *auth,
                                        size_t *size, struct clo_error *err);
/* Which storage key the objects are under goes into the token. */
void clo_tpm2_sealing_parent(const struct clo_tpm2_parent *parent, uint32_t handle,
                             struct clo_tpm2_token *token);
/* What the key slot of a systemd token opens with: the base64 text. */
CLO_MUST_USE bool clo_tpm2_slot_key(struct clo_bytes sealed, struct clo_secret **out,
                                    struct clo_error *err);
/* The whole token for a TPM that is not there; `secret`: CLO_TPM2_SHARD_SIZE bytes for each object, or for an own token
 * with one object up to CLO_TPM2_SECRET_MAX. */
CLO_MUST_USE bool clo_tpm2_sealing_offline(const struct clo_tpm2_sealing *sealing,
                                           const struct clo_tpm2_parent *parent, uint32_t handle,
                                           struct clo_bytes secret, const struct clo_random *random,
                                           struct clo_tpm2_token *out, struct clo_error *err);

#endif
