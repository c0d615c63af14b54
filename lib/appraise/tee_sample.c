/* Trustee's sample evidence: the digest of the runtime data, and nobody's signature. It is for tests of clients, and counts
 * where a policy names "sample" alone: everything is open then, so that such a policy has to say why that may be. */
#include "lib/appraise/tee.h"
#include "lib/policy/policy_internal.h"

static bool appraise(struct work *w, struct clo_error *err)
{
    static const char id[] = "sample.policy";
    struct clo_bytes field = clo_evidence_get(w->evidence, CLO_EVIDENCE_SAMPLE);
    const struct clo_policy *policy = w->inputs->policy;
    struct clo_bytes expected = w->inputs->runtime_digest;
    bool is_named = policy != NULL && clo_policy_allows(policy, CLO_TEE_SAMPLE);

    (void)err;
    clo_check_that(w->checks, id, is_named, "no hardware signed it, and %s",
                   is_named ? "the policy takes that" : "no policy names \"sample\"");
    /* As the clients make it: the digest as it is, without zeros after it. */
    if (is_named && field.size == expected.size)
        w->hardware = &tee_sample;
    appraise_report_data(w, "sample.report_data", "report_data", field);
    return true;
}

static void nothing(struct work *w)
{
    (void)w;
}

/* What was verified by one policy may be held against others. */
static void check_policy(struct work *w)
{
    bool is_named = clo_policy_allows(w->inputs->policy, CLO_TEE_SAMPLE);

    clo_check_that(w->checks, "policy.tee", is_named, "the policy %s sample evidence",
                   is_named ? "allows" : "does not allow");
}

static struct clo_bytes none(const struct work *w)
{
    (void)w;
    return clo_bytes(NULL, 0);
}

static const struct clo_digest *root(const struct work *w, bool *is_makers)
{
    static const struct clo_digest no_root = { .hash = CLO_HASH_SHA256 };

    (void)w;
    *is_makers = false;
    return &no_root;
}

static void open_launch(struct work *w)
{
    appraise_leave_open(w, "firmware", "sample evidence: nobody vouches for anything");
}

static void open_bare(struct work *w)
{
    appraise_leave_open(w, "program", "sample evidence: it may be any program");
    appraise_leave_open(w, "command line", "sample evidence: it may be any");
}

static bool allows_debug(const struct work *w)
{
    (void)w;
    return true;
}

const struct tee tee_sample = {
    .id = CLO_TEE_SAMPLE,
    .kind = CLO_EVIDENCE_OF_BARE,
    .label = CLO_EVIDENCE_SAMPLE,
    .appraise = appraise,
    .warn = nothing,
    .check_policy = check_policy,
    .check_ages = nothing,
    .chip = none,
    .root = root,
    .open_launch = open_launch,
    .open_bare = open_bare,
    .open_grace = nothing,
    .allows_debug = allows_debug,
};
