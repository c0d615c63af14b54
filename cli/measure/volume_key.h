/* What image build alone knows of an image, taken over from the reference file that it wrote. */
#ifndef CLOISTER_CLI_VOLUME_KEY_H
#define CLOISTER_CLI_VOLUME_KEY_H

#include "cloister/reference.h"

struct cli_volume_key {
    struct clo_digest measurements[CLO_HASH_COUNT];
    char text[128];
};

/* Sets the volume key's measurement, PCR 15, of a prediction whose banks are known. `out` holds it. */
CLO_MUST_USE bool cli_volume_key_read(const char *path, struct cli_volume_key *out,
                                      struct clo_prediction *prediction, struct clo_error *err);

#endif
