/* What the broker's files share: each endpoint has a file of its own, and they decide through broker_decide.c. */
#ifndef CLOISTER_VERIFIER_BROKER_INTERNAL_H
#define CLOISTER_VERIFIER_BROKER_INTERNAL_H

#include <pthread.h>

#include "cloister/ear.h"
#include "cloister/jose.h"
#include "lib/jose/key_id.h"
#include "net/kbs.h"
#include "verifier/kbs/broker.h"
#include "verifier/kbs/junk.h"
#include "verifier/kbs/terms.h"

#define BROKER_TOKEN_SECONDS   300
#define BROKER_JWKS_PATH       "/.well-known/jwks.json"
#define BROKER_OPENID_PATH     "/.well-known/openid-configuration"
#define BROKER_VERAISON_PATH   "/.well-known/veraison/verification"
#define BROKER_KEY_PREFIX      "/cloister/v0/key/"
#define BROKER_CHALLENGE_NEW   "/challenge-response/v1/newSession"
#define BROKER_CHALLENGE       "/challenge-response/v1/session/"
#define BROKER_RESOURCE_PREFIX "/kbs/v0/resource/"
/* A guest tells what a host did to its disk: kbs_tag_errors.c. */
#define BROKER_TAG_ERRORS_PREFIX "/cloister/v0/tag-errors/"
#define BROKER_PROBLEM_REFUSED   "tag:cloister.dev,2026:problem:refused"

/* Trustee's names of what went wrong (kbs/src/error.rs). */
#define BROKER_ERROR_ATTESTATION "AttestationError"
#define BROKER_ERROR_NO_TOKEN    "TokenNotFound"
#define BROKER_ERROR_TOKEN       "TokenVerifierError"
#define BROKER_ERROR_POLICY      "PolicyDeny"
#define BROKER_ERROR_PLUGIN      "PluginInternalError"
#define BROKER_ERROR_NO_PLUGIN   "PluginNotFound"
#define BROKER_ERROR_JWE         "JweError"
#define BROKER_ERROR_PATH        "InvalidRequestPath"
#define BROKER_ERROR_ADMIN       "AdminAuth"

enum broker_counter {
    AUTH,
    ATTEST_AFFIRMING,
    ATTEST_WARNING, /* released on, since the owner has said why */
    ATTEST_REFUSED,
    ATTEST_MALFORMED,
    RESOURCE_RELEASED,
    RESOURCE_REFUSED,
    GENERATION_RAISED,
    GENERATION_REFUSED,
    TAG_ERRORS_REPORTED,
    TAG_ERRORS_REFUSED,
    RESOURCE_FLAGGED,
    FAILURES,
    COUNTERS,
};

/* A line that waits until what it tells is on the disk. */
struct broker_line;

struct clo_broker {
    struct clo_broker_spec spec;
    /* Of all that follows, and of the store. Every request holds it, but while it parses, appraises and signs. */
    pthread_mutex_t lock;
    struct clo_sessions *sessions;
    struct clo_private_key *token_key;
    struct clo_public_key *token_public; /* of the same key */
    char token_key_id[CLO_JWK_THUMBPRINT];
    struct clo_junk *junk;
    struct clo_term_book *book;
    uint64_t counters[COUNTERS];
    struct broker_line *first_line, **next_line; /* of those that wait, by their marks */
    void (*on_synced)(void *context);
    void *synced_context;
    bool is_probed, is_writable; /* the store, when it was last tried */
    int64_t probed;
    bool has_terms; /* when that was last asked */
    int64_t terms_asked;
    char page_policy[192]; /* what a browser may load for the status page */
};

/* Around what takes long and touches nothing that is shared: leave, and enter again. Whatever was borrowed before has to be
 * asked for anew. */
void broker_enter(struct clo_broker *broker);
void broker_leave(struct clo_broker *broker);

/* --- Decisions on their way to the disk (broker_group.c) --- */

/* What a row and a line on a terminal show: nothing in it is a control character, no matter who chose the words. */
struct clean_decision {
    struct clo_audit audit;
    char session[2 * CLO_SESSION_NAME_SIZE + 1];
    char resource[CLO_RESOURCE_MAX + 1];
    char detail[700];
    struct clo_audit_vm vm;
};

/* Tells of a decision that was made just now, once it may be told. */
void broker_tell(struct clo_broker *broker, const struct clean_decision *decision);
void broker_free_lines(struct clo_broker *broker);

