#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/verify/common.h"

int cmd_verify(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary;
    } forms[] = {
        { "snp", cmd_verify_snp, "an SEV-SNP report" },
        { "tdx", cmd_verify_tdx, "a TDX quote" },
        { "azure", cmd_verify_azure, "an Azure HCL report and a quote of its vTPM" },
        { "gce", cmd_verify_gce, "a quote of the vTPM of a Google Compute Engine instance" },
        { "nitro", cmd_verify_nitro, "an attestation document of AWS (NitroTPM, Nitro Enclaves)" },
        { "svsm", cmd_verify_svsm, "SEV-SNP with a service module at VMPL 0, and its TPM" },
        { "systemd-report", cmd_verify_systemd_report, "a signed report of systemd-report" },
        { "tpm", cmd_verify_tpm, "a TPM's quote" },
        { "ear", cmd_verify_ear, "another verifier's result" },
    };

    for (size_t i = 0; argc > 1 && i < CLO_COUNT(forms); i++)
        if (strcmp(argv[1], forms[i].name) == 0)
            return forms[i].run(argc - 1, argv + 1);
    int status = cmd_verify_bundle(argc, argv);
    /* Help, man pages and completions are made from this list. */
    for (size_t i = 0; argc == 2 && i < CLO_COUNT(forms); i++)
        if (strcmp(argv[1], "--help=commands") == 0)
            status = forms[i].run(argc, argv);
        else if (strcmp(argv[1], "--help=complete") == 0)
            cli_help_complete(forms[i].name, NULL, forms[i].summary, NULL);
    return status;
}
