/* cloister key terms: other terms for a secret that is there. */
#include <time.h>

#include "cli/broker/key.h"
#include "cli/broker/state.h"
#include "cli/broker/terms_files.h"

static bool set_terms(struct clo_store *store, const char *path,
                      const struct cli_terms_files *files, struct clo_error *err)
{
    const struct clo_store_entry entry = { .path = path,
                                           .policy = clo_buffer_bytes(&files->policy),
                                           .references = files->views,
                                           .reference_count = files->known.count };
    const struct clo_audit row = { .time = (int64_t)time(NULL),
                                   .action = "terms",
                                   .verdict = "changed",
                                   .session = "",
                                   .tee = "",
                                   .resource = path,
                                   .detail = clo_policy_name(files->parsed) };

    return clo_store_begin(store, err) &&
           clo_store_end(store,
                         clo_store_set_terms(store, &entry, err) &&
                                 clo_store_audit_last(store, &row, err),
                         err);
}

int cmd_key_terms(int argc, char **argv)
{
    const char *state = NULL, *policy = NULL, *master = NULL;
    struct clo_list references = { 0 };
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
        { "--policy", "FILE", "what evidence must show (required)", .text = &policy },
        { "--reference", "FILE", "reference values; may be repeated", .list = &references },
        CLI_MASTER_OPTION(&master),
    };
    const struct cli_usage usage = {
        .command = "key terms",
        .arguments = "PATH",
        .operands = { "one path", 1, 1 },
        .summary = "Puts a secret that is there under other terms, after an update of its image, "
                   "say. The secret\nitself is not needed, and who holds it stays. A session "
                   "that fulfilled the old terms alone\ngets nothing more.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key terms default/disk/demo --state broker --policy policy.json "
                   "\\\n      --reference demo-2.ref.json\n",
    };
    CLO_CLEANUP(cli_terms_files_free) struct cli_terms_files files = { 0 };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (state == NULL || policy == NULL)
        return cli_usage_error(&usage, "--state and --policy are needed");
    if (references.count > CLO_STORE_REFERENCES_MAX)
        return cli_usage_error(&usage, "more than %d references", CLO_STORE_REFERENCES_MAX);
    if (!cli_open_state(state, master, false, &store, &err) ||
        !cli_terms_files_read(policy, &references, &files, &err) ||
        !cli_terms_check_pins(&files, NULL, "its member \"accept_weak\" says why that may be",
                              &err) ||
        !set_terms(store, operands.items[0], &files, &err))
        return cli_fail("key terms", &err);
    printf("%s: released by policy \"%s\"\n", (const char *)operands.items[0],
           clo_policy_name(files.parsed));
    return CLI_YES;
}
