/* A TPM alone, whose key the caller vouches for; and what the PCRs of any TPM show in a result. */
#include "lib/appraise/tee_tpm_voucher.h"

static bool appraise(struct work *w, struct clo_error *err)
{
    return tpm_voucher_find(w, err);
}

static const char *const claims[] = {
    "gce_zone",          "gce_project_number",
    "gce_project_id",    "gce_instance_id",
    "gce_instance_name", "gce_security_version",
    "gce_is_production", "tpm_firmware_version",
    "tpm_clock",         "tpm_is_clock_safe",
    "tpm_reset_count",   "tpm_restart_count",
    "tpm_signature",     NULL,
};

/* What the kernel was told and what was started, before what follows from it. */
static const char *const telling[] = {
    "pcr.11", "pcr.12", "pcr.13", "pcr.15", "pcr.7", "pcr.4", "pcr.9", "pcr.5",
    "pcr.14", "pcr.0",  "pcr.1",  "pcr.2",  "pcr.3", "pcr.6", NULL,
};
static const char *const identity[] = { "tpm.quote.", "tpm.ak.", "tpm.ek.", "report.", NULL };
static const char *const configuration[] = { "pcr.7", "pcr.12", NULL };
static const char *const executables[] = { "pcr.0", "pcr.4", "pcr.11", "eventlog.", NULL };
static const char *const what[] = { "pcr.4", "pcr.11", "|", NULL };

const struct tee tee_tpm = {
    .id = CLO_TEE_TPM,
    .kind = CLO_EVIDENCE_OF_TPM,
    .has_tpm = true,
    .appraise = appraise,
    .telling = telling,
    .claims = claims,
    .register_ids = "pcr.",
    .ear = { [TEE_INSTANCE_IDENTITY] = { identity, NULL },
             [TEE_CONFIGURATION] = { configuration, NULL },
             [TEE_EXECUTABLES] = { executables, what } },
};
