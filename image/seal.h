/* A disk's key sealed to TPMs: tokens and key slots in the LUKS2 header of an image, a device or a file, changed in a copy
 * and written back so that at any moment one of the two headers is whole and opens. */
#ifndef CLOISTER_IMAGE_SEAL_H
#define CLOISTER_IMAGE_SEAL_H

#include "lib/disk/disk_identity.h"
#include "lib/disk/luks2.h"
#include "lib/disk/pcr_hint.h"
#include "lib/tcg/alternatives.h"
#include "lib/tcg/tpm2_sealing.h"

/* The LUKS2 volume of a file: its own, or the root of a disk image; or a detached header, which is a file of at most
 * CLO_LUKS2_HEADER_MAX bytes: no volume is as small. */
struct clo_seal_disk {
    int fd;
    uint64_t offset;
    bool is_detached;
    struct clo_buffer header; /* all that is its own */
    struct clo_luks2_info luks;
};
CLO_MUST_USE bool clo_seal_open(const char *path, bool for_writing, struct clo_seal_disk *out,
                                struct clo_error *err);
void clo_seal_close(struct clo_seal_disk *disk); /* for CLO_CLEANUP */

enum clo_seal_form {
    CLO_SEAL_SYSTEMD, /* a key slot and a systemd-tpm2 token: systemd-cryptsetup opens it as well */
    CLO_SEAL_OWN,     /* a cloister-tpm2 token alone: the key that is there, for this disk */
    CLO_SEAL_SHARE,   /* the same of a share; the other one is the broker's */
};

/* A state of the machine that gets the key. */
struct clo_seal_state {
    const char *name;
    struct clo_digest values[CLO_TPM2_PCRS]; /* of the sealing's registers, the lowest first */
    struct clo_pcr_hint hint;
};

struct clo_seal_job {
    const struct clo_secret *key; /* opens the disk; NULL: */
    const struct clo_secret
            *volume_key; /* the disk's own, for a disk that is open; not with a share */
    enum clo_seal_form form;
    struct clo_tpm2_sealing sealing; /* without values and key slot */
    const struct clo_seal_state *states;
    size_t state_count;
    bool drops_others;   /* tokens for TPMs that were there before, and their key slots */
    bool makes_recovery; /* a recovery key, in its own key slot */
    bool drops_recovery; /* recovery keys that were there before, and their key slots */
    bool must_drop;      /* there must be one */
    const struct clo_random *random;
    /* Seals to the TPM that is meant, near or far. */
    bool (*seal)(void *context, const struct clo_tpm2_sealing *sealing, struct clo_bytes secret,
                 struct clo_tpm2_token *out, struct clo_error *err);
    void *context;
    /* Keeps the broker's share before the header has the other one: cut short, what was there before still opens. NULL: not kept. */
    bool (*keep_share)(void *context, const struct clo_secret *share, struct clo_error *err);
    void *share_context;
    const struct clo_alternatives
            *nv_policy; /* of an NV index that is sealed to: a copy for initrds; NULL: none */
};

struct clo_seal_result {
    struct clo_secret *volume_key;
    struct clo_secret *share;    /* the broker's; NULL but for CLO_SEAL_SHARE */
    struct clo_secret *recovery; /* the recovery key's text; NULL: none was made */
    size_t tokens, dropped;
    char uuid[41]; /* the volume's */
};
void clo_seal_result_free(struct clo_seal_result *result); /* for CLO_CLEANUP */

/* New tokens are written before old ones go: cut short, the disk opens by the old or by the new ones, and always by the
 * key that opens it now. */
CLO_MUST_USE bool clo_seal(struct clo_seal_disk *disk, const struct clo_seal_job *job,
                           struct clo_seal_result *out, struct clo_error *err);

/* A copy more of what an NV index approves of, for initrds; or in place of all others. */
CLO_MUST_USE bool clo_seal_nv_policy(struct clo_seal_disk *disk,
                                     const struct clo_alternatives *alternatives, bool drops_others,
                                     struct clo_error *err);

/* Which key slot the key opens, and the volume key; a key that opens none is CLO_ERR_REFUSED. */
CLO_MUST_USE bool clo_seal_try(struct clo_seal_disk *disk, const struct clo_secret *key, int *slot,
                               struct clo_secret **volume_key, struct clo_error *err);

/* 256 bits as systemd writes a recovery key: modhex in eight groups of eight. */
CLO_MUST_USE bool clo_recovery_key(const struct clo_random *random, struct clo_secret **out,
                                   struct clo_error *err);

#endif
