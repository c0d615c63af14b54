/* LVM2, read in user space (lvm2, lib/format_text; lvmsystemid(7) says nothing of it): where physical volumes say that logical ones
 * lie. Linear volumes alone; others are there with the reason why they are not read. Checksums are held, and nothing is believed:
 * what a segment names lies in its physical volume, and inside of it. */
#ifndef CLOISTER_LIB_LVM_H
#define CLOISTER_LIB_LVM_H

#include "cloister/base.h"

#define CLO_LVM_ID       33 /* 32 characters */
#define CLO_LVM_NAME     128
#define CLO_LVM_HEAD     2048U /* the label lies in one of the first four sectors */
#define CLO_LVM_AREA     512U  /* of a metadata area's header */
#define CLO_LVM_TEXT_MAX ((uint64_t)4 << 20)
#define CLO_LVM_VOLUMES  64
#define CLO_LVM_DISKS    32 /* physical volumes of one group */
#define CLO_LVM_SEGMENTS 1024

/* A physical volume's label. */
struct clo_lvm_label {
    char id[CLO_LVM_ID];
    uint64_t area_at, area_size; /* of its first metadata area; 0: none */
};
CLO_MUST_USE bool clo_lvm_label(struct clo_bytes head, struct clo_lvm_label *out,
                                struct clo_error *err);

/* Where in the area the text lies, which may go on at the area's beginning. size 0: there is none. */
struct clo_lvm_place {
    uint64_t at, size; /* from the area's start */
    uint64_t wrapped;  /* how many of them lie at CLO_LVM_AREA */
    uint32_t sum;
};
CLO_MUST_USE bool clo_lvm_area(struct clo_bytes header, const struct clo_lvm_label *label,
                               struct clo_lvm_place *out, struct clo_error *err);

struct clo_lvm_segment {
    uint64_t at, size; /* in the logical volume, in bytes */
    unsigned disk;     /* of the group */
    uint64_t place;    /* on that physical volume */
};

struct clo_lvm_volume {
    char name[CLO_LVM_NAME];
    uint64_t size;
    bool is_hidden;   /* a part of others */
    char refusal[64]; /* empty: it is linear */
    const struct clo_lvm_segment *segments;
    size_t count;
};

struct clo_lvm_disk {
    char id[CLO_LVM_ID];
    uint64_t size; /* where its last extent ends */
};

struct clo_lvm {
    char name[CLO_LVM_NAME], id[CLO_LVM_ID];
    uint64_t sequence;
    struct clo_lvm_disk disks[CLO_LVM_DISKS];
    size_t disk_count;
    struct clo_lvm_volume volumes[CLO_LVM_VOLUMES];
    size_t volume_count;
    struct clo_lvm_segment segments[CLO_LVM_SEGMENTS];
    size_t segment_count;
};

/* The text of a volume group, whose checksum `place` has. */
CLO_MUST_USE bool clo_lvm_parse(struct clo_bytes text, const struct clo_lvm_place *place,
                                struct clo_lvm *out, struct clo_error *err);
/* As device-mapper calls it: "vg-lv", with hyphens inside of names doubled. */
void clo_lvm_mapped_name(const char *group, const char *volume, char out[2 * CLO_LVM_NAME * 2]);

#endif
