/* The machine that an image will run on, and its firmware, for predictions of the firmware's own PCRs. */
#ifndef CLOISTER_CLI_MACHINE_H
#define CLOISTER_CLI_MACHINE_H

#include "cloister/reference.h"

struct cli_machine {
    const char *firmware; /* --firmware; NULL: nothing is read */
    const char *memory;   /* --memory; NULL: 512 MiB, as cloister boot */
    const char *version;
    uint64_t vcpus, address_bits;
    struct clo_buffer file;
};

#define CLI_MACHINE_DEFAULTS           \
    {                                  \
        .vcpus = 1, .address_bits = 40 \
    }

CLO_MUST_USE bool cli_machine_read(struct cli_machine *machine, struct clo_prediction *out,
                                   struct clo_error *err);
void cli_machine_free(struct cli_machine *machine);

#endif
