/* cloister image seal: a disk's key, sealed to a TPM that is elsewhere, for states that are foretold. */
#include <string.h>

#include "cli/image/image.h"
#include "cli/image/proving.h"
#include "cli/seal/states.h"
#include "device/tpm_seal.h"
#include "image/boot.h"

static bool seal(const struct cli_seal *in, const char *srk, uint64_t handle, const char *path,
                 struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan plan = { .bank = CLO_HASH_NONE };

    if (!cli_seal_check_handle(handle, err))
        return false;
    if (srk == NULL || (in->references.count == 0 && in->nv_policy == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--srk and --reference are needed");
    if (!cli_seal_plan(in, &plan, err))
        return false;
    if (plan.job.state_count == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--reference is needed: the NV index does not say all registers");
    return cli_seal_plan_offline(&plan, srk, handle, err) && cli_seal_run(in, &plan, path, err);
}

static int prove_it(const struct cli_seal *in, const struct cli_prove *prove, const char *path)
{
    bool proved = false;
    struct clo_error err;

    if (!cli_prove(in, prove, path, &proved, &err))
        return cli_fail("image seal", &err);
    return proved ? CLI_YES : CLI_NO;
}

int cmd_image_seal(int argc, char **argv)
{
    struct cli_seal in = { .key = NULL };
    struct cli_prove prove = { .timeout = 600 };
    const char *srk = NULL;
    uint64_t handle = CLO_TPM_SRK;
    const struct cli_option options[] = {
        { "--srk", "FILE", "the TPM's public storage key, TPM2B_PUBLIC (required, but to prove)",
          .text = &srk },
        { "--srk-handle", "HANDLE", "where the TPM keeps it; default 0x81000001",
          .number = &handle },
        { "--reference", "FILE",
          "seal for the state that it foretells: images' and firmware's (required, repeatable)",
          .list = &in.references },
        CLI_SEAL_OPTIONS(in),
        CLI_PROVE_OPTIONS(prove),
    };
    const struct cli_usage usage = {
        .command = "image seal",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary =
                "Seals the key of an image's root to a TPM that is elsewhere, by its public "
                "storage key, for\nthe states that references foretell: the image as it is, and as "
                "it will be after an update.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister image seal demo.img --key demo.disk.key --srk vm.srk \\\n"
                "      --reference demo.ref.json --reference firmware.ref.json --disk "
                "demo.disk.json\n"
                "  cloister image seal demo.img --key demo.disk.key --reference demo.ref.json \\\n"
                "      --reference next.ref.json --reference firmware.ref.json --prove \\\n"
                "      --varstore vm/vars.fd --next-uki next.efi --old-uki old.efi\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (cli_prove_is_asked(&prove))
        return prove_it(&in, &prove, operands.items[0]);
    return seal(&in, srk, handle, operands.items[0], &err) ? CLI_YES : cli_fail("image seal", &err);
}
