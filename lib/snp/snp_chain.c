/* The chain of certificates that vouches for a report: leaf, ASK or ASVK, ARK (AMD 57230, section 3.2;
 * RFC 5280, section 6, for what every chain must be). */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/crypto/x509.h"
#include "snp_internal.h"

#define RSA_BITS_MIN 2048

/* --- The leaf --- */

static bool fit_for_leaf(const struct clo_certificate *leaf, struct clo_error *err)
{
    unsigned usage;

    if (clo_public_key_kind(clo_certificate_key(leaf)) != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_REFUSED, "has no P-384 key");
    if (clo_certificate_is_ca(leaf, NULL))
        return clo_fail(err, CLO_ERR_REFUSED, "is a CA's");
    if (clo_certificate_key_usage(leaf, &usage) && (usage & CLO_KEY_USAGE_DIGITAL_SIGNATURE) == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "is not for signatures");
    return clo_certificate_critical_known(leaf, NULL, 0, err);
}

static void check_leaf(struct snp_work *w)
{
    static const char id[] = "snp.leaf";
    const struct clo_certificate *certificate = w->chain->leaf;
    struct clo_snp_leaf *leaf = &w->endorser.leaf;
    struct clo_error err;

    if (certificate == NULL) {
        clo_check_that(
                w->checks, id, false,
                "no VCEK or VLEK certificate for this report: give it with --cert, or --fetch");
        return;
    }
    w->endorser.certificate = certificate;
    w->has_leaf = clo_snp_leaf_parse(certificate, leaf, &err) && fit_for_leaf(certificate, &err);
    if (w->has_leaf)
        clo_check_that(w->checks, id, true, "a %s of \"%s\"", leaf->is_vlek ? "VLEK" : "VCEK",
                       leaf->product_name);
    else
        clo_check_that(w->checks, id, false, "the certificate is neither a VCEK nor a VLEK: %s",
                       err.text);
}

/* --- The links --- */

/* May it vouch for certificates, with so many below it that do so as well? */
static bool fit_for_issuer(const struct clo_certificate *issuer, int below, struct clo_error *err)
{
    const struct clo_public_key *key = clo_certificate_key(issuer);
    const char *name = clo_certificate_subject(issuer);

    if (clo_public_key_kind(key) != CLO_KEY_RSA || clo_public_key_bits(key) < RSA_BITS_MIN)
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": not an RSA key of %d bits",
                        name, RSA_BITS_MIN);
    return x509_may_issue(issuer, below, err);
}

static bool verify_link(const struct clo_certificate *certificate,
                        const struct clo_certificate *issuer, int below, struct clo_error *err)
{
    return fit_for_issuer(issuer, below, err) &&
           clo_certificate_verify(certificate, issuer, CLO_RSASSA_PSS, CLO_HASH_SHA384, err);
}

static bool verify_lower(const struct clo_snp_chain *chain, struct clo_error *err)
{
    if (chain->leaf == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "no VCEK or VLEK certificate");
    if (chain->intermediate == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the certificate of \"%.100s\" is missing",
                        clo_certificate_issuer(chain->leaf));
    return verify_link(chain->leaf, chain->intermediate, 0, err);
}

