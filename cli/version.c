#include "cli/commands.h"

int cmd_version(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .command = "version",
        .arguments = "",
        .summary = "Prints the version.",
        .example = "  cloister version\n",
    };
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    printf("cloister %s\n", CLOISTER_VERSION);
    return CLI_YES;
}
