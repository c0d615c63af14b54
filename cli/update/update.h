/* What the files of `cloister update` share. */
#ifndef CLOISTER_CLI_UPDATE_H
#define CLOISTER_CLI_UPDATE_H

#include "cli/cli.h"
#include "image/uki/build.h"
#include "image/update.h"

#define CLI_UPDATE_RUN "/run/cloister" /* what cloister-init leaves for the running system */

struct cli_update {
    /* The machine. */
    const char *esp, *efivars, *disk, *tpm, *eventlog, *state, *run, *disk_key, *nv_policy, *nv_key;
    struct clo_list volumes; /* sealed to the index besides the root's */
    /* The UKI: made here, or ready. */
    const char *uki, *release, *modules, *init, *request, *sign_command;
    bool has_tags; /* the root's sectors have; else what the guest's own modules say */
    struct uki_build build;
};

/* The machine's parts, found and opened: what was mounted goes with it. */
struct cli_update_parts {
    struct clo_update_machine machine;
    struct clo_secret *volume_key;
    struct clo_private_key *nv_key;
    struct clo_tpm2_name srk;
    char disk[80], esp[64];
    bool is_mounted;
    int partition; /* of the ESP, that we have shown to the kernel; 0: it knew it */
    int lock;      /* on the disk, while it is shown; -1: none */
};
CLO_MUST_USE bool cli_update_parts(const struct cli_update *in, struct cli_update_parts *out,
                                   struct clo_error *err);
void cli_update_parts_free(struct cli_update_parts *parts); /* for CLO_CLEANUP */

/* The signed UKI; none (empty) where all that was asked for is one to be signed elsewhere. */
CLO_MUST_USE bool cli_update_make(const struct cli_update *in, struct clo_buffer *out,
                                  struct clo_error *err);

#endif
