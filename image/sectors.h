/* The sectors of a volume, encrypted as dm-crypt reads them: AES-256-XTS with the sector's number in units of 512 bytes as tweak
 * (plain64), and, where sectors have tags, HMAC-SHA256 over that number, the tweak and what was encrypted. */
#ifndef CLOISTER_IMAGE_SECTORS_H
#define CLOISTER_IMAGE_SECTORS_H

#include "cloister/base.h"

struct clo_sectors; /* of one thread */

/* A key of 64 bytes: no tags; of 96: AES's and the tags'. sector_size: 512 or 4096. */
CLO_MUST_USE bool clo_sectors_new(const struct clo_secret *volume_key, unsigned sector_size,
                                  struct clo_sectors **out, struct clo_error *err);
void clo_sectors_free(struct clo_sectors *sectors);
void clo_sectors_freep(struct clo_sectors **sectors); /* for CLO_CLEANUP */

/* In place; `at`: the first byte's place in the volume. Both are multiples of the sector's size. */
CLO_MUST_USE bool clo_sectors_encrypt(struct clo_sectors *sectors, uint8_t *data, uint64_t at,
                                      size_t size, struct clo_error *err);
/* The tags of what is encrypted already, one after another. */
CLO_MUST_USE bool clo_sectors_tag(struct clo_sectors *sectors, const uint8_t *data, uint64_t at,
                                  size_t size, uint8_t *tags, struct clo_error *err);

#endif
