/* The recorder of predicted events: writes each into the list of its register, PCR or RTMR, and extends
 * what they add up to in each bank. */
#ifndef CLOISTER_LIB_PREDICT_RECORD_H
#define CLOISTER_LIB_PREDICT_RECORD_H

#include "cloister/reference.h"

#define RECORD_BANKS_MAX 4

struct record {
    enum clo_hash hashes[RECORD_BANKS_MAX];
    size_t bank_count;
    struct clo_pcr_bank
            banks[RECORD_BANKS_MAX]; /* RTMRs, which no PCRs are recorded with, from 0 on */
    json_t *events;                  /* register → array */
    json_t *values;        /* of PCRs: hash → register → value; of RTMRs: register → value */
    json_t *not_predicted; /* register → why */
    bool failed;           /* out of memory */
};

/* At most RECORD_BANKS_MAX, each a hash that has a size. */
void record_begin(struct record *record, const enum clo_hash *hashes, size_t count);
void record_free(struct record *record);

struct record_event {
    unsigned reg;
    const char *type;
    const char *name;
    /* What it says: text, shown when it is short, or the data that a log of it would have, which are then
     * described in the same words; or, of an event of another reference, text and fields of that. */
    struct clo_bytes text;
    struct clo_bytes data;
    const json_t *fields;
    const char *phase; /* there from then on; NULL: always */
    const char *given; /* where it was taken from; NULL: it is predicted */
};

/* Extends every bank by its digest, and writes the event down. */
void record_extend(struct record *record, const struct record_event *event,
                   const struct clo_digest *digests);
/* The same with the hash of the parts, concatenated. */
void record_measure(struct record *record, const struct record_event *event,
                    const struct clo_bytes *parts, size_t count);
void record_bytes(struct record *record, const struct record_event *event, struct clo_bytes bytes);
void record_text(struct record *record, unsigned reg, const char *type, const char *name,
                 const char *text);
void record_separator(struct record *record, unsigned reg);

/* The register is what the events so far make it, perhaps none: for good, or in this phase (NULL: for good). Of
 * a register that is said to be missing neither events nor value are told. */
void record_set_value(struct record *record, unsigned reg, const char *phase);
/* Says why a register is missing, under the name that the file has for it ("4", "rtmr0", "mr_td"). */
void record_not(struct record *record, unsigned reg, const char *why);
void record_not_named(struct record *record, const char *name, const char *why);

/* Only for people: left out where it is long, not UTF-8, or has a NUL inside. */
void record_set_text(json_t *json, const char *key, struct clo_bytes text);

#endif
