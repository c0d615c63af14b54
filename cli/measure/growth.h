/* A disk as it will be once it was grown, for the commands that predict from one. */
#ifndef CLOISTER_CLI_GROWTH_H
#define CLOISTER_CLI_GROWTH_H

#include "cloister/base.h"

struct cli_growth {
    const char *disk_size; /* --disk-size; NULL: the image's own */
    const char *partition; /* --grow-partition; NULL: none */
    const char *tool;      /* --grown-by; NULL: sfdisk */
};

#define CLI_DISK_SIZE_HELP      "the disk as it will be, larger than the image, like 4G"
#define CLI_GROW_PARTITION_HELP "number, GUID or name of the one that is grown over it"
#define CLI_GROWN_BY_VALUES     "sfdisk growpart sgdisk repart cloister"
#define CLI_GROWN_BY_HELP       "sfdisk, growpart, sgdisk, repart or cloister; default sfdisk"

/* Replaces the head of the disk, at least CLO_GPT_HEAD_SIZE bytes, by that of the grown one; leaves it
 * alone where nothing is to be grown. `buffer` holds it then. */
CLO_MUST_USE bool cli_grow(const struct cli_growth *growth, struct clo_bytes *head,
                           struct clo_buffer *buffer, struct clo_error *err);

#endif
