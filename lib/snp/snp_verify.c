/* From a parsed report and a chain of certificates to a verified report (AMD 57230, section 3.2). */
#include <stdio.h>
#include <string.h>

#include "cloister/id_block.h"
#include "snp_internal.h"

#define SIGNATURE_ECDSA_P384_SHA384 1

/* Says what the rest of the checks would need, when the leaf is not there or not fit. */
static bool needs_leaf(const struct snp_work *w, const char *id)
{
    if (!w->has_leaf)
        clo_check_skip(w->checks, id, "there is no certificate to hold the report against");
    return w->has_leaf;
}

static void check_signature(struct snp_work *w, const struct clo_snp_report *report)
{
    static const char id[] = "snp.signature";
    const struct clo_certificate *certificate = w->endorser.certificate;
    uint8_t numbers[96];
    struct clo_error err;

    if (certificate == NULL) {
        clo_check_that(w->checks, id, false, "no VCEK or VLEK certificate to verify it with");
        return;
    }
    const struct clo_public_key *key = clo_certificate_key(certificate);
    if (report->signature_algo != SIGNATURE_ECDSA_P384_SHA384) {
        clo_check_that(w->checks, id, false, "algorithm %u, expected 1 (ECDSA P-384 with SHA-384)",
                       report->signature_algo);
        return;
    }
    if (clo_public_key_kind(key) != CLO_KEY_P384) {
        clo_check_that(w->checks, id, false, "the leaf certificate has no P-384 key");
        return;
    }
    if (!clo_snp_signature_numbers(report->signature, numbers)) {
        clo_check_that(w->checks, id, false, "the signature's padding is not zero");
        return;
    }
    bool holds = clo_signature_verify(key, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                                      clo_bytes_slice(report->raw, 0, CLO_SNP_SIGNED_SIZE),
                                      clo_bytes(numbers, sizeof numbers), &err);
    clo_check_that(w->checks, id, holds,
                   holds ? "the report is signed by the %s"
                         : "the report is not signed by this %s, or was changed",
                   w->has_leaf && w->endorser.leaf.is_vlek ? "VLEK" : "VCEK");
}

/* MASK_CHIP_KEY: the host has forbidden the firmware to use the VCEK. */
static void check_signer(struct snp_work *w, const struct clo_snp_report *report)
{
    static const char id[] = "snp.signer";
    unsigned signer = report->signing_key;
    const char *says = signer == CLO_SNP_VCEK   ? "VCEK"
                       : signer == CLO_SNP_VLEK ? "VLEK"
                                                : "no known key";

    if (!needs_leaf(w, id))
        return;
    bool is_vlek = w->endorser.leaf.is_vlek;
    if (signer == CLO_SNP_VCEK && report->mask_chip_key)
        clo_check_that(w->checks, id, false,
                       "the report names the VCEK as its signer, which MASK_CHIP_KEY forbids");
    else if (signer == CLO_SNP_KEY_NONE)
        clo_check_that(w->checks, id, false, "the report says that no key has signed it");
    else
        clo_check_that(w->checks, id, signer == (is_vlek ? CLO_SNP_VLEK : CLO_SNP_VCEK),
                       "the report names %s as its signer, the certificate is a %s", says,
                       is_vlek ? "VLEK" : "VCEK");
}

/* Report (by CPUID), leaf (by its name) and root (if it is AMD's) must speak of one product, since the
 * layout of every TCB depends on it. Version 2 does not speak. */
static bool agree_on_product(const struct snp_work *w, const struct clo_snp_report *report,
                             enum clo_snp_product *out, struct clo_error *err)
{
    enum clo_snp_product by_report = clo_snp_report_product(report);
    enum clo_snp_product by_leaf = w->endorser.leaf.product;
    enum clo_snp_product by_root = w->endorser.root_product;

