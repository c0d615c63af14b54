/* cloister evidence activate: in the guest, the answer to a verifier's credential (TPM2_ActivateCredential). */
#include "cli/evidence/evidence.h"
#include "cli/evidence/hardware.h"
#include "device/file.h"
#include "device/tpm_endorsement.h"

struct activate_options {
    const char *tpm, *ak, *ek, *output;
};

static bool activate(const struct activate_options *o, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_tpm_identity identity;
    struct clo_tpm_credential credential;

    if (!evidence_tpm_handle("--ak", o->ak, &identity.ak, err) ||
        !evidence_tpm_handle("--ek", o->ek, &identity.ek, err) ||
        !clo_file_read(path, CLO_TPM_CREDENTIAL_LIMIT, &file, err) ||
        (!clo_tpm_credential_parse(clo_buffer_bytes(&file), &credential, err) &&
         !clo_wrap(err, "%s", path)))
        return false;
    return clo_tpm_open(o->tpm, &tpm, err) &&
           clo_tpm_activate(tpm, &identity, &credential, &secret, err) &&
           clo_file_write(o->output, clo_secret_bytes(secret), 0600, err);
}

int cmd_evidence_activate(int argc, char **argv)
{
    struct activate_options o = { .tpm = CLO_TPM_DEVICE };
    const struct cli_option options[] = {
        { "--output", "FILE", "the answer, which goes back to the verifier (required)",
          .text = &o.output },
        { "--tpm", "DEVICE", "default " CLO_TPM_DEVICE, .text = &o.tpm },
        { "--ak", "HANDLE", "of the attestation key (0x81000003, else one that is made)",
          .text = &o.ak },
        { "--ek", "HANDLE", "of the endorsement key (0x81010001 and others, else one that is made)",
          .text = &o.ek },
    };
    const struct cli_usage usage = {
        .command = "evidence activate",
        .arguments = "CREDENTIAL --output FILE",
        .operands = { "one credential", 1, 1 },
        .summary =
                "Opens, in the guest, a credential of 'cloister evidence challenge' or of "
                "tpm2_makecredential.\nThe TPM does so only if it holds the endorsement key and "
                "the attestation key that it was\nmade for; what was in it shows a verifier that "
                "it does.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister evidence activate credential --output answer\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.output == NULL)
        return cli_usage_error(&usage, "--output is needed");
    return activate(&o, operands.items[0], &err) ? CLI_YES : cli_fail("evidence activate", &err);
}
