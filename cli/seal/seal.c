/* cloister seal: a disk's key, sealed to the TPM of the machine that this runs on. */
#include "cli/commands.h"
#include "cli/seal/srk.h"
#include "cli/seal/states.h"
#include "device/random.h"
#include "device/tpm_audit.h"
#include "device/tpm_nv_policy.h"

/* The TPM, and the storage key that it must have; NULL: any. */
struct here {
    struct clo_tpm *tpm;
    const struct clo_tpm2_name *srk;
};

static void free_here(struct here *here)
{
    clo_tpm_free(here->tpm);
}

static bool seal_here(void *context, const struct clo_tpm2_sealing *sealing,
                      struct clo_bytes secret, struct clo_tpm2_token *out, struct clo_error *err)
{
    const struct here *here = context;

    return clo_tpm_seal(here->tpm, here->srk, sealing, secret, &clo_random_system, out, err);
}

/* Without a reference: as the registers are now. */
static bool add_present(struct clo_tpm *tpm, struct cli_seal_plan *plan, struct clo_error *err)
{
    struct clo_seal_state *state = &plan->states[0];
    struct clo_tpm_pcrs now;
    size_t count = 0;

    if (!clo_tpm_pcr_read(tpm, plan->bank, plan->job.sealing.pcrs, &now, err))
        return false;
    *state = (struct clo_seal_state){ .name = "the present state",
                                      .hint = { .bank = plan->bank, .pcrs = now.mask } };
    for (unsigned pcr = 0; pcr < CLO_TPM_PCRS; pcr++) {
        if ((now.mask >> pcr & 1) == 0)
            continue;
        state->values[count++] = now.values[pcr];
        state->hint.values[pcr] = now.values[pcr];
    }
    plan->job.state_count = 1;
    return true;
}

/* The TPM's index is the file's, and holds what it says: or the key would be sealed to something else, or to nothing that opens it. */
static bool check_index(struct clo_tpm *tpm, const struct clo_nv_policy *nv, struct clo_error *err)
{
    return nv == NULL || clo_tpm_nv_policy_holds(tpm, nv, err) || clo_wrap(err, "--nv-policy");
}

/* Of the present generation: an update that is kept later raises it, and this token opens nothing any more. */
static bool set_floor(struct clo_tpm *tpm, struct cli_seal_plan *plan, struct clo_error *err)
{
    if (plan->job.form != CLO_SEAL_OWN)
        return clo_fail(err, CLO_ERR_USAGE, "--floor: systemd has no such policy: --form own");
    if (plan->nv != NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--floor: with --nv-policy an update changes what the index approves of");
    return clo_tpm_floor(tpm, &plan->job.sealing.floor, err);
}

/* The wire to the TPM may be the host's: with a name, its answers are authentic. */
static bool open_tpm(const char *device, const char *srk, struct clo_tpm2_name *name,
                     struct here *out, struct clo_error *err)
{
    if (!clo_tpm_open_named(device, &out->tpm, err))
        return false;
    if (srk == NULL)
        return true;
    out->srk = name;
    return cli_srk_name(srk, name, err) &&
           (clo_tpm_audit(out->tpm, name, err) || clo_wrap(err, "--srk"));
}

static bool seal(const struct cli_seal *in, const char *device, const char *srk, bool is_legacy,
                 bool has_floor, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan plan = { .bank = CLO_HASH_NONE };
    CLO_CLEANUP(free_here) struct here here = { .tpm = NULL };
    struct clo_tpm2_name name;

    if (!cli_seal_plan(in, &plan, err) || !open_tpm(device, srk, &name, &here, err) ||
        !check_index(here.tpm, plan.nv, err) ||
        (plan.job.state_count == 0 && !add_present(here.tpm, &plan, err)))
        return false;
    plan.job.sealing.is_legacy = is_legacy;
    if (has_floor && !set_floor(here.tpm, &plan, err))
        return false;
    plan.job.seal = seal_here;
    plan.job.context = &here;
    return cli_seal_run(in, &plan, path, err);
}

int cmd_seal(int argc, char **argv)
{
    struct cli_seal in = { .key = NULL };
    const char *device = CLO_TPM_DEVICE, *srk = NULL;
    bool is_legacy = false, has_floor = false;
    const struct cli_option options[] = {
        { "--tpm", "DEVICE", "the TPM; default " CLO_TPM_DEVICE ", or swtpm:SOCKET",
          .text = &device },
        { "--srk", "FILE",
          "the storage key that it must have, TPM2B_PUBLIC: what it answers is then authentic",
          .text = &srk },
        { "--reference", "FILE",
          "seal for the state that it foretells; default the present one (repeatable)",
          .list = &in.references },
        { "--legacy-primary", NULL, "under the primary that systemd before 254 knows alone",
          .flag = &is_legacy },
        { "--floor", NULL,
          "bound to the TPM's floor as it is now: an update that is kept takes it away (--form "
          "own)",
          .flag = &has_floor },
        CLI_SEAL_OPTIONS(in),
    };
    const struct cli_usage usage = {
        .command = "seal",
        .arguments = "DEVICE",
        .operands = { "one device or file", 1, 1 },
        .summary = "Seals the key of a LUKS2 volume to the TPM of this machine, in the volume's "
                   "header: the TPM\ngives it back while firmware, boot loader, UKI and what the "
                   "host passes in are the same.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister seal /dev/vdb --key data.key --pcrs 0,4,7,11,12,13\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return seal(&in, device, srk, is_legacy, has_floor, operands.items[0], &err)
                   ? CLI_YES
                   : cli_fail("seal", &err);
}