    *out = report->has_cpuid ? by_report : by_leaf;
    if (report->has_cpuid && by_report == CLO_SNP_UNKNOWN)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "the report's processor (family 0x%02x, model 0x%02x) is none that we know",
                        report->cpuid_fam_id, report->cpuid_mod_id);
    if (by_leaf == CLO_SNP_UNKNOWN)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "the certificate's product \"%s\" is none that we know",
                        w->endorser.leaf.product_name);
    if (by_leaf != *out)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the report is of %s, its certificate of %s",
                        clo_snp_product_name(*out), clo_snp_product_name(by_leaf));
    if (by_root != CLO_SNP_UNKNOWN && by_root != *out)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the report is of %s, the root is %s's",
                        clo_snp_product_name(*out), clo_snp_product_name(by_root));
    if (snp_is_family_1a(*out) != (w->endorser.leaf.struct_version == 1))
        return clo_fail(err, CLO_ERR_UNVERIFIED, "%s, but the certificate has structVersion %u",
                        clo_snp_product_name(*out), w->endorser.leaf.struct_version);
    return true;
}

static void check_product(struct snp_work *w, const struct clo_snp_report *report,
                          enum clo_snp_product *out)
{
    static const char id[] = "snp.product";
    struct clo_error err;

    if (!needs_leaf(w, id))
        return;
    if (agree_on_product(w, report, out, &err))
        clo_check_that(w->checks, id, true, "%s, certificate \"%s\" with structVersion %u",
                       clo_snp_product_name(*out), w->endorser.leaf.product_name,
                       w->endorser.leaf.struct_version);
    else
        clo_check_that(w->checks, id, false, "%s", err.text);
}

static void check_chip(struct snp_work *w, const struct clo_snp_report *report)
{
    static const char id[] = "snp.chip";
    const struct clo_snp_leaf *leaf = &w->endorser.leaf;
    struct clo_bytes chip_id = report->chip_id;

    if (!needs_leaf(w, id))
        return;
    if (leaf->is_vlek) {
        clo_check_skip(w->checks, id, "a VLEK names a provider (%s), not a chip", leaf->csp_id);
        return;
    }
    if (clo_bytes_all(chip_id, 0)) {
        clo_check_skip(w->checks, id,
                       "the host masks CHIP_ID; the VCEK itself belongs to one chip");
        return;
    }
    size_t size = leaf->hw_id.size;
    bool holds = clo_bytes_equal(leaf->hw_id, clo_bytes_slice(chip_id, 0, size)) &&
                 clo_bytes_all(clo_bytes_slice(chip_id, size, chip_id.size), 0);
    clo_check_that(w->checks, id, holds,
                   holds ? "CHIP_ID is the certificate's hwID"
                         : "CHIP_ID differs from the certificate's hwID: the VCEK of another chip");
}

/* What the product's layout leaves over in TCB_VERSION: a component that we do not know. */
static bool has_unknown_component(const struct clo_snp_tcb *tcb, enum clo_snp_product product)
{
    return snp_is_family_1a(product) ? (tcb->raw[4] | tcb->raw[5] | tcb->raw[6]) != 0
                                     : (tcb->raw[2] | tcb->raw[3] | tcb->raw[4] | tcb->raw[5]) != 0;
}

static void check_tcb(struct snp_work *w, const struct clo_snp_report *report,
                      enum clo_snp_product product)
{
    static const char id[] = "snp.tcb";
    const struct clo_snp_tcb_parts *spl = &w->endorser.leaf.spl;

    if (!needs_leaf(w, id))
        return;
    struct clo_snp_tcb_parts reported = clo_snp_tcb_parts(&report->reported_tcb, product);
    const struct {
        const char *name;
        int reported, certified;
    } parts[] = {
        { "fmc", reported.fmc, spl->fmc },
        { "bootloader", reported.bootloader, spl->bootloader },
        { "tee", reported.tee, spl->tee },
        { "snp", reported.snp, spl->snp },
        { "microcode", reported.microcode, spl->microcode },
    };
    for (size_t i = 0; i < CLO_COUNT(parts); i++)
        if (parts[i].reported != parts[i].certified) {
            clo_check_that(w->checks, id, false,
                           "REPORTED_TCB has %s %d, the certificate is for %d", parts[i].name,
                           parts[i].reported, parts[i].certified);
            return;
        }
    if (has_unknown_component(&report->reported_tcb, product))
        clo_check_that(w->checks, id, false, "REPORTED_TCB has a component that we do not know");
    else if (w->endorser.leaf.has_unknown_spl)
        clo_check_that(w->checks, id, false, "the certificate has a component that we do not know");
    else
        clo_check_that(w->checks, id, true,
                       "REPORTED_TCB is the certificate's: bootloader %d, tee %d, snp %d, "
                       "microcode %d",
                       reported.bootloader, reported.tee, reported.snp, reported.microcode);
}

