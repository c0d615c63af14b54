/* The init-data of the KBS protocol (trustee, kbs/docs/initdata.md): TOML that was handed to the guest at its start, whose
 * digest the launch holds. */
#ifndef CLOISTER_LIB_EVIDENCE_KBS_INIT_DATA_H
#define CLOISTER_LIB_EVIDENCE_KBS_INIT_DATA_H

#include "cloister/json.h"

/* {"format": "toml", "body": TEXT}; null and absent: none, and nothing is appended. */
CLO_MUST_USE bool kbs_init_data_digest(const json_t *init_data, struct clo_buffer *out,
                                       struct clo_error *err);

#endif
