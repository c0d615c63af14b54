/* A conversion that may be killed at any byte: all that is not finished lies in a folder OUTPUT.converting, with a journal of how far it
 * came. Nothing secret is in the clear there: the header, and what is encrypted already. */
#ifndef CLOISTER_IMAGE_JOURNAL_H
#define CLOISTER_IMAGE_JOURNAL_H

#include "cloister/crypto.h"
#include "cloister/encoding.h"

/* The file by which a root is moved in place: with it, the folder holds what is nowhere else. */
#define CLO_JOURNAL_PLAN "plan"

struct clo_journal {
    char folder[4160];
    char disk[4200], header[4200]; /* paths in it */
    char output[4160];
    int lock;
    /* What the first run chose, and the others take. */
    int64_t created;
    struct clo_guid seed;
    char identity[2 * CLO_HASH_SIZE_MAX +
                  1]; /* of input, changes and layout; empty: not known yet */
    uint64_t done;    /* bytes of the root that are on the disk */
    bool is_finished; /* whole: all that is missing is its name */
    bool is_named;    /* and it had that when it was opened: nothing is left to be done */
    bool is_kept;     /* after a failure: it can be resumed */
    bool is_in_place; /* the output is the input: image/in_place.h */
};

/* Is there one for this output? */
bool clo_journal_exists(const char *output);
/* Makes the folder, before anything that hangs on it; one that is there is refused, unless its conversion is resumed. */
CLO_MUST_USE bool clo_journal_prepare(const char *output, bool resumes, bool is_in_place,
                                      struct clo_error *err);
/* Is the output half moved in its own file? Where that cannot be told, too. */
bool clo_journal_is_moving(const char *output);
/* The folder with the names in it, and its own name, are on the disk. */
CLO_MUST_USE bool clo_journal_sync(const struct clo_journal *journal, struct clo_error *err);
/* Takes the folder away, if there is nothing in it. */
void clo_journal_forget(const char *output);
/* Begins a journal, or goes on with the one that is there. created and seed are what a new one takes. */
CLO_MUST_USE bool clo_journal_open(const char *output, bool is_in_place, int64_t created,
                                   const struct clo_guid *seed, struct clo_journal *out,
                                   struct clo_error *err);
/* Without its final step, and not kept: nothing is left. For CLO_CLEANUP. */
void clo_journal_close(struct clo_journal *journal);

/* What is encrypted must be the same in each run: another input or other options are refused. From here on it is kept. */
CLO_MUST_USE bool clo_journal_identify(struct clo_journal *journal,
                                       const struct clo_digest *identity, struct clo_error *err);
/* These bytes of the root are on the disk, for good. */
CLO_MUST_USE bool clo_journal_save(struct clo_journal *journal, uint64_t done,
                                   struct clo_error *err);
/* The disk, written whole, gets its name, and the folder goes. */
CLO_MUST_USE bool clo_journal_finish(struct clo_journal *journal, int disk, struct clo_error *err);
/* The same where it has its name already. */
CLO_MUST_USE bool clo_journal_finish_in_place(struct clo_journal *journal, struct clo_error *err);

#endif
