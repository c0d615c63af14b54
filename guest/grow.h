/* A root that grows into a larger disk: table, partition, tags, file system. An image says in its configuration, which is measured,
 * whether it may; by default it does not, because what it changes (the partition table) is what firmware measures at the next boot.
 *
 * Each step can be cut short: what the one before it left is whole, and the next boot goes on from there. */
#ifndef CLOISTER_GUEST_GROW_H
#define CLOISTER_GUEST_GROW_H

#include "guest/disk.h"
#include "lib/disk/gpt.h"

#define CLO_GROW_SIZES_MAX 8

/* "grow_from": what the superblock of the image's tags said when it was built. Nobody authenticates a superblock: without this a host that
 * says less in it would have tags made for sectors that have content. All zero: not said. */
struct clo_grow_from {
    uint64_t provided;
    uint64_t journal_sections;
};
CLO_MUST_USE bool clo_grow_from_parse(const json_t *json, struct clo_grow_from *out,
                                      struct clo_error *err);

/* "grow": "any", or a list of the disks' sizes in bytes for which there are reference values. Not said: never. */
struct clo_guest_grow {
    struct clo_grow_from from;
    bool is_any;
    uint64_t sizes[CLO_GROW_SIZES_MAX];
    size_t count;
};
CLO_MUST_USE bool clo_guest_grow_parse(const json_t *json, struct clo_guest_grow *out,
                                       struct clo_error *err);
bool clo_grow_allows(const struct clo_guest_grow *grow, uint64_t disk_bytes);

/* The table of a disk, `before` as it was checked, for a root that takes all of it: the backup first, then the primary one in one
 * write, so that firmware finds one of them whole. Appends to `head` what was written; nothing where there is no room. */
CLO_MUST_USE bool clo_grow_table(int fd, struct clo_bytes before, uint64_t disk_bytes,
                                 struct clo_buffer *head, struct clo_error *err);
/* Of an image of an older program nobody knows how many of its sectors have tags: such a root stays as large as it is. */
bool clo_grow_is_unsaid(const struct clo_guest_grow *grow, bool has_tags);
/* The same for a device, of which the kernel learns the partition's new size. `is_allowed`: its size is one that the image names, and the
 * tags of what is gained can be made; otherwise nothing is written. */
CLO_MUST_USE bool clo_grow_disk(const struct clo_guest_grow *grow, bool has_tags,
                                const char *device, struct clo_bytes before,
                                struct clo_buffer *head, bool *is_allowed, struct clo_error *err);
/* Where sectors have tags: those of what the partition gained, over the zeros that are there, and then the superblock. `gained`: bytes
 * of data; 0: it had them all. */
CLO_MUST_USE bool clo_grow_tags(const struct clo_disk *disk, const struct clo_grow_from *from,
                                const struct clo_secret *volume_key, uint64_t *gained,
                                struct clo_error *err);
/* The ext4 that is mounted there, over all of its device. */
CLO_MUST_USE bool clo_grow_files(const char *mounted, const char *device, uint64_t *before,
                                 uint64_t *after, struct clo_error *err);

#endif
