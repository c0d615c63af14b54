/* Recovery keys as people type them: 256 bits in modhex (letters that all keyboards have in one place), eight groups of eight with
 * dashes, which is what systemd prints and asks for; and eight check letters, one for each group, so that a typo is named. */
#ifndef CLOISTER_LIB_RECOVERY_H
#define CLOISTER_LIB_RECOVERY_H

#include "cloister/base.h"

#define CLO_RECOVERY_BYTES   32
#define CLO_RECOVERY_GROUPS  8
#define CLO_RECOVERY_LETTERS 8  /* in a group */
#define CLO_RECOVERY_SIZE    71 /* of the text, with its dashes */

CLO_MUST_USE bool clo_recovery_write(const uint8_t bytes[CLO_RECOVERY_BYTES],
                                     struct clo_secret **out, struct clo_error *err);
/* The check letters of a key's text: they say nothing that the key does not, and are as secret. */
void clo_recovery_check(const struct clo_secret *key, char out[CLO_RECOVERY_GROUPS + 1]);
/* What was typed, in either case, with dashes, spaces, lines or nothing between the groups; a ninth group are the check letters, and
 * then each group must fit its own. `out` is as the slot has it. An error names group and letter, never what was typed. */
CLO_MUST_USE bool clo_recovery_parse(struct clo_bytes typed, struct clo_secret **out,
                                     bool *is_checked, struct clo_error *err);

#endif
