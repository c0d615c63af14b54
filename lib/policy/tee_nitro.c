/* AWS Nitro in a policy: what pins an enclave or a NitroTPM's instance, and that AWS answers for the rest. */
#include "lib/policy/tee.h"

static bool can_meet(struct way *w)
{
    const struct clo_policy_nitro *nitro = &w->policy->nitro;

    if (w->kind == CLO_EVIDENCE_OF_VTPM)
        return pins_can_meet_pcrs(w);
    if (w->kind != CLO_EVIDENCE_OF_BARE)
        return pins_cannot(w, "a Nitro document is of the kind \"vtpm\" or \"bare\"");
    if (w->reference_count > 0)
        return pins_cannot(w, "reference values are of a TPM's PCRs, and an enclave's are others");
    return ((nitro->said | nitro->any) & 1U) != 0 ||
           pins_cannot(w, "it does not say what an enclave's PCR 0 may be (\"nitro\": {\"pcrs\": "
                          "{\"0\": […]}})");
}

static bool pins_image(const struct way *w)
{
    const struct clo_policy_nitro *nitro = &w->policy->nitro;

    return (nitro->said & ~nitro->any & 1U) != 0;
}

static void firmware(struct way *w)
{
    if (pins_has_tpm(w))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "PCR 0: AWS's firmware");
    else
        pins_say(w, CLO_ASPECT_FIRMWARE, pins_image(w) ? CLO_PIN_PINNED : CLO_PIN_OPEN,
                 pins_image(w) ? "PCR 0, the enclave's image" : "any PCR 0 will do: any enclave");
}

static void program(struct way *w)
{
    enum clo_pin_status status = pins_image(w) ? CLO_PIN_PINNED : CLO_PIN_OPEN;
    const char *what = pins_image(w) ? "PCR 0, the enclave's image" : "any PCR 0 will do";

    pins_say(w, CLO_ASPECT_PROGRAM, status, "%s", what);
    pins_say(w, CLO_ASPECT_COMMAND_LINE, status, "%s", what);
    pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PINNED, "an enclave has its parent's socket alone");
}

static void makers_word(struct way *w)
{
    pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PARTLY, "AWS's word: the document does not say");
    pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
             "AWS's word: a document names no version of hypervisor or firmware");
    pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PINNED,
             "certificates that live for hours, where others have lists");
    pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PINNED,
             "a nonce for each release, and certificates that live for hours");
}

static bool allows_debug(const struct clo_policy *policy)
{
    return policy->nitro.allow_debug;
}

/* PCR 4 of an enclave is its parent instance; of a NitroTPM it is the boot loader. */
static const char *pinned_instance(const struct clo_policy *policy)
{
    const struct clo_policy_nitro *nitro = &policy->nitro;
    bool is_bare = clo_policy_evidence(policy) == 1U << CLO_EVIDENCE_OF_BARE;

    return is_bare && (nitro->said & ~nitro->any & 1U << 4) != 0 ? "the parent instance (PCR 4)"
                                                                 : NULL;
}

const struct policy_tee policy_tee_nitro = {
    .tee = CLO_TEE_NITRO,
    .init = policy_init_nitro,
    .strict = policy_strict_nitro,
    .read = policy_read_nitro,
    .can_meet = can_meet,
    .firmware = firmware,
    .program = program,
    .makers_word = makers_word,
    .allows_debug = allows_debug,
    .pinned_instance = pinned_instance,
};
