/* Hardware evidence as a file of its own, shown field by field; nothing of it is verified. */
#ifndef CLOISTER_CLI_EVIDENCE_FILE_H
#define CLOISTER_CLI_EVIDENCE_FILE_H

#include "cloister/json.h"

/* An SEV-SNP report (bare, with a certificate table, or in the firmware's response), certificates and
 * revocation lists (DER, PEM, a table), a TDX quote or a TDREPORT. False with `out` NULL and no error for what looks like none of them: then it
 * is a bundle, or nothing that we know. */
CLO_MUST_USE bool evidence_file_json(struct clo_bytes in, json_t **out, struct clo_error *err);

#endif
