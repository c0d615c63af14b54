/* The sectors of a volume, encrypted as dm-crypt reads them: AES-256-XTS with the sector's number in units of 512 bytes as tweak
 * (plain64), and, where sectors have tags, HMAC-SHA256 over that number, the tweak and what was encrypted; or AES-256-GCM over the number,
 * a random nonce and the content, with the nonce after the tag. */
#ifndef CLOISTER_IMAGE_SECTORS_H
#define CLOISTER_IMAGE_SECTORS_H

#include "cloister/base.h"

struct clo_sectors; /* of one thread */

/* A key of 64 bytes: no tags; of 96: AES's and the tags'; of 32: GCM's. sector_size: 512 or 4096. */
CLO_MUST_USE bool clo_sectors_new(const struct clo_secret *volume_key, unsigned sector_size,
                                  struct clo_sectors **out, struct clo_error *err);
void clo_sectors_free(struct clo_sectors *sectors);
void clo_sectors_freep(struct clo_sectors **sectors); /* for CLO_CLEANUP */

/* In place; `at`: the first byte's place in the volume. Both are multiples of the sector's size. `tags` gets theirs, one after another;
 * unused where there are none. */
CLO_MUST_USE bool clo_sectors_encrypt(struct clo_sectors *sectors, uint8_t *data, uint64_t at,
                                      size_t size, uint8_t *tags, struct clo_error *err);
/* The tags under which sectors of zeros, as holes are, decrypt to something. */
CLO_MUST_USE bool clo_sectors_tag_zeros(struct clo_sectors *sectors, uint64_t at, size_t size,
                                        uint8_t *tags, struct clo_error *err);

#endif
