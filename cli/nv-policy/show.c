/* cloister nv-policy show: what an index approves of. */
#include "cli/nv-policy/nv_policy.h"
#include "cloister/encoding.h"

static void print_values(const struct clo_alternatives *states)
{
    printf("index      0x%08x\n", states->nv_index);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        for (size_t i = 0; i < states->counts[pcr]; i++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer hex = { 0 };
            clo_hex_write(clo_digest_bytes(&states->values[pcr][i]), &hex);
            printf("PCR %-6u %s\n", pcr, clo_buffer_string(&hex));
        }
}

static bool print(const struct clo_nv_policy *policy, bool is_held, bool is_asked, bool as_json,
                  struct clo_error *err)
{
    if (as_json) {
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_nv_policy_json(policy);
        if (json != NULL && is_asked)
            json_object_set_new(json, "held", json_boolean(is_held));
        return cli_print_json(json, err);
    }
    print_values(&policy->alternatives);
    if (is_asked)
        puts(is_held ? "the TPM's index approves of this" : "the TPM's index does not");
    return true;
}

/* `is_held`: the TPM's index is this one; true where it was not asked. */
static bool show(const struct cli_nv *in, bool as_json, const char *path, bool *is_held,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;

    *is_held = true;
    if (!clo_nv_file_read(path, &policy, err))
        return false;
    if (in->device != NULL) {
        if (!cli_nv_open(in, &tpm, err))
            return false;
        *is_held = clo_tpm_nv_policy_holds(tpm, &policy, err);
        if (!*is_held && err->status != CLO_ERR_REFUSED && err->status != CLO_ERR_UNAVAILABLE)
            return false;
    }
    return print(&policy, *is_held, in->device != NULL, as_json, err);
}

int cmd_nv_policy_show(int argc, char **argv)
{
    struct cli_nv in = { .device = NULL };
    bool as_json = false, is_held;
    const struct cli_option options[] = {
        { "--tpm", "DEVICE", "ask this TPM, too: " CLO_TPM_DEVICE ", or swtpm:SOCKET",
          .text = &in.device },
        { "--srk", "FILE",
          "the storage key that it must have, TPM2B_PUBLIC: what it answers is then authentic",
          .text = &in.srk },
        { "--json", NULL, "print JSON", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "nv-policy show",
        .arguments = "FILE",
        .operands = { "the index's file", 1, 1 },
        .summary = "The values that an index's file approves of, ours or systemd-pcrlock's; with "
                   "--tpm also whether\nthe TPM's index is that one and holds the same. Exit "
                   "status 1 if it does not.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister nv-policy show nv.json --tpm /dev/tpmrm0\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (in.srk != NULL && in.device == NULL)
        return cli_usage_error(&usage, "--srk goes with --tpm");
    if (!show(&in, as_json, operands.items[0], &is_held, &err))
        return cli_fail("nv-policy show", &err);
    return is_held ? CLI_YES : CLI_NO;
}
