#include "cli/commands.h"

int cmd_version(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .command = "version",
        .arguments = "",
        .summary = "Prints the version.",
        .example = "  cloister version\n",
    };
    struct clo_list operands;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "takes no arguments");
    printf("cloister %s\n", CLOISTER_VERSION);
    return CLI_YES;
}
