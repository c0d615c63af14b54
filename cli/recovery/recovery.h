/* The forms of `cloister recovery`. */
#ifndef CLOISTER_CLI_RECOVERY_H
#define CLOISTER_CLI_RECOVERY_H

#include "cli/cli.h"

int cmd_recovery_check(int argc, char **argv);
int cmd_recovery_convert(int argc, char **argv);
int cmd_recovery_enroll(int argc, char **argv);
int cmd_recovery_revoke(int argc, char **argv);

/* What was typed into the file, or on standard input ("-"): the key as the slot has it. Nobody types it
 * for a disk that is none (NULL: for no disk). */
CLO_MUST_USE bool cli_recovery_read(const char *path, const char *disk, struct clo_secret **out,
                                    bool *is_checked, struct clo_error *err);
/* Which key slot of the disk it opens, and the volume key there (NULL: not wanted). */
CLO_MUST_USE bool cli_recovery_open(const char *disk, const struct clo_secret *key, int *slot,
                                    struct clo_secret **volume_key, struct clo_error *err);

#endif
