/* cloister endorsements show: what is in a bundle that this key signed. */
#include <stdlib.h>

#include "cli/endorsements/endorsements.h"
#include "device/file.h"
#include "device/key_file.h"

static bool read_bundle(const char *path, const char *key_path, int64_t *made,
                        struct clo_endorsement_set *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_key_file_public(key_path, &key, &pem, err) &&
           clo_file_read(path, CLO_ENDORSEMENT_BUNDLE_MAX, &file, err) &&
           (clo_endorsement_bundle_read(clo_buffer_bytes(&file), key, made, out, err) ||
            clo_wrap(err, "%s", path));
}

int cmd_endorsements_show(int argc, char **argv)
{
    const char *key = NULL, *at = NULL;
    uint64_t days = CLO_BUNDLE_DAYS;
    bool as_json = false;
    const struct cli_option options[] = {
        { "--public-key", "FILE", "the key that it must be signed by (required)", .text = &key,
          .is_required = true },
        { "--endorsements-days", "N", "how old it may be; default 14", .number = &days },
        { "--at", "TIME", "at this time (default: now)", .text = &at },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "endorsements show",
        .arguments = "BUNDLE",
        .operands = { "one bundle", 1, 1 },
        .summary = "Says what is in a bundle of endorsements, and whether a broker would take it.\n"
                   "Exit status 1: another key has signed it, it was changed, or it is too old.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister endorsements show endorsements.bundle --public-key owner.pub.pem\n",
    };
    CLO_CLEANUP(endorsements_freep) struct clo_endorsement_set *set = calloc(1, sizeof *set);
    struct clo_list operands;
    struct clo_error err;
    int64_t made, now;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (days == 0 || days > CLO_BUNDLE_DAYS_MAX)
        return cli_usage_error(&usage, "--endorsements-days: 1 to %d", CLO_BUNDLE_DAYS_MAX);
    if (!(set != NULL || clo_out_of_memory(&err)) || !cli_time(at, &now, &err) ||
        !read_bundle(operands.items[0], key, &made, set, &err) ||
        !endorsements_tell(set, made, now, as_json, &err) ||
        !clo_bundle_check_age(made, (int64_t)days * 86400, now, &err))
        return cli_fail("endorsements show", &err);
    return CLI_YES;
}
