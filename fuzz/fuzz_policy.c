#include "cloister/policy_pins.h"
#include "lib/policy/policy.h"

#include "fuzz.h"

/* What is said of it: of each aspect something, or why nothing can fulfil it. */
static void look_at_pins(const struct clo_policy *policy)
{
    struct clo_pins pins;

    clo_policy_pins(policy, NULL, 0, NULL, &pins);
    for (size_t i = 0; i < CLO_ASPECT_COUNT && pins.unmet[0] == '\0'; i++)
        MUST(pins.items[i].status != CLO_PIN_NOT_APPLICABLE && pins.items[i].text[0] != '\0');
    /* Whose firmware it is nobody knows where every value will do. */
    MUST(pins.unmet[0] != '\0' || !clo_policy_allows(policy, CLO_TEE_SNP) ||
         !policy->snp.measurement.any || policy->snp.id_key_digest.count > 0 ||
         policy->snp.author_key_digest.count > 0 ||
         pins.items[CLO_ASPECT_FIRMWARE].status == CLO_PIN_OPEN || policy->has_pcrs ||
         (clo_policy_evidence(policy) >> CLO_EVIDENCE_OF_BARE & 1) == 0);
}

/* A policy that parses trusts at least one root by name, and never demands PCR 10. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_error err;

    if (!clo_policy_parse(clo_bytes(data, size), &policy, &err))
        return 0;
    MUST(policy->makers != 0 || policy->root_count > 0);
    MUST(policy->root_count <= CLO_POLICY_LIST_MAX);
    MUST((policy->pcrs & (1U << 10 | 0xffU << 24)) == 0);
    MUST(policy->has_pcrs || policy->pcrs == 0);
    MUST((policy->snp.vmpl & ~0xfU) == 0);
    MUST(!policy->is_strict_builtin);
    for (size_t i = 0; i < CLO_SNP_PRODUCT_COUNT; i++)
        MUST(policy->snp.minimum_tcb.minimum[i].microcode >= -1 &&
             policy->snp.minimum_tcb.minimum[i].microcode <= 255);
    MUST((policy->snp.policy_required & policy->snp.policy_forbidden) == 0);
    MUST((policy->snp.platform_required & policy->snp.platform_forbidden) == 0);
    MUST((policy->snp.products >> CLO_SNP_UNKNOWN & 1) == 0);
    look_at_pins(policy);
    return 0;
}
