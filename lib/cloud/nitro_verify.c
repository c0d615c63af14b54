/* A document's signature, and the chain that leads to AWS's root (RFC 5280, section 6, for what every chain must be; the
 * NSM API's attestation_process.md, sections 3.2.3 and 4). */
#include <stdio.h>
#include <string.h>

#include "lib/cloud/nitro.h"
#include "lib/cose/cose_internal.h"
#include "lib/crypto/x509.h"

#define CHAIN_MAX (CLO_NITRO_CERTIFICATES_MAX + 1)
#define AHEAD_MAX 300 /* seconds by which the hypervisor's clock may be ahead of ours */

/* SHA-256 of the SubjectPublicKeyInfo of "aws.nitro-enclaves", valid to 2049-10-28
 * (aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip). */
static const uint8_t aws_root[32] = {
    0xf2, 0xca, 0xf5, 0xec, 0xc6, 0x19, 0x0b, 0x4a, 0x83, 0x99, 0xb7, 0x8b, 0xc5, 0x8a, 0x2b, 0xbc,
    0xd0, 0x38, 0x23, 0x75, 0xdb, 0x8a, 0x1b, 0xfd, 0x78, 0xa8, 0x27, 0x43, 0x87, 0x4f, 0xd2, 0x25,
};

/* From the leaf up to the root. */
struct chain {
    struct clo_certificate *items[CHAIN_MAX];
    size_t count;
};

static void free_chain(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        clo_certificate_free(chain->items[i]);
}

static bool add(struct chain *chain, struct clo_bytes der, struct clo_error *err)
{
    if (!clo_certificate_parse(der, &chain->items[chain->count], err))
        return clo_wrap(err, "certificate %zu of the chain", chain->count);
    chain->count++;
    return true;
}

static bool read_chain(const struct clo_nitro_document *document, struct chain *out,
                       struct clo_error *err)
{
    if (!add(out, document->certificate, err))
        return false;
    for (size_t i = document->issuer_count; i-- > 0;)
        if (!add(out, document->issuers[i], err))
            return false;
    return true;
}

/* --- The links --- */

