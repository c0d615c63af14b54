/* cloister audit-log prune: old rows go, and what they hash to is signed. */
#include <time.h>

#include "cli/audit-log/audit_log.h"

#define DAY 86400

int cmd_audit_log_prune(int argc, char **argv)
{
    const char *state = NULL;
    uint64_t days = 0;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
        { "--keep", "DAYS", "how old rows may be (required)", .number = &days },
    };
    const struct cli_usage usage = {
        .command = "audit-log prune",
        .arguments = "--state DIR --keep DAYS",
        .summary = "Drops rows that are older. What they hash to is signed first, so that the rest "
                   "can still be\nverified, and rows that were kept elsewhere, too.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister audit-log prune --state broker --keep 365\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    int64_t now = (int64_t)time(NULL);
    struct clo_error err;
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (state == NULL || days == 0 || days > 36500)
        return cli_usage_error(&usage, "--state, and --keep of 1 to 36500 days, are needed");
    if (!cli_open_state_shut(state, &store, &err) ||
        !clo_store_audit_drop(store, now - (int64_t)days * DAY, now, &count, &err))
        return cli_fail("audit-log prune", &err);
    printf("%zu row%s dropped\n", count, count == 1 ? "" : "s");
    return CLI_YES;
}