/* --- Answers (broker.c) --- */

/* What a failure is to the client. */
void broker_problem(struct clo_broker *broker, struct clo_broker_answer *answer,
                    const struct clo_error *why);

/* Takes `json` over; NULL: out of memory. */
CLO_MUST_USE bool broker_json(struct clo_broker_answer *answer, const char *content_type,
                              json_t *json, struct clo_error *err);
unsigned broker_http_status(enum clo_status status);
/* Says by which of Trustee's names, and with which status, the refusal that follows is answered. Returns false. */
bool broker_refuse(struct clo_broker_answer *answer, unsigned status, const char *error);
/* Something failed here: for the log. */
void broker_failed(const struct clo_broker *broker, const struct clo_error *why);

/* --- Decisions, junk, and what a session may ask (broker_decide.c) --- */

/* Writes a decision down; it may be told once this returns true. */
CLO_MUST_USE bool broker_decide(struct clo_broker *broker, const struct clo_broker_request *request,
                                const struct clo_session *session, const struct clo_audit *decision,
                                struct clo_error *err);
/* The same, of evidence that is authentic: its nonce is used up in the same transaction, with what was shown (NULL:
 * nothing). CLO_ERR_REFUSED: it was used before. */
CLO_MUST_USE bool
broker_decide_attested(struct clo_broker *broker, const struct clo_broker_request *request,
                       const struct clo_session *session, const struct clo_audit *decision,
                       const struct clo_session_result *shown, struct clo_error *err);
/* Ends what clo_store_begin() began: a decision with its row in one piece, or a refusal, of which nothing stays but the
 * row. It may be told once this returns true. */
CLO_MUST_USE bool broker_settle(struct clo_broker *broker, const struct clo_broker_request *request,
                                const struct clo_session *session, bool decided,
                                const struct clo_audit *row, const struct clo_error *why,
                                struct clo_error *err);
/* "" where it is not known. */
const char *broker_peer(const struct clo_broker_request *request);
/* Counts it. Returns false, like clo_fail(). */
bool broker_junk(struct clo_broker *broker, const struct clo_broker_request *request,
                 enum clo_junk_kind kind);
/* Asked before anything is done that costs more than it costs to ask. */
CLO_MUST_USE bool broker_check_patience(struct clo_broker *broker,
                                        const struct clo_broker_request *request,
                                        struct clo_broker_answer *answer, struct clo_error *err);
/* CLO_ERR_UNVERIFIED: not one of ours; the client begins anew. */
CLO_MUST_USE bool broker_get_session(struct clo_broker *broker,
                                     const struct clo_broker_request *request,
                                     struct clo_session *out, struct clo_error *err);
/* The session of the bearer token, of the cookie, or of both where they are of one. */
CLO_MUST_USE bool broker_identify(struct clo_broker *broker,
                                  const struct clo_broker_request *request,
                                  struct clo_broker_answer *answer, struct clo_session *out,
                                  struct clo_error *err);
/* What a guest tells of its disk: only who was given the disk's key knows anything of it. */
struct broker_word {
    const char *path, *action, *verdict; /* "generation", "raised" */
    const char *told;                    /* for the audit trail */
    enum broker_counter taken, refused;
    /* Within the transaction; NULL: it is written down, and nothing more. */
    bool (*take)(struct clo_store *store, const struct broker_word *word, struct clo_error *err);
    uint64_t value; /* for take() */
};
/* Of a session that has shown something. Each is a row of the trail: that has an end, too. */
CLO_MUST_USE bool broker_take_word(struct clo_broker *broker,
                                   const struct clo_broker_request *request,
                                   const struct clo_session *session,
                                   struct clo_session_result *shown, const struct broker_word *word,
                                   struct clo_error *err);
/* What the session has shown, of which its refusals are a part: they have an end. NULL: nothing, or too many. */
struct clo_session_result *broker_get_shown(struct clo_broker *broker,
                                            const struct clo_broker_request *request,
                                            const struct clo_session *session,
                                            struct clo_error *err);

/* --- Appraising (kbs_attest.c) --- */

/* By everything that something is released on, and what later requests are held against. */
struct broker_appraisals {
    struct clo_term_answer by;
    struct clo_session_result result;
};
void broker_appraisals_free(struct broker_appraisals *appraisals); /* for CLO_CLEANUP */
CLO_MUST_USE bool broker_appraise(struct clo_broker *broker,
                                  const struct clo_broker_request *request,
                                  const struct clo_kbs_evidence *sent,
                                  const struct clo_session *session, struct broker_appraisals *out,
                                  struct clo_error *err);
