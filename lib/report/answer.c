/* The answer: what keeps it from being yes, and which link of the chain each of these breaks. A link is good
 * only where something was shown of it; nothing is taken from silence. */
#include <string.h>

#include "page.h"

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void because(struct page *page, enum state state, enum stage stage, const char *text,
                    const char *detail, const char *todo)
{
    if (page->reason_count < REASONS_MAX)
        page->reasons[page->reason_count++] = (struct reason){
            .state = state, .stage = stage, .text = text, .detail = detail, .todo = todo
        };
}

/* --- Which link a finding or a check is about --- */

/* What a kernel could do, and is told to do, is about the kernel: it shows nothing of the file or disk that
 * it will be in. */
static enum stage stage_of_finding(const json_t *finding)
{
    const char *id = page_string(finding, "id");

    if (strcmp(id, "image.uki") == 0 || begins(id, "uki.") || begins(id, "guest.pcr"))
        return STAGE_BOOT;
    if (begins(id, "image.") || begins(id, "guest.mounts") || begins(id, "guest.swap"))
        return STAGE_DISK;
    if (begins(id, "guest.secure_boot") || begins(id, "guest.setup_mode"))
        return STAGE_FIRMWARE;
    if (begins(id, "guest.tee") || begins(id, "guest.memory") || begins(id, "guest.snp") ||
        begins(id, "guest.tdx") || begins(id, "guest.tpm"))
        return STAGE_PROCESSOR;
    return STAGE_KERNEL;
}

/* Registers 0 to 3 and the launch measurement are about firmware, the others about what it starts; what is
 * left is about the processor and its makers' signatures. */
static enum stage stage_of_check(const char *id)
{
    const char *pcr = strstr(id, "pcr.");

    if (strstr(id, "luks") != NULL || strstr(id, "volume") != NULL || strstr(id, "disk") != NULL)
        return STAGE_DISK;
    if (strstr(id, "measurement") != NULL || strstr(id, "mr_td") != NULL ||
        strstr(id, "rtmr0") != NULL || strstr(id, "rtmr.0") != NULL)
        return STAGE_FIRMWARE;
    if (pcr != NULL)
        return pcr[4] >= '0' && pcr[4] <= '3' && pcr[5] == '\0' ? STAGE_FIRMWARE : STAGE_BOOT;
    if (strstr(id, "eventlog") != NULL || strstr(id, "rtmr") != NULL ||
        strcmp(id, "policy.pcrs") == 0 || strcmp(id, "pcr") == 0)
        return STAGE_BOOT;
    return STAGE_PROCESSOR;
}

/* --- What makes the answer no --- */

static bool may_debug(const json_t *claims)
{
    return json_is_true(json_object_get(json_object_get(claims, "policy_bits"), "debug")) ||
           json_is_true(json_object_get(json_object_get(claims, "td_attributes_bits"), "debug"));
}

/* "snp.signature: it is not …" without the id, which says nothing to most people. */
static const char *without_id(const json_t *appraisal, const char *summary)
{
    json_t *check;
    size_t i;

    json_array_foreach (json_object_get(appraisal, "checks"), i, check) {
        const char *id = page_string(check, "id");
        if (*id != '\0' && begins(summary, id) && begins(summary + strlen(id), ": "))
            return summary + strlen(id) + 2;
    }
    return summary;
}

static void refused(struct page *page)
{
    const json_t *appraisal = page->in->appraisal;
    enum stage stage = STAGE_PROCESSOR;
    bool has_failed = false;
    json_t *check;
    size_t i;

    json_array_foreach (json_object_get(appraisal, "checks"), i, check)
        if (page_check_state(check) == STATE_BAD &&
            (!has_failed || stage_of_check(page_string(check, "id")) < stage)) {
            stage = stage_of_check(page_string(check, "id"));
            has_failed = true;
        }
    if (strcmp(page_string(appraisal, "status"), "contraindicated") == 0)
        because(page, STATE_BAD, stage, T("The evidence of this machine was refused."),
                without_id(appraisal, page_string(appraisal, "summary")),
                T("Find out why the evidence was refused. Until then, entrust nothing to this "
                  "machine."));
    if (may_debug(json_object_get(appraisal, "claims")))
        because(page, STATE_BAD, STAGE_PROCESSOR,
                T("The machine was started in a mode in which the host can read its memory "
                  "(debugging)."),
                NULL, T("Start the machine again without debugging."));
}

