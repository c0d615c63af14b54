/* Whether a resource goes to a session: what the owner put it under, held against what the session's evidence has
 * shown, and against those who got it before. */
#ifndef CLOISTER_VERIFIER_RELEASE_H
#define CLOISTER_VERIFIER_RELEASE_H

#include "verifier/kbs/sessions.h"
#include "verifier/store/store.h"

struct clo_release_question {
    const char *path; /* well-formed */
    const char *session;
    int64_t time;
    const struct clo_session_result *shown;
};

struct clo_release_decision {
    struct clo_store_resource resource;
    char note
            [240]; /* for the audit trail: who gets it, in which boot, and what is odd about that */
    bool is_flagged;
    bool is_missing; /* of a refusal: there is no such resource */
};
void clo_release_decision_free(struct clo_release_decision *decision); /* for CLO_CLEANUP */

/* Within clo_store_begin() and clo_store_end(): the release is in the store when it returns true.
 * CLO_ERR_REFUSED with the reason. */
CLO_MUST_USE bool clo_release_decide(struct clo_store *store,
                                     const struct clo_release_question *question,
                                     struct clo_release_decision *out, struct clo_error *err);

#endif
