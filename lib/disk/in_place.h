/* The journal of a disk that is encrypted in its own file (docs/formats/in-place.md): what is moved where, how far it came, and the mark
 * that the file carries meanwhile. Plan and state are authenticated under the volume key: a file that was changed, or is of another
 * conversion, is refused before anything is done by it. What was read lies in bounds. */
#ifndef CLOISTER_LIB_IN_PLACE_H
#define CLOISTER_LIB_IN_PLACE_H

#include "cloister/crypto.h"

#define CLO_IN_PLACE_BLOCK  4096U
#define CLO_IN_PLACE_MARK   512U
#define CLO_IN_PLACE_WINDOW ((size_t)8 << 20) /* what is moved at once */
#define CLO_IN_PLACE_STATE  176U

struct clo_in_place_plan {
    uint64_t from, source; /* the root's file system in the old disk */
    uint64_t to, size;     /* and its payload in the new one; both multiples of a block */
    uint64_t old_size, new_size;
    uint8_t head[CLO_IN_PLACE_MARK]; /* what the mark takes the place of */
    uint8_t content[32];             /* SHA-256 of what is taken from the old disk */
    uint8_t made[32];                /* and of what lies next to it, ready for the new one */
    uint64_t uki_size, initrd_size;
    uint32_t profiles;
    uint32_t recovery; /* 1: the header has a passphrase's key slot; 2: a detached one has it */
    char uuid[41], release[128];
    /* A bit for each block of the payload: in use; and of these, which are not taken from the old disk. Views into the plan's bytes. */
    struct clo_bytes used, changed;
};

/* Of both bitmaps. */
size_t clo_in_place_map_size(uint64_t size);
bool clo_in_place_bit(struct clo_bytes map, uint64_t block);

/* Under which plan and state are authenticated. */
void clo_in_place_key(struct clo_bytes volume_key, struct clo_digest *out);

/* `id`: the plan's name in state and mark. */
CLO_MUST_USE bool clo_in_place_plan_write(const struct clo_in_place_plan *plan,
                                          const struct clo_digest *key, struct clo_buffer *out,
                                          struct clo_error *err);
CLO_MUST_USE bool clo_in_place_plan_read(struct clo_bytes in, const struct clo_digest *key,
                                         struct clo_in_place_plan *out, struct clo_digest *id,
                                         struct clo_error *err);

/* The window that is being written, or was last. */
struct clo_in_place_state {
    uint64_t number;     /* of the window, from 1 on; 0: none yet */
    bool is_moved;       /* all windows are written: what follows is all but the payload */
    uint64_t first, end; /* bytes of the payload */
    uint64_t bytes;      /* of the blocks in use between them: what the window holds */
    uint8_t window[32];  /* SHA-256 of it */
};

CLO_MUST_USE bool clo_in_place_state_write(const struct clo_in_place_state *state,
                                           const struct clo_digest *id,
                                           const struct clo_digest *key, struct clo_buffer *out,
                                           struct clo_error *err);
/* It fits the plan, whose `id` it names. */
CLO_MUST_USE bool clo_in_place_state_read(struct clo_bytes in, const struct clo_in_place_plan *plan,
                                          const struct clo_digest *id, const struct clo_digest *key,
                                          struct clo_in_place_state *out, struct clo_error *err);
/* The window after this one; false: there is none. Moved upward it goes from the end to the beginning, so that nothing is written over
 * that is still to be read. */
bool clo_in_place_next(const struct clo_in_place_plan *plan, const struct clo_in_place_state *state,
                       struct clo_in_place_state *out);

/* The first sector of a disk that is neither the old nor the new one: no firmware starts it, and no kernel finds partitions in it. */
void clo_in_place_mark(const struct clo_digest *id, uint64_t step, uint8_t out[CLO_IN_PLACE_MARK]);
bool clo_in_place_is_marked(struct clo_bytes head);
/* Of this plan? `step` is UINT64_MAX where half a mark was written. */
bool clo_in_place_mark_read(struct clo_bytes head, const struct clo_digest *id, uint64_t *step);
/* The mark counts steps: 0, then 2n - 1 from before the first byte of window n is written, and 2n once the last one is on the disk. So an older
 * copy of the image, or of the journal, is told from what a run that was cut short leaves: the step of the state's window, below, or the one
 * before or after it. */
uint64_t clo_in_place_step(const struct clo_in_place_state *state);
bool clo_in_place_fits(const struct clo_in_place_state *state, uint64_t step);
/* What an interrupted write of the first mark over the old sector can leave. */
bool clo_in_place_mark_is_begun(struct clo_bytes head, const struct clo_in_place_plan *plan,
                                const struct clo_digest *id);

#endif
