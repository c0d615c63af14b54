/* What the evidence lacks, from the maker's service or the cache: for `cloister verify`. */
#include "cloister/hcl.h"
#include "net/kds_client.h"

#include "verify.h"

/* --- SEV-SNP --- */

/* The report in the evidence, wherever it is; false: none that could be read, which is for the
 * appraisal to say. */
static bool find_report(const struct clo_evidence *evidence, struct clo_snp_report *out)
{
    struct clo_bytes bare = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_REPORT);
    struct clo_bytes wrapped = clo_evidence_get(evidence, CLO_EVIDENCE_HCL_REPORT);
    struct clo_error ignored;
    struct clo_hcl hcl;

    if (bare.data != NULL)
        return clo_snp_parse(bare, out, &ignored);
    return wrapped.data != NULL && clo_hcl_parse(wrapped, &hcl, &ignored) &&
           hcl.report_type == CLO_HCL_SNP && clo_snp_parse(hcl.hardware_report, out, &ignored);
}

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
    inputs->inputs.crls = (const struct clo_crl *const *)inputs->crls;
    inputs->inputs.crl_count = inputs->crl_count;
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

/* Hosts hand out what they once got: a VCEK of a former TCB, or of the board's former processor, is to be
 * replaced. A VLEK, and the VCEK of a chip that is masked, cannot be asked for. */
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

    return chain->intermediate == NULL || chain->root == NULL ||
           !clo_certificate_verify(chain->leaf, chain->intermediate, CLO_RSASSA_PSS,
                                   CLO_HASH_SHA384, &ignored) ||
           !clo_certificate_verify(chain->intermediate, chain->root, CLO_RSASSA_PSS,
                                   CLO_HASH_SHA384, &ignored);
}

static bool has_crl_of(const struct clo_certificate *root, struct clo_crl *const *crls,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (clo_crl_is_from(crls[i], root))
            return true;
    return false;
}

/* Revocation lists are of the root; one of somebody else does not stand in. */
static bool lacks_crl(const struct verify_inputs *inputs,
                      const struct clo_snp_certificates *certificates,
                      const struct clo_snp_chain *chain)
{
    return chain->root == NULL ||
           (!has_crl_of(chain->root, inputs->crls, inputs->crl_count) &&
            !has_crl_of(chain->root, certificates->crls, certificates->crl_count) &&
            !has_crl_of(chain->root, inputs->certificates.crls, inputs->certificates.crl_count));
}

static bool fetch_snp(struct clo_source *source, const char *base,
                      const struct clo_evidence *evidence, struct verify_inputs *inputs,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
    struct clo_snp_chain chain;
    struct clo_snp_report report;
    struct clo_snp_leaf leaf;

    if (!find_report(evidence, &report))
        return true;
    find_chain(evidence, inputs, &report, &all, &chain);
    if (lacks_leaf(&report, &chain)) {
        if (!fetch_vcek(source, base, &report, inputs, err))
            return false;
        find_chain(evidence, inputs, &report, &all, &chain);
    }
    struct clo_error ignored;
    if (chain.leaf == NULL || !clo_snp_leaf_parse(chain.leaf, &leaf, &ignored))
        return true; /* for the appraisal to refuse */
    if (lacks_issuers(&chain)) {
        if (!fetch_chain(source, base, &leaf, &chain, inputs, err))
            return false;
        find_chain(evidence, inputs, &report, &all, &chain);
    }
    return !lacks_crl(inputs, &all, &chain) || fetch_crl(source, base, &leaf, &chain, inputs, err);
}

/* --- Both --- */

bool verify_fetch(const struct verify_options *o, const struct clo_evidence *evidence,
                  struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(fetcher_close) struct fetcher fetcher = { .curl = NULL };

    if (!fetch_is_asked(&o->fetch)) {
        if (o->fetch.kds == NULL && o->fetch.pcs == NULL && o->fetch.ca == NULL &&
            o->fetch.update == NULL)
            return true;
        return clo_fail(err, CLO_ERR_USAGE, "--kds, --pcs, --update and --ca are for --fetch");
    }
    return fetcher_open(&o->fetch, inputs->inputs.at, &fetcher, err) &&
           fetch_snp(&fetcher.source, o->fetch.kds == NULL ? CLO_KDS_BASE : o->fetch.kds, evidence,
                     inputs, err) &&
           verify_fetch_tdx(&fetcher.source, &o->fetch, evidence, inputs, err);
}
