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
/* A note of an update that was kept in a boot without the TPM: its floor is still to be raised. */
CLO_MUST_USE bool clo_update_owed_read(const char *state, struct clo_update_note *out,
                                       bool *is_there, struct clo_error *err);
CLO_MUST_USE bool clo_update_owed_write(const char *state, const struct clo_update_note *note,
                                        struct clo_error *err);
CLO_MUST_USE bool clo_update_owed_drop(const char *state, struct clo_error *err);
/* The UKI itself, as it was installed: the ESP is the host's, who may exchange it. */
CLO_MUST_USE bool clo_update_copy_write(const char *state, struct clo_bytes uki,
                                        struct clo_error *err);
/* CLO_ERR_REFUSED if it is not the one that the note is of. */
CLO_MUST_USE bool clo_update_copy_read(const char *state, const struct clo_update_note *note,
                                       struct clo_buffer *out, struct clo_error *err);
/* Both. */
CLO_MUST_USE bool clo_update_note_drop(const char *state, struct clo_error *err);

#endif
