/* GUID partition tables (UEFI 2.10 section 5.3) with the Discoverable Partitions' type GUIDs
 * (UAPI.2), and the one that we write. 512-byte sectors. */
#ifndef CLOISTER_LIB_GPT_H
#define CLOISTER_LIB_GPT_H

#include "cloister/encoding.h"

#define CLO_GPT_SECTOR         512U
#define CLO_GPT_PARTITIONS_MAX 128
/* Protective MBR, header and entries: what to read of a disk's beginning. */
#define CLO_GPT_HEAD_SIZE ((size_t)34 * CLO_GPT_SECTOR)
/* Entries and header at the end of the disk. */
#define CLO_GPT_TAIL_SIZE ((size_t)33 * CLO_GPT_SECTOR)

extern const struct clo_guid clo_gpt_type_esp;
extern const struct clo_guid clo_gpt_type_root_x86_64;
extern const struct clo_guid clo_gpt_type_root_arm64;

struct clo_gpt_partition {
    struct clo_guid type;
    struct clo_guid guid;
    uint32_t number; /* of its entry, from 1, in a table that was read */
    uint64_t first_lba;
    uint64_t last_lba; /* inclusive */
    uint64_t attributes;
    char name[109]; /* UTF-8 */
};

struct clo_gpt {
    struct clo_guid disk;
    uint64_t disk_sectors; /* as the header's alternate LBA says */
    struct clo_gpt_partition partitions[CLO_GPT_PARTITIONS_MAX]; /* those in use, by entry number */
    size_t count;
    struct clo_bytes header;  /* the 92 bytes */
    struct clo_bytes entries; /* all of them, as on disk */
    uint32_t entry_size;
    uint32_t entry_count;
};

/* `head` is the disk's beginning, at least CLO_GPT_HEAD_SIZE. Checks sums, bounds and overlaps. */
CLO_MUST_USE bool clo_gpt_parse(struct clo_bytes head, struct clo_gpt *out, struct clo_error *err);
/* The one partition of a type; fails if there is none, or more than one. */
CLO_MUST_USE bool clo_gpt_find(const struct clo_gpt *gpt, const struct clo_guid *type,
                               const struct clo_gpt_partition **out, struct clo_error *err);

/* Appends the head (CLO_GPT_HEAD_SIZE bytes) and the tail (CLO_GPT_TAIL_SIZE) of a disk. */
CLO_MUST_USE bool clo_gpt_write(const struct clo_guid *disk, uint64_t disk_sectors,
                                const struct clo_gpt_partition *partitions, size_t count,
                                struct clo_buffer *head, struct clo_buffer *tail,
                                struct clo_error *err);

/* What firmware measures of the table into PCR 5 (UEFI_GPT_DATA, PC Client Platform Firmware Profile
 * 1.06, section 10.4.4): header, number of partitions, and the entries in use. */
CLO_MUST_USE bool clo_gpt_event(const struct clo_gpt *gpt, struct clo_buffer *out,
                                struct clo_error *err);

/* The partition of this number, else of this GUID, else of this name; fails if there is none, or two
 * of the name. */
CLO_MUST_USE bool clo_gpt_pick(const struct clo_gpt *gpt, const char *which,
                               const struct clo_gpt_partition **out, struct clo_error *err);

/* --- The table of a disk that was grown, as those leave it who grow it (gpt_grow.c) --- */

enum clo_gpt_tool {
    CLO_GPT_SFDISK,   /* libfdisk's sfdisk: "--relocate gpt-bak-std", ", +" */
    CLO_GPT_GROWPART, /* of cloud-utils, by sfdisk: not for less than 1 MiB */
    CLO_GPT_SGDISK,   /* "-e", and a partition made anew up to the end */
    CLO_GPT_REPART,   /* systemd-repart: ends at a multiple of 4096 bytes */
    CLO_GPT_CLOISTER, /* cloister-init: so too, and not for a disk that gained less than 1 MiB */
};

struct clo_gpt_growth {
    uint64_t disk_sectors;
    uint32_t partition; /* its number, grown as far as it goes; 0: none */
    enum clo_gpt_tool tool;
};

bool clo_gpt_tool_from_name(const char *name, enum clo_gpt_tool *out);
/* Appends the head of the grown disk, CLO_GPT_HEAD_SIZE bytes. Header and entries are the tool's, byte
 * for byte; the protective MBR, which nobody measures, stays as it is, but by cloister-init. */
CLO_MUST_USE bool clo_gpt_grow(struct clo_bytes head, const struct clo_gpt_growth *growth,
                               struct clo_buffer *out, struct clo_error *err);
/* Appends the head that cloister-init leaves on a disk of that size, with its root grown; nothing where there is no room, or where the
 * disk lost its end. */
CLO_MUST_USE bool clo_gpt_grow_root(struct clo_bytes head, uint64_t disk_bytes,
                                    struct clo_buffer *out, struct clo_error *err);
/* Appends what belongs at the end of a disk that begins with `head`: CLO_GPT_TAIL_SIZE bytes. */
CLO_MUST_USE bool clo_gpt_backup(struct clo_bytes head, struct clo_buffer *out,
                                 struct clo_error *err);

#endif
