/* cloister key backup: a copy of a broker's state. */
#include "cli/broker/key.h"
#include "cli/broker/state.h"

int cmd_key_backup(int argc, char **argv)
{
    const char *state = NULL;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
    };
    const struct cli_usage usage = {
        .command = "key backup",
        .arguments = "FOLDER",
        .operands = { "one folder", 1, 1 },
        .summary = "Copies a broker's state as it is now, with its keys, into a folder that is not "
                   "there yet. The\nbroker may run meanwhile. Secrets are in the copy as they are "
                   "in the state: sealed, or in the\nclear.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key backup /mnt/safe/broker-2026-11-30 --state broker\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_open_state_shut(state, &store, &err) ||
        !clo_store_backup(store, operands.items[0], &err))
        return cli_fail("key backup", &err);
    return CLI_YES;
}
