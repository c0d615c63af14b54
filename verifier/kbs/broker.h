/* The key broker: Trustee's KBS protocol (kbs/docs/kbs_attestation_protocol.md) as a function from
 * request to answer. It has no socket and no clock.
 *
 *   POST /kbs/v0/auth                 a nonce, and a session
 *   POST /kbs/v0/attest               evidence; an attestation result (EAR, a JWT)
 *   GET  /kbs/v0/resource/R/T/N       a secret, as JWE to the key that the evidence binds
 *   POST /cloister/v0/generation/…    how often its disk was used (verifier/store/generation.h)
 *   POST /cloister/v0/key/…           what `cloister key --broker` asks for (verifier/kbs/key_api.c)
 *   …    /challenge-response/v1/…     Veraison's API: results, and nothing released (verifier/kbs/challenge.c)
 *   GET  /.well-known/…               what tokens are verified with (verifier/kbs/well_known.c)
 *   GET  /healthz, /metrics
 *   GET  /                            the same for people: for browsers alone (verifier/kbs/status_page.c)
 *
 * A refusal is problem JSON (RFC 9457) whose "detail" is one line that the guest shows: which value
 * differs, and which event caused it. Its type, and the status, are those that Trustee's clients go by: 401 has them
 * begin anew, 404 and 403 end it (docs/trustee.md). */
#ifndef CLOISTER_VERIFIER_BROKER_H
#define CLOISTER_VERIFIER_BROKER_H

#include "verifier/endorsements/endorsements.h"
#include "verifier/kbs/sessions.h"
#include "verifier/store/store.h"

#define CLO_BROKER_BODY_MAX    ((size_t)4 << 20)
#define CLO_BROKER_SESSION_MAX 65536
/* What tokens are signed with: ES256 unless the other one is asked for. */
#define CLO_BROKER_TOKEN_KEY       "token-es256"
#define CLO_BROKER_TOKEN_KEY_ES384 "token"

struct clo_broker;
struct clo_admin; /* verifier/kbs/admin.h */

struct clo_broker_spec {
    struct clo_store *store; /* borrowed */
    struct clo_random random;
    unsigned nonce_seconds;
    int64_t clock;      /* of now, as requests have it */
    bool has_old_names; /* of results: clo_ear_spec */
    bool signs_es384;
    struct clo_admin *admin; /* one user more; NULL: nobody administers it over the network */
    const char *public_url;  /* who signs tokens, for relying parties; borrowed; NULL: "cloister" */
    struct clo_endorser *endorser; /* borrowed; NULL: what evidence brings decides */
    /* One line for each decision; no secret in it. NULL: nobody listens. */
    void (*on_decision)(void *context, const struct clo_audit *decision);
    /* What went wrong here, not with the evidence; the client is not told. NULL: nobody. */
    void (*on_failure)(void *context, const struct clo_error *err);
    void *context;
};

CLO_MUST_USE bool clo_broker_new(const struct clo_broker_spec *spec, struct clo_broker **out,
                                 struct clo_error *err);
void clo_broker_free(struct clo_broker *broker);
void clo_broker_freep(struct clo_broker **broker);
/* Also while requests are answered: nothing is done any more by whom this file does not name. One user more. */
void clo_broker_set_admin(struct clo_broker *broker, struct clo_admin *admin);
/* Returns when every change that has been allowed is made or given up. */
void clo_broker_wait(struct clo_broker *broker);

struct clo_broker_request {
    const char *method;
    const char *path;  /* without a query */
    const char *query; /* NULL: none; so with all that follow */
    const char *content_type, *accept;
    const char *cookie;        /* the session's, NULL: none */
    const char *authorization; /* the header, NULL: none */
    const char *peer;          /* the client's address; NULL: not known */
    const char *subject;       /* of the client's certificate, which TLS has verified; NULL: none */
    /* Whether that certificate still counts, asked when something is done by it; NULL: it does. */
    bool (*subject_counts)(const void *connection);
    const void *connection;
    struct clo_bytes body;
    int64_t time;  /* Unix: for validity and the audit trail */
    int64_t clock; /* seconds that do not jump: for sessions */
};

struct clo_broker_answer {
    unsigned status;
    const char *content_type;        /* static */
    const char *error;               /* static: Trustee's name of a refusal; NULL: none has one */
    char cookie[CLO_SESSION_COOKIE]; /* to be set; empty: none */
    char location[64 + CLO_SESSION_COOKIE]; /* of what was made; empty: none */
    const char *content_policy; /* of a page: what a browser may load for it; NULL: it is not one */
    struct clo_buffer body;
    uint64_t mark; /* not to be sent before clo_broker_may_send(); 0: at once */
};

/* All of these may be called from several threads at once. */
void clo_broker_answer(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *out);
void clo_broker_answer_free(struct clo_broker_answer *answer); /* for CLO_CLEANUP */

/* Before a body is read: may one follow `head`, and how long? False: `out` is the answer. */
CLO_MUST_USE bool clo_broker_admit(struct clo_broker *broker, const struct clo_broker_request *head,
                                   size_t *body_max, struct clo_broker_answer *out);
/* To what is not a request: of it only peer, time and clock are looked at. It counts as junk. */
void clo_broker_refuse(struct clo_broker *broker, const struct clo_broker_request *request,
                       unsigned status, const char *why, struct clo_broker_answer *out);

/* From now on many decisions are brought to the disk together (clo_store_group_begin()), and answers that depend on one
 * carry a mark. `on_synced` is called in another thread whenever there may be some to send. */
CLO_MUST_USE bool clo_broker_group_begin(struct clo_broker *broker,
                                         void (*on_synced)(void *context), void *context,
                                         struct clo_error *err);
void clo_broker_group_end(struct clo_broker *broker);
/* Whether its time has come. An answer of what did not reach the disk is replaced: the broker itself failed. */
bool clo_broker_may_send(struct clo_broker *broker, struct clo_broker_answer *answer);

/* To be called now and then, and with `is_last` at the end: writes down what was counted and not told yet. */
void clo_broker_tick(struct clo_broker *broker, int64_t time, int64_t clock, bool is_last);

#endif
