#include "cli/broker/key.h"
#include "cli/commands.h"

int cmd_key(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "derive", cmd_key_derive, "in an SEV-SNP guest: a key that only this chip gives it" },
        { "put", cmd_key_put, "register a secret, and the terms on which it is released" },
        { "terms", cmd_key_terms, "put a secret under other terms" },
        { "list", cmd_key_list, "what is registered" },
        { "lease", cmd_key_lease, "which machines hold a secret" },
        { "revoke", cmd_key_revoke, "release nothing under a path, or to a machine, any more" },
        { "remove", cmd_key_remove, "forget a secret" },
        { "master", cmd_key_master, "seal secrets under a master key" },
        { "backup", cmd_key_backup, "copy a broker's state" },
        { "restore", cmd_key_restore, "make a broker's state of a copy" },
    };

    return cli_dispatch("key", "What the key broker releases, and keys of a guest's own.", commands,
                        CLO_COUNT(commands), argc, argv);
}
