#include <string.h>

#include "cli/verify/common.h"

void verify_add_tpm_options(struct verify_tpm_files *files, const char **ak,
                            struct cli_option *table, size_t *count)
{
    const struct cli_option options[] = {
        { .name = "--quote",
          .argument = "FILE",
          .help = "TPMS_ATTEST or TPM2B_ATTEST",
          .text = &files->quote },
        { .name = "--signature",
          .argument = "FILE",
          .help = "TPMT_SIGNATURE, or a bare RSASSA or ECDSA signature",
          .text = &files->signature },
        { .name = "--ak",
          .argument = "FILE",
          .help = "the attestation key: PEM, JWK, a certificate, TPMT_PUBLIC or its JSON",
          .text = ak },
        { .name = "--pcrs",
          .argument = "FILE",
          .help = "PCR values: JSON, or what tpm2_pcrread prints or tpm2_quote --pcr writes",
          .text = &files->pcrs },
        { .name = "--eventlog",
          .argument = "FILE",
          .help = "the firmware's event log",
          .text = &files->eventlog },
        { .name = "--userspace-log",
          .argument = "FILE",
          .help = "systemd's tpm2-measure.log",
          .text = &files->userspace_log },
    };

    memcpy(table + *count, options, sizeof options);
    *count += CLO_COUNT(options);
}

void verify_add_ak_certificate_option(struct verify_tpm_files *files, struct cli_option *table,
                                      size_t *count)
{
    table[(*count)++] = (struct cli_option){
        .name = "--ak-cert",
        .argument = "FILE",
        .help = "its certificate, which the TPM's maker issued: counts up to a --root",
        .text = &files->ak_certificate
    };
}
