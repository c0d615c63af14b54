/* From a parsed report and a chain of certificates to a verified report (AMD 57230, section 3.2). */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/id_block.h"
#include "snp_internal.h"

#define SIGNATURE_ECDSA_P384_SHA384 1
#define P384_SIZE                   48
#define RSA_BITS_MIN                2048

/* What one call of clo_snp_verify() works on. */
struct work {
    const struct clo_snp_report *report;
    const struct clo_snp_chain *chain;
    const struct clo_snp_trust *trust;
    struct clo_checks *checks;
    struct clo_snp_leaf leaf;
    bool has_leaf; /* its extensions could be read */
    struct clo_error leaf_error;
    struct clo_digest root;
    enum clo_snp_product product;
};

static void check_signature(struct work *w)
{
    static const char id[] = "snp.signature";
    const struct clo_snp_report *report = w->report;
    uint8_t numbers[2 * P384_SIZE];
    struct clo_error err;

    if (w->chain->leaf == NULL) {
        clo_check_that(w->checks, id, false, "no VCEK or VLEK certificate to verify it with");
        return;
    }
    const struct clo_public_key *key = clo_certificate_key(w->chain->leaf);
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
                   w->has_leaf && w->leaf.is_vlek ? "VLEK" : "VCEK");
}

static void check_signer(struct work *w)
{
    static const char id[] = "snp.signer";
    unsigned signer = w->report->signing_key;

    if (!w->has_leaf) {
        clo_check_that(w->checks, id, false, "leaf certificate: %s", w->leaf_error.text);
        return;
    }
    const char *says = signer == CLO_SNP_VCEK   ? "VCEK"
                       : signer == CLO_SNP_VLEK ? "VLEK"
                                                : "no known key";
    bool holds = signer == (w->leaf.is_vlek ? CLO_SNP_VLEK : CLO_SNP_VCEK);
    clo_check_that(w->checks, id, holds,
                   "the report names %s as its signer, the certificate is a %s", says,
                   w->leaf.is_vlek ? "VLEK" : "VCEK");
}

/* BasicConstraints with cA TRUE (RFC 5280, section 4.2.1.9). */
static bool is_ca(const struct clo_certificate *certificate)
{
    static const uint8_t ca_true[] = { 0x01, 0x01, 0xff };
    struct clo_bytes value;

    return clo_certificate_extension(certificate, "2.5.29.19", &value) && value.size >= 5 &&
           value.data[0] == 0x30 && memcmp(value.data + 2, ca_true, sizeof ca_true) == 0;
}

static bool verify_link(const struct clo_certificate *certificate,
                        const struct clo_certificate *issuer, struct clo_error *err)
{
    if (clo_public_key_kind(clo_certificate_key(issuer)) != CLO_KEY_RSA ||
        clo_public_key_bits(clo_certificate_key(issuer)) < RSA_BITS_MIN)
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": no RSA key of %d bits",
                        clo_certificate_subject(issuer), RSA_BITS_MIN);
    if (!is_ca(issuer))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": is no CA's",
                        clo_certificate_subject(issuer));
    return clo_certificate_verify(certificate, issuer, CLO_RSASSA_PSS, CLO_HASH_SHA384, err);
}

static bool verify_chain(const struct clo_snp_chain *chain, struct clo_error *err)
{
    if (chain->leaf == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "no VCEK or VLEK certificate");
    if (chain->intermediate == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the certificate of \"%.100s\" is missing",
                        clo_certificate_issuer(chain->leaf));
    if (chain->root == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "the root \"%.100s\" is none of those that are trusted",
                        clo_certificate_issuer(chain->intermediate));
    return verify_link(chain->leaf, chain->intermediate, err) &&
           verify_link(chain->intermediate, chain->root, err) &&
           verify_link(chain->root, chain->root, err);
}

/* The first component of a name, "CN=ARK-Milan": enough among people. */
static int name_size(const struct clo_certificate *certificate)
{
    return (int)strcspn(clo_certificate_subject(certificate), ",");
}

