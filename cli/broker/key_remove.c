/* cloister key remove: a secret that no guest gets any more. */
#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"

static bool remove_it(const struct cli_remote *remote, const char *state, const char *path,
                      json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;

    if (remote->url != NULL)
        return cli_remote_ask(remote, "remove", path, json_object(), out, err);
    if (!cli_open_state_shut(state, &store, err) || !clo_store_remove(store, path, err))
        return false;
    *out = json_pack("{s:s}", "path", path);
    return *out != NULL || clo_out_of_memory(err);
}

int cmd_key_remove(int argc, char **argv)
{
    const char *state = NULL, *why;
    struct cli_remote remote = { .url = NULL };
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OR_BROKER(&state, &remote),
        { "--json", NULL, "print one JSON document", .flag = &as_json },
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
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_remote_check(&remote, state, &why))
        return cli_usage_error(&usage, "%s", why);
    if (!remove_it(&remote, state, operands.items[0], &answer, &err) ||
        (as_json && !cli_print_json(answer, &err)))
        return cli_fail("key remove", &err);
    return CLI_YES;
}
