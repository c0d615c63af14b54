#include "cli/endorsements/endorsements.h"
#include "cli/commands.h"

int cmd_endorsements(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "pack", cmd_endorsements_pack, "sign and date them, for a broker without a network" },
        { "show", cmd_endorsements_show, "is a bundle by this key, how old is it, what is in it?" },
    };

    return cli_dispatch("endorsements", "AMD's and Intel's documents, carried to a broker.",
                        commands, CLO_COUNT(commands), argc, argv);
}
