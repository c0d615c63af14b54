/* What the evidence lacks, from the maker's service or the cache: for `cloister verify`. */
#include "cli/verify/common.h"
#include "net/kds_client.h"

/* --- SEV-SNP --- */

static bool add_from(struct clo_snp_certificates *to, struct clo_bytes in)
{
    struct clo_error ignored;

    return in.data == NULL || clo_snp_certificates_add_table(to, in, &ignored);
}

/* The chain as the appraisal will find it: whatever is missing in it has to be fetched. */
static void find_chain(const struct clo_evidence *evidence, const struct verify_inputs *inputs,
                       const struct clo_snp_report *report, struct clo_snp_certificates *all,
                       struct clo_snp_chain *chain)
{
    struct clo_error ignored;
    bool ok = true;

    clo_snp_certificates_free(all);
    for (size_t i = 0; i < inputs->certificates.count; i++)
        ok = add_from(all, clo_certificate_der(inputs->certificates.items[i])) && ok;
    ok = clo_snp_certificates_add_amd(all, &ignored) && ok;
    ok = add_from(all, clo_evidence_get(evidence, CLO_EVIDENCE_SNP_CERTIFICATES)) && ok;
    if (!ok || !clo_snp_chain_find(report, all, chain, &ignored))
        *chain = (struct clo_snp_chain){ 0 };
}

static bool fetch_vcek(struct clo_source *source, const char *base,
                       const struct clo_snp_report *report, struct verify_inputs *inputs,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };

    if (report->signing_key == CLO_SNP_VLEK)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "the report is signed by a VLEK: its certificate can only come from the "
                        "cloud that runs the guest (--cert)");
    return clo_kds_get_vcek(source, base, report, &der, err) &&
           clo_snp_certificates_add(&inputs->certificates, clo_buffer_bytes(&der), err);
}

static bool fetch_crl(struct clo_source *source, const char *base, const struct clo_snp_leaf *leaf,
                      const struct clo_snp_chain *chain, struct verify_inputs *inputs,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    enum clo_kds_kind kind = leaf->is_vlek ? CLO_KDS_VLEK_CRL : CLO_KDS_VCEK_CRL;

    if (inputs->crl_count == CLI_LIST_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "too many revocation lists");
    if (!clo_kds_get(source, base, kind, leaf->product, chain->root, &der, err) ||
        !clo_crl_parse(clo_buffer_bytes(&der), &inputs->crls[inputs->crl_count], err))
        return false;
    inputs->crl_count++;
    inputs->inputs.endorsements.crls = (const struct clo_crl *const *)inputs->crls;
    inputs->inputs.endorsements.crl_count = inputs->crl_count;
    return true;
}

static bool fetch_chain(struct clo_source *source, const char *base,
                        const struct clo_snp_leaf *leaf, const struct clo_snp_chain *chain,
                        struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    enum clo_kds_kind kind = leaf->is_vlek ? CLO_KDS_VLEK_CHAIN : CLO_KDS_VCEK_CHAIN;

    return clo_kds_get(source, base, kind, leaf->product, chain->leaf, &pem, err) &&
           clo_snp_certificates_add(&inputs->certificates, clo_buffer_bytes(&pem), err);
}

/* With every list that the appraisal will look at. */
static unsigned lacks(const struct clo_snp_report *report, const struct clo_snp_chain *chain,
                      const struct verify_inputs *inputs, const struct clo_snp_certificates *all)
{
    const struct clo_crl *crls[CLI_LIST_MAX + 2 * CLO_SNP_CRLS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < inputs->crl_count; i++)
        crls[count++] = inputs->crls[i];
    for (size_t i = 0; i < inputs->certificates.crl_count; i++)
        crls[count++] = inputs->certificates.crls[i];
    for (size_t i = 0; i < all->crl_count; i++)
        crls[count++] = all->crls[i];
    return clo_snp_chain_lacks(report, chain, crls, count, inputs->inputs.at);
}

static bool fetch_snp(struct clo_source *source, const char *base,
                      const struct clo_evidence *evidence, struct verify_inputs *inputs,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
    struct clo_snp_chain chain;
    struct clo_snp_report report;
    struct clo_snp_leaf leaf;

    if (!clo_appraise_snp_report(evidence, &report))
        return true;
    find_chain(evidence, inputs, &report, &all, &chain);
    if ((lacks(&report, &chain, inputs, &all) & CLO_SNP_LACKS_LEAF) != 0) {
        if (!fetch_vcek(source, base, &report, inputs, err))
            return false;
        find_chain(evidence, inputs, &report, &all, &chain);
    }
    struct clo_error ignored;
    if (chain.leaf == NULL || !clo_snp_leaf_parse(chain.leaf, &leaf, &ignored))
        return true; /* for the appraisal to refuse */
    if ((lacks(&report, &chain, inputs, &all) & CLO_SNP_LACKS_ISSUERS) != 0) {
        if (!fetch_chain(source, base, &leaf, &chain, inputs, err))
            return false;
        find_chain(evidence, inputs, &report, &all, &chain);
    }
    return (lacks(&report, &chain, inputs, &all) & CLO_SNP_LACKS_CRL) == 0 ||
           fetch_crl(source, base, &leaf, &chain, inputs, err);
}

/* --- Both --- */

bool verify_fetch(const struct verify_options *o, const struct clo_evidence *evidence,
                  struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(fetcher_close) struct fetcher fetcher = { .curl = NULL };

    if (!fetch_is_asked(&o->fetch)) {
        if (o->fetch.kds == NULL && o->fetch.pcs == NULL && o->fetch.ca == NULL &&
            o->fetch.edition.update == NULL && o->fetch.edition.evaluation_number == 0)
            return true;
        return clo_fail(err, CLO_ERR_USAGE,
                        "--kds, --pcs, --update, --tcb-evaluation-data-number and --ca are for "
                        "--fetch");
    }
    return fetcher_open(&o->fetch, inputs->inputs.at, &fetcher, err) &&
           fetch_snp(&fetcher.source, o->fetch.kds == NULL ? CLO_KDS_BASE : o->fetch.kds, evidence,
                     inputs, err) &&
           verify_fetch_tdx(&fetcher.source, &o->fetch, evidence, inputs, err);
}
