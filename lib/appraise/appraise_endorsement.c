/* A cloud's launch endorsement as the source of what a report's measurement may be. */
#include "cloister/encoding.h"

#include "cloister/cose.h"
#include "lib/appraise/endorsed.h"
#include "lib/appraise/tee.h"
#include "lib/cloud/gce_endorsement.h"
#include "lib/policy/policy.h"

static bool is_among(const struct clo_bytes *list, size_t count, struct clo_bytes value)
{
    for (size_t i = 0; i < count; i++)
        if (clo_bytes_equal(list[i], value))
            return true;
    return false;
}

static bool holds_snp(struct work *w, const struct clo_gce_endorsement *endorsement)
{
    const struct clo_snp_verified *snp = tee_snp_verified(w);

    if (endorsement->snp_policy != 0 && snp->report.policy != endorsement->snp_policy)
        return clo_check_that(w->checks, "endorsement.policy", false,
                              "guest policy 0x%llx, endorsed is 0x%llx",
                              (unsigned long long)snp->report.policy,
                              (unsigned long long)endorsement->snp_policy);
    return is_among(endorsement->snp, endorsement->snp_count, snp->report.measurement);
}

static bool holds(struct work *w, const struct clo_gce_endorsement *endorsement)
{
    const struct clo_tdx_verified *tdx = tee_tdx_verified(w);

    if (tee_snp_verified(w) != NULL)
        return holds_snp(w, endorsement);
    return tdx != NULL && is_among(endorsement->tdx, endorsement->tdx_count, tdx->quote.body.mr_td);
}

static uint32_t svn(const struct work *w, const struct clo_gce_endorsement *endorsement)
{
    return tee_snp_verified(w) != NULL ? endorsement->snp_svn : endorsement->tdx_svn;
}

/* A policy that asks for one is not met by evidence without it. */
static void miss(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (policy != NULL && policy->endorsement.is_demanded)
        clo_check_that(w->checks, "policy.endorsement", false,
                       "the policy demands a launch endorsement, and there is none that is "
                       "verified");
}

/* The endorsement, once it is verified, and whether it is of what was launched. */
void appraise_endorsed(struct work *w, const struct clo_policy_endorsed *endorsed, bool holds)
{
    w->is_launch_endorsed = holds;
    clo_check_that(w->checks, "endorsement.measurement", holds,
                   "the launch measurement %s one of those that are endorsed",
                   holds ? "is" : "is not");
    w->appraised = true;
    if (w->inputs->policy != NULL)
        policy_check_endorsement(&w->inputs->policy->endorsement, endorsed, w->inputs->at,
                                 w->checks);
}

/* Claims that a guest wrote next to its launch are not the cloud's word. */
bool appraise_is_launch_endorsed(const struct work *w)
{
    return w->is_launch_endorsed && w->tee->kind == CLO_EVIDENCE_OF_BARE;
}

/* One that its signer does not vouch for is said, and goes no further. */
bool appraise_unendorsed(struct work *w, const struct clo_error *refused, struct clo_error *err)
{
    miss(w);
    return refused->status == CLO_ERR_UNVERIFIED ||
           clo_fail(err, refused->status, "%s", refused->text);
}

bool appraise_has_launch(struct work *w)
{
    if (w->hardware != NULL)
        return true;
    clo_check_skip(w->checks, "endorsement.measurement",
                   "there is no verified report to hold it against");
    miss(w);
    return false;
}

static bool claim(struct work *w, const struct clo_gce_endorsement *endorsement,
                  struct clo_error *err)
{
    return appraise_claim(w, "endorsement_svn", json_integer(svn(w, endorsement)), err) &&
           appraise_claim(w, "endorsement_firmware_sha384", clo_json_hex(endorsement->digest),
                          err) &&
           appraise_claim(w, "endorsement_time", clo_json_time(endorsement->timestamp), err);
}

static bool verify_google(struct work *w, const struct clo_gce_endorsement *endorsement,
                          struct clo_error *refused)
{
    const struct clo_launch_endorsement *given = &w->inputs->launch_endorsement;
    const struct clo_endorsements *more = &w->inputs->endorsements;
    const struct clo_snp_certificates *certificates = more->certificates;
    const struct clo_gce_endorsement_trust trust = {
        .roots = given->roots,
        .root_count = given->root_count,
        .certificates = certificates == NULL
                                ? NULL
                                : (const struct clo_certificate *const *)certificates->items,
        .certificate_count = certificates == NULL ? 0 : certificates->count,
        .crls = more->crls,
        .crl_count = more->crl_count,
        .at = w->inputs->at,
    };

    return clo_gce_endorsement_verify(endorsement, &trust, w->checks, refused);
}

static bool appraise_google(struct work *w, struct clo_error *err)
{
    struct clo_gce_endorsement endorsement;
    struct clo_error refused;

    if (!clo_gce_endorsement_parse(w->inputs->launch_endorsement.bytes, &endorsement, err))
        return false;
    if (!verify_google(w, &endorsement, &refused))
        return appraise_unendorsed(w, &refused, err);
    if (!appraise_has_launch(w))
        return true;
    const struct clo_policy_endorsed endorsed = { .svn = svn(w, &endorsement),
                                                  .signed_at = endorsement.timestamp };
    appraise_endorsed(w, &endorsed, holds(w, &endorsement));
    return claim(w, &endorsement, err);
}

/* Only what its chain vouches for counts, and only next to a report that is authentic. */
bool appraise_launch_endorsement(struct work *w, struct clo_error *err)
{
    struct clo_bytes bytes = w->inputs->launch_endorsement.bytes;

    if (bytes.data == NULL) {
        miss(w);
        return true;
    }
    return clo_cose_is_sign1(bytes) ? appraise_uvm(w, err) : appraise_google(w, err);
}
