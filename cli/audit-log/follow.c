/* cloister audit-log follow: each row as it is written. */
#include <unistd.h>

#include "cli/audit-log/audit_log.h"

#define FOLLOW_US 300000

int cmd_audit_log_follow(int argc, char **argv)
{
    const char *state = NULL, *resource = NULL;
    uint64_t after = 0;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
        { "--resource", "PATH", "rows of this resource alone", .text = &resource },
        { "--after", "ROW", "begin with the rows after this one", .number = &after },
    };
    const struct cli_usage usage = {
        .command = "audit-log follow",
        .arguments = "--state DIR",
        .summary = "Shows each row as it is written, until it is interrupted.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister audit-log follow --state broker\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_error err;
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (after > INT64_MAX)
        return cli_usage_error(&usage, "--after: no row has that number");
    if (!cli_open_state_shut(state, &store, &err))
        return cli_fail("audit-log follow", &err);
    for (int64_t last = (int64_t)after;;) {
        if (!audit_log_print_page(store, resource, false, &last, &count, NULL, &err))
            return cli_fail("audit-log follow", &err);
        if (fflush(stdout) != 0)
            return CLI_SURROUNDINGS;
        if (count < AUDIT_LOG_PAGE)
            usleep(FOLLOW_US);
    }
}