static void findings_fail(struct page *page)
{
    json_t *finding;
    size_t i;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, finding)
        if (strcmp(page_string(finding, "severity"), "required") == 0 &&
            page_finding_state(finding) == STATE_BAD) {
            because(page, STATE_BAD, stage_of_finding(finding),
                    strcmp(page_string(finding, "result"), "waived") == 0
                            ? T("The audit found something required that does not hold. Someone "
                                "has accepted it for now; that does not make it hold.")
                            : T("The audit found something required that does not hold."),
                    page_string(finding, "reason"),
                    T("Mend what the audit found, build the image again, and audit it again."));
            return;
        }
}

static void image_unfit(struct page *page)
{
    const json_t *root = json_object_get(page->in->image, "root");

    if (page->in->image != NULL && !json_is_true(json_object_get(root, "fit")))
        because(page, STATE_BAD, STAGE_DISK,
                T("The disk is not encrypted in the way that a confidential machine demands."),
                page_string(root, "refusal"),
                T("Build the image again with 'cloister image build'."));
}

/* --- What leaves it open --- */

static void apart(struct page *page)
{
    const char *again = T("Make the audit, the appraisal and the look into the image of one and "
                          "the same machine and image, and write this page again from these.");

    if (page->evidence_audit == BOND_DIFFERENT)
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("The documents do not belong together: the machine that gave the evidence runs "
                  "another image than the one that was audited."),
                NULL, again);
    if (page->evidence_image == BOND_DIFFERENT)
        because(page, STATE_OPEN, STAGE_DISK,
                T("The documents do not belong together: the machine that gave the evidence "
                  "started from another disk image than this one."),
                NULL, again);
    if (page->image_audit == BOND_DIFFERENT)
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("The documents do not belong together: the image that was audited is not the "
                  "disk image that was looked into."),
                NULL, again);
    if (page->platform == BOND_DIFFERENT)
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("The documents do not belong together: the audit was made for another kind of "
                  "platform than the one that gave the evidence."),
                NULL, T("Audit the image for the platform that it runs on (--for)."));
}

static void untold(struct page *page)
{
    const char *again =
            T("Audit the disk image itself, look into it with this version of cloister, and have "
              "the machine quote PCRs 4, 5 and 11 (or, on TDX, RTMRs 1 and 2).");

    if (page->evidence_audit == BOND_UNKNOWN || page->evidence_image == BOND_UNKNOWN ||
        page->image_audit == BOND_UNKNOWN)
        because(page, STATE_OPEN,
                page->evidence_audit == BOND_UNKNOWN || page->image_audit == BOND_UNKNOWN
                        ? STAGE_KERNEL
                        : STAGE_DISK,
                T("It cannot be told whether these documents are about one and the same image."),
                NULL, again);
    if (page->platform == BOND_UNKNOWN)
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("The evidence comes from a TPM alone: nothing shows a confidential processor."),
                NULL, T("Collect evidence that a confidential processor has signed."));
}

/* Absent, because it was not given; or it was refused, so that nobody knows whose root it is. */
static void unvouched(struct page *page)
{
    const json_t *root = json_object_get(page->in->appraisal, "root");

    if (page->in->appraisal == NULL || (root == NULL && page->answer == STATE_BAD))
        return;
    page->is_simulation = root != NULL && json_is_null(json_object_get(root, "maker"));
    if (page->is_simulation)
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("This is a simulation or a test: no maker of processors vouches for this "
                  "evidence. The holder of the test root can sign anything."),
                page_string(root, "name"),
                T("Run the image on a real confidential processor, and collect its evidence "
                  "there."));
    else if (*page_string(root, "maker") == '\0')
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("The appraisal does not say who vouches for the processor."), NULL,
                T("Make the appraisal again with this version of cloister."));
}

static void absent(struct page *page)
{
    if (page->in->appraisal == NULL)
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("No machine was asked to prove itself: an audit finds mistakes, and is not "
                  "evidence of what runs."),
                NULL, T("Collect the machine's evidence and appraise it: cloister verify --json."));
    if (page->in->audit == NULL)
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("No audit was given: nobody looked at how the image is built."), NULL,
                T("Audit the disk image: cloister audit --json."));
    if (page->in->image == NULL)
        because(page, STATE_OPEN, STAGE_DISK,
                T("The disk image was not looked into: whether its disk is encrypted is not "
                  "shown."),
                NULL, T("Look into the disk image: cloister image inspect --json."));
}

