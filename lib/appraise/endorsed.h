/* What the makers of launch endorsements have in common. */
#ifndef CLOISTER_LIB_APPRAISE_ENDORSED_H
#define CLOISTER_LIB_APPRAISE_ENDORSED_H

#include "lib/appraise/appraise_internal.h"
#include "lib/policy/policy_endorsement.h"

/* Is there a verified report to hold it against? If not, that is said. */
bool appraise_has_launch(struct work *w);
/* It is verified; `holds`: it is of what was launched. Checks endorsement.measurement and the policy's. */
void appraise_endorsed(struct work *w, const struct clo_policy_endorsed *endorsed, bool holds);
/* It could not be verified, and why. False only for what cannot be read at all. */
CLO_MUST_USE bool appraise_unendorsed(struct work *w, const struct clo_error *refused,
                                      struct clo_error *err);
/* Microsoft's of the utility VM. */
CLO_MUST_USE bool appraise_uvm(struct work *w, struct clo_error *err);

#endif
