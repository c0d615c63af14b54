/* LUKS2 tokens that say how a TPM gives back a disk's key (docs/formats/tpm2_token.md):
 *
 *   systemd-tpm2    as systemd-cryptenroll 248 to 262 writes and systemd-cryptsetup reads it. The key slot opens with
 *                   the base64 text of what was sealed.
 *   cloister-tpm2   the same members. What was sealed is the disk key itself and which disk it is for, or the share of it that
 *                   belongs to the broker's ("share": "broker"), so that no key slot is added for it; or the volume key
 *                   ("key": "volume"). "floor" binds it to a counter that is raised after an update.
 *
 * A header is not authenticated, and so its tokens are not: the holder of the disk may write others. What a token
 * says is believed only as far as the TPM gives a key for it that opens the disk. */
#ifndef CLOISTER_LIB_TPM2_TOKEN_H
#define CLOISTER_LIB_TPM2_TOKEN_H

#include "cloister/crypto.h"
#include "cloister/json.h"

#define CLO_TPM2_TOKEN_SYSTEMD "systemd-tpm2"
#define CLO_TPM2_TOKEN_OWN     "cloister-tpm2"
#define CLO_TPM2_PCRS          24
#define CLO_TPM2_SHARDS        2
#define CLO_TPM2_REF_MAX       255
#define CLO_TPM2_SALT          32

enum clo_tpm2_primary {
    CLO_TPM2_PRIMARY_UNSAID = 0, /* ECC then, as before systemd 250 */
    CLO_TPM2_PRIMARY_ECC,
    CLO_TPM2_PRIMARY_RSA,
};

struct clo_tpm2_token {
    bool is_own;        /* cloister-tpm2 */
    bool is_share;      /* the broker's share is needed as well; of our own alone */
    bool is_volume_key; /* what was sealed is no slot's key, but the disk's own; of our own alone */
    uint64_t floor;     /* the floor's counter is at most this; of our own alone; 0: not asked */
    unsigned keyslot;   /* the one it opens */
    struct clo_buffer blobs[CLO_TPM2_SHARDS];    /* clo_tpm2_blob_parse() */
    struct clo_buffer policies[CLO_TPM2_SHARDS]; /* SHA-256: the policy each was sealed under */
    size_t shards; /* 2: a signed policy and an NV policy, one of them each */
    uint32_t pcrs; /* bound to their values at sealing; may be none */
    enum clo_hash
            bank; /* NONE: not said (before 250, or sealed offline by a signed policy alone) */
    enum clo_tpm2_primary primary;
    bool has_pin;
    bool has_pcrlock;
    struct clo_buffer pcrlock_nv; /* ESYS's serialised NV handle */
    uint32_t signed_pcrs;
    struct clo_buffer public_key; /* PEM; of the signed policy */
    bool has_ref;
    char ref[CLO_TPM2_REF_MAX + 1];
    struct clo_buffer salt; /* of the PIN */
    struct clo_buffer srk;  /* clo_tpm2_srk_parse(); empty: a primary made anew each time */
    uint64_t argon2_memory; /* bytes; 0: the PIN is stretched by PBKDF2 */
    uint32_t argon2_iterations;
    uint32_t argon2_lanes;
};

/* Is it of one of these two types? */
bool clo_tpm2_token_is(const json_t *token);
/* CLO_ERR_UNSUPPORTED for a token of another type and for a member that is not known. */
CLO_MUST_USE bool clo_tpm2_token_parse(const json_t *token, struct clo_tpm2_token *out,
                                       struct clo_error *err);
/* The token as systemd writes it, members in its order. NULL when out of memory. */
json_t *clo_tpm2_token_json(const struct clo_tpm2_token *token);
void clo_tpm2_token_free(struct clo_tpm2_token *token); /* for CLO_CLEANUP */

/* TPM2B_PRIVATE || TPM2B_PUBLIC || TPM2B_ENCRYPTED_SECRET, the last one absent or empty unless it was sealed offline: views
 * of what is in them, without their sizes. */
struct clo_tpm2_blob {
    struct clo_bytes private_part;
    struct clo_bytes public_part;
    struct clo_bytes seed;
};
CLO_MUST_USE bool clo_tpm2_blob_parse(struct clo_bytes in, struct clo_tpm2_blob *out,
                                      struct clo_error *err);
void clo_tpm2_blob_write(const struct clo_tpm2_blob *blob, struct clo_buffer *out);

/* The storage key as ESYS serialises it: which handle, its name, its public part (TPM2B_PUBLIC's contents). */
struct clo_tpm2_srk {
    uint32_t handle;
    struct clo_bytes name;
    struct clo_bytes public_part;
};
CLO_MUST_USE bool clo_tpm2_srk_parse(struct clo_bytes in, struct clo_tpm2_srk *out,
                                     struct clo_error *err);
void clo_tpm2_srk_write(const struct clo_tpm2_srk *srk, struct clo_buffer *out);

#endif
