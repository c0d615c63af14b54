/* cloister nv-policy: an NV index of the TPM that says which states get what is sealed to it. */
#include "cli/nv-policy/nv_policy.h"

#include "cli/commands.h"
#include "cli/seal/srk.h"
#include "device/tpm_audit.h"

bool cli_nv_open(const struct cli_nv *in, struct clo_tpm **out, struct clo_error *err)
{
    struct clo_tpm2_name name;

    if (in->srk != NULL && !cli_srk_name(in->srk, &name, err))
        return false;
    if (!clo_tpm_open_named(in->device, out, err))
        return false;
    return in->srk == NULL || clo_tpm_audit(*out, &name, err) || clo_wrap(err, "--srk");
}

bool cli_nv_add_states(const struct cli_nv *in, uint32_t mask, struct clo_alternatives *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free)
    struct cli_seal_plan plan = { .bank = out->bank, .job.sealing.pcrs = mask };
    const struct cli_seal states = { .references = in->references,
                                     .phase = in->phase == NULL ? CLI_SEAL_PHASE : in->phase,
                                     .has_separator = in->has_separator };

    if (in->references.count == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--reference is needed");
    if (!cli_seal_states(&states, &plan, err))
        return false;
    for (size_t i = 0; i < plan.job.state_count; i++)
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
            if ((mask >> pcr & 1) != 0 &&
                !clo_alternatives_add(out, pcr, &plan.states[i].hint.values[pcr]))
                return clo_fail(err, CLO_ERR_REFUSED, "PCR %u: more than %d values", pcr,
                                CLO_TPM2_OR_MAX);
    return true;
}

int cmd_nv_policy(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "make", cmd_nv_policy_make, "define the index, and approve of states" },
        { "update", cmd_nv_policy_update, "approve of other states: what is sealed stays" },
        { "show", cmd_nv_policy_show, "what it approves of, and whether the TPM's index does" },
        { "remove", cmd_nv_policy_remove, "take the index away: nothing sealed to it opens" },
    };

    return cli_dispatch("nv-policy",
                        "An NV index of the TPM that says which states get a disk's key: changed "
                        "without sealing again.",
                        commands, CLO_COUNT(commands), argc, argv);
}
