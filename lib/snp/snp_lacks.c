/* What of a report's endorsements is missing and can be got: for those who fetch. */
#include "cloister/snp.h"

/* Hosts hand out what they once got: a VCEK of a former TCB, or of the board's former processor, is to
 * be replaced. A VLEK, and the VCEK of a chip that is masked, cannot be asked for. */
static bool lacks_leaf(const struct clo_snp_report *report, const struct clo_snp_chain *chain)
{
    return chain->leaf == NULL ||
           (report->signing_key == CLO_SNP_VCEK && !clo_bytes_all(report->chip_id, 0) &&
            !clo_snp_leaf_fits(chain->leaf, report));
}

/* An intermediate or a root that only has the right name is missing as well. */
static bool lacks_issuers(const struct clo_snp_chain *chain)
{
    struct clo_error ignored;

    return chain->leaf == NULL || chain->intermediate == NULL || chain->root == NULL ||
           !clo_certificate_verify(chain->leaf, chain->intermediate, CLO_RSASSA_PSS,
                                   CLO_HASH_SHA384, &ignored) ||
           !clo_certificate_verify(chain->intermediate, chain->root, CLO_RSASSA_PSS,
                                   CLO_HASH_SHA384, &ignored);
}

/* One of another root, or that was good once, does not stand in. */
static bool lacks_crl(const struct clo_snp_chain *chain, const struct clo_crl *const *crls,
                      size_t count, int64_t at)
{
    struct clo_error ignored;

    for (size_t i = 0; chain->root != NULL && i < count; i++)
        if (clo_crl_is_from(crls[i], chain->root) && at >= clo_crl_this_update(crls[i]) &&
            at <= clo_crl_next_update(crls[i]) &&
            clo_crl_verify(crls[i], chain->root, CLO_RSASSA_PSS, CLO_HASH_SHA384, &ignored))
            return false;
    return true;
}

unsigned clo_snp_chain_lacks(const struct clo_snp_report *report, const struct clo_snp_chain *chain,
                             const struct clo_crl *const *crls, size_t crl_count, int64_t at)
{
    return (lacks_leaf(report, chain) ? CLO_SNP_LACKS_LEAF : 0U) |
           (lacks_issuers(chain) ? CLO_SNP_LACKS_ISSUERS : 0U) |
           (lacks_crl(chain, crls, crl_count, at) ? CLO_SNP_LACKS_CRL : 0U);
}
