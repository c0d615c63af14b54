/* cloister audit-log show: what a broker decided. */
#include "cli/audit-log/audit_log.h"

static int show(struct clo_store *store, const char *resource, int64_t after, bool as_json)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_pack("{s:[]}", "rows");
    struct clo_error err;
    size_t count;

    do
        if (!audit_log_print_page(store, resource, as_json, &after, &count,
                                  json_object_get(json, "rows"), &err))
            return cli_fail("audit-log show", &err);
    while (count == AUDIT_LOG_PAGE);
    return !as_json || cli_print_json(json, &err) ? CLI_YES : cli_fail("audit-log show", &err);
}

int cmd_audit_log_show(int argc, char **argv)
{
    const char *state = NULL, *resource = NULL;
    uint64_t after = 0;
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
        { "--resource", "PATH", "rows of this resource alone", .text = &resource },
        { "--after", "ROW", "rows after this one", .number = &after },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "audit-log show",
        .arguments = "--state DIR",
        .summary = "Shows what a broker decided: a row for each decision, with the machine (chip, "
                   "REPORT_ID,\ninstance), the address and the policy's name.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister audit-log show --state broker --resource default/disk/demo\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (after > INT64_MAX)
        return cli_usage_error(&usage, "--after: no row has that number");
    if (!cli_open_state_shut(state, &store, &err))
        return cli_fail("audit-log show", &err);
    return show(store, resource, (int64_t)after, as_json);
}
