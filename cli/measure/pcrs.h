/* What `measure uki` and `measure image` share: PCRs predicted from what was read, and printed. */
#ifndef CLOISTER_CLI_MEASURE_PCRS_H
#define CLOISTER_CLI_MEASURE_PCRS_H

#include "cli/inputs.h"
#include "cli/measure/companions.h"
#include "cli/measure/growth.h"
#include "cli/measure/machine.h"
#include "cli/measure/volume_key.h"
#include "cli/secureboot/lists.h"

#define MOK_LIST_HELP   "signature lists in place of the variable store's MokList (through shim)"
#define MOK_LIST_X_HELP "the same of MokListX"

struct measure {
    struct clo_list bank_names;
    const char *varstore;
    const char *name;
    const char *output;
    const char *load_options;
    const char *shim, *mok_list, *mok_list_x;
    struct clo_list beside, loader;
    struct clo_boot_disk boot;
    struct secureboot_file mok, mok_x;
    struct cli_growth growth;
    struct cli_machine machine;
    struct cli_volume_key volume_key;
    const char *built; /* the reference file of the image's build */
    bool without_secure_boot;
    bool json;
};

void measure_free(struct measure *options); /* for CLO_CLEANUP */

/* The prediction is printed, the whole reference file with `whole`. */
CLO_MUST_USE bool measure_pcrs(struct measure *options, struct clo_prediction *from, bool whole,
                               struct clo_error *err);

#endif
