/* AWS Nitro: an attestation document of an instance's NitroTPM, whose PCRs are a TPM's, or of an enclave, whose PCRs are
 * its image's. AWS's hypervisor signs it, and stands where others have a processor. */
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/appraise/tee.h"
#include "lib/cloud/nitro.h"
#include "lib/policy/policy_internal.h"

struct kept {
    struct clo_nitro_document document;
    struct clo_nitro_verified verified;
};

static const struct tee tee_enclave;

static void free_kept(void *state)
{
    struct kept *kept = state;

    clo_nitro_free(&kept->document);
    free(kept);
}

static struct kept *own(const struct work *w)
{
    return tee_kept(w, &tee_nitro);
}

/* --- What it was made for --- */

static void check_binding(struct work *w, const struct clo_nitro_document *document)
{
    static const char id[] = "nitro.nonce";
    struct clo_bytes expected = w->inputs->expected_qualifying;
    struct clo_digest digest;

    if (w->runtime_data.data != NULL) {
        clo_hash(CLO_HASH_SHA512, w->runtime_data, &digest);
        bool binds = clo_bytes_equal(document->user_data, clo_digest_bytes(&digest));
        clo_check_that(w->checks, id, binds, "user_data %s the digest of the runtime data",
                       binds ? "is" : "is not");
        w->binds_runtime_data = binds && w->hardware != NULL;
        w->appraisal->binds_pubkey = w->binds_runtime_data;
    } else if (expected.data != NULL) {
        bool same = document->nonce.data != NULL && clo_bytes_equal(document->nonce, expected);
        clo_check_that(w->checks, id, same, "the document's nonce %s the one that was given",
                       same ? "is" : "is not");
        w->matches_qualifying = same && w->hardware != NULL;
    } else {
        clo_check_skip(w->checks, id, "no nonce was given: the document may be an old one");
    }
}

/* The hypervisor signed them itself, where a TPM alone has its quote. */
static bool prove_pcrs(struct work *w, const struct clo_nitro_document *document,
                       struct clo_error *err)
{
    clo_pcr_reset(&w->pcrs, CLO_HASH_SHA384);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if ((document->pcr_mask >> pcr & 1) != 0)
            w->pcrs.values[pcr] = document->pcrs[pcr];
    return appraise_prove_pcrs(w, document->pcr_mask & ((1U << CLO_PCR_COUNT) - 1), err);
}

static bool verify(struct work *w, struct clo_bytes in, struct kept *kept, struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    CLO_CLEANUP(clo_freep) struct clo_digest *roots = NULL;
    struct clo_nitro_trust trust = {
        .at = inputs->at,
        .aws = policy == NULL || policy->is_strict_builtin
                       ? inputs->root_count == 0
                       : clo_policy_trusts_maker(policy, CLO_TEE_NITRO),
    };
    struct clo_error refused;

    if (!appraise_roots(w, &roots, &trust.root_count, err))
        return false;
    trust.roots = roots;
    if (!clo_nitro_verify(in, &kept->document, &trust, w->checks, &kept->verified, &refused))
        return refused.status == CLO_ERR_UNVERIFIED ||
               clo_fail(err, refused.status, "evidence: %s", refused.text);
    w->hardware = w->tee;
    w->root_name = clo_json_text(kept->verified.root_name);
    appraise_expires(w, kept->verified.until, "certificate");
    return appraise_claims(w, clo_nitro_claims(&kept->document), err) &&
           (!kept->document.is_tpm || prove_pcrs(w, &kept->document, err));
}

static bool appraise(struct work *w, struct clo_error *err)
{
    struct clo_bytes in = clo_evidence_get(w->evidence, CLO_EVIDENCE_NITRO_DOCUMENT);
    struct kept *kept = tee_keep(w, &tee_nitro, sizeof *kept, err);

    if (kept == NULL)
        return false;
    if (!clo_nitro_parse(in, &kept->document, err))
        return clo_wrap(err, "evidence");
    if (!kept->document.is_tpm)
        w->tee = &tee_enclave; /* its PCRs mean other things: it is not held to a TPM's */
    if (!verify(w, in, kept, err))
        return false;
    check_binding(w, &kept->document);
    return true;
}

/* --- By the policy --- */

static void warn(struct work *w)
{
    if (w->inputs->policy == NULL && clo_nitro_is_debug(&own(w)->document))
        appraise_warn(w, "the enclave runs in debug mode: its parent reads its console");
}

static void check_policy(struct work *w)
{
    policy_appraise_nitro(w->inputs->policy, &own(w)->document, &own(w)->verified, w->checks);
}

/* There are no lists: certificates live for hours. */
static void check_ages(struct work *w)
{
    (void)w;
}

static struct clo_bytes chip(const struct work *w)
{
    return clo_bytes_text(own(w)->document.module_id);
}

static const struct clo_digest *root(const struct work *w, bool *is_makers)
{
    *is_makers = own(w)->verified.is_aws;
    return &own(w)->verified.root;
}

/* --- What nothing pins --- */

static bool pins_image(const struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    return policy != NULL && (policy->nitro.said & ~policy->nitro.any & 1U) != 0;
}

static void open_launch(struct work *w)
{
    if (!own(w)->document.is_tpm && !pins_image(w))
        appraise_leave_open(w, "firmware", "nothing says what PCR 0 may be: any enclave");
}

static void open_bare(struct work *w)
{
    if (pins_image(w))
        return;
    appraise_leave_open(w, "program", "nothing says what PCR 0 may be: any enclave");
    appraise_leave_open(w, "command line", "nothing says what PCR 0 may be: any enclave");
}

static void open_grace(struct work *w)
{
    (void)w;
}

static bool allows_debug(const struct work *w)
{
    return clo_nitro_is_debug(&own(w)->document);
}

/* --- The entries --- */

static const char *const claims[] = { "kind",      "module_id",      "timestamp", "public_key",
                                      "user_data", "document_nonce", NULL };
static const char *const identity[] = { "nitro.", NULL };
static const char *const who[] = { "nitro.root", "|", "nitro.signature", "|", NULL };
static const char *const configuration[] = { "policy.debug", "pcr.7", "pcr.12", NULL };
static const char *const how[] = { "policy.debug", "|", NULL };
static const char *const executables[] = { "policy.nitro.", "pcr.0",     "pcr.4",
                                           "pcr.11",        "eventlog.", NULL };
static const char *const what[] = { "policy.nitro.pcr0", "pcr.4", "|", NULL };

#define COMMON                                                                                  \
    .id = CLO_TEE_NITRO, .label = CLO_EVIDENCE_NITRO_DOCUMENT, .appraise = appraise,            \
    .free = free_kept, .claims = claims,                                                        \
    .ear = { [TEE_INSTANCE_IDENTITY] = { identity, who },                                       \
             [TEE_CONFIGURATION] = { configuration, how },                                      \
             [TEE_EXECUTABLES] = { executables, what } },                                       \
    .warn = warn, .check_policy = check_policy, .check_ages = check_ages, .chip = chip,         \
    .root = root, .open_launch = open_launch, .open_bare = open_bare, .open_grace = open_grace, \
    .allows_debug = allows_debug

const struct tee tee_nitro = { COMMON, .kind = CLO_EVIDENCE_OF_VTPM, .has_tpm = true };
static const struct tee tee_enclave = { COMMON, .kind = CLO_EVIDENCE_OF_BARE };
