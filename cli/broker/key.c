#include "cli/broker/key.h"
#include "cli/commands.h"

int cmd_key(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "derive", cmd_key_derive, "in an SEV-SNP guest: a key that only this chip gives it" },
        { "put", cmd_key_put, "register a secret, and the terms on which it is released" },
        { "list", cmd_key_list, "what is registered" },
        { "lease", cmd_key_lease, "which machines hold a secret" },
        { "remove", cmd_key_remove, "forget a secret" },
    };

    return cli_dispatch("key", "What the key broker releases, and keys of a guest's own.", commands,
                        CLO_COUNT(commands), argc, argv);
}
