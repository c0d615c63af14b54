#include "cli/measure/measure.h"
#include "cli/commands.h"

int cmd_measure(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "snp", cmd_measure_snp, "launch digest of an SEV-SNP, SEV-ES or SEV guest" },
        { "tdx", cmd_measure_tdx, "MRTD and RTMRs of a TDX guest" },
        { "uki", cmd_measure_uki, "PCRs of a unified kernel image" },
        { "image", cmd_measure_image, "PCRs of a disk image, as a reference file" },
        { "convert", cmd_measure_convert,
          "reference files as CoRIM, CoSERV or pcrlock components, and back" },
        { "policy", cmd_measure_policy, "signed TPM policies over what references foretell" },
    };

    return cli_dispatch("measure", "Predicts registers before the first boot.", commands,
                        CLO_COUNT(commands), argc, argv);
}
