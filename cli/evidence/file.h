/* Hardware evidence as a file of its own, shown field by field; nothing of it is verified. */
#ifndef CLOISTER_CLI_EVIDENCE_FILE_H
#define CLOISTER_CLI_EVIDENCE_FILE_H

#include "cloister/json.h"

/* Reads a report or quote: as it is, or as RPC services and consoles hand it out, in hex (with or without 0x),
 * base64 or base64url, broken into lines or not; or the quote in what Azure's metadata service answers. A file of
 * another kind is left as it is. */
CLO_MUST_USE bool evidence_file_read(const char *path, size_t limit, struct clo_buffer *out,
                                     struct clo_error *err);

/* An SEV-SNP report (bare, with a certificate table, or in the firmware's response), certificates and
 * revocation lists (DER, PEM, a table), a TDX quote or a TDREPORT. False with `out` NULL and no error for what looks like none of them: then it
 * is a bundle, or nothing that we know. */
CLO_MUST_USE bool evidence_file_json(struct clo_bytes in, json_t **out, struct clo_error *err);

#endif
