/* What install leaves for settle: STATE/pending.json, on the encrypted root. */
#ifndef CLOISTER_IMAGE_UPDATE_NOTE_H
#define CLOISTER_IMAGE_UPDATE_NOTE_H

#include "cloister/crypto.h"

struct clo_update_note {
    struct clo_digest uki;   /* SHA-256 of the file */
    struct clo_digest pcr_4; /* in a boot of it; .hash NONE: there is no TPM */
    uint64_t floor;          /* to be raised to; 0: nothing was sealed */
};

/* *is_there is false, and nothing else is set, where there is none. */
CLO_MUST_USE bool clo_update_note_read(const char *state, struct clo_update_note *out,
                                       bool *is_there, struct clo_error *err);
CLO_MUST_USE bool clo_update_note_write(const char *state, const struct clo_update_note *note,
                                        struct clo_error *err);
CLO_MUST_USE bool clo_update_note_drop(const char *state, struct clo_error *err);

#endif
