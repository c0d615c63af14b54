/* The payload of a LUKS2 volume, encrypted in user space: AES-256-XTS over 4096-byte sectors with
 * the sector's number in 512-byte units as tweak (plain64), as dm-crypt reads it. On all cores, past
 * the page cache where the file system lets us.
 *
 * Blocks that an ext4 file system does not use are left as holes; so the host learns which blocks
 * are free. Every block in use is encrypted, the ones full of zeros too.
 *
 * With tags every sector has one, those of holes too: they cover zeros as what was encrypted, so that a read gives noise, as without
 * tags, and not an error. */
#ifndef CLOISTER_IMAGE_ENCRYPT_H
#define CLOISTER_IMAGE_ENCRYPT_H

#include "cloister/base.h"

#define CLO_ENCRYPT_STEP ((uint64_t)2 << 20)

struct clo_integrity;
struct clo_overlay;

struct clo_encrypt_spec {
    const char *source;          /* a raw file system image */
    struct clo_overlay *overlay; /* or this */
    int target;                  /* written from `offset` on */
    uint64_t offset;
    uint64_t size; /* of the payload, at least the source's; a multiple of 4096 */
    const struct clo_secret *volume_key; /* 64 bytes; 96 with tags */
    unsigned sector_size;                /* 0: 4096 */
    const struct clo_integrity
            *integrity; /* where tags and data are from `offset` on; NULL: no tags */
    unsigned threads;   /* 0: enough to keep cores and disk busy */
    bool all;           /* encrypt free blocks as well */
    uint64_t files_at;  /* in the source: where the file system begins; all before it is in use */
    uint64_t start; /* what lies before it was encrypted already; a multiple of CLO_ENCRYPT_STEP */
    /* From time to time: all before `done` is written, though it may not be on the disk yet. NULL: nobody asks. */
    bool (*save)(void *context, uint64_t done, struct clo_error *err);
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

struct clo_encrypt_result {
    uint64_t encrypted; /* bytes */
    uint64_t skipped;
};

/* Bit n: block n of the source, of 4096 bytes, is in use; for free(). NULL: all are, or nothing is known. */
uint8_t *clo_encrypt_used(const struct clo_encrypt_spec *spec);

CLO_MUST_USE bool clo_encrypt(const struct clo_encrypt_spec *spec, struct clo_encrypt_result *out,
                              struct clo_error *err);

#endif
