/* One way in which a policy can be met, while its aspects are looked at. */
#ifndef CLOISTER_LIB_POLICY_PINS_INTERNAL_H
#define CLOISTER_LIB_POLICY_PINS_INTERNAL_H

#include "cloister/policy_pins.h"

#include "lib/policy/policy_internal.h"

struct policy_tee; /* tee.h */

#define PINS_DAY 86400

struct way {
    const struct clo_policy *policy;
    const struct clo_reference *const *references;
    size_t reference_count;
    const struct clo_pins_context *context;
    const struct policy_tee *tee;
    enum clo_evidence_kind kind;
    enum clo_hash bank;    /* of a TPM's PCRs */
    uint32_t pcrs;         /* those that are held against reference values for certain */
    uint32_t proven_rtmrs; /* by reference values alone: bit n; CLO_POLICY_TDX_MRTD */
    struct clo_pins *out;
};

void CLO_PRINTF(4, 5) pins_say(struct way *w, enum clo_aspect aspect, enum clo_pin_status status,
                               const char *format, ...);
/* What the image takes from its host, as its reference values say: whether the policy can be met with them (why
 * not, written into `out`; NULL: it can), and what is left to the host. */
const char *pins_host_unmet(const struct way *w, char *out, size_t size);
void pins_host(struct way *w);
/* Keeps the first reason why no way can be met; false. */
bool CLO_PRINTF(2, 3) pins_cannot(struct way *w, const char *format, ...);
/* The PCRs that the policy wants of a bound TPM have reference values, and are sound. */
bool pins_can_meet_pcrs(struct way *w);
bool pins_has_tpm(const struct way *w);
/* A maximum of a year or more bounds nothing: that long the makers' own lists are good. */
bool pins_bounds_age(int64_t maximum);
/* Says it where the policy gives revocation lists a grace: what is revoked in it passes. */
bool pins_grace_for_lists(struct way *w);
/* Every aspect of this way: each only ever makes what was said of it worse. */
void pins_look(struct way *w);

#endif
