/* All that something is released on, ready to be held against evidence: read once, and again when the store changed;
 * found by what it pins, so that evidence is appraised by the terms that can accept it and by no others, however many
 * there are. What is found is parsed when it is first needed, and kept while there is room.
 *
 * Thread-safe. A question is answered by one state of the store. */
#ifndef CLOISTER_VERIFIER_TERMS_H
#define CLOISTER_VERIFIER_TERMS_H

#include "verifier/store/store.h"

struct clo_term_book;

/* `store` is borrowed. `kept`: how many terms stay parsed; 0: a usual number. */
CLO_MUST_USE bool clo_term_book_new(struct clo_store *store, size_t kept,
                                    struct clo_term_book **out, struct clo_error *err);
void clo_term_book_free(struct clo_term_book *book);
void clo_term_book_freep(struct clo_term_book **book);
/* Reads all terms now: of ten thousand the first question would wait for seconds. */
CLO_MUST_USE bool clo_term_book_open(struct clo_term_book *book, struct clo_error *err);

struct clo_term_question {
    const struct clo_evidence *evidence;
    struct clo_bytes nonce; /* the text that was given out */
    int64_t time;
    const struct clo_endorsements *endorsements;
    struct clo_bytes runtime_digest, init_data; /* as clo_appraise_inputs has them */
};

struct clo_term_answer {
    /* One that releases, else the one with the fewest failures, explained; NULL: nothing is registered. */
    struct clo_appraisal *best;
    bool releases;
    bool is_authentic;     /* by what some of them trust */
    char (*fulfilled)[65]; /* the digests of all terms that release, in hex */
    size_t fulfilled_count;
    size_t tried; /* appraisals that were made */
};
void clo_term_answer_free(struct clo_term_answer *answer); /* for CLO_CLEANUP */

/* False: the evidence cannot be read, or the store cannot. */
CLO_MUST_USE bool clo_terms_hold(struct clo_term_book *book,
                                 const struct clo_term_question *question,
                                 struct clo_term_answer *out, struct clo_error *err);

/* What its questions brought, and was verified. */
struct clo_certificate_cache *clo_term_book_certificates(struct clo_term_book *book);
/* How many there are, and how often they were read anew: for metrics. */
void clo_term_book_counts(struct clo_term_book *book, size_t *terms, uint64_t *loads);

#endif
