/* The way to the disk key: a one-time key, evidence over it and the broker's nonce, and what the
 * broker gives for it. */
#ifndef CLOISTER_GUEST_UNLOCK_H
#define CLOISTER_GUEST_UNLOCK_H

#include "guest/collect.h"
#include "guest/config.h"
#include "guest/release.h"
#include "net/kbs.h"

struct clo_unlock {
    const struct clo_guest_config *config;
    const struct clo_collector *collector;
    /* Called with each bundle that is sent; NULL: none. */
    void (*on_evidence)(void *context, const struct clo_evidence *evidence);
    /* Called with what was released, once for each exchange; false with an error refuses it. Where a
     * disk came with the key, it sets `generation` to the disk's next one, and the broker is told. */
    bool (*on_release)(void *context, const struct clo_release *release, uint64_t *generation,
                       struct clo_error *err);
    /* Called before waiting to try again; NULL: none. */
    void (*on_wait)(void *context, const char *why, unsigned seconds);
    void *context;
    /* Gets the session in which the key came, and the resource's name in it; NULL: it ends. */
    struct clo_unlocked *unlocked;
};

/* What can be said to the broker later on, by who got the key. */
struct clo_unlocked {
    struct clo_kbs_client *kbs;
    struct clo_buffer path;
};
void clo_unlocked_free(struct clo_unlocked *unlocked);
/* CLO_ERR_UNAVAILABLE: no key came from a broker. */
CLO_MUST_USE bool clo_unlocked_tag_errors(struct clo_unlocked *unlocked, uint64_t count,
                                          uint64_t first, struct clo_error *err);

/* Tries again, ever more slowly, for as long as the image says, while the broker cannot be reached;
 * a refusal is final. CLO_ERR_REFUSED carries the broker's reason, or that of `on_release`. */
CLO_MUST_USE bool clo_unlock_key(const struct clo_unlock *unlock, struct clo_error *err);

/* Canonical JSON {"nonce", "resource", "tee-pubkey"}: what evidence is bound to. `resource` is the
 * template that the image names; NULL: the evidence opens nothing that belongs to one machine. */
CLO_MUST_USE bool clo_unlock_runtime_data(const char *nonce, const char *resource,
                                          const struct clo_private_key *key, json_t **json,
                                          struct clo_buffer *text, struct clo_error *err);

#endif
