/* What the files that read reference values share. */
#ifndef CLOISTER_REFERENCE_INTERNAL_H
#define CLOISTER_REFERENCE_INTERNAL_H

#include "cloister/reference.h"

struct clo_reference {
    json_t *json;
    json_t *events;
    json_t *pcrs;
    json_t *tdx; /* NULL: none */
    const char *name;
    const char *origin;
    uint64_t version; /* 0: not said */
};

bool reference_read_digest(const json_t *text, enum clo_hash hash, struct clo_digest *out);

/* How the file names a register: "4", "rtmr2". */
#define REFERENCE_KEY 16
void reference_key(unsigned reg, char out[REFERENCE_KEY]);
bool reference_is_rtmr_key(const char *key);
CLO_MUST_USE bool reference_check_tdx(const struct clo_reference *reference, struct clo_error *err);

#endif
