/* What dm-integrity keeps on a disk below dm-crypt (Linux, drivers/md/dm-integrity.c): a superblock, a journal, and areas of tags
 * and data in turn. All of it is laid out here, so that a disk can be written whole without device-mapper, and so that a guest
 * holds what it finds against what must be there.
 *
 * Nothing here is authenticated, nor need it be: each tag covers its sector's number and content under the volume key, so that
 * sectors which are moved, exchanged or left out do not decrypt. */
#ifndef CLOISTER_LIB_INTEGRITY_H
#define CLOISTER_LIB_INTEGRITY_H

#include "cloister/base.h"

#define CLO_INTEGRITY_SECTOR     512U
#define CLO_INTEGRITY_SUPERBLOCK 4096U                /* bytes */
#define CLO_INTEGRITY_AREA       ((uint64_t)16 << 20) /* bytes of data between two runs of tags */
#define CLO_INTEGRITY_TAG_MAX    64
#define CLO_INTEGRITY_PROVIDED   16 /* where the superblock has its sectors of data, 8 bytes */

struct clo_integrity {
    unsigned block_size; /* bytes that have one tag: 512 or 4096 */
    unsigned tag_size;
    uint32_t journal_sections;
    uint64_t provided; /* bytes of data */
    /* These follow from them, in sectors of 512 bytes. */
    unsigned entry; /* of the journal, in bytes */
    unsigned entries_per_sector;
    uint64_t section; /* of the journal */
    uint64_t run;     /* the tags of one area */
    uint64_t first;   /* superblock and journal */
};

/* The layout of a device of so many bytes from its superblock on, as the kernel chooses it. */
CLO_MUST_USE bool clo_integrity_plan(uint64_t size, unsigned block_size, unsigned tag_size,
                                     struct clo_integrity *out, struct clo_error *err);
/* The least size of a device, in whole MiB, that has room for so many bytes of data. */
CLO_MUST_USE bool clo_integrity_size(uint64_t data, unsigned block_size, unsigned tag_size,
                                     uint64_t *out, struct clo_error *err);

/* The same device, which has so many bytes now: what it has and where that lies stays, journal and all. As the kernel counts it. */
CLO_MUST_USE bool clo_integrity_grow(const struct clo_integrity *integrity, uint64_t size,
                                     struct clo_integrity *out, struct clo_error *err);

/* Where the tag, and the content, of the data at this byte are: bytes from the superblock on. */
uint64_t clo_integrity_tag_at(const struct clo_integrity *integrity, uint64_t at);
uint64_t clo_integrity_data_at(const struct clo_integrity *integrity, uint64_t at);

/* The superblock: CLO_INTEGRITY_SUPERBLOCK bytes. */
CLO_MUST_USE bool clo_integrity_write(const struct clo_integrity *integrity, struct clo_buffer *out,
                                      struct clo_error *err);
/* A section of an empty journal: `section` sectors. One of zeros would have each read and write fail. */
CLO_MUST_USE bool clo_integrity_write_section(const struct clo_integrity *integrity,
                                              uint32_t number, struct clo_buffer *out,
                                              struct clo_error *err);

/* A superblock that is there; `size`: of the device from it on. Its layout must lie inside, and nothing may be under way or left out
 * that it knows of. */
CLO_MUST_USE bool clo_integrity_parse(struct clo_bytes in, uint64_t size, struct clo_integrity *out,
                                      struct clo_error *err);

#endif