static void check_report(struct snp_work *w, const struct clo_snp_report *report,
                         enum clo_snp_product *product)
{
    *product = CLO_SNP_UNKNOWN;
    check_signature(w, report);
    check_signer(w, report);
    check_product(w, report, product);
    check_chip(w, report);
    check_tcb(w, report, *product);
}

/* False, with the first of the checks from `first` on that failed. */
static bool conclude(const struct snp_work *w, size_t first, size_t failures, struct clo_error *err)
{
    const struct clo_checks *checks = w->checks;

    if (checks->failed)
        return clo_out_of_memory(err);
    for (size_t i = first; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            return clo_fail(err, CLO_ERR_UNVERIFIED, "%s: %s", checks->items[i].id,
                            checks->items[i].detail);
    if (checks->failures != failures || !w->has_leaf)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "SNP report: not verified");
    return true;
}

static void fill(const struct snp_work *w, const struct clo_snp_report *report,
                 enum clo_snp_product product, struct clo_snp_verified *out)
{
    const struct clo_snp_endorser *endorser = &w->endorser;
    struct clo_snp_verified verified = {
        .report = *report,
        .product = product,
        .is_vlek = endorser->leaf.is_vlek,
        .has_hw_id = !endorser->leaf.is_vlek,
        .root = endorser->root,
        .is_amd = endorser->root_product != CLO_SNP_UNKNOWN,
        .revocation_checked = endorser->revocation_checked,
        .revocation_issued = endorser->revocation_issued,
        .revocation_is_owners = endorser->revocation_is_owners,
        .revocation_until = endorser->revocation_until,
    };

    memcpy(verified.csp_id, endorser->leaf.csp_id, sizeof verified.csp_id);
    if (verified.has_hw_id)
        memcpy(verified.hw_id, endorser->leaf.hw_id.data, endorser->leaf.hw_id.size);
    *out = verified;
}

bool clo_snp_chain_verify(const struct clo_snp_chain *chain, const struct clo_snp_trust *trust,
                          struct clo_checks *checks, struct clo_snp_endorser *out,
                          struct clo_error *err)
{
    struct snp_work w = { .chain = chain, .trust = trust, .checks = checks };
    size_t first = checks->count;
    size_t failures = checks->failures;

    snp_check_chain(&w);
    if (!conclude(&w, first, failures, err))
        return false;
    *out = w.endorser;
    return true;
}

bool clo_snp_report_verify(const struct clo_snp_report *report,
                           const struct clo_snp_endorser *endorser, int64_t at,
                           struct clo_checks *checks, struct clo_snp_verified *out,
                           struct clo_error *err)
{
    struct snp_work w = { .checks = checks, .endorser = *endorser, .has_leaf = true };
    size_t first = checks->count;
    size_t failures = checks->failures;
    enum clo_snp_product product;

    check_report(&w, report, &product);
    clo_check_that(checks, "snp.validity", at >= endorser->from && at <= endorser->until,
                   "the chain, and what revokes it, is good at the given time");
    if (!conclude(&w, first, failures, err))
        return false;
    fill(&w, report, product, out);
    return true;
}

bool clo_snp_verify(const struct clo_snp_report *report, const struct clo_snp_chain *chain,
                    const struct clo_snp_trust *trust, struct clo_checks *checks,
                    struct clo_snp_verified *out, struct clo_error *err)
{
    struct snp_work w = { .chain = chain, .trust = trust, .checks = checks };
    size_t first = checks->count;
    size_t failures = checks->failures;
    enum clo_snp_product product;

    snp_check_chain(&w);
    check_report(&w, report, &product);
    if (!conclude(&w, first, failures, err))
        return false;
    fill(&w, report, product, out);
    return true;
}
