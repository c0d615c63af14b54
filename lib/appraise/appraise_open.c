/* What nobody holds fast. No check failed, and yet the host may choose which firmware, program or command
 * line this is, or the evidence may be an old one: such a verdict is a warning that names it. */
#include "lib/appraise/tee_tpm_voucher.h"
#include "lib/policy/policy_internal.h"

static void open_tpm(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    bool has_own_db = policy != NULL && policy->has_own_db;

    if (w->hardware == NULL)
        tpm_voucher_leave_open(w);
    if (w->hardware != NULL && w->hardware->open_tpm != NULL)
        w->hardware->open_tpm(w);
    if (appraise_is_wrapped(w) && w->tee->open_tpm != NULL)
        w->tee->open_tpm(w);
    if (w->hardware != NULL)
        w->hardware->open_launch(w);
    if (!policy_pcrs_pin_firmware(w->pcrs_held))
        appraise_leave_open(w, "firmware", "PCR 0 was not held against a reference value");
    if (!policy_pcrs_pin_program(w->pcrs_held, has_own_db))
        appraise_leave_open(w, "program",
                            "PCR 4 was not held against a reference value: any boot loader");
    if (!policy_pcrs_pin_command_line(w->pcrs_held))
        appraise_leave_open(
                w, "command line",
                "PCR 12 was not held against a reference value: whatever the host adds");
}

/* --- What the policy's grace let pass --- */

void appraise_open(struct work *w)
{
    const struct tee *hardware = w->hardware;

    if (hardware != NULL && w->inputs->policy != NULL)
        hardware->open_grace(w);
    if (w->tee->has_tpm)
        open_tpm(w);
    else if (hardware != NULL) {
        hardware->open_launch(w);
        hardware->open_bare(w);
    }
    if (hardware != NULL && hardware->allows_debug(w))
        appraise_leave_open(w, "debug",
                            "the host may debug this guest: it reads and writes its memory");
}
