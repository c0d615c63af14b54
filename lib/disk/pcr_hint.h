/* A LUKS2 token that says for which registers a key was sealed, so that a refusal can name the one that differs:
 *
 *   {"type":"cloister-pcrs","keyslots":[],"policy":HEX,"bank":"sha256","pcrs":{"0":HEX,…}}
 *
 * Nothing is decided by it, and the holder of the disk can write another one. `policy` is the sealed token's. */
#ifndef CLOISTER_LIB_PCR_HINT_H
#define CLOISTER_LIB_PCR_HINT_H

#include "lib/disk/tpm2_token.h"

#define CLO_PCR_HINT_TYPE "cloister-pcrs"

struct clo_pcr_hint {
    enum clo_hash bank;
    uint32_t pcrs;
    struct clo_digest values[CLO_TPM2_PCRS];
};

/* NULL when out of memory. */
json_t *clo_pcr_hint_json(struct clo_bytes policy, const struct clo_pcr_hint *hint);
/* The one of that policy among a header's tokens; false if there is none, or it is malformed. */
bool clo_pcr_hint_find(const json_t *tokens, struct clo_bytes policy, struct clo_pcr_hint *out);
/* ": PCR 4 and PCR 12 differ" of the registers in `mask` whose values are not those; empty if none does. */
#define CLO_PCR_HINT_TEXT 160
void clo_pcr_hint_compare(const struct clo_pcr_hint *hint, uint32_t mask,
                          const struct clo_digest values[CLO_TPM2_PCRS],
                          char text[CLO_PCR_HINT_TEXT]);

#endif
