/* What a partition holds, by the superblocks and magic numbers that libblkid knows it by; and the partitions of a master
 * boot record. What is said here is what stands there: no more than a name for it. */
#ifndef CLOISTER_LIB_PROBE_H
#define CLOISTER_LIB_PROBE_H

#include "cloister/base.h"

#define CLO_PROBE_SIZE     (((size_t)64 << 10) + 4096) /* btrfs keeps its superblock at 64 KiB */
#define CLO_MBR_PARTITIONS 4

enum clo_content {
    CLO_CONTENT_UNKNOWN,
    CLO_CONTENT_EXT,
    CLO_CONTENT_XFS,
    CLO_CONTENT_BTRFS,
    CLO_CONTENT_FAT,
    CLO_CONTENT_SQUASHFS,
    CLO_CONTENT_EROFS,
    CLO_CONTENT_SWAP,
    CLO_CONTENT_LVM,
    CLO_CONTENT_VERITY,
    CLO_CONTENT_LUKS1,
    CLO_CONTENT_LUKS2,
    CLO_CONTENT_BOOT_SECTOR, /* ends in 55 aa, and is nothing of the above */
};

struct clo_probe {
    enum clo_content content;
    char uuid[41]; /* as fstab has it after UUID=; empty: none */
    char label[64];
};

const char *clo_content_name(enum clo_content content); /* "ext4" */
/* `in`: the first CLO_PROBE_SIZE bytes, or all of something smaller. */
void clo_probe(struct clo_bytes in, struct clo_probe *out);

struct clo_mbr_partition {
    uint8_t type; /* 0: none */
    uint64_t first_lba, sectors;
};

/* The four entries of a master boot record, or of an extended partition's. False: it has none that makes sense. */
bool clo_mbr_parse(struct clo_bytes sector, struct clo_mbr_partition out[CLO_MBR_PARTITIONS]);
/* Types 05, 0f and 85: a chain of records inside. */
bool clo_mbr_is_extended(uint8_t type);

#endif