static void check_chain(struct work *w)
{
    const struct clo_snp_chain *chain = w->chain;
    struct clo_error err;

    if (!verify_chain(chain, &err)) {
        clo_check_that(w->checks, "snp.chain", false, "%s", err.text);
        return;
    }
    clo_check_that(w->checks, "snp.chain", true,
                   "%.*s by %.*s by %.*s, signed RSA-PSS with SHA-384", name_size(chain->leaf),
                   clo_certificate_subject(chain->leaf), name_size(chain->intermediate),
                   clo_certificate_subject(chain->intermediate), name_size(chain->root),
                   clo_certificate_subject(chain->root));
}

/* The day of a Unix time, without a library that reads the environment's time zone (Howard Hinnant,
 * chrono-Compatible Low-Level Date Algorithms: civil_from_days). */
static void date_text(int64_t at, char *out, size_t size)
{
    int64_t days = at / 86400 - (at % 86400 < 0) + 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;

    snprintf(out, size, "%04lld-%02lld-%02lld", (long long)(year_of_era + era * 400 + (month <= 2)),
             (long long)month, (long long)(day_of_year - (153 * shifted + 2) / 5 + 1));
}

static void check_validity(struct work *w)
{
    static const char id[] = "snp.validity";
    const struct clo_certificate *const certificates[] = { w->chain->leaf, w->chain->intermediate,
                                                           w->chain->root };
    char from[64];
    char to[64];
    char at[64];

    date_text(w->trust->at, at, sizeof at);
    for (size_t i = 0; i < CLO_COUNT(certificates); i++) {
        if (certificates[i] == NULL) {
            clo_check_that(w->checks, id, false, "the chain is not whole");
            return;
        }
        int64_t not_before = clo_certificate_not_before(certificates[i]);
        int64_t not_after = clo_certificate_not_after(certificates[i]);
        if (w->trust->at >= not_before && w->trust->at <= not_after)
            continue;
        date_text(not_before, from, sizeof from);
        date_text(not_after, to, sizeof to);
        clo_check_that(w->checks, id, false,
                       "certificate \"%.100s\": valid from %s to %s, not on %s",
                       clo_certificate_subject(certificates[i]), from, to, at);
        return;
    }
    clo_check_that(w->checks, id, true, "all certificates are valid on %s", at);
}

static void check_root(struct work *w)
{
    static const char id[] = "snp.root";
    char hex[2 * 32 + 1];
    struct clo_error err;

    if (!w->trust->amd && w->trust->root_count == 0) {
        clo_check_that(w->checks, id, false, "no root is trusted: name one");
        return;
    }
    if (w->chain->leaf == NULL || w->chain->intermediate == NULL) {
        clo_check_that(w->checks, id, false, "the chain leads to no root");
        return;
    }
    if (w->chain->root == NULL) {
        clo_check_that(w->checks, id, false, "the platform's root, \"%.100s\", is not trusted",
                       clo_certificate_issuer(w->chain->intermediate));
        return;
    }
    if (!clo_public_key_fingerprint(clo_certificate_key(w->chain->root), &w->root, &err)) {
        clo_check_that(w->checks, id, false, "%s", err.text);
        return;
    }
    clo_hex_text(clo_digest_bytes(&w->root), hex);
    /* A name proves nothing: pretend platforms may use any. */
    if (!verify_link(w->chain->intermediate, w->chain->root, &err)) {
        clo_check_that(w->checks, id, false,
                       "the platform's chain does not end in the root \"%.100s\" with key %s",
                       clo_certificate_subject(w->chain->root), hex);
        return;
    }
    if (w->trust->amd && clo_snp_amd_root(&w->root) != CLO_SNP_UNKNOWN) {
        clo_check_that(w->checks, id, true, "AMD's %s root",
                       clo_snp_product_name(clo_snp_amd_root(&w->root)));
        return;
    }
    for (size_t i = 0; i < w->trust->root_count; i++)
        if (clo_digest_equal(&w->trust->roots[i], &w->root)) {
            clo_check_that(w->checks, id, true, "root \"%.100s\", key %s, is one that was named",
                           clo_certificate_subject(w->chain->root), hex);
            return;
        }
    clo_check_that(w->checks, id, false, "root \"%.100s\", key %s, is not trusted",
                   clo_certificate_subject(w->chain->root), hex);
}

