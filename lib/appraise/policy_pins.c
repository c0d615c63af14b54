/* What a policy holds fast. The appraisal asks these same questions of the evidence before it, so that what
 * the linter says of a policy and what becomes of evidence cannot drift apart. */
#include "policy_internal.h"

#define PCR(n) (1U << (n))

bool policy_pcrs_pin_firmware(uint32_t pcrs)
{
    return (pcrs & PCR(0)) != 0;
}

/* PCR 11 is extended by the program itself, and any other may do the same: 4 says who ran, or 7, where
 * nobody but the owner can have signed what ran. */
bool policy_pcrs_pin_program(uint32_t pcrs, bool has_own_db)
{
    static const uint32_t signed_by_owner = PCR(7) | PCR(11);

    return (pcrs & PCR(4)) != 0 || (has_own_db && (pcrs & signed_by_owner) == signed_by_owner);
}

bool policy_pcrs_pin_command_line(uint32_t pcrs)
{
    return (pcrs & PCR(12)) != 0;
}

bool policy_snp_pins_launch(const struct clo_policy_snp *policy)
{
    return policy_pins(&policy->measurement) || policy_pins(&policy->id_key_digest) ||
           policy_pins(&policy->author_key_digest);
}

uint32_t policy_snp_covers(const struct clo_policy_snp *policy)
{
    static const uint32_t all =
            CLO_COVERS_FIRMWARE | CLO_COVERS_KERNEL | CLO_COVERS_INITRD | CLO_COVERS_CMDLINE;

    if (!policy_snp_pins_launch(policy))
        return 0;
    if (policy_pins(&policy->id_key_digest) || policy_pins(&policy->author_key_digest) ||
        policy_pins(&policy->host_data))
        return all;
    return CLO_COVERS_FIRMWARE | policy->covers;
}

bool policy_tdx_pins(const struct clo_policy_tdx *policy, unsigned n)
{
    if (n >= CLO_TDX_RTMR_COUNT)
        return policy_pins(&policy->mr_td);
    return policy_pins(&policy->rtmr[n]) ||
           (policy->ccel != NULL && clo_ccel_rules_has(policy->ccel, n) && !policy->rtmr[n].any);
}
