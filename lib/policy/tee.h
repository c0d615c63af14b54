/* What a policy says of one kind of platform: the member of that name, and what it pins. To add a platform: an entry in a
 * file tee_NAME.c, and its line in tees.c. */
#ifndef CLOISTER_LIB_POLICY_TEE_H
#define CLOISTER_LIB_POLICY_TEE_H

#include "lib/policy/policy_pins_internal.h"

struct policy_tee {
    enum clo_tee tee;
    /* What holds when the member is not there, what the built-in policy says, and reading it. */
    void (*init)(struct clo_policy *policy);
    void (*strict)(struct clo_policy *policy);
    bool (*read)(const json_t *json, struct clo_policy *policy, struct clo_error *err);
    void (*free)(struct clo_policy *policy); /* NULL: nothing to free */

    /* For the linter. False: pins_cannot() has said why this way cannot be met. */
    bool (*can_meet)(struct way *w);
    /* Are any of the references of registers that the platform has itself? NULL: it has none. */
    bool (*has_references)(const struct way *w);
    void (*firmware)(struct way *w);
    void (*program)(struct way *w);     /* with what the host adds; of evidence without a TPM */
    void (*makers_word)(struct way *w); /* migration, TCB, revocation and how old it all may be */
    bool (*allows_debug)(const struct clo_policy *policy);
    const char *(*pinned_instance)(const struct clo_policy *policy); /* NULL: any machine will do */
    /* What makes the kind of evidence, or the maker's roots, less than they seem. NULL: nothing. */
    const char *(*evidence_doubt)(const struct clo_policy *policy);
    const char *(*roots_doubt)(const struct clo_policy *policy);
};

extern const struct policy_tee policy_tee_snp, policy_tee_tdx, policy_tee_nitro;
extern const struct policy_tee *const policy_tees[]; /* ends in NULL */

#endif
