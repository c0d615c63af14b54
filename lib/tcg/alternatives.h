/* What an NV index's policy stands for: of each register the values that are allowed (systemd-pcrlock's pcrlock.json), and the policy
 * that this comes to: one PolicyPCR over the registers with one value, then for each other one PolicyPCR and a PolicyOR.
 *
 * The index holds the policy's digest. The file only says how to come to it, so nothing depends on it being right. */
#ifndef CLOISTER_LIB_ALTERNATIVES_H
#define CLOISTER_LIB_ALTERNATIVES_H

#include "cloister/json.h"
#include "cloister/pcr.h"
#include "lib/tcg/tpm2_policy.h"

struct clo_alternatives {
    enum clo_hash bank;
    uint32_t nv_index;
    size_t counts[CLO_PCR_COUNT]; /* 0: not in the policy; at most CLO_TPM2_OR_MAX */
    struct clo_digest values[CLO_PCR_COUNT][CLO_TPM2_OR_MAX];
};

/* pcrlock.json: pcrBank, pcrValues and nvIndex; what else is in it is for the writer of the index. */
CLO_MUST_USE bool clo_alternatives_parse(struct clo_bytes json, struct clo_alternatives *out,
                                         struct clo_error *err);
/* The registers with one value. */
uint32_t clo_alternatives_single(const struct clo_alternatives *alternatives);
/* From the policy so far, what it is with each value of this register: the branches of its PolicyOR. */
void clo_alternatives_branches(const struct clo_alternatives *alternatives, unsigned pcr,
                               const struct clo_digest *before,
                               struct clo_digest out[CLO_TPM2_OR_MAX]);
/* All of it. */
void clo_alternatives_policy(const struct clo_alternatives *alternatives, struct clo_digest *out);

/* The NV index of such a file, to seal to what it approves of. */
struct clo_nv_policy {
    struct clo_alternatives alternatives;
    uint32_t pcrs;             /* that the policy binds */
    struct clo_tpm2_name name; /* of the index, once it was written */
    struct clo_buffer handle;  /* ESYS's serialised handle, as tokens have it */
};
/* nvPublic and nvHandle as well. The index must be one that only its policy writes, and nobody undoes: anything else could be made to
 * approve of another state. */
CLO_MUST_USE bool clo_nv_policy_parse(struct clo_bytes json, struct clo_nv_policy *out,
                                      struct clo_error *err);
void clo_nv_policy_free(struct clo_nv_policy *policy); /* for CLO_CLEANUP */

#endif
