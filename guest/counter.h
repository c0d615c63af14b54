/* The disk's generation, kept in the TPM as well: a counter that no one can turn back, so that an older copy of the
 * disk is noticed even where the broker has forgotten what it saw (its own database from a backup, say).
 *
 * It is worth something where the vTPM is the guest's and outlives a boot (a paravisor's). A TPM that no report binds
 * is the host's; one that is made anew at each boot has no counter, which is refused by name: there the broker's
 * generation stands alone, and the image must not ask for the counter. */
#ifndef CLOISTER_GUEST_COUNTER_H
#define CLOISTER_GUEST_COUNTER_H

#include "device/tpm.h"

#define CLO_COUNTER_INDEX 0x0147c101u /* in the owner's range (TCG registry of handles, 2.2.2) */

/* Is this disk not older than the counter? `registered` is the generation that came with the key: 0 where the disk
 * was never used as far as its owner says, and then the counter is made, or its value passed over. `least` is what
 * the disk's next generation must be at least. `tpm` NULL: there is none. */
CLO_MUST_USE bool clo_counter_check(struct clo_tpm *tpm, uint64_t registered, uint64_t generation,
                                    uint64_t *least, struct clo_error *err);
/* Raises the counter to the generation that the disk has now. */
CLO_MUST_USE bool clo_counter_follow(struct clo_tpm *tpm, uint64_t generation,
                                     struct clo_error *err);

#endif
