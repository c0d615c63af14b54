/* cloister nv-policy update: other states, and what is sealed to the index stays as it is. */
#include <stdlib.h>

#include "cli/nv-policy/nv_policy.h"
#include "image/uki/work.h"

struct change {
    struct clo_list disks;
    bool has_no_disk, keeps_others;
};

struct open_disks {
    struct clo_seal_disk *items;
    size_t count;
};

static void close_disks(struct open_disks *disks)
{
    for (size_t i = 0; i < disks->count; i++)
        clo_seal_close(&disks->items[i]);
    free(disks->items);
}

/* Every one before anything is changed. */
static bool open_disks(const struct clo_list *paths, struct open_disks *out, struct clo_error *err)
{
    out->items = calloc(paths->count + 1, sizeof *out->items);
    if (out->items == NULL)
        return clo_out_of_memory(err);
    for (; out->count < paths->count; out->count++)
        if (!clo_seal_open(paths->items[out->count], true, &out->items[out->count], err))
            return clo_wrap(err, "%s", paths->items[out->count]);
    return true;
}

static bool approve(const struct cli_nv *in, const struct change *change, const char *path,
                    const struct open_disks *disks, struct clo_error *err)
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
    const struct clo_nv_file file = {
        .path = path, .key = key, .tpm = tpm, .disks = disks->items, .disk_count = disks->count
    };
    return clo_nv_approve(&file, &policy, &states, err) || clo_wrap(err, "%s", path);
}

static bool update(const struct cli_nv *in, const struct change *change, const char *path,
                   struct clo_error *err)
{
    CLO_CLEANUP(close_disks) struct open_disks disks = { .count = 0 };

    if (!open_disks(&change->disks, &disks, err) || !approve(in, change, path, &disks, err))
        return false;
    printf("%s: the TPM's index approves of it\n", path);
    return true;
}

int cmd_nv_policy_update(int argc, char **argv)
{
    struct cli_nv in = { .device = CLO_TPM_DEVICE };
    struct change change = { .has_no_disk = false };
    const struct cli_option options[] = {
        CLI_NV_WRITE_OPTIONS(in),
        { "--add", NULL, "besides what it approves of already; default: instead",
          .flag = &change.keeps_others },
        { "--disk", "DEVICE|FILE",
          "a volume that is sealed to the index: cloister-init reads the copy in its header "
          "(repeatable)",
          .list = &change.disks },
        { "--no-disk", NULL,
          "change no header: a volume that has a copy needs its recovery key until an update with "
          "--disk",
          .flag = &change.has_no_disk },
        CLI_NV_TPM_OPTIONS(in),
    };
    const struct cli_usage usage = {
        .command = "nv-policy update",
        .arguments = "FILE --key FILE --reference FILE… --disk DEVICE…",
        .operands = { "the index's file", 1, 1 },
        .summary = "Has the index approve of other states, before the boot that leads to them: no "
                   "key is sealed\nagain, and a state that is left out gets no key any more, "
                   "whatever header is put back.\nEach volume that is sealed to the index is named "
                   "with --disk: one that is left out does not\nopen by cloister-init.",
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
    if (change.disks.count == 0 && !change.has_no_disk)
        return cli_usage_error(&usage, "--disk is needed, or --no-disk: no header is changed");
    if (change.disks.count > 0 && change.has_no_disk)
        return cli_usage_error(&usage, "--disk and --no-disk: expected one of them");
    return update(&in, &change, operands.items[0], &err) ? CLI_YES
                                                         : cli_fail("nv-policy update", &err);
}
