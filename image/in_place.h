/* A raw disk image that becomes the confidential one in its own file. First all that is new lies in the journal's folder, synced: the new
 * disk without its payload (journal->disk), with the changed blocks of the root in their places, encrypted; and a plan. Only then the root
 * moves, a window at a time, each synced in the folder before it is written: what was there is either still in its place or in the
 * window. Killed or without power at any byte, it goes on from there (docs/formats/in-place.md). */
#ifndef CLOISTER_IMAGE_IN_PLACE_H
#define CLOISTER_IMAGE_IN_PLACE_H

#include "image/builder.h"

struct clo_overlay;

/* For writing, and for nobody else meanwhile: what another program has open with a lock, or the kernel as a loop device, is refused. */
CLO_MUST_USE bool clo_in_place_open(const char *path, int *out, struct clo_error *err);

/* What opens the image besides the disk key: as struct clo_in_place_plan has it. */
unsigned clo_in_place_recovery(const struct clo_image_spec *spec);

/* Was it made already, under this key? */
bool clo_in_place_is_done(const char *path, const char *scratch, struct clo_bytes disk_key);

/* What the builder is given, and where the root lies. */
struct clo_in_place {
    int disk; /* of clo_in_place_open() */
    uint64_t from;
};

struct clo_in_place_spec {
    const struct clo_in_place *in_place;
    const struct clo_journal *journal;
    struct clo_overlay *overlay; /* the root */
    int made;                    /* the new disk, all but the payload */
    uint64_t to, size, new_size;
    const struct clo_secret *volume_key;
    bool all;          /* free blocks too */
    unsigned recovery; /* clo_in_place_recovery() */
    const struct clo_image_result *result;
    const char *uuid;
};

/* Reads all that will be moved once, puts the changed blocks into `made`, and the plan into the folder. The image itself is not touched. */
CLO_MUST_USE bool clo_in_place_plan(const struct clo_in_place_spec *spec, struct clo_error *err);
/* From here on the plan decides, and the journal is kept. */
CLO_MUST_USE bool clo_in_place_begin(struct clo_journal *journal, struct clo_error *err);

struct clo_in_place_run {
    int disk;
    const struct clo_journal *journal;
    const struct clo_secret *volume_key;
    bool is_resumed;   /* then the image is held against the plan */
    unsigned recovery; /* what is asked for now: as it was then */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

/* Moves what the plan says, from where an earlier run came to, and fills in what is known of the image. */
CLO_MUST_USE bool clo_in_place_run(const struct clo_in_place_run *run, struct clo_image_result *out,
                                   struct clo_error *err);

#endif
