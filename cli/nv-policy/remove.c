/* cloister nv-policy remove: the index goes, and with it whatever was sealed to it. */
#include "cli/nv-policy/nv_policy.h"

static bool take_away(const struct cli_nv *in, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;

    return clo_nv_file_read(path, &policy, err) && cli_nv_open(in, &tpm, err) &&
           clo_tpm_nv_policy_remove(tpm, &policy, err);
}

int cmd_nv_policy_remove(int argc, char **argv)
{
    struct cli_nv in = { .device = CLO_TPM_DEVICE };
    const struct cli_option options[] = {
        CLI_NV_TPM_OPTIONS(in),
    };
    const struct cli_usage usage = {
        .command = "nv-policy remove",
        .arguments = "FILE",
        .operands = { "the index's file", 1, 1 },
        .summary = "Takes the index out of the TPM: what was sealed to it opens nothing, until the "
                   "key that writes it\nmakes it anew. FILE stays.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister nv-policy remove nv.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!take_away(&in, operands.items[0], &err))
        return cli_fail("nv-policy remove", &err);
    puts("removed");
    return CLI_YES;
}
