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
/* The same of JSON that was parsed: the members may be among others. */
CLO_MUST_USE bool clo_alternatives_read(const json_t *json, struct clo_alternatives *out,
                                        struct clo_error *err);
/* One value more of a register; one that it has already is not added again. False: it has CLO_TPM2_OR_MAX. */
CLO_MUST_USE bool clo_alternatives_add(struct clo_alternatives *alternatives, unsigned pcr,
                                       const struct clo_digest *value);
/* The registers whose values are none of those that are allowed. */
uint32_t clo_alternatives_differ(const struct clo_alternatives *alternatives, uint32_t known,
                                 const struct clo_digest values[CLO_PCR_COUNT]);
/* A copy in a LUKS2 header, for initrds that have no file: a token of this type, with the members of the file that are read. */
#define CLO_ALTERNATIVES_TOKEN "cloister-nv-policy"
json_t *clo_alternatives_token(const struct clo_alternatives *alternatives); /* NULL: no memory */
bool clo_alternatives_is_token(const json_t *token);
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
    struct clo_buffer area;    /* its TPM2B_NV_PUBLIC, as the file has it */
    struct clo_buffer handle;  /* ESYS's serialised handle, as tokens have it */
};
#define CLO_NV_POLICY_SIZE 34 /* of what the index holds: TPMT_HA of SHA-256 */
/* nvPublic and nvHandle as well. The index must be one that only its policy writes, and nobody undoes: anything else could be made to
 * approve of another state. */
CLO_MUST_USE bool clo_nv_policy_parse(struct clo_bytes json, struct clo_nv_policy *out,
                                      struct clo_error *err);
void clo_nv_policy_free(struct clo_nv_policy *policy); /* for CLO_CLEANUP */
/* The file, as systemd-cryptsetup reads it as well; it has no recovery PIN. NULL: no memory. */
json_t *clo_nv_policy_json(const struct clo_nv_policy *policy);

#endif
