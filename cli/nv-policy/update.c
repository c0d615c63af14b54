/* cloister nv-policy update: other states, and what is sealed to the index stays as it is. */
#include "cli/nv-policy/nv_policy.h"
#include "image/uki/work.h"

struct change {
    const char *disk;
    bool keeps_others;
};

static bool approve(const struct cli_nv *in, const struct change *change, const char *path,
                    struct clo_seal_disk *disk, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    struct clo_alternatives states;

    if (!clo_nv_file_read(path, &policy, err))
        return false;
    states = policy.alternatives;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT && !change->keeps_others; pcr++)
        states.counts[pcr] = 0;
    if (!cli_nv_add_states(in, policy.pcrs, &states, err) ||
        !uki_key_read(in->key, in->passphrase, &in->providers, &key, err) ||
        !cli_nv_open(in, &tpm, err))
        return false;
    const struct clo_nv_file file = { .path = path, .key = key, .tpm = tpm, .disk = disk };
    return clo_nv_approve(&file, &policy, &states, err) || clo_wrap(err, "%s", path);
}

static bool update(const struct cli_nv *in, const struct change *change, const char *path,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };

    if (change->disk != NULL && !clo_seal_open(change->disk, true, &disk, err))
        return clo_wrap(err, "%s", change->disk);
    if (!approve(in, change, path, change->disk == NULL ? NULL : &disk, err))
        return false;
    printf("%s: the TPM's index approves of it\n", path);
    return true;
}

int cmd_nv_policy_update(int argc, char **argv)
{
    struct cli_nv in = { .device = CLO_TPM_DEVICE };
    struct change change = { .disk = NULL };
    const struct cli_option options[] = {
        CLI_NV_WRITE_OPTIONS(in),
        { "--add", NULL, "besides what it approves of already; default: instead",
          .flag = &change.keeps_others },
        { "--disk", "DEVICE|FILE", "the volume whose header has a copy, for cloister-init",
          .text = &change.disk },
        CLI_NV_TPM_OPTIONS(in),
    };
    const struct cli_usage usage = {
        .command = "nv-policy update",
        .arguments = "FILE --key FILE --reference FILE…",
        .operands = { "the index's file", 1, 1 },
        .summary = "Has the index approve of other states, before the boot that leads to them: no "
                   "key is sealed\nagain, and a state that is left out gets no key any more, "
                   "whatever header is put back.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister nv-policy update nv.json --key nv.key --add --reference next.ref.json "
                "\\\n      --reference firmware.ref.json --disk /dev/vda2\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return update(&in, &change, operands.items[0], &err) ? CLI_YES
                                                         : cli_fail("nv-policy update", &err);
}
