/* cloister recovery revoke: what is on paper opens the disk no more. */
#include "cli/recovery/recovery.h"
#include "cli/seal/states.h"
#include "device/file.h"
#include "device/random.h"

#define KEY_LIMIT 512

static bool revoke(const struct cli_seal *in, const char *disk, struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan plan = { .bank = CLO_HASH_NONE };

    if (!clo_file_read_secret(in->key, KEY_LIMIT, &plan.key, err))
        return false;
    plan.job.key = plan.key;
    plan.job.drops_recovery = true;
    plan.job.must_drop = true;
    plan.job.random = &clo_random_system;
    return cli_seal_run(in, &plan, disk, err);
}

int cmd_recovery_revoke(int argc, char **argv)
{
    struct cli_seal in = { .key = NULL };
    const struct cli_option options[] = {
        { "--key", "FILE", "a key or passphrase that opens it, and is not one of them (required)",
          .text = &in.key, .is_required = true },
        { "--disk", "FILE", "the NAME.disk.json that is brought up to date", .text = &in.identity },
        { "--json", NULL, "print JSON", .flag = &in.as_json },
    };
    const struct cli_usage usage = {
        .command = "recovery revoke",
        .arguments = "DISK",
        .operands = { "one disk", 1, 1 },
        .summary = "Takes the recovery keys of a LUKS2 disk away, with their key slots. Where the "
                   "disk's host has an\nolder copy of the header, that one opens as before.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister recovery revoke demo.img --key demo.disk.key --disk demo.disk.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return revoke(&in, operands.items[0], &err) ? CLI_YES : cli_fail("recovery revoke", &err);
}
