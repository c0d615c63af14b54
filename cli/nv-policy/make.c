/* cloister nv-policy make: the index, and the file that says what it approves of. */
#include "cli/nv-policy/nv_policy.h"
#include "image/uki/work.h"

static bool make(const struct cli_nv *in, uint64_t index, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    struct clo_alternatives states = { .nv_index = (uint32_t)index };
    uint32_t mask = 0;

    states.bank = in->bank == NULL ? CLO_HASH_SHA256 : clo_hash_from_name(in->bank);
    if (states.bank == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_USAGE, "--bank %.20s: not a hash", in->bank);
    if (index >> 24 != 0x01)
        return clo_fail(err, CLO_ERR_USAGE, "--index 0x%llx: expected 0x01000000 to 0x01ffffff",
                        (unsigned long long)index);
    if (!cli_is_no_input("FILE", path, in->key, err) ||
        !cli_pcr_list("--pcrs", in->pcrs == NULL ? CLI_SEAL_PCRS : in->pcrs, &mask, err) ||
        !cli_nv_add_states(in, mask, &states, err) ||
        !uki_key_read(in->key, in->passphrase, &in->providers, &key, err) ||
        !cli_nv_open(in, &tpm, err))
        return false;
    const struct clo_nv_file file = { .path = path, .key = key, .tpm = tpm };
    if (!clo_nv_make(&file, &states, err))
        return false;
    printf("%s: NV index 0x%08x, for 'cloister seal --nv-policy'\n", path, states.nv_index);
    return true;
}

int cmd_nv_policy_make(int argc, char **argv)
{
    struct cli_nv in = { .device = CLO_TPM_DEVICE };
    uint64_t index = CLO_NV_INDEX;
    const struct cli_option options[] = {
        CLI_NV_WRITE_OPTIONS(in),
        { "--pcrs", "LIST", "the registers that it binds; default " CLI_SEAL_PCRS,
          .text = &in.pcrs },
        { "--bank", "NAME", "the PCR bank; default sha256", .text = &in.bank },
        { "--index", "NUMBER", "the NV index; default 0x0147c103", .number = &index },
        CLI_NV_TPM_OPTIONS(in),
    };
    const struct cli_usage usage = {
        .command = "nv-policy make",
        .arguments = "FILE --key FILE --reference FILE…",
        .operands = { "one file", 1, 1 },
        .summary = "Defines an NV index of the TPM that one key alone writes, has it approve of "
                   "the states that the\nreferences foretell, and writes FILE: how to come to what "
                   "it approves of, in the form of\nsystemd-pcrlock's pcrlock.json.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister nv-policy make nv.json --key nv.key --reference demo.ref.json \\\n"
                   "      --reference firmware.ref.json\n"
                   "  cloister seal /dev/vda2 --key demo.disk.key --nv-policy nv.json --form own\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return make(&in, index, operands.items[0], &err) ? CLI_YES : cli_fail("nv-policy make", &err);
}