static bool verify_upper(const struct clo_snp_chain *chain, struct clo_error *err)
{
    if (chain->intermediate == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the chain leads to no root");
    if (chain->root == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "the root \"%.100s\" is none of those that are trusted",
                        clo_certificate_issuer(chain->intermediate));
    return verify_link(chain->intermediate, chain->root, 1, err);
}

static bool verify_self(const struct clo_certificate *root, struct clo_error *err)
{
    return snp_is_amd_certificate(root) ||
           clo_certificate_verify(root, root, CLO_RSASSA_PSS, CLO_HASH_SHA384, err);
}

/* The first component of a name, "CN=ARK-Milan": enough among people. */
static int name_size(const struct clo_certificate *certificate)
{
    return (int)strcspn(clo_certificate_subject(certificate), ",");
}

/* Whether the intermediate is the root's is needed once more: for which root it is. */
static void check_links(struct snp_work *w, bool *ends_in_root)
{
    static const char id[] = "snp.chain";
    const struct clo_snp_chain *chain = w->chain;
    struct clo_error lower;
    struct clo_error upper;
    bool lower_holds = verify_lower(chain, &lower);
    bool upper_holds = verify_upper(chain, &upper);

    *ends_in_root = upper_holds;
    if (!lower_holds)
        clo_check_that(w->checks, id, false, "%s", lower.text);
    else if (!upper_holds || !verify_self(chain->root, &upper))
        clo_check_that(w->checks, id, false, "%s", upper.text);
    else
        clo_check_that(w->checks, id, true, "%.*s by %.*s by %.*s, signed RSA-PSS with SHA-384",
                       name_size(chain->leaf), clo_certificate_subject(chain->leaf),
                       name_size(chain->intermediate), clo_certificate_subject(chain->intermediate),
                       name_size(chain->root), clo_certificate_subject(chain->root));
}

/* A name proves nothing: pretend platforms may use any. A root is known by its key. */
static void check_root(struct snp_work *w, bool ends_in_root)
{
    static const char id[] = "snp.root";
    const struct clo_snp_trust *trust = w->trust;
    const struct clo_certificate *root = w->chain->root;
    struct clo_digest *digest = &w->endorser.root;
    char hex[2 * 32 + 1];
    struct clo_error err;

    if (!trust->amd && trust->root_count == 0) {
        clo_check_that(w->checks, id, false, "no root is trusted: name one");
        return;
    }
    if (w->chain->intermediate == NULL) {
        clo_check_that(w->checks, id, false, "the chain leads to no root");
        return;
    }
    if (root == NULL) {
        clo_check_that(w->checks, id, false, "the platform's root, \"%.100s\", is not trusted",
                       clo_certificate_issuer(w->chain->intermediate));
        return;
    }
    if (!clo_public_key_fingerprint(clo_certificate_key(root), digest, &err)) {
        clo_check_that(w->checks, id, false, "%s", err.text);
        return;
    }
    w->endorser.root_product = clo_snp_amd_root(digest);
    clo_hex_text(clo_digest_bytes(digest), hex);
    bool is_named = trust->amd && w->endorser.root_product != CLO_SNP_UNKNOWN;
    for (size_t i = 0; i < trust->root_count; i++)
        is_named = is_named || clo_digest_equal(&trust->roots[i], digest);
    const char *name = clo_certificate_subject(root);
    if (!ends_in_root)
        clo_check_that(w->checks, id, false,
                       "the platform's chain does not end in the root \"%.100s\" with key %s", name,
                       hex);
    else if (!is_named)
        clo_check_that(w->checks, id, false, "root \"%.100s\", key %s, is not trusted", name, hex);
    else if (w->endorser.root_product != CLO_SNP_UNKNOWN)
        clo_check_that(w->checks, id, true, "AMD's %s root",
                       clo_snp_product_name(w->endorser.root_product));
    else
        clo_check_that(w->checks, id, true, "root \"%.100s\", key %s, is one that was named", name,
                       hex);
}

/* --- When, and whether it still holds --- */

static void check_validity(struct snp_work *w)
{
    static const char id[] = "snp.validity";
    const struct clo_snp_chain *chain = w->chain;
    const struct clo_certificate *const certificates[] = { chain->leaf, chain->intermediate,
                                                           chain->root };
    char from[SNP_DATE_TEXT];
    char to[SNP_DATE_TEXT];
    char at[SNP_DATE_TEXT];

    snp_date_text(w->trust->at, at);
    for (size_t i = 0; i < CLO_COUNT(certificates); i++) {
        if (certificates[i] == NULL) {
            clo_check_that(w->checks, id, false, "the chain is not whole");
            return;
        }
        int64_t not_before = clo_certificate_not_before(certificates[i]);
        int64_t not_after = clo_certificate_not_after(certificates[i]);
        snp_narrow(&w->endorser, not_before, not_after);
        if (w->trust->at >= not_before && w->trust->at <= not_after)
            continue;
        snp_date_text(not_before, from);
        snp_date_text(not_after, to);
        clo_check_that(w->checks, id, false,
                       "certificate \"%.100s\": valid from %s to %s, not on %s",
                       clo_certificate_subject(certificates[i]), from, to, at);
        return;
    }
    clo_check_that(w->checks, id, true, "all certificates are valid on %s", at);
}

void snp_check_chain(struct snp_work *w)
{
    bool ends_in_root;

    w->endorser.from = INT64_MIN;
    w->endorser.until = INT64_MAX;
    check_leaf(w);
    check_links(w, &ends_in_root);
    check_root(w, ends_in_root);
    check_validity(w);
    snp_check_revocation(w);
}
