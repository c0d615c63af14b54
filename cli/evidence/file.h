/* Evidence in files of any form that is known (lib/evidence/import.h); nothing of it is verified. */
#ifndef CLOISTER_CLI_EVIDENCE_FILE_H
#define CLOISTER_CLI_EVIDENCE_FILE_H

#include "lib/evidence/import.h"

CLO_MUST_USE bool evidence_file_import(const char *path, struct clo_import *out,
                                       struct clo_error *err);
/* Adds all the pieces of the file to `to`, which must get one with this label; what is there already stays. */
CLO_MUST_USE bool evidence_file_add(const char *path, const char *label, struct clo_evidence *to,
                                    struct clo_error *err);
/* The piece with this label alone, appended. */
CLO_MUST_USE bool evidence_file_read(const char *path, const char *label, struct clo_buffer *out,
                                     struct clo_error *err);
/* The firmware's log, in any form that is known. */
CLO_MUST_USE bool evidence_file_add_log(const char *path, const char *label,
                                        struct clo_evidence *to, struct clo_error *err);

/* Field by field what a hardware report, a quote or a set of certificates says; *out is NULL for what is to be
 * shown in another way. */
CLO_MUST_USE bool evidence_file_json(const struct clo_import *import, json_t **out,
                                     struct clo_error *err);
/* A TDREPORT, which stands by itself. */
CLO_MUST_USE bool evidence_file_tdreport(struct clo_bytes in, json_t **out, struct clo_error *err);

#endif