/* Until when it may be relied upon, held against the day that the page says. */
static bool has_run_out(const struct page *page)
{
    CLO_CLEANUP(clo_json_freep) json_t *now = clo_json_time(page->in->now);
    const char *until = page_string(json_object_get(page->in->appraisal, "expires"), "at");

    return now != NULL && *until != '\0' && strcmp(until, json_string_value(now)) < 0;
}

/* Newer appraisals say it; of older ones the nonce's own check is believed. */
static bool is_fresh(const struct page *page)
{
    const json_t *fresh = json_object_get(page->in->appraisal, "is_fresh");

    return fresh == NULL ? page_check_passed(page, "evidence.nonce") : json_is_true(fresh);
}

/* The checks that show what the maker has revoked and which TCB is too old, by platform. Evidence of a TPM alone has
 * neither; what reads like it is held to the first. */
static const struct {
    const char *revocation;
    const char *tcb[2];
} makers_checks[CLO_TEE_COUNT] = {
    [CLO_TEE_SNP] = { "snp.revocation", { "policy.tcb" } },
    [CLO_TEE_TDX] = { "tdx.revocation", { "tdx.tcb", "policy.tcb_status" } },
    [CLO_TEE_TPM] = { "snp.revocation", { "policy.tcb" } },
    [CLO_TEE_SAMPLE] = { "snp.revocation", { "policy.tcb" } },
};

static enum clo_tee tee_of(const struct page *page)
{
    enum clo_tee tee;

    return clo_tee_from_name(page_string(page->in->appraisal, "tee"), &tee) ? tee : CLO_TEE_TPM;
}

static bool has_tcb_floor(const struct page *page)
{
    const char *const *tcb = makers_checks[tee_of(page)].tcb;

    return page_check_passed(page, tcb[0]) && (tcb[1] == NULL || page_check_passed(page, tcb[1]));
}

static void unasked(struct page *page)
{
    const json_t *appraisal = page->in->appraisal;

    if (!json_is_true(json_object_get(appraisal, "policy_is_owners")))
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                *page_string(appraisal, "policy") == '\0'
                        ? T("The evidence was held against no policy: nobody has said what is "
                            "acceptable.")
                        : T("The evidence was not held against a policy of the owner's own."),
                NULL,
                T("Write a policy that says what is acceptable, and appraise with it "
                  "(--policy)."));
    if (!is_fresh(page))
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("Freshness was not shown: this may be old evidence, shown again."), NULL,
                T("Give the machine a number that was never used before, and appraise the "
                  "evidence with it (--nonce)."));
    if (has_run_out(page))
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("What vouches for the evidence has run out since it was appraised."), NULL,
                T("Collect new evidence with current certificates and revocation lists, and "
                  "appraise it."));
    if (!page_check_passed(page, makers_checks[tee_of(page)].revocation))
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("Nobody looked whether the processor's certificates have been revoked."), NULL,
                T("Appraise with the maker's current revocation list (--crl, or --fetch)."));
    if (!has_tcb_floor(page))
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("No minimum version of the processor's own software was demanded: known faults "
                  "may be open."),
                NULL, T("Demand a minimum version (TCB) in the policy."));
}

static enum stage stage_of_aspect(const char *aspect)
{
    return strcmp(aspect, "firmware") == 0 ? STAGE_FIRMWARE
           : strcmp(aspect, "program") == 0 || strcmp(aspect, "command line") == 0
                   ? STAGE_BOOT
                   : STAGE_PROCESSOR;
}

/* What the appraisal itself says that nothing pins, and warnings that say no more than that. */
static void unpinned(struct page *page)
{
    const json_t *appraisal = page->in->appraisal;
    size_t before = page->reason_count;
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(appraisal, "open"), i, one)
        because(page, STATE_OPEN, stage_of_aspect(page_string(one, "aspect")),
                T("The policy leaves something open that decides what the machine does."),
                page_string(one, "why"), T("Close what the policy leaves open."));
    if (page->reason_count == before && strcmp(page_string(appraisal, "status"), "warning") == 0)
        because(page, STATE_OPEN, STAGE_PROCESSOR,
                T("The appraisal ended in a warning, not in a clear yes."),
                page_string(appraisal, "summary"),
                T("Mend what the appraisal warns of, and appraise again."));
}

