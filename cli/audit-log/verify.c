/* cloister audit-log verify: is the trail as it was written? */
#include <unistd.h>

#include "cli/audit-log/audit_log.h"
#include "device/file.h"

static bool read_key(const char *state, const char *path, struct clo_public_key **out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    char own[4200];

    if (path == NULL) {
        snprintf(own, sizeof own, "%s/" CLO_AUDIT_KEY ".pem", state);
        path = own;
    }
    if (path == own && access(own, F_OK) != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "%s: nothing is signed yet: 'cloister audit-log checkpoint' signs", state);
    return clo_file_read(path, CLO_FILE_LIMIT, &pem, err) &&
           (clo_public_key_from_pem(clo_buffer_bytes(&pem), out, err) || clo_wrap(err, "%s", path));
}

static bool read_kept(const char *path, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return path == NULL ||
           (clo_file_read(path, CLO_FILE_LIMIT, &text, err) &&
            (clo_json_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path)));
}

static bool print_verdict(const struct clo_audit_verdict *v, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:I, s:I, s:I, s:I}", "first", (json_int_t)v->first, "last",
                             (json_int_t)v->last, "checkpoints", (json_int_t)v->checkpoints,
                             "covered", (json_int_t)v->covered);

    if (as_json)
        return cli_print_json(json, err);
    if (v->last == 0)
        printf("the trail is empty\n");
    else
        printf("rows %lld to %lld are as they were written; %zu checkpoint%s, the last of row "
               "%lld\n",
               (long long)v->first, (long long)v->last, v->checkpoints,
               v->checkpoints == 1 ? "" : "s", (long long)v->covered);
    return true;
}

int cmd_audit_log_verify(int argc, char **argv)
{
    const char *state = NULL, *key_path = NULL, *kept_path = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        CLI_STATE_OPTION(&state),
        { "--key", "FILE", "the public key of checkpoints (PEM); default: the state's audit.pem",
          .text = &key_path },
        { "--checkpoint", "FILE", "one that 'audit-log checkpoint' printed and that was kept",
          .text = &kept_path },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "audit-log verify",
        .arguments = "--state DIR",
        .summary =
                "Is the trail as it was written? Rows that were changed, removed, moved, inserted "
                "or cut off are\nfound by its chain and its signed checkpoints. Anyone who has the "
                "broker's keys can write another\ntrail: a key and a checkpoint that are kept "
                "elsewhere show that.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister audit-log verify --state broker --checkpoint kept.json\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *kept = NULL;
    struct clo_audit_verdict verdict;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (!cli_open_state_shut(state, &store, &err) || !read_key(state, key_path, &key, &err) ||
        !read_kept(kept_path, &kept, &err) ||
        !clo_store_audit_verify(store, key, kept, &verdict, &err) ||
        !print_verdict(&verdict, as_json, &err))
        return cli_fail("audit-log verify", &err);
    return CLI_YES;
}
