/* The full program: every command, and the help of them all. */
#include "cli/commands.h"

#define ROW(name, run, summary) { name, run, summary },

int cli_run(int argc, char **argv)
{
    static const struct cli_command commands[] = { CLI_COMMANDS(ROW, ROW) };

    return cli_dispatch("",
                        "Turns an ordinary Linux image into a confidential VM that can prove what "
                        "it is,\nand gives its owner the verifier that asks for the proof.",
                        commands, CLO_COUNT(commands), argc, argv);
}
