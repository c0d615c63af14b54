/* cloister key lease: which machines hold a secret. */
#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"

static void print_holders(const char *path, const json_t *list)
{
    json_t *entry;
    size_t i;

    if (json_array_size(list) == 0)
        printf("%s: nobody holds it\n", path);
    json_array_foreach (list, i, entry) {
        const char *instance = json_string_value(json_object_get(entry, "instance"));
        const char *ends = json_string_value(json_object_get(entry, "lease_ends"));
        printf("%s  %s  %lld boot%s  last %s  until %s\n", path,
               instance == NULL || instance[0] == '\0' ? "a machine that nothing proves" : instance,
               (long long)json_integer_value(json_object_get(entry, "boots")),
               json_integer_value(json_object_get(entry, "boots")) == 1 ? "" : "s",
               json_string_value(json_object_get(entry, "time")),
               ends == NULL ? "it is given up" : ends);
    }
}

static bool ask_here(const char *state, const char *path, bool release, json_t **out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    json_t *holders;
    size_t count;

    if (!cli_open_state_shut(state, &store, err))
        return false;
    if (release) {
        if (!clo_store_give_up(store, path, &count, err))
            return false;
        *out = json_pack("{s:s, s:I}", "path", path, "given_up", (json_int_t)count);
    } else {
        if (!clo_store_holders(store, path, &holders, err))
            return false;
        *out = json_pack("{s:o}", "holders", holders);
    }
    return *out != NULL || clo_out_of_memory(err);
}

static void print_given_up(const char *path, const json_t *answer)
{
    long long count = json_integer_value(json_object_get(answer, "given_up"));

    printf("%s: given up by %lld machine%s; a boot that got it gets it no more\n", path, count,
           count == 1 ? "" : "s");
}

int cmd_key_lease(int argc, char **argv)
{
    const char *state = NULL, *why;
    struct cli_remote remote = { .url = NULL };
    bool as_json = false, release = false;
    const struct cli_option options[] = {
        CLI_STATE_OR_BROKER(&state, &remote),
        { "--release", NULL,
          "give it up: the next machine that fulfils the terms gets it; a boot that got it must be "
          "another one first",
          .flag = &release },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "key lease",
        .arguments = "PATH",
        .operands = { "one path", 1, 1 },
        .summary = "Shows which machines got a secret and hold it; or gives it up for them, when a "
                   "machine\nwas moved, replaced or restored from a backup.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key lease --state broker default/disk/demo\n"
                   "  cloister key lease --state broker default/disk/demo --release\n",
    };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    const char *path = operands.items[0];
    if (!cli_remote_check(&remote, state, &why))
        return cli_usage_error(&usage, "%s", why);
    bool ok = remote.url == NULL ? ask_here(state, path, release, &answer, &err)
                                 : cli_remote_ask(&remote, release ? "give-up" : "lease", path,
                                                  json_object(), &answer, &err);
    if (!ok || (as_json && !cli_print_json(answer, &err)))
        return cli_fail("key lease", &err);
    if (!as_json && release)
        print_given_up(path, answer);
    else if (!as_json)
        print_holders(path, json_object_get(answer, "holders"));
    return CLI_YES;
}
