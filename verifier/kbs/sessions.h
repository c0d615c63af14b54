/* Sessions of the KBS protocol, and their nonces.
 *
 * A session that has only begun takes no memory and no row: its cookie carries when it ends and a random
 * name, under a MAC, and the nonce is derived from both. So nobody can fill a table by asking for nonces.
 * The keys are in the store, so that all who serve from it, and one that was started again, know each other's
 * sessions; what an earlier boot of the machine gave out is worth nothing, as its clock is another.
 *
 * A nonce that is used is a row of the store, added once, in the transaction of the decision, and kept as long as its key;
 * the row has what the session has shown. The broker uses one up for evidence of genuine hardware alone: junk takes
 * nobody's place. What is in memory is a copy, of which old ones make room for new ones. */
#ifndef CLOISTER_VERIFIER_SESSIONS_H
#define CLOISTER_VERIFIER_SESSIONS_H

#include "cloister/appraise.h"
#include "cloister/crypto.h"
#include "cloister/json.h"
#include "lib/evidence/kbs_request.h"
#include "verifier/store/store.h"

#define CLO_SESSION_NAME_SIZE 16
#define CLO_SESSION_COOKIE    88 /* text, with the NUL */
#define CLO_SESSION_NONCE     96 /* base64, with the NUL */
#define CLO_SESSION_DIGEST    65 /* hex of a SHA-256 digest, with the NUL */

/* In place of the protocol's version: a session of the challenge-response API, whose nonce has so many bytes and in which
 * nothing is released. What it has agreed on is under the cookie's MAC, so that neither takes the other's sessions. */
#define CLO_SESSION_CHALLENGE           0x40
#define CLO_SESSION_OF_CHALLENGE(size_) ((uint8_t)(CLO_SESSION_CHALLENGE + (size_)-1))

struct clo_sessions;

struct clo_session {
    uint8_t name[CLO_SESSION_NAME_SIZE];
    int64_t ends; /* on the caller's clock */
    int64_t key;  /* of the store's keys; 0: the process's own */
    struct clo_kbs_agreed agreed;
    char cookie[CLO_SESSION_COOKIE];
    char nonce[CLO_SESSION_NONCE];
};

/* What a session has shown. */
struct clo_session_result {
    json_t *tee_pubkey;               /* the key that answers are sealed to */
    char tee_key[CLO_SESSION_DIGEST]; /* its digest */
    const char *tee;                  /* static: "snp" */
    struct clo_buffer token;          /* the attestation result, as it was given */
    struct clo_digest request;        /* that it was given for */
    /* The digests of the terms that its evidence fulfils: the terms themselves may be replaced or removed
     * meanwhile, and others take their place. */
    char (*terms)[CLO_SESSION_DIGEST];
    size_t term_count;
    char *released;                      /* the last resource it was given; NULL: none */
    char resource[CLO_RESOURCE_MAX + 1]; /* the one that it asks for; empty: none by name */
    bool is_one_machines;                /* that name was made of what its evidence proves */
    struct clo_holder holder;
    struct clo_audit_vm vm; /* for the audit trail */
    unsigned refusals;      /* rows that it has cost, here */
    unsigned told;          /* what it has told of its disk: rows as well */
};
/* Adds a copy of `digest`. */
CLO_MUST_USE bool clo_session_result_add_terms(struct clo_session_result *result,
                                               const char *digest, struct clo_error *err);
bool clo_session_result_fulfils(const struct clo_session_result *result, const char *digest);

/* `seconds`: how long a session lasts; `limit`: how many may be in use at once. The clock is the
 * caller's, in seconds, and must not jump. */
CLO_MUST_USE bool clo_sessions_new(struct clo_random random, unsigned seconds, size_t limit,
                                   struct clo_sessions **out, struct clo_error *err);
/* Keys, nonces and what was shown are the store's from now on; it is borrowed. */
CLO_MUST_USE bool clo_sessions_share(struct clo_sessions *sessions, struct clo_store *store,
                                     int64_t now, struct clo_error *err);
void clo_sessions_free(struct clo_sessions *sessions);
void clo_sessions_freep(struct clo_sessions **sessions);

CLO_MUST_USE bool clo_session_begin(struct clo_sessions *sessions, int64_t now,
                                    const struct clo_kbs_agreed *agreed, struct clo_session *out,
                                    struct clo_error *err);
/* The session of a cookie. CLO_ERR_UNVERIFIED: not one of ours, or over. */
CLO_MUST_USE bool clo_session_get(struct clo_sessions *sessions, const char *cookie, int64_t now,
                                  struct clo_session *out, struct clo_error *err);
/* Uses its nonce up. CLO_ERR_REFUSED the second time; CLO_ERR_UNAVAILABLE when too many are in use. */
CLO_MUST_USE bool clo_session_use(struct clo_sessions *sessions, const struct clo_session *session,
                                  int64_t now, struct clo_error *err);
/* Within a transaction of the store, if there is one: a nonce is used up for good by its row. `result` NULL: nothing was
 * shown. CLO_ERR_REFUSED: it was used elsewhere. */
CLO_MUST_USE bool clo_session_settle(struct clo_sessions *sessions,
                                     const struct clo_session *session,
                                     const struct clo_session_result *result,
                                     struct clo_error *err);
/* Keeps what a used session has shown, until it ends or `until`, whichever is later; takes over `result`. */
void clo_session_keep(struct clo_sessions *sessions, const struct clo_session *session,
                      int64_t until, struct clo_session_result *result);
/* The session that a token was given in, by its name, as long as what it has shown is kept; the token ends at `ends`.
 * False: none. */
CLO_MUST_USE bool clo_session_by_name(struct clo_sessions *sessions,
                                      const uint8_t name[CLO_SESSION_NAME_SIZE], int64_t now,
                                      int64_t ends, struct clo_session *out);
/* What it has shown; NULL: nothing. Borrowed until the next call. */
struct clo_session_result *clo_session_result(struct clo_sessions *sessions,
                                              const struct clo_session *session);
/* The last resource that was released in it, once that is settled: what was rolled back was not released. */
void clo_session_keep_release(struct clo_sessions *sessions, const struct clo_session *session,
                              const char *path);
bool clo_session_released(struct clo_sessions *sessions, const struct clo_session *session,
                          const char *path);
/* Drops what it has shown; its nonce stays used. */
CLO_MUST_USE bool clo_session_forget(struct clo_sessions *sessions,
                                     const struct clo_session *session, struct clo_error *err);
/* Was its nonce used up, as far as memory and store know? */
bool clo_session_is_used(struct clo_sessions *sessions, const struct clo_session *session);
/* The same, as far as memory knows. */
bool clo_session_is_kept(const struct clo_sessions *sessions, const struct clo_session *session);
void clo_session_result_free(struct clo_session_result *result); /* for CLO_CLEANUP */
size_t clo_sessions_in_use(struct clo_sessions *sessions, int64_t now);

#endif
