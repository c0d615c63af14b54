/* What the files of the endorser share. */
#ifndef CLOISTER_VERIFIER_ENDORSEMENTS_INTERNAL_H
#define CLOISTER_VERIFIER_ENDORSEMENTS_INTERNAL_H

#include <pthread.h>

#include "net/endorsements.h"
#include "verifier/endorsements/endorsements.h"

#define ENTRIES_MAX 1024

/* In the order in which they are fetched: what many decisions need comes first. */
enum entry_kind {
    ENTRY_CRL,
    ENTRY_COLLATERAL,
    ENTRY_CHAIN,
    ENTRY_VCEK,
    ENTRY_KINDS,
};

/* One document, or set of them, that was asked for: how to ask, and what came. */
struct entry {
    enum entry_kind kind;
    struct clo_request request; /* its name tells one entry from another */
    uint64_t client;            /* who made us ask for a VCEK: clo_peer_name() */
    int64_t taken;              /* when it was asked for */
    /* What came. */
    bool is_held;
    struct clo_answer answer;
    int64_t issued, expires; /* as the document says */
    /* When next. */
    int64_t due;
    unsigned failures;
    struct clo_error why; /* the last failure's */
};

struct clo_endorser {
    struct clo_endorser_spec spec;
    struct clo_transport transport; /* the spec's, which gives up when we end */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool has_thread, is_ending;
    /* Under the lock. */
    struct clo_endorsement_set *files;
    int64_t files_due;
    char files_why[512]; /* the last failure's, so that it is told once */
    struct entry *entries[ENTRIES_MAX];
    size_t entry_count;
    uint64_t fetched, failed, turned_away;
    uint64_t client; /* who asks now */
    uint8_t key[32]; /* of clients' names */
};

/* Puts a request on the list, or finds it there; the caller holds the lock. NULL: there are too many. */
struct entry *endorser_want(struct clo_endorser *endorser, const struct clo_request *request);
/* What is to be fetched next; NULL: nothing is due. */
struct entry *endorser_find_due(struct clo_endorser *endorser, int64_t now);
void endorser_entry_free(struct entry *entry);
int64_t endorser_now(const struct clo_endorser *endorser);
/* Starts the thread, and ends it. */
CLO_MUST_USE bool endorser_start(struct clo_endorser *endorser, struct clo_error *err);
void endorser_end(struct clo_endorser *endorser);

#endif