static void check_revocation(struct work *w)
{
    static const char id[] = "snp.revocation";
    const struct clo_snp_chain *chain = w->chain;
    const struct clo_certificate *const certificates[] = { chain->intermediate, chain->leaf };
    const struct clo_certificate *const issuers[] = { chain->root, chain->intermediate };
    size_t used = 0;

    if (w->trust->crl_count == 0) {
        clo_check_skip(w->checks, id, "no revocation list was given");
        return;
    }
    for (size_t i = 0; i < w->trust->crl_count; i++) {
        const struct clo_crl *crl = w->trust->crls[i];
        for (size_t k = 0; k < CLO_COUNT(issuers); k++) {
            struct clo_error err;
            if (issuers[k] == NULL || !clo_crl_is_from(crl, issuers[k]))
                continue;
            used++;
            if (!clo_crl_verify(crl, issuers[k], CLO_RSASSA_PSS, CLO_HASH_SHA384, &err)) {
                clo_check_that(w->checks, id, false, "%s", err.text);
                return;
            }
            if (w->trust->at < clo_crl_this_update(crl) ||
                w->trust->at > clo_crl_next_update(crl)) {
                char from[64];
                char to[64];
                date_text(clo_crl_this_update(crl), from, sizeof from);
                date_text(clo_crl_next_update(crl), to, sizeof to);
                clo_check_that(
                        w->checks, id, false,
                        "the revocation list of \"%.100s\" is for %s to %s: get a current one",
                        clo_crl_issuer(crl), from, to);
                return;
            }
            if (certificates[k] != NULL && clo_crl_revokes(crl, certificates[k])) {
                clo_check_that(w->checks, id, false,
                               "certificate \"%.100s\" is revoked by \"%.100s\"",
                               clo_certificate_subject(certificates[k]), clo_crl_issuer(crl));
                return;
            }
        }
    }
    if (used == 0)
        clo_check_skip(w->checks, id, "none of the %zu revocation lists is of this chain",
                       w->trust->crl_count);
    else
        clo_check_that(w->checks, id, true, "no certificate of the chain is revoked");
}

/* Report (by CPUID), leaf (by its name) and root (if it is AMD's) must speak of one product, since the
 * layout of every TCB depends on it. */
static void check_product(struct work *w)
{
    static const char id[] = "snp.product";
    enum clo_snp_product by_report = clo_snp_report_product(w->report);
    enum clo_snp_product by_leaf = w->has_leaf ? w->leaf.product : CLO_SNP_UNKNOWN;
    enum clo_snp_product by_root = clo_snp_amd_root(&w->root);

    w->product = by_report != CLO_SNP_UNKNOWN ? by_report : by_leaf;
    if (!w->has_leaf) {
        clo_check_that(w->checks, id, false, "leaf certificate: %s", w->leaf_error.text);
        return;
    }
    if (w->product == CLO_SNP_UNKNOWN) {
        clo_check_that(w->checks, id, false,
                       "neither the report (family 0x%02x, model 0x%02x) nor the certificate "
                       "(\"%s\") names a processor that we know",
                       w->report->cpuid_fam_id, w->report->cpuid_mod_id, w->leaf.product_name);
        return;
    }
    if (by_leaf != CLO_SNP_UNKNOWN && by_leaf != w->product) {
        clo_check_that(w->checks, id, false, "the report is of %s, its certificate of %s",
                       clo_snp_product_name(w->product), clo_snp_product_name(by_leaf));
        return;
    }
    if (by_root != CLO_SNP_UNKNOWN && by_root != w->product) {
        clo_check_that(w->checks, id, false, "the report is of %s, the root is %s's",
                       clo_snp_product_name(w->product), clo_snp_product_name(by_root));
        return;
    }
    bool is_new_layout = snp_is_family_1a(w->product);
    bool holds = is_new_layout == (w->leaf.struct_version == 1);
    clo_check_that(w->checks, id, holds, "%s, certificate \"%s\" with structVersion %u",
                   clo_snp_product_name(w->product), w->leaf.product_name, w->leaf.struct_version);
}

