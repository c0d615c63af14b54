/* A signed bundle of endorsements, as `serve` reads it at its start and then every minute. */
#ifndef CLOISTER_VERIFIER_BUNDLE_FILE_H
#define CLOISTER_VERIFIER_BUNDLE_FILE_H

#include "verifier/endorsements/endorsement_bundle.h"
#include "verifier/store/store.h"

#define CLO_BUNDLE_DAYS     14 /* how old one may be, where nothing else is said */
#define CLO_BUNDLE_DAYS_MAX 3650

/* What is read, and what was read last. */
struct clo_bundle_file {
    const char *path;
    const struct clo_public_key *key;
    int64_t seconds;         /* how old it may be */
    struct clo_store *store; /* remembers the newest that there was */
    /* The background's: an error that does not take what is there away. */
    void (*on_failure)(void *context, const struct clo_error *err);
    int64_t made;   /* of what is in use; 0: nothing yet */
    bool told_over; /* that it is too old */
};

/* The bundle as it is now. CLO_ERR_REFUSED: changed, of another key, too old, dated in the future, or older than one that was
 * here. Once what was read last has become too old, and no newer one is there, the set is empty. */
CLO_MUST_USE bool clo_bundle_file_load(struct clo_bundle_file *bundle, int64_t now,
                                       struct clo_endorsement_set *out, struct clo_error *err);
/* Also for those who only look: `bundle` made then is too old, or not yet made. */
CLO_MUST_USE bool clo_bundle_check_age(int64_t made, int64_t seconds, int64_t now,
                                       struct clo_error *err);

#endif
