/* cloister key revoke: nothing under a path, or to a machine, any more. */
#include <time.h>

#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"

static bool revoke_here(struct clo_store *store, const char *name, bool is_machine, bool is_revoked,
                        struct clo_error *err)
{
    int64_t now = (int64_t)time(NULL);
    const struct clo_audit row = { .time = now,
                                   .action = "revoke",
                                   .verdict = is_revoked ? "revoked" : "allowed",
                                   .session = "",
                                   .tee = "",
                                   .resource = is_machine ? NULL : name,
                                   .detail = is_machine ? name : "" };

    if (!clo_store_begin(store, err))
        return false;
    bool ok = is_machine ? clo_store_revoke_machine(store, name, is_revoked, now, err)
                         : clo_store_revoke(store, name, is_revoked, now, err);
    return clo_store_end(store, ok && clo_store_audit_last(store, &row, err), err);
}

static bool revoke(const struct cli_remote *remote, const char *state, const char *name,
                   bool is_machine, bool is_revoked, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;

    const char *word = is_revoked ? (is_machine ? "revoke-machine" : "revoke")
                                  : (is_machine ? "allow-machine" : "allow");

    if (remote->url != NULL)
        return cli_remote_ask(remote, word, name, json_object(), out, err);
    if (!cli_open_state_shut(state, &store, err) ||
        !revoke_here(store, name, is_machine, is_revoked, err))
        return false;
    *out = json_pack("{s:s, s:b}", is_machine ? "machine" : "path", name, "revoked", is_revoked);
    return *out != NULL || clo_out_of_memory(err);
}

int cmd_key_revoke(int argc, char **argv)
{
    const char *state = NULL, *why;
    struct cli_remote remote = { .url = NULL };
    bool is_machine = false, undo = false, as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OR_BROKER(&state, &remote),
        { "--machine", NULL,
          "not a path but a machine, by the name that 'key lease' and the audit trail have for it",
          .flag = &is_machine },
        { "--undo", NULL, "allow it again", .flag = &undo },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "key revoke",
        .arguments = "PATH|MACHINE",
        .operands = { "one path or machine", 1, 1 },
        .summary = "Releases nothing under a path, or nothing to a machine, any more: at once, "
                   "also to those\nthat were accepted before. What a guest has got it has: change "
                   "the disk's key for that.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key revoke default/disk/demo --state broker\n"
                   "  cloister key revoke 3f0c… --machine --state broker\n",
    };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    const char *name = operands.items[0];
    if (!cli_remote_check(&remote, state, &why))
        return cli_usage_error(&usage, "%s", why);
    if (!revoke(&remote, state, name, is_machine, !undo, &answer, &err))
        return cli_fail("key revoke", &err);
    if (as_json)
        return cli_print_json(answer, &err) ? CLI_YES : cli_fail("key revoke", &err);
    printf("%s: %s\n", name, undo ? "is released again" : "is revoked");
    return CLI_YES;
}
