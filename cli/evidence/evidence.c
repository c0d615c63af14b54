#include "cli/evidence/evidence.h"
#include "cli/commands.h"

int cmd_evidence(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "activate", cmd_evidence_activate, "in the guest: answer a verifier's challenge" },
        { "challenge", cmd_evidence_challenge, "for a TPM: a credential that it alone opens" },
        { "collect", cmd_evidence_collect, "in the guest: what it can show for itself" },
        { "extend", cmd_evidence_extend, "in a TDX guest: extend a run-time register" },
        { "report", cmd_evidence_report, "in the guest: a bare hardware report or quote" },
        { "show", cmd_evidence_show, "what a bundle holds" },
    };

    return cli_dispatch("evidence", "Evidence: what a guest sends to prove itself.", commands,
                        CLO_COUNT(commands), argc, argv);
}
