/* The disk's key from the TPM: the tokens of a header that was checked, tried one after another, each refusal said.
 *
 * A token is the disk's word. What it leads to is a key that must open the disk; and one whose policy would still
 * hold in the running system is passed over, since that system could have the key as well. */
#ifndef CLOISTER_GUEST_TPM_TOKENS_H
#define CLOISTER_GUEST_TPM_TOKENS_H

#include "device/tpm_seal.h"
#include "guest/disk.h"

/* PCRs that a sealed key is bound to where the guest seals by itself: firmware, loader, UKI, what the host passes, and 15, which
 * the volume key is measured into once it is known. */
#define CLO_TPM_TOKENS_PCRS \
    (1U << 0 | 1U << 2 | 1U << 4 | 1U << 7 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 15)

struct clo_tpm_search {
    struct clo_tpm *tpm;
    const struct clo_unseal *with;
    bool needs_latch; /* for a root: a key that the running system could have as well is not taken */
    bool wants_share; /* tokens of a share alone; else those of a whole key alone */
    /* Called with the reason for each token that gave nothing. */
    void (*on_refusal)(void *context, const char *why);
    void *context;
    bool *took_own; /* whether an own token gave the key, or one of systemd's; NULL: not asked */
    /* The name of the storage key that gave it; untouched where the token names none. NULL: not asked. */
    struct clo_tpm2_name *srk;
    bool *knows_srk;
};

struct clo_tpm_found {
    struct clo_secret *key;
    bool is_volume_key; /* not a slot's key */
    bool is_bound;
    struct clo_digest disk; /* clo_disk_identity_digest() */
};
void clo_tpm_found_free(struct clo_tpm_found *found); /* for CLO_CLEANUP */

/* The key of a key slot, or the share of one; of a whole key in an own token also which disk it is for.
 * CLO_ERR_REFUSED: no token gave any; the text says why the last did not. */
CLO_MUST_USE bool clo_tpm_search(const struct clo_tpm_search *search, const struct clo_disk *disk,
                                 struct clo_tpm_found *out, struct clo_error *err);
/* The volume key with it. A disk that it opens and was not sealed for is CLO_ERR_REFUSED, and so is a generation whose MAC
 * does not hold under it: the header's number may be believed afterwards. */
CLO_MUST_USE bool clo_tpm_volume_key(const struct clo_tpm_search *search,
                                     const struct clo_disk *disk, const char *scratch,
                                     struct clo_secret **volume_key, struct clo_error *err);
/* What an update holds the TPM and the header against that it finds in the running system: "NAME" or "NAME own" in a file, the storage
 * key that is trusted, and whether own tokens led to it. The TPM is not asked: the wire is the host's. */
CLO_MUST_USE bool clo_tpm_note(const struct clo_tpm2_name *srk, bool is_own, const char *path,
                               struct clo_error *err);
/* The other share put to it. */
CLO_MUST_USE bool clo_tpm_join(const struct clo_secret *one, const struct clo_secret *other,
                               struct clo_secret **out, struct clo_error *err);
/* Which TPM the disk key may go to: one that a hardware report binds (clo_bound_tpm_audit()), or whose storage key the image names. */
struct clo_tpm_enrolment {
    struct clo_tpm *tpm;
    enum clo_hash bank;
    const struct clo_tpm2_name *srk; /* NULL: none is known, which is refused */
};
/* Seals the disk key to the TPM as its registers are now, in place of an own token that is there: no key slot is added,
 * so that the disk stays the one that was registered. `scratch` as for clo_disk_volume_key(). */
CLO_MUST_USE bool clo_tpm_enrol(const struct clo_tpm_enrolment *to, struct clo_disk *disk,
                                const char *scratch, const struct clo_secret *volume_key,
                                const struct clo_secret *disk_key, struct clo_error *err);

#endif
