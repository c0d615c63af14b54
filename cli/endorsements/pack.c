/* cloister endorsements pack: signed and dated, for a broker without a network. */
#include <stdlib.h>

#include "cli/broker/endorsements.h"
#include "cli/endorsements/endorsements.h"
#include "device/file.h"
#include "device/key_file.h"

static bool pack(const struct clo_list *paths, const char *key_path, int64_t now,
                 struct clo_endorsement_set *set, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;

    if (!clo_key_file_private(key_path, NULL, &key, err))
        return false;
    for (size_t i = 0; i < paths->count; i++)
        if (!endorsements_load_any(paths->items[i], set, err))
            return false;
    return clo_endorsement_bundle_write(set, now, key, out, err);
}

int cmd_endorsements_pack(int argc, char **argv)
{
    const char *key = NULL, *output = NULL, *at = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        { "--key", "FILE", "sign with this key (P-256, P-384; required)", .text = &key,
          .is_required = true },
        { "--output", "FILE", "the bundle (required)", .text = &output, .is_required = true },
        { "--at", "TIME", "the time that it is dated (default: now)", .text = &at },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "endorsements pack",
        .arguments = "PATH…",
        .operands = { "files and folders", 1, CLO_LIST_MAX },
        .summary =
                "Signs and dates endorsements for a broker without a network.\nEach PATH is what "
                "'serve --endorsements' takes, a folder or a file of AMD's certificates and\n"
                "revocation lists or of Intel's collateral, or the cache of 'verify --fetch' or\n"
                "'serve --fetch'.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister endorsements pack amd/ --key owner.pem --output endorsements.bundle\n",
    };
    CLO_CLEANUP(endorsements_freep) struct clo_endorsement_set *set = calloc(1, sizeof *set);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int64_t now;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    bool ok = (set != NULL || clo_out_of_memory(&err)) && cli_time(at, &now, &err);
    for (size_t i = 0; ok && i < operands.count; i++)
        ok = cli_is_no_input("--output", output, operands.items[i], &err);
    if (!ok || !pack(&operands, key, now, set, &out, &err) ||
        !clo_file_write(output, clo_buffer_bytes(&out), 0644, &err) ||
        !endorsements_tell(set, now, now, as_json, &err))
        return cli_fail("endorsements pack", &err);
    return CLI_YES;
}
