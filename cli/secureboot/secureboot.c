#include "cli/commands.h"
#include "cli/secureboot/lists.h"

int cmd_secureboot(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "apply", cmd_secureboot_apply, "apply an authenticated variable to a variable store" },
        { "diff", cmd_secureboot_diff, "compare signature lists" },
        { "enroll", cmd_secureboot_enroll, "put keys into a firmware variable store" },
        { "impact", cmd_secureboot_impact, "what a dbx update will do to PCR 7 and to images" },
        { "keygen", cmd_secureboot_keygen, "make the keys PK, KEK and db" },
        { "list", cmd_secureboot_list, "make and merge signature lists" },
        { "mok", cmd_secureboot_mok, "put the keys of a shim's owner into a variable store" },
        { "sbat", cmd_secureboot_sbat, "what an image's SBAT says, held against a level" },
        { "show", cmd_secureboot_show, "show what a variable store or a list holds" },
        { "sign", cmd_secureboot_sign, "sign a change of a variable" },
        { "verify", cmd_secureboot_verify, "check an authenticated variable" },
    };

    return cli_dispatch(
            "secureboot",
            "Secure Boot keys, signature lists and authenticated variables, and firmware variable "
            "stores with them.",
            commands, CLO_COUNT(commands), argc, argv);
}
