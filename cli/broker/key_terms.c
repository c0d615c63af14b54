/* cloister key terms: other terms for a secret that is there. */
#include <time.h>

#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"
#include "cli/broker/terms_files.h"

static bool set_terms(struct clo_store *store, const char *path,
                      const struct cli_terms_options *options, const struct cli_terms_files *files,
                      struct clo_error *err)
{
    int64_t now = (int64_t)time(NULL);
    const struct clo_store_entry entry = { .path = path,
                                           .policy = clo_buffer_bytes(&files->policy),
                                           .references = files->views,
                                           .reference_count = files->known.count,
                                           .accepts_older = options->why_older != NULL,
                                           .now = now };
    const struct clo_audit row = { .time = now,
                                   .action = "terms",
                                   .verdict = "changed",
                                   .session = "",
                                   .tee = "",
                                   .resource = path,
                                   .detail = clo_policy_name(files->parsed) };

    return clo_store_begin(store, err) &&
           clo_store_end(store,
                         clo_store_set_terms(store, &entry, err) &&
                                 cli_terms_audit_older(store, options, path, now, err) &&
                                 clo_store_audit_last(store, &row, err),
                         err);
}

/* `store` NULL: at the broker. */
static bool change(const struct cli_remote *remote, struct clo_store *store, const char *path,
                   const struct cli_terms_options *options, const struct cli_terms_files *files,
                   json_t **out, struct clo_error *err)
{
    bool is_revoked;

    if (store == NULL)
        return cli_remote_ask(remote, options->why_older == NULL ? "terms" : "terms-older", path,
                              cli_terms_json(options, files), out, err);
    if (!set_terms(store, path, options, files, err) ||
        !clo_store_is_revoked(store, path, &is_revoked, err))
        return false;
    *out = json_pack("{s:s, s:s, s:b}", "path", path, "policy", clo_policy_name(files->parsed),
                     "revoked", is_revoked);
    return *out != NULL || clo_out_of_memory(err);
}

int cmd_key_terms(int argc, char **argv)
{
    const char *state = NULL, *master = NULL, *why;
    struct cli_terms_options terms = { .policy = NULL };
    struct cli_remote remote = { .url = NULL };
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OR_BROKER(&state, &remote),
        CLI_TERMS_OPTIONS(&terms),
        CLI_MASTER_OPTION(&master),
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "key terms",
        .arguments = "PATH",
        .operands = { "one path", 1, 1 },
        .summary =
                "Puts a secret that is there under other terms, after an update of its image, "
                "say. The secret\nitself is not needed, and who holds it stays. A session "
                "that fulfilled the old terms alone\ngets nothing more. A policy or a set of "
                "reference values of an older version than was\naccepted of its name is refused.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key terms default/disk/demo --state broker --policy policy.json "
                   "\\\n      --reference demo-2.ref.json\n"
                   "  cloister key terms default/disk/demo --state broker --policy policy.json "
                   "\\\n      --reference demo.corim --reference-key owner.pub.pem\n",
    };
    CLO_CLEANUP(cli_terms_files_free) struct cli_terms_files files = { 0 };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_terms_options_check(&terms, &why))
        return cli_usage_error(&usage, "%s", why);
    if (!cli_remote_check(&remote, state, &why))
        return cli_usage_error(&usage, "%s", why);
    if (remote.url != NULL && master != NULL)
        return cli_usage_error(&usage, "--master-key is the broker's own: it goes with --state");
    const char *path = operands.items[0];
    if ((remote.url == NULL && !cli_open_state(state, master, false, &store, &err)) ||
        !cli_terms_files_read(&terms, &files, &err) ||
        !cli_terms_check_pins(&files, NULL, "its member \"accept_weak\" says why that may be",
                              &err) ||
        !change(&remote, store, path, &terms, &files, &answer, &err) ||
        (as_json && !cli_print_json(answer, &err)))
        return cli_fail("key terms", &err);
    if (!as_json) {
        printf("%s: released by policy \"%s\"\n", path, clo_policy_name(files.parsed));
        cli_tell_revoked(path, answer);
    }
    return CLI_YES;
}
