/* What the files of the book of terms share. */
#ifndef CLOISTER_VERIFIER_TERMS_INTERNAL_H
#define CLOISTER_VERIFIER_TERMS_INTERNAL_H

#include <pthread.h>

#include "lib/appraise/pins.h"
#include "lib/crypto/certificate_cache.h"
#include "verifier/kbs/terms.h"

/* One row of the store as it is looked up. */
struct terms_row {
    int64_t id;
    char digest[65];
    struct clo_pins pins;
};

/* Where a pin leads. */
struct terms_lead {
    uint64_t name;
    uint32_t row;
};

/* A state of the store. It does not change; it is freed when nobody looks at it any more. */
struct terms_snapshot {
    unsigned users; /* under the book's lock */
    uint64_t version;
    struct terms_row *rows;
    size_t count;
    struct terms_lead *leads; /* in the order of their names */
    size_t lead_count;
    uint32_t *unpinned[CLO_PIN_CLASSES]; /* of each class the terms that no pin leads to */
    size_t unpinned_count[CLO_PIN_CLASSES];
};

CLO_MUST_USE bool terms_snapshot_load(struct clo_store *store, const struct terms_snapshot *before,
                                      struct terms_snapshot **out, struct clo_error *err);
void terms_snapshot_free(struct terms_snapshot *snapshot);
/* The rows that may accept the evidence, each once, in the order of the store. */
CLO_MUST_USE bool terms_snapshot_find(const struct terms_snapshot *snapshot,
                                      const struct clo_evidence *evidence, uint32_t **out,
                                      size_t *count, struct clo_error *err);

/* Terms that were parsed. Shared, and unchanged while anybody has them. */
struct terms_parsed {
    struct terms_parsed *next;
    unsigned users; /* under the book's lock */
    uint64_t used;  /* when last */
    struct clo_terms terms;
};

struct clo_term_book {
    struct clo_store *store;
    size_t kept;
    struct clo_certificate_cache *certificates; /* with a lock of its own */
    pthread_mutex_t lock;
    /* Under the lock. */
    struct terms_snapshot *snapshot;
    struct terms_parsed *parsed;
    size_t parsed_count;
    uint64_t clock;
    uint64_t loads;
};

/* The state of now; to be given back. */
CLO_MUST_USE bool terms_take(struct clo_term_book *book, struct terms_snapshot **out,
                             struct clo_error *err);
void terms_give_back(struct clo_term_book *book, struct terms_snapshot *snapshot);
/* CLO_ERR_REFUSED: they were removed meanwhile. To be given back. */
CLO_MUST_USE bool terms_parse(struct clo_term_book *book, const struct terms_row *row,
                              struct terms_parsed **out, struct clo_error *err);
void terms_parsed_give_back(struct clo_term_book *book, struct terms_parsed *parsed);

#endif
