/* cloister key list: what the broker releases. */
#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"

static void print_rules(const json_t *entry)
{
    const char *second = json_string_value(json_object_get(entry, "second_holder"));
    const char *releases = json_string_value(json_object_get(entry, "releases"));
    long long lease = json_integer_value(json_object_get(entry, "lease_seconds"));

    printf("%s", json_is_true(json_object_get(entry, "shared")) ? "  shared" : "");
    printf("  releases %s", releases == NULL ? "-" : releases);
    if (second != NULL)
        printf("  second holder %s", second);
    if (lease > 0)
        printf("  lease %lld s", lease);
    printf("  holders %lld", (long long)json_integer_value(json_object_get(entry, "holders")));
    long long limit = json_integer_value(json_object_get(entry, "release_limit"));
    if (limit > 0)
        printf("  released %lld of %lld",
               (long long)json_integer_value(json_object_get(entry, "release_count")), limit);
    printf("%s", json_is_true(json_object_get(entry, "revoked")) ? "  REVOKED" : "");
}

static void print_list(const json_t *list)
{
    json_t *entry;
    json_t *name;
    size_t i, k;

    json_array_foreach (list, i, entry) {
        printf("%s  %lld bytes  %s  policy \"%s\"",
               json_string_value(json_object_get(entry, "path")),
               (long long)json_integer_value(json_object_get(entry, "bytes")),
               json_string_value(json_object_get(entry, "created")),
               json_string_value(json_object_get(entry, "policy")));
        json_array_foreach (json_object_get(entry, "references"), k, name)
            printf("%s \"%s\"", k == 0 ? "  references" : ",", json_string_value(name));
        const json_t *disk = json_object_get(entry, "disk");
        if (disk != NULL)
            printf("  disk %s generation %lld", json_string_value(json_object_get(disk, "uuid")),
                   (long long)json_integer_value(json_object_get(disk, "generation")));
        print_rules(entry);
        const char *why = json_string_value(json_object_get(entry, "accept_weak"));
        if (why != NULL)
            printf("  accepted as weak: %s", why);
        printf("\n");
    }
}

static bool get_list(const struct cli_remote *remote, const char *state, json_t **out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    json_t *list;

    if (remote->url != NULL)
        return cli_remote_ask(remote, "list", "", json_object(), out, err);
    if (!cli_open_state_shut(state, &store, err) || !clo_store_list(store, &list, err))
        return false;
    *out = json_pack("{s:o}", "resources", list);
    return *out != NULL || clo_out_of_memory(err);
}

int cmd_key_list(int argc, char **argv)
{
    const char *state = NULL, *why;
    struct cli_remote remote = { .url = NULL };
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OR_BROKER(&state, &remote),
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "key list",
        .arguments = "--state DIR|--broker URL",
        .summary = "Lists what the broker releases, and on which terms; never the secrets.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key list --state broker\n"
                   "  cloister key list --broker https://kbs.example.org:8443 --broker-key "
                   "broker.pem \\\n      --admin-key alice.key\n",
    };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (!cli_remote_check(&remote, state, &why))
        return cli_usage_error(&usage, "%s", why);
    if (!get_list(&remote, state, &answer, &err))
        return cli_fail("key list", &err);
    if (as_json)
        return cli_print_json(answer, &err) ? CLI_YES : cli_fail("key list", &err);
    print_list(json_object_get(answer, "resources"));
    return CLI_YES;
}