/* What a result says of itself; `name` is where its identity is kept. */
struct clo_ear_spec broker_ear_spec(const struct clo_broker *broker,
                                    const struct clo_broker_request *request,
                                    const struct clo_session *session,
                                    char name[2 * CLO_SESSION_NAME_SIZE + 1]);
struct clo_audit_vm broker_name_vm(const struct clo_appraisal *appraisal);
bool broker_refuse_junk(struct clo_broker *broker, const struct clo_broker_request *request,
                        enum clo_junk_kind kind, const struct clo_error *err);

/* --- Administrators (kbs_admin.c) --- */

/* `role` has room for CLO_ADMIN_ROLE bytes. */
CLO_MUST_USE bool broker_authorize(struct clo_broker *broker,
                                   const struct clo_broker_request *request,
                                   struct clo_broker_answer *answer, char *role,
                                   struct clo_error *err);
/* What one has done. */
struct broker_change {
    const char *verdict;        /* "put" */
    const char *path, *machine; /* one of them; NULL: not to it */
    const char *role;
    const char *why_older; /* older versions were accepted; NULL or "": they were not */
};
/* Ends what clo_store_begin() began, with its row. */
CLO_MUST_USE bool broker_settle_admin(struct clo_broker *broker,
                                      const struct clo_broker_request *request,
                                      const struct broker_change *change, struct clo_error *err);

/* --- Endpoints, each in its file --- */

CLO_MUST_USE bool broker_auth(struct clo_broker *broker, const struct clo_broker_request *request,
                              struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_attest(struct clo_broker *broker, const struct clo_broker_request *request,
                                struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_resource(struct clo_broker *broker,
                                  const struct clo_broker_request *request,
                                  struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_admin_resource(struct clo_broker *broker,
                                        const struct clo_broker_request *request,
                                        struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_admin_policy(struct clo_broker *broker,
                                      const struct clo_broker_request *request,
                                      struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_key(struct clo_broker *broker, const struct clo_broker_request *request,
                             struct clo_broker_answer *answer, struct clo_error *err);
/* Veraison's API (challenge.c). */
CLO_MUST_USE bool broker_challenge_new(struct clo_broker *broker,
                                       const struct clo_broker_request *request,
                                       struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_challenge(struct clo_broker *broker,
                                   const struct clo_broker_request *request,
                                   struct clo_broker_answer *answer, struct clo_error *err);
/* The session that its path names; else 404. */
CLO_MUST_USE bool broker_challenge_session(struct clo_broker *broker,
                                           const struct clo_broker_request *request,
                                           struct clo_broker_answer *answer,
                                           struct clo_session *out, struct clo_error *err);
/* The media types of evidence that are taken there. */
json_t *broker_challenge_types(void);
/* Keys of tokens, and where they are: /.well-known/… and their set (well_known.c). */
CLO_MUST_USE bool broker_jwks(struct clo_broker *broker, const struct clo_broker_request *request,
                              struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_openid(struct clo_broker *broker, const struct clo_broker_request *request,
                                struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_veraison(struct clo_broker *broker,
                                  const struct clo_broker_request *request,
                                  struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_tag_errors(struct clo_broker *broker,
                                    const struct clo_broker_request *request,
                                    struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_generation(struct clo_broker *broker,
                                    const struct clo_broker_request *request,
                                    struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_metrics(struct clo_broker *broker,
                                 const struct clo_broker_request *request,
                                 struct clo_broker_answer *answer, struct clo_error *err);
/* Could a decision be made now? Else CLO_ERR_UNAVAILABLE, and why not. */
CLO_MUST_USE bool broker_check_health(struct clo_broker *broker, int64_t clock,
                                      struct clo_error *err);
/* For people (status_page.c). Its policy is made once. */
CLO_MUST_USE bool broker_status_page_open(struct clo_broker *broker, struct clo_error *err);
CLO_MUST_USE bool broker_status_page(struct clo_broker *broker,
                                     const struct clo_broker_request *request,
                                     struct clo_broker_answer *answer, struct clo_error *err);
CLO_MUST_USE bool broker_health(struct clo_broker *broker, const struct clo_broker_request *request,
                                struct clo_broker_answer *answer, struct clo_error *err);

#endif
