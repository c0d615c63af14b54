#include "cli/audit-log/audit_log.h"
#include "cli/commands.h"

int cmd_audit_log(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "show", cmd_audit_log_show, "what a broker decided" },
        { "verify", cmd_audit_log_verify, "is the trail as it was written?" },
        { "follow", cmd_audit_log_follow, "each row as it is written" },
        { "checkpoint", cmd_audit_log_checkpoint,
          "sign the end of the trail, to be kept elsewhere" },
        { "prune", cmd_audit_log_prune, "drop old rows under a checkpoint" },
    };

    return cli_dispatch("audit-log", "A broker's audit trail.", commands, CLO_COUNT(commands), argc,
                        argv);
}
