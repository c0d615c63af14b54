/* SEV-SNP in a policy: what it pins of a launch, and how far AMD's word reaches. */
#include "lib/policy/tee.h"

bool policy_snp_pins_launch(const struct clo_policy_snp *policy)
{
    return policy_pins(&policy->measurement) || policy_pins(&policy->id_key_digest) ||
           policy_pins(&policy->author_key_digest);
}

/* HOST_DATA says nothing here: the host writes into it what it likes, the expected value too. And a key of the
 * owner's has signed launch digests, which hold kernel and command line only if the firmware was given their
 * hashes: that is the owner's to say, as it is of a measurement. */
uint32_t policy_snp_covers(const struct clo_policy_snp *policy)
{
    return policy_snp_pins_launch(policy) ? CLO_COVERS_FIRMWARE | policy->covers : 0;
}

/* --- For the linter --- */

static bool names_launch(const struct clo_policy_snp *snp)
{
    return policy_says(&snp->measurement) || policy_says(&snp->id_key_digest) ||
           policy_says(&snp->author_key_digest);
}

static bool can_meet(struct way *w)
{
    if (!names_launch(&w->policy->snp))
        return pins_cannot(
                w,
                "it names no launch measurement (\"snp\": {\"measurement\": […]}), no ID key and "
                "no author key");
    if (w->kind == CLO_EVIDENCE_OF_BARE)
        return w->reference_count == 0 ||
               pins_cannot(w, "reference values are given, and a bare report has no PCRs");
    return pins_can_meet_pcrs(w);
}

static void firmware(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    const char *vouched = pins_has_tpm(w) ? ", and PCR 0" : "";

    if (!policy_snp_pins_launch(snp))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_OPEN,
                 "any launch measurement will do: anybody's firmware on a genuine machine%s",
                 pins_has_tpm(w) ? ", which pretends a vTPM with every PCR as wanted" : "");
    else if (policy_pins(&snp->measurement))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "the launch measurement%s", vouched);
    else
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "what the owner's key has signed%s",
                 vouched);
}

/* What an owner's key says of it. */
#define SIGNED                                                                                    \
    "a launch digest that the owner's key has signed, which covers %s (\"measurement_covers\"): " \
    "any of those that it has ever signed"

static void what_starts(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    /* A key holds for all that it has ever signed, unless the measurement says which of it. */
    bool by_key = policy_snp_pins_launch(snp) && !policy_pins(&snp->measurement);
    uint32_t covers = policy_snp_covers(snp);
    bool kernel = (covers & CLO_COVERS_KERNEL) != 0 && (covers & CLO_COVERS_INITRD) != 0;

    if (kernel && by_key)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PARTLY, SIGNED, "kernel and initrd");
    else if (kernel)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PINNED,
                 "the launch measurement, which covers kernel and initrd (\"measurement_covers\")");
    else
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_OPEN,
                 "the launch %s of firmware alone, as far as the policy says: the same firmware "
                 "starts "
                 "any disk of the host's",
                 by_key ? "digest that the owner's key has signed is" : "measurement is");
    if ((covers & CLO_COVERS_CMDLINE) != 0 && by_key)
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PARTLY, SIGNED, "it");
    else if ((covers & CLO_COVERS_CMDLINE) != 0)
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PINNED,
                 "the launch measurement, which covers it (\"measurement_covers\")");
    else
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_OPEN,
                 "the launch digest does not cover it, as far as the policy says: the host "
                 "writes it");
}

static void program(struct way *w)
{
    what_starts(w);
    pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY,
             "after the launch nothing is measured: disk, ACPI tables and devices are the host's, "
             "as far as the image does not refuse them");
}

/* TEE's number is zero in the field; a minimum of zero demands nothing. */
static unsigned parts_demanded(const struct clo_snp_tcb_parts *minimum)
{
    return (minimum->bootloader > 0 ? 1U : 0U) + (minimum->snp > 0 ? 1U : 0U) +
           (minimum->microcode > 0 ? 1U : 0U);
}

