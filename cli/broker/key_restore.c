/* cloister key restore: a broker's state of a copy. */
#include <time.h>

#include "cli/broker/key.h"
#include "verifier/store/store.h"

int cmd_key_restore(int argc, char **argv)
{
    const char *state = NULL;
    const struct cli_option options[] = {
        { "--state", "DIR", "the folder to make; nothing may be there yet (required)",
          .text = &state, .is_required = true },
    };
    const struct cli_usage usage = {
        .command = "key restore",
        .arguments = "FOLDER",
        .operands = { "one folder", 1, 1 },
        .summary = "Makes a broker's state of a copy that 'key backup' made. The database must be "
                   "whole, and the\naudit trail as it was written. Nonces and sessions of before "
                   "count "
                   "no more; generations of\ndisks, leases and counts of releases are those of the "
                   "copy.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key restore /mnt/safe/broker-2026-11-30 --state broker\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return clo_store_restore(operands.items[0], state, (int64_t)time(NULL), &err)
                   ? CLI_YES
                   : cli_fail("key restore", &err);
}
