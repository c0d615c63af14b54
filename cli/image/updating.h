/* What `cloister image update` does, once its options were read. */
#ifndef CLOISTER_CLI_UPDATING_H
#define CLOISTER_CLI_UPDATING_H

#include "cli/seal/states.h"
#include "cli/update/update.h"

struct cli_updating {
    const char *image;
    const char *varstore; /* what PCR 7 follows from, and who may sign */
    const char *trial;    /* a machine's variable store, whose firmware is to try it once; NULL */
    const char *output;   /* the new reference values */
    const char *name;     /* the image's, in them */
    const char *srk;      /* NULL: nothing is sealed */
    uint64_t srk_handle;
    bool does_keep, goes_back, forgets;
    struct cli_update making; /* the UKI */
    struct cli_seal seal;     /* .key: the disk's */
};

CLO_MUST_USE bool cli_updating_check(struct cli_updating *in, struct clo_error *err);
CLO_MUST_USE bool cli_updating_run(struct cli_updating *in, struct clo_error *err);

#endif
