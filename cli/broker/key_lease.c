/* cloister key lease: which machines hold a secret. */
#include "cli/broker/key.h"
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

static int give_up(struct clo_store *store, const char *path)
{
    struct clo_error err;
    size_t count;

    if (!clo_store_give_up(store, path, &count, &err))
        return cli_fail("key lease", &err);
    printf("%s: given up by %zu machine%s; a boot that got it gets it no more\n", path, count,
           count == 1 ? "" : "s");
    return CLI_YES;
}

int cmd_key_lease(int argc, char **argv)
{
    const char *state = NULL;
    bool as_json = false, release = false;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
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
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (state == NULL || (release && as_json))
        return cli_usage_error(&usage, "--state is needed, and --release goes alone");
    if (!cli_open_state_shut(state, &store, &err))
        return cli_fail("key lease", &err);
    if (release)
        return give_up(store, operands.items[0]);
    if (!clo_store_holders(store, operands.items[0], &list, &err))
        return cli_fail("key lease", &err);
    if (!as_json) {
        print_holders(operands.items[0], list);
        return CLI_YES;
    }
    CLO_CLEANUP(clo_json_freep) json_t *json = json_pack("{s:O}", "holders", list);
    return cli_print_json(json, &err) ? CLI_YES : cli_fail("key lease", &err);
}
