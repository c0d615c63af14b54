/* Microsoft's endorsement of the utility VM as the source of what an SEV-SNP report's measurement may be. */
#include "cloister/encoding.h"

#include "lib/appraise/endorsed.h"
#include "lib/appraise/tee.h"
#include "lib/cloud/uvm_endorsement.h"
#include "lib/policy/policy.h"

#define NAMES_MAX 80 /* the caller's, and the policy's */

/* The caller's and the policy's names together: what is authentic for one of them. */
struct names {
    const char *items[NAMES_MAX];
    size_t count;
};

static void add_names(struct names *names, const char *const *given, size_t given_count,
                      const char *more, size_t size, size_t more_count)
{
    for (size_t i = 0; i < given_count && names->count < NAMES_MAX; i++)
        names->items[names->count++] = given[i];
    for (size_t i = 0; i < more_count && names->count < NAMES_MAX; i++)
        names->items[names->count++] = more + i * size;
}

static bool verify(struct work *w, const struct clo_uvm_endorsement *endorsement,
                   struct clo_error *refused)
{
    static const struct clo_policy_endorsement none;
    const struct clo_launch_endorsement *given = &w->inputs->launch_endorsement;
    const struct clo_policy_endorsement *policy =
            w->inputs->policy == NULL ? &none : &w->inputs->policy->endorsement;
    struct names issuers = { .count = 0 }, feeds = { .count = 0 };

    add_names(&issuers, given->issuers, given->issuer_count, policy->issuers[0],
              sizeof policy->issuers[0], policy->issuer_count);
    add_names(&feeds, given->feeds, given->feed_count, policy->feeds[0], sizeof policy->feeds[0],
              policy->feed_count);
    const struct clo_uvm_endorsement_trust trust = {
        .issuers = issuers.items,
        .issuer_count = issuers.count,
        .feeds = feeds.items,
        .feed_count = feeds.count,
        .roots = given->roots,
        .root_count = given->root_count,
        .crls = w->inputs->endorsements.crls,
        .crl_count = w->inputs->endorsements.crl_count,
        .at = w->inputs->at,
    };
    return clo_uvm_endorsement_verify(endorsement, &trust, w->checks, refused);
}

static bool claim_text(struct work *w, const char *name, struct clo_bytes text,
                       struct clo_error *err)
{
    return appraise_claim(w, name, json_stringn((const char *)text.data, text.size), err);
}

static bool claim(struct work *w, const struct clo_uvm_endorsement *endorsement,
                  struct clo_error *err)
{
    return appraise_claim(w, "endorsement_svn", json_integer((json_int_t)endorsement->svn), err) &&
           claim_text(w, "endorsement_issuer", endorsement->issuer, err) &&
           claim_text(w, "endorsement_feed", endorsement->feed, err) &&
           (endorsement->signed_at == 0 ||
            appraise_claim(w, "endorsement_time", clo_json_time(endorsement->signed_at), err));
}

bool appraise_uvm(struct work *w, struct clo_error *err)
{
    CLO_CLEANUP(clo_uvm_endorsement_free)
    struct clo_uvm_endorsement endorsement = { .certificate_count = 0 };
    const struct clo_snp_verified *snp = tee_snp_verified(w);
    struct clo_error refused;

    if (!clo_uvm_endorsement_parse(w->inputs->launch_endorsement.bytes, &endorsement, err))
        return false;
    if (!verify(w, &endorsement, &refused))
        return appraise_unendorsed(w, &refused, err);
    if (!appraise_has_launch(w))
        return true;
    const struct clo_policy_endorsed endorsed = { .svn = endorsement.svn,
                                                  .signed_at = endorsement.signed_at,
                                                  .issuer = endorsement.issuer,
                                                  .feed = endorsement.feed };
    appraise_endorsed(w, &endorsed,
                      snp != NULL && clo_bytes_equal(snp->report.measurement,
                                                     clo_bytes(endorsement.measurement,
                                                               sizeof endorsement.measurement)));
    w->is_vm_endorsed = w->is_launch_endorsed;
    return claim(w, &endorsement, err);
}
