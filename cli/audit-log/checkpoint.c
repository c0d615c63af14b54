/* cloister audit-log checkpoint: the end of the trail, signed, to be kept elsewhere. */
#include <time.h>

#include "cli/audit-log/audit_log.h"

int cmd_audit_log_checkpoint(int argc, char **argv)
{
    const char *state = NULL;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
    };
    const struct cli_usage usage = {
        .command = "audit-log checkpoint",
        .arguments = "--state DIR",
        .summary = "Signs the end of the trail and prints that as JSON, to be kept where the "
                   "broker cannot write:\na trail that was cut off or written anew does not agree "
                   "with it.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister audit-log checkpoint --state broker >kept.json\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *point = NULL;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (!cli_open_state_shut(state, &store, &err) ||
        !clo_store_audit_checkpoint(store, (int64_t)time(NULL), &err) ||
        !clo_store_audit_last_checkpoint(store, &point, &err) || !cli_print_json(point, &err))
        return cli_fail("audit-log checkpoint", &err);
    return CLI_YES;
}
