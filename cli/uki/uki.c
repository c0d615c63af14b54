#include "cli/uki/uki.h"
#include "cli/commands.h"

int cmd_uki(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "build", cmd_uki_build,
          "make one signed EFI image of stub, kernel, initrd, command line" },
        { "edit", cmd_uki_edit, "change, add or drop sections, split an add-on off" },
        { "sign", cmd_uki_sign, "sign an EFI image for Secure Boot" },
        { "verify", cmd_uki_verify, "say who signed an image, and whether firmware takes it" },
        { "inspect", cmd_uki_inspect, "show what is in an image, and what of it gets measured" },
        { "policy", cmd_uki_policy, "show PCR 11 and its policies, check what .pcrsig signs" },
    };

    return cli_dispatch("uki", "Builds, edits, signs, verifies and inspects unified kernel images.",
                        commands, CLO_COUNT(commands), argc, argv);
}