static void check_chip(struct work *w)
{
    static const char id[] = "snp.chip";
    struct clo_bytes chip_id = w->report->chip_id;

    if (!w->has_leaf) {
        clo_check_that(w->checks, id, false, "leaf certificate: %s", w->leaf_error.text);
        return;
    }
    if (w->leaf.is_vlek) {
        clo_check_skip(w->checks, id, "a VLEK names a provider (%s), not a chip", w->leaf.csp_id);
        return;
    }
    if (clo_bytes_all(chip_id, 0)) {
        clo_check_skip(w->checks, id,
                       "the host masks CHIP_ID; the VCEK itself belongs to one chip");
        return;
    }
    size_t size = w->leaf.hw_id.size;
    bool holds = clo_bytes_equal(w->leaf.hw_id, clo_bytes_slice(chip_id, 0, size)) &&
                 clo_bytes_all(clo_bytes_slice(chip_id, size, chip_id.size), 0);
    clo_check_that(w->checks, id, holds,
                   holds ? "CHIP_ID is the certificate's hwID"
                         : "CHIP_ID differs from the certificate's hwID: the VCEK of another chip");
}

static void check_tcb(struct work *w)
{
    static const char id[] = "snp.tcb";

    if (!w->has_leaf) {
        clo_check_that(w->checks, id, false, "leaf certificate: %s", w->leaf_error.text);
        return;
    }
    struct clo_snp_tcb_parts reported = clo_snp_tcb_parts(&w->report->reported_tcb, w->product);
    const struct clo_snp_tcb_parts *spl = &w->leaf.spl;
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
    clo_check_that(w->checks, id, true,
                   "REPORTED_TCB is the certificate's: bootloader %d, tee %d, snp %d, microcode %d",
                   reported.bootloader, reported.tee, reported.snp, reported.microcode);
}

bool clo_snp_verify(const struct clo_snp_report *report, const struct clo_snp_chain *chain,
                    const struct clo_snp_trust *trust, struct clo_checks *checks,
                    struct clo_snp_verified *out, struct clo_error *err)
{
    struct work w = { .report = report, .chain = chain, .trust = trust, .checks = checks };
    size_t first = checks->count;
    size_t failures = checks->failures;

    if (chain->leaf == NULL)
        clo_fail(&w.leaf_error, CLO_ERR_UNVERIFIED, "is missing");
    else
        w.has_leaf = clo_snp_leaf_parse(chain->leaf, &w.leaf, &w.leaf_error);
    check_signature(&w);
    check_signer(&w);
    check_chain(&w);
    check_validity(&w);
    check_root(&w);
    check_revocation(&w);
    check_product(&w);
    check_chip(&w);
    check_tcb(&w);

    if (checks->failed)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    for (size_t i = first; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            return clo_fail(err, CLO_ERR_UNVERIFIED, "%s: %s", checks->items[i].id,
                            checks->items[i].detail);
    if (checks->failures != failures || !w.has_leaf)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "SNP report: not verified");
    struct clo_snp_verified verified = {
        .report = *report,
        .product = w.product,
        .is_vlek = w.leaf.is_vlek,
        .root = w.root,
        .is_amd = clo_snp_amd_root(&w.root) != CLO_SNP_UNKNOWN,
    };
    memcpy(verified.csp_id, w.leaf.csp_id, sizeof verified.csp_id);
    *out = verified;
    return true;
}