static bool fit_for_leaf(const struct clo_certificate *leaf, struct clo_error *err)
{
    unsigned usage;

    if (clo_public_key_kind(clo_certificate_key(leaf)) != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_REFUSED, "the document's certificate has no P-384 key");
    if (clo_certificate_is_ca(leaf, NULL))
        return clo_fail(err, CLO_ERR_REFUSED, "the document's certificate is a CA's");
    if (clo_certificate_key_usage(leaf, &usage) && (usage & CLO_KEY_USAGE_DIGITAL_SIGNATURE) == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the document's certificate is not for signatures");
    return clo_certificate_critical_known(leaf, NULL, 0, err);
}

/* May it vouch for certificates, with so many below it that do so as well? */
static bool fit_for_issuer(const struct clo_certificate *issuer, int below, struct clo_error *err)
{
    const char *name = clo_certificate_subject(issuer);

    if (clo_public_key_kind(clo_certificate_key(issuer)) != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": has no P-384 key", name);
    return x509_may_issue(issuer, below, err);
}

/* Every link, and the root's own signature: its dates are part of it. */
static bool verify_links(const struct chain *chain, struct clo_error *err)
{
    if (!fit_for_leaf(chain->items[0], err))
        return false;
    for (size_t i = 0; i < chain->count; i++) {
        const struct clo_certificate *issuer = chain->items[i + 1 < chain->count ? i + 1 : i];
        if (!fit_for_issuer(issuer, i + 1 < chain->count ? (int)i : (int)i - 1, err) ||
            !clo_certificate_verify(chain->items[i], issuer, CLO_ECDSA_DER, CLO_HASH_SHA384, err))
            return false;
    }
    return true;
}

/* --- The checks --- */

static bool check_root(const struct chain *chain, const struct clo_nitro_trust *trust,
                       struct clo_checks *checks, struct clo_nitro_verified *out)
{
    const struct clo_certificate *root = chain->items[chain->count - 1];
    struct clo_error err;

    if (!clo_public_key_fingerprint(clo_certificate_key(root), &out->root, &err))
        return clo_check_that(checks, "nitro.root", false, "%s", err.text);
    out->is_aws = out->root.hash == CLO_HASH_SHA256 &&
                  memcmp(out->root.bytes, aws_root, sizeof aws_root) == 0;
    bool holds = out->is_aws && trust->aws;
    for (size_t i = 0; i < trust->root_count; i++)
        holds = holds || clo_digest_equal(&trust->roots[i], &out->root);
    snprintf(out->root_name, sizeof out->root_name, "%s", clo_certificate_subject(root));
    return clo_check_that(checks, "nitro.root", holds, "the chain ends in \"%.100s\", which is %s",
                          out->root_name,
                          !holds        ? "none of the roots that are trusted"
                          : out->is_aws ? "AWS's root"
                                        : "a root that was named");
}

static bool check_validity(const struct chain *chain, int64_t at, struct clo_checks *checks,
                           struct clo_nitro_verified *out)
{
    const struct clo_certificate *odd = NULL;

    out->until = INT64_MAX;
    for (size_t i = 0; i < chain->count; i++) {
        int64_t until = clo_certificate_not_after(chain->items[i]);
        out->until = until < out->until ? until : out->until;
        if (odd == NULL && (at < clo_certificate_not_before(chain->items[i]) || at > until))
            odd = chain->items[i];
    }
    if (odd == NULL)
        return clo_check_that(checks, "nitro.validity", true, "all %zu certificates are valid",
                              chain->count);
    return clo_check_that(checks, "nitro.validity", false,
                          "certificate \"%.100s\" %s (a document's own lives for three hours)",
                          clo_certificate_subject(odd),
                          at < clo_certificate_not_before(odd) ? "is not valid yet"
                                                               : "has run out");
}

/* Made while its certificate was valid, and not after now. */
static bool check_timestamp(const struct clo_nitro_document *document, const struct chain *chain,
                            int64_t at, struct clo_checks *checks)
{
    const struct clo_certificate *leaf = chain->items[0];
    int64_t made = document->timestamp;
    bool is_of_leaf =
            made >= clo_certificate_not_before(leaf) && made <= clo_certificate_not_after(leaf);
    bool holds = is_of_leaf && made <= at + AHEAD_MAX;

    return clo_check_that(checks, "nitro.timestamp", holds, "made %lld seconds %s now%s",
                          (long long)(made > at ? made - at : at - made),
                          made > at ? "after" : "before",
                          is_of_leaf ? "" : ", when its certificate was not valid");
}

static bool check_signature(struct clo_bytes in, const struct chain *chain,
                            struct clo_checks *checks)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    struct clo_error err;
    bool holds = cose_verify_any(in, clo_certificate_key(chain->items[0]), &payload, &err);

    return clo_check_that(checks, "nitro.signature", holds, "%s",
                          holds ? "the document is signed by the key in its certificate"
                                : err.text);
}

bool clo_nitro_verify(struct clo_bytes in, const struct clo_nitro_document *document,
                      const struct clo_nitro_trust *trust, struct clo_checks *checks,
                      struct clo_nitro_verified *out, struct clo_error *err)
{
    CLO_CLEANUP(free_chain) struct chain chain = { .count = 0 };
    struct clo_nitro_verified verified = { .is_aws = false };
    struct clo_error why;

    if (!read_chain(document, &chain, err))
        return clo_wrap(err, "Nitro document");
    bool is_signed = check_signature(in, &chain, checks);
    bool is_linked = verify_links(&chain, &why);
    clo_check_that(checks, "nitro.chain", is_linked, "%s",
                   is_linked ? "each certificate is signed by the next one" : why.text);
    bool is_rooted = check_root(&chain, trust, checks, &verified);
    bool is_valid = check_validity(&chain, trust->at, checks, &verified);
    bool is_timely = check_timestamp(document, &chain, trust->at, checks);
    if (!is_signed || !is_linked || !is_rooted || !is_valid || !is_timely)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "Nitro document: not authentic");
    *out = verified;
    return true;
}
