#include "cli/commands.h"
#include "cli/policy/files.h"

int cmd_policy(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "init", cmd_policy_init,
          "a sound policy for a kind of platform, from an image's references" },
        { "check", cmd_policy_check, "what a policy pins, and what it leaves to an attacker" },
        { "test", cmd_policy_test, "what a policy says of evidence at hand" },
    };

    return cli_dispatch("policy", "What evidence must show before a key is released.", commands,
                        CLO_COUNT(commands), argc, argv);
}
