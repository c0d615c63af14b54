/* GRUB's script, as far as it is decided before the boot: commands that follow each other, in words that mean
 * themselves. (GNU GRUB manual 2.12, sections 6.1 and 19.5, Measured Boot.) */
#ifndef CLOISTER_LIB_PREDICT_GRUB_H
#define CLOISTER_LIB_PREDICT_GRUB_H

#include "cloister/base.h"

#define GRUB_COMMANDS_MAX 64
#define GRUB_PATH         256

struct grub_script {
    char *commands[GRUB_COMMANDS_MAX]; /* as GRUB measures them: words with one blank between */
    size_t count;
    const char *cmdline;        /* "/vmlinuz ro quiet": of the command `linux`, in that */
    char linux_path[GRUB_PATH]; /* on the partition that GRUB was started from */
    char initrd_path[GRUB_PATH];
};
void grub_script_free(struct grub_script *script); /* for CLO_CLEANUP */

/* `set`, `echo`, and once each `linux`, `initrd` and `boot`, in this order. Anything else that a script may say
 * is CLO_ERR_UNSUPPORTED: what it comes to depends on the machine, or was never seen. */
CLO_MUST_USE bool grub_script_parse(struct clo_bytes text, struct grub_script *out,
                                    struct clo_error *err);

#endif
