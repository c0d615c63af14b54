/* cloister recovery enroll: a recovery key more, or in place of those that are there. */
#include "cli/recovery/qr.h"
#include "cli/recovery/recovery.h"
#include "cli/seal/states.h"
#include "device/file.h"
#include "device/random.h"

#define KEY_LIMIT 512

static bool enroll(const struct cli_seal *in, bool replaces, const char *disk,
                   struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan plan = { .bank = CLO_HASH_NONE };

    if (!cli_qr_check(in->shows_qr, true, err) ||
        !clo_file_read_secret(in->key, KEY_LIMIT, &plan.key, err))
        return false;
    plan.job.key = plan.key;
    plan.job.makes_recovery = true;
    plan.job.drops_recovery = replaces;
    plan.job.random = &clo_random_system;
    return cli_seal_run(in, &plan, disk, err);
}

int cmd_recovery_enroll(int argc, char **argv)
{
    struct cli_seal in = { .key = NULL };
    bool replaces = false;
    const struct cli_option options[] = {
        { "--key", "FILE", "the key or passphrase that opens it now (required)", .text = &in.key,
          .is_required = true },
        { "--replace", NULL, "take the recovery keys away that are there", .flag = &replaces },
        { "--qr", NULL, "show it as a QR code, too", .flag = &in.shows_qr },
        { "--disk", "FILE", "the NAME.disk.json that is brought up to date", .text = &in.identity },
        { "--json", NULL, "print JSON", .flag = &in.as_json },
    };
    const struct cli_usage usage = {
        .command = "recovery enroll",
        .arguments = "DISK",
        .operands = { "one disk", 1, 1 },
        .summary = "Adds a recovery key to a LUKS2 disk, image or device, and prints it this once: "
                   "eight groups of\neight letters, as systemd asks for them, and a check letter "
                   "for each group.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister recovery enroll demo.img --key demo.disk.key --disk demo.disk.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return enroll(&in, replaces, operands.items[0], &err) ? CLI_YES
                                                          : cli_fail("recovery enroll", &err);
}
