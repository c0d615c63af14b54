/* What a file is, by digests: so that what one command says of it can be held together with what another
 * says, and with the registers that a machine's evidence proves. */
#ifndef CLOISTER_CLI_IDENTITY_H
#define CLOISTER_CLI_IDENTITY_H

#include "cloister/json.h"

/* {"kind", "bytes", "sha256"}; of a disk also its table, of a disk and a UKI the UKI's digests and the
 * registers that a boot of it leaves ("registers"), or why they are not known ("unknown").
 * docs/report.md has the members. */
CLO_MUST_USE bool cli_identity(const char *path, json_t **out, struct clo_error *err);

#endif
