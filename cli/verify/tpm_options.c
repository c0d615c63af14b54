#include <string.h>

#include "cli/verify/common.h"
#include "device/file.h"
#include "lib/tcg/tpm_challenge.h"

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

void verify_add_challenge_options(struct verify_tpm_files *files, struct cli_option *table,
                                  size_t *count)
{
    table[(*count)++] = (struct cli_option){
        .name = "--challenge",
        .argument = "FILE",
        .help = "what 'evidence challenge' kept: its answer vouches for the key, up to a --root",
        .text = &files->challenge
    };
    table[(*count)++] = (struct cli_option){ .name = "--answer",
                                             .argument = "FILE",
                                             .help = "what 'evidence activate' wrote in the guest",
                                             .text = &files->answer };
}

bool verify_load_challenge(const struct verify_tpm_files *files, struct verify_inputs *inputs,
                           struct clo_error *err)
{
    struct clo_tpm_activation *out = &inputs->inputs.activation;

    if (files->challenge == NULL && files->answer == NULL)
        return true;
    if (files->challenge == NULL || files->answer == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--challenge and --answer go together");
    if (!clo_file_read(files->challenge, CLO_TPM_CHALLENGE_LIMIT, &inputs->challenge, err) ||
        !clo_file_read(files->answer, CLO_TPM_CHALLENGE_LIMIT, &inputs->answer, err))
        return false;
    *out = (struct clo_tpm_activation){ clo_buffer_bytes(&inputs->challenge),
                                        clo_buffer_bytes(&inputs->answer) };
    return true;
}
