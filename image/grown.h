/* Disks that an image may be copied to, and whose room its root takes at its first boot (guest/grow.h): the table that it writes then
 * is foretold, and with it the reference values of the boots after that. */
#ifndef CLOISTER_IMAGE_GROWN_H
#define CLOISTER_IMAGE_GROWN_H

#include "lib/disk/gpt.h"

#define CLO_IMAGE_GROWN_MAX 8 /* as many as a guest takes */

/* The head of a disk of that size, as cloister-init leaves it; `head` is the image's. */
CLO_MUST_USE bool clo_image_grown_head(struct clo_bytes head, uint64_t disk_bytes,
                                       struct clo_buffer *out, struct clo_error *err);
/* Where the ending of such a name, ".ref.json", begins: its end, if it has none. */
size_t clo_image_reference_stem(const char *reference);
/* "demo.ref.json" gives "demo-40G.ref.json". */
void clo_image_grown_name(const char *reference, uint64_t disk_bytes, char *out, size_t size);

#endif
