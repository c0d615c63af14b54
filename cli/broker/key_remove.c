/* cloister key remove: a secret that no guest gets any more. */
#include "cli/broker/key.h"
#include "cli/broker/state.h"

int cmd_key_remove(int argc, char **argv)
{
    const char *state = NULL;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
    };
    const struct cli_usage usage = {
        .command = "key remove",
        .arguments = "PATH",
        .operands = { "one path", 1, 1 },
        .summary = "Forgets a secret: no guest gets it any more.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key remove --state broker default/disk/demo\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_open_state_shut(state, &store, &err) ||
        !clo_store_remove(store, operands.items[0], &err))
        return cli_fail("key remove", &err);
    return CLI_YES;
}