/* Of the products that are named the least; the others are denied. */
static unsigned least_demanded(const struct clo_policy_tcb *tcb)
{
    unsigned least = 3;

    if (!tcb->is_said)
        return 0;
    if (!tcb->by_product)
        return parts_demanded(&tcb->minimum[CLO_SNP_UNKNOWN]);
    for (unsigned i = 0; i < CLO_SNP_PRODUCT_COUNT; i++)
        if (tcb->has[i] && parts_demanded(&tcb->minimum[i]) < least)
            least = parts_demanded(&tcb->minimum[i]);
    return least;
}

static void tcb(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    unsigned demanded = least_demanded(&snp->minimum_tcb);

    if (demanded == 3)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PINNED, "minimum_tcb");
    else if (demanded > 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "minimum_tcb has no number above zero for some of bootloader, snp and microcode");
    else if (snp->minimum_reported_tcb.is_said || snp->minimum_committed_tcb.is_said ||
             snp->minimum_current_tcb.is_said || snp->minimum_launch_tcb.is_said)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "a minimum for some of the four TCBs: \"minimum_tcb\" is for all");
    else
        pins_say(
                w, CLO_ASPECT_TCB, CLO_PIN_OPEN,
                "no minimum_tcb: any firmware and microcode that AMD has ever signed, with what is "
                "known about it");
}

static void migration(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;

    if (!snp->allow_migration)
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PINNED,
                 "a guest that may be migrated is refused");
    else if (policy_pins(&snp->report_id_ma))
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PARTLY,
                 "allow_migration, to the migration agent that report_id_ma names");
    else
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_OPEN,
                 "allow_migration: another guest of the host's moves this one, with its memory");
}

static void revocation(struct way *w)
{
    const struct clo_policy *policy = w->policy;
    bool is_demanded = policy->snp.require_revocation || policy->maximum_age.crl > 0;

    if (is_demanded && pins_grace_for_lists(w))
        return;
    if (is_demanded)
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PINNED, "%s",
                 policy->snp.require_revocation ? "require_revocation" : "maximum_age of a list");
    else
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_OPEN,
                 "no require_revocation: a chip whose key has leaked passes where no list is at "
                 "hand");
}

/* A release always answers a nonce; what can be old is what the makers have signed. */
static void freshness(struct way *w)
{
    int64_t crl = w->policy->maximum_age.crl;

    if (pins_bounds_age(crl))
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PINNED,
                 "a nonce for each release; lists up to %lld days old",
                 (long long)(crl / PINS_DAY));
    else
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_OPEN,
                 "no maximum_age of revocation lists: the party that brings them picks the oldest "
                 "that "
                 "has not run out");
}

static void makers_word(struct way *w)
{
    migration(w);
    tcb(w);
    revocation(w);
    freshness(w);
}

static bool allows_debug(const struct clo_policy *policy)
{
    return policy->snp.allow_debug;
}

static const char *pinned_instance(const struct clo_policy *policy)
{
    return policy_pins(&policy->snp.chip_id) || policy_pins(&policy->snp.report_id)
                   ? "the chip, or the guest's REPORT_ID"
                   : NULL;
}

static const char *evidence_doubt(const struct clo_policy *policy)
{
    return (policy->snp.vmpl & ~1U) == 0
                   ? NULL
                   : "reports of other VMPLs than 0 are accepted: what asked for one may not be "
                     "the firmware that was measured";
}

static const char *roots_doubt(const struct clo_policy *policy)
{
    return (policy->snp.signing_keys >> CLO_SNP_VLEK & 1) != 0 && policy->snp.any_provider
                   ? "AMD's, and every provider that holds a VLEK: name yours in csp_id"
                   : NULL;
}

const struct policy_tee policy_tee_snp = {
    .tee = CLO_TEE_SNP,
    .init = policy_init_snp,
    .strict = policy_strict_snp,
    .read = policy_read_snp,
    .can_meet = can_meet,
    .firmware = firmware,
    .program = program,
    .makers_word = makers_word,
    .allows_debug = allows_debug,
    .pinned_instance = pinned_instance,
    .evidence_doubt = evidence_doubt,
    .roots_doubt = roots_doubt,
};