/* Beneath Azure's paravisor the launch measurement is the paravisor's: the firmware shows in PCR 0. */
static bool has_firmware(const struct page *page)
{
    bool has_paravisor =
            json_object_get(json_object_get(page->in->appraisal, "claims"), "hcl") != NULL;

    return page_check_passed(page, "pcr.0") ||
           (!has_paravisor &&
            (page_check_passed(page, "policy.measurement") ||
             page_check_passed(page, "expect.measurement") || page_check_passed(page, "mr_td") ||
             page_check_passed(page, "policy.mr_td") || page_check_passed(page, "expect.mr_td")));
}

static bool has_program(const struct page *page)
{
    return (page_check_passed(page, "pcr.4") && page_check_passed(page, "pcr.11") &&
            page_check_passed(page, "pcr.12")) ||
           (page_check_passed(page, "rtmr.1") && page_check_passed(page, "rtmr.2"));
}

static void unmeasured(struct page *page)
{
    const char *todo = T("Appraise with reference values of the image and of its firmware "
                         "(--reference).");

    if (!has_firmware(page))
        because(page, STATE_OPEN, STAGE_FIRMWARE,
                T("Nothing shows which firmware started the machine."), NULL, todo);
    if (!has_program(page))
        because(page, STATE_OPEN, STAGE_BOOT,
                T("Nothing shows which kernel, start programs and options the machine was started "
                  "with."),
                NULL, todo);
}

/* Required findings of one kind that are unknown; of kernels mostly because no configuration was given. */
static void findings_open(struct page *page)
{
    const json_t *first = NULL;
    bool has_config = false, has_cmdline = false;
    json_t *finding;
    size_t i;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, finding) {
        bool is_required = strcmp(page_string(finding, "severity"), "required") == 0;
        const char *id = page_string(finding, "id");
        enum state state = page_finding_state(finding);
        has_config = has_config || (begins(id, "kconfig.") && is_required && state == STATE_GOOD);
        has_cmdline = has_cmdline || (begins(id, "cmdline.") && state == STATE_GOOD);
        if (is_required && state == STATE_OPEN && first == NULL)
            first = finding;
    }
    if (page->in->audit == NULL)
        return;
    if (!has_config || !has_cmdline)
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("The audit did not see how the kernel is configured and what it is told at the "
                  "start."),
                NULL,
                T("Audit the disk image together with its kernel's configuration (--config)."));
    else if (first != NULL)
        because(page, STATE_OPEN, stage_of_finding(first),
                T("The audit could not find out something that is required."),
                page_string(first, "reason"), T("Give the audit what it lacks, and audit again."));
}

/* A command line or an initrd that was given by hand is not the image's. */
static void given_by_hand(struct page *page)
{
    const json_t *inputs = json_object_get(page->in->audit, "inputs");

    if (json_object_get(inputs, "subject") != NULL &&
        (json_object_get(inputs, "cmdline") != NULL || json_object_get(inputs, "initrd") != NULL))
        because(page, STATE_OPEN, STAGE_KERNEL,
                T("The audit held a command line or an initrd that was given by hand, not the "
                  "image's own."),
                NULL, T("Audit the disk image without --cmdline and --initrd."));
}

/* --- The links --- */

/* Shown of itself; what it hangs from comes afterwards. */
static enum state alone(const struct page *page, enum stage stage)
{
    enum state state = STATE_GOOD;

    for (size_t i = 0; i < page->reason_count; i++)
        if (page->reasons[i].stage == stage && state != STATE_BAD)
            state = page->reasons[i].state;
    return state;
}

static void find_stages(struct page *page)
{
    bool is_broken = false;

    for (size_t i = 0; i < STAGES; i++) {
        page->stages[i] = alone(page, (enum stage)i);
        page->is_below_break[i] = is_broken && page->stages[i] == STATE_GOOD;
        if (page->is_below_break[i])
            page->stages[i] = STATE_OPEN;
        is_broken = is_broken || page->stages[i] != STATE_GOOD;
    }
}

/* Without evidence nothing is shown of firmware and of what it starts, and without a bond nothing that an
 * audit found is shown of the machine: each of these has its reason, so that no link is good by silence. */
void page_find_answer(struct page *page)
{
    refused(page);
    findings_fail(page);
    image_unfit(page);
    page->answer = page->reason_count > 0 ? STATE_BAD : STATE_GOOD;
    apart(page);
    unvouched(page);
    absent(page);
    if (page->in->appraisal != NULL) {
        unasked(page);
        unpinned(page);
    }
    unmeasured(page);
    findings_open(page);
    given_by_hand(page);
    untold(page);
    if (page->answer == STATE_GOOD && page->reason_count > 0)
        page->answer = STATE_OPEN;
    find_stages(page);
}
