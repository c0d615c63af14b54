/* A PCK chain and the collateral for it, verified once (DCAP QVL, sections 4.1.2.1 to 4.1.2.4.10). */
#include <stdlib.h>
#include <string.h>

#include "lib/crypto/certificate_cache.h"
#include "platform_internal.h"

#define SGX_EXTENSION_OID "1.2.840.113741.1.13.1"
#define COMMON_NAME_PCK   "Intel SGX PCK Certificate"
#define COMMON_NAME_TCB   "Intel SGX TCB Signing"

/* --- Certificates: gathered, each once --- */

static bool has_certificate(const struct clo_tdx_platform *p, struct clo_bytes der)
{
    for (size_t i = 0; i < p->certificate_count; i++)
        if (clo_bytes_equal(clo_certificate_der(p->certificates[i]), der))
            return true;
    return false;
}

static bool add_certificate(struct build *b, struct clo_bytes der, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;

    if (has_certificate(p, der))
        return true;
    if (p->certificate_count == TDX_CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d certificates", TDX_CERTIFICATES_MAX);
    if (!clo_certificate_cache_read(b->trust->cache, der, &p->certificates[p->certificate_count],
                                    err))
        return false;
    p->certificate_count++;
    return true;
}

static bool add_chain(struct build *b, struct clo_bytes pem, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    enum clo_next next;
    size_t at = 0;

    while ((next = clo_pem_next(pem, "CERTIFICATE", &at, &der, err)) == CLO_NEXT_ITEM)
        if (!add_certificate(b, clo_buffer_bytes(&der), err))
            return false;
    return next == CLO_NEXT_END;
}

/* Intermediate and TCB signer are no more trusted than the leaf: a piece that cannot be read is said
 * by the check that needs it when it came with the quote, and is malformed input in a file. */
static bool gather_certificates(struct build *b, struct clo_bytes chain, struct clo_error *err)
{
    static const enum clo_tdx_piece chains[] = {
        CLO_TDX_PCK_CHAIN,
        CLO_TDX_PCK_CRL_ISSUER_CHAIN,
        CLO_TDX_TCB_INFO_ISSUER_CHAIN,
        CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
    };
    struct clo_tdx_platform *p = b->platform;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    b->chain_error.status = CLO_OK;
    if (chain.size > 0 && (!tdx_chain_to_pem(chain, &pem, &b->chain_error) ||
                           !add_chain(b, clo_buffer_bytes(&pem), &b->chain_error)))
        clo_wrap(&b->chain_error, "the quote's chain");
    b->chain_count = p->certificate_count;
    for (size_t i = 0; b->collateral != NULL && i < CLO_COUNT(chains); i++) {
        struct clo_bytes piece = clo_buffer_bytes(&b->collateral->pieces[chains[i]]);
        if (i == 3 && clo_bytes_equal(piece, clo_buffer_bytes(&b->collateral->pieces[chains[2]])))
            continue; /* the usual case */
        if (piece.size > 0 && !add_chain(b, piece, err))
            return clo_wrap(err, "collateral: %s", clo_tdx_piece_name(chains[i]));
    }
    for (size_t i = 0; i < b->trust->certificate_count; i++)
        if (!add_certificate(b, clo_certificate_der(b->trust->certificates[i]), err))
            return false;
    return true;
}

/* --- The PCK chain --- */

static bool is_trusted(const struct clo_tdx_trust *trust, const struct clo_digest *fingerprint)
{
    bool holds = trust->intel && clo_tdx_intel_root(fingerprint);

    for (size_t i = 0; i < trust->root_count; i++)
        holds = holds || clo_digest_equal(&trust->roots[i], fingerprint);
    return holds;
}

static bool is_issued_by(const struct clo_certificate *certificate,
                         const struct clo_certificate *issuer)
{
    return clo_bytes_equal(clo_certificate_issuer_name(certificate),
                           clo_certificate_subject_name(issuer));
}

/* How many of the certificates may be the leaf (place 0), its CA (1), the root (2). What the quote brings along is judged, damaged or
 * not: a sound one next to it does not stand in. */
static size_t candidates(const struct build *b, size_t place)
{
    return b->chain_count > place ? b->chain_count : b->platform->certificate_count;
}

static void find_leaf(struct build *b)
{
    struct clo_tdx_platform *p = b->platform;
    struct clo_bytes value;
    size_t count = candidates(b, 0);

    for (size_t i = 0; i < count && p->leaf == NULL; i++)
        if (clo_certificate_extension(p->certificates[i], SGX_EXTENSION_OID, &value))
            p->leaf = p->certificates[i];
    if (p->leaf == NULL)
        return;
    p->pck_key = clo_certificate_key(p->leaf);
    b->has_pck = clo_tdx_pck_parse(p->leaf, &p->pck, &b->pck_error);
}

/* A trusted root that issued `certificate`, or else any that has the name: the check then says that
 * it is not trusted. */
static void find_root(struct build *b, const struct clo_certificate *certificate)
{
    struct clo_tdx_platform *p = b->platform;
    struct clo_error ignored;
    size_t count = candidates(b, 2);

    for (size_t i = 0; i < count; i++) {
        struct clo_digest fingerprint;
        const struct clo_certificate *candidate = p->certificates[i];
        if (!is_issued_by(certificate, candidate) || !is_issued_by(candidate, candidate) ||
            !clo_public_key_fingerprint(clo_certificate_key(candidate), &fingerprint, &ignored))
            continue;
        bool trusted = is_trusted(b->trust, &fingerprint);
        if (p->root != NULL && !trusted)
            continue;
        p->root = candidate;
        p->root_fingerprint = fingerprint;
        b->has_trusted_root = trusted;
        if (trusted)
            return;
    }
}

/* Is the issuer one that may issue, and was it this one? P-256 with SHA-256, and nothing else. */
static bool verify_link(const struct clo_certificate *certificate,
                        const struct clo_certificate *issuer, struct clo_error *err)
{
    unsigned usage;

    if (!clo_certificate_is_ca(issuer, NULL) ||
        (clo_certificate_key_usage(issuer, &usage) && (usage & CLO_KEY_USAGE_CERT_SIGN) == 0))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": is not a CA's",
                        clo_certificate_subject(issuer));
    if (clo_public_key_kind(clo_certificate_key(issuer)) != CLO_KEY_P256)
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": not a P-256 key",
                        clo_certificate_subject(issuer));
    return clo_certificate_critical_known(certificate, NULL, 0, err) &&
           clo_certificate_verify(certificate, issuer, CLO_ECDSA_DER, CLO_HASH_SHA256, err);
}

/* Several may have the CA's name: the one whose signature holds is meant. Another stays, for the
 * other checks to say what they find. */
static bool find_ca(struct build *b, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;
    size_t count = candidates(b, 1);

    clo_fail(err, CLO_ERR_UNVERIFIED, "the certificate of \"%.100s\" is missing",
             clo_certificate_issuer(p->leaf));
    for (size_t i = 0; i < count; i++) {
        const struct clo_certificate *candidate = p->certificates[i];
        if (!is_issued_by(p->leaf, candidate) || candidate == p->leaf)
            continue;
        p->ca = candidate;
        if (verify_link(p->leaf, candidate, err))
            return true;
    }
    return false;
}

static bool check_leaf(const struct build *b, struct clo_error *err)
{
    const struct clo_tdx_platform *p = b->platform;

    if (!b->has_pck) {
        *err = b->pck_error;
        return false;
    }
    if (!tdx_has_cn(clo_certificate_subject(p->leaf), COMMON_NAME_PCK) ||
        p->pck.ca == CLO_TDX_CA_UNKNOWN)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "\"%.100s\", issued by \"%.100s\": not named as PCK certificates are",
                        clo_certificate_subject(p->leaf), clo_certificate_issuer(p->leaf));
    return !clo_certificate_is_ca(p->leaf, NULL) ||
           clo_fail(err, CLO_ERR_REFUSED, "the PCK certificate is a CA's");
}

/* Finds all that there is before it refuses, so that the other checks have something to look at. */
static bool verify_chain(struct build *b, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;
    struct clo_error ca_error;

    bool has_ca = p->leaf != NULL && find_ca(b, &ca_error);
    if (p->ca != NULL)
        find_root(b, p->ca);
    if (b->chain_error.status != CLO_OK) {
        *err = b->chain_error;
        return false;
    }
    if (p->leaf == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "no PCK certificate, in the quote or next to it");
    if (!check_leaf(b, err))
        return false;
    if (!has_ca) {
        *err = ca_error;
        return false;
    }
    if (p->root == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "the root \"%.100s\" is missing",
                        clo_certificate_issuer(p->ca));
    return verify_link(p->ca, p->root, err) &&
           (tdx_is_intel_certificate(p->root) || verify_link(p->root, p->root, err));
}

static void check_chain(struct build *b)
{
    struct clo_error err;
    bool holds = verify_chain(b, &err);

    clo_check_that(b->checks, "tdx.pck_chain", holds, "%s",
                   holds ? "the PCK certificate is of its CA, and that of the root" : err.text);
}

static void check_root(struct build *b)
{
    static const char id[] = "tdx.root";
    const struct clo_tdx_platform *p = b->platform;

    if (p->root == NULL) {
        clo_check_that(b->checks, id, false, "the chain ends in no root");
        return;
    }
    clo_check_that(b->checks, id, b->has_trusted_root, "\"%.100s\" is %s",
                   clo_certificate_subject(p->root),
                   !b->has_trusted_root                       ? "none of the trusted roots"
                   : clo_tdx_intel_root(&p->root_fingerprint) ? "Intel's"
                                                              : "one that the caller trusts");
}

/* --- The signers of TCB info and QE identity --- */

/* Is it in the document's own chain? Where the document came without one, every certificate may be its. */
static bool is_in_chain(struct clo_bytes pem, const struct clo_certificate *certificate)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error ignored;
    size_t at = 0;

    while (pem.size > 0 && clo_pem_next(pem, "CERTIFICATE", &at, &der, &ignored) == CLO_NEXT_ITEM)
        if (clo_bytes_equal(clo_buffer_bytes(&der), clo_certificate_der(certificate)))
            return true;
    return pem.size == 0;
}

/* `proven`: a certificate whose link to the root is verified already; NULL: none. */
static void find_signer(const struct build *b, enum clo_tdx_piece chain,
                        const struct clo_certificate *proven, struct signer *out)
{
    const struct clo_tdx_platform *p = b->platform;
    struct clo_bytes pem = clo_buffer_bytes(&b->collateral->pieces[chain]);

    if (p->root == NULL) {
        clo_fail(&out->error, CLO_ERR_UNVERIFIED, "no root to hold the signer against");
        return;
    }
    clo_fail(&out->error, CLO_ERR_UNVERIFIED,
             "no certificate \"" COMMON_NAME_TCB "\"%s to verify it with",
             pem.size == 0 ? "" : " in its own chain");
    for (size_t i = 0; i < p->certificate_count; i++) {
        const struct clo_certificate *candidate = p->certificates[i];
        if (!tdx_has_cn(clo_certificate_subject(candidate), COMMON_NAME_TCB) ||
            !is_in_chain(pem, candidate) ||
            (candidate != proven && !verify_link(candidate, p->root, &out->error)))
            continue;
        if (clo_certificate_is_ca(candidate, NULL)) {
            clo_fail(&out->error, CLO_ERR_REFUSED, "its signer's certificate is a CA's");
            return;
        }
        out->certificate = candidate;
        return;
    }
}

/* --- Building --- */

static bool keep_collateral(struct build *b, struct clo_bytes chain, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;

    clo_buffer_append(&p->chain, chain);
    for (size_t i = 0; b->collateral != NULL && i < CLO_TDX_PIECE_COUNT; i++)
        clo_buffer_append(&p->texts.pieces[i], clo_buffer_bytes(&b->collateral->pieces[i]));
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        if (!clo_buffer_ok(&p->texts.pieces[i]))
            return clo_out_of_memory(err);
    return clo_buffer_ok(&p->chain) || clo_out_of_memory(err);
}

/* All of it holds, up to a root that is trusted, so that it is worth its place. */
static void keep_verified(const struct build *b)
{
    const struct clo_tdx_platform *p = b->platform;
    struct clo_certificate_cache *cache = b->trust->cache;
    const struct clo_certificate *const certificates[] = { p->leaf, p->ca, p->root,
                                                           b->tcb_signer.certificate,
                                                           b->qe_signer.certificate };

    for (size_t i = 0; i < CLO_COUNT(certificates); i++)
        if (certificates[i] != NULL)
            clo_certificate_cache_keep(cache, certificates[i]);
    if (b->has_root_crl)
        clo_crl_cache_keep(cache, b->root_crl);
    if (b->has_pck_crl)
        clo_crl_cache_keep(cache, b->pck_crl);
    for (size_t i = 0; i < b->signed_count; i++)
        clo_signed_cache_keep(cache, &b->signed_names[i]);
}

static bool build_platform(struct build *b, struct clo_bytes chain, struct clo_error *err)
{
    if (!keep_collateral(b, chain, err) || !gather_certificates(b, chain, err) ||
        !tdx_read_collateral(b, err))
        return false;
    find_leaf(b);
    check_chain(b);
    check_root(b);
    if (b->collateral != NULL && !b->trust->without_tcb) {
        find_signer(b, CLO_TDX_TCB_INFO_ISSUER_CHAIN, NULL, &b->tcb_signer);
        find_signer(b, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN, b->tcb_signer.certificate, &b->qe_signer);
    }
    tdx_check_collateral(b);
    return !b->checks->failed || clo_out_of_memory(err);
}

bool clo_tdx_platform_new(struct clo_bytes chain, const struct clo_tdx_collateral *collateral,
                          const struct clo_tdx_trust *trust, struct clo_checks *checks,
                          struct clo_tdx_platform **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_platform_freep) struct clo_tdx_platform *platform = NULL;
    size_t failures = checks->failures;

    if (!trust->intel && trust->root_count == 0)
        return clo_fail(err, CLO_ERR_USAGE, "TDX platform: no roots to trust");
    platform = calloc(1, sizeof *platform);
    if (platform == NULL)
        return clo_out_of_memory(err);
    struct build b = {
        .platform = platform,
        .collateral = collateral,
        .trust = trust,
        .checks = checks,
    };
    platform->without_tcb = trust->without_tcb;
    platform->from = INT64_MIN;
    platform->until = INT64_MAX;
    platform->documents_issued = INT64_MAX;
    platform->lists_issued = INT64_MAX;
    platform->documents_until = INT64_MAX;
    platform->lists_until = INT64_MAX;
    bool ok = build_platform(&b, chain, err);
    platform->is_ok = ok && checks->failures == failures;
    if (platform->is_ok && b.has_trusted_root)
        keep_verified(&b);
    clo_crl_free(b.root_crl);
    clo_crl_free(b.pck_crl);
    if (!ok)
        return false;
    *out = CLO_TAKE(platform);
    return true;
}

void clo_tdx_platform_free(struct clo_tdx_platform *platform)
{
    if (platform == NULL)
        return;
    for (size_t i = 0; i < platform->certificate_count; i++)
        clo_certificate_free(platform->certificates[i]);
    clo_buffer_free(&platform->chain);
    clo_tdx_collateral_free(&platform->texts);
    free(platform->tcb_info);
    free(platform->qe_identity);
    free(platform);
}

void clo_tdx_platform_freep(struct clo_tdx_platform **platform)
{
    clo_tdx_platform_free(*platform);
    *platform = NULL;
}

const char *clo_tdx_platform_unknown(const struct clo_tdx_platform *platform)
{
    return platform->unknown;
}

void clo_tdx_platform_window(const struct clo_tdx_platform *platform, int64_t *from, int64_t *until)
{
    *from = platform->from;
    *until = platform->until;
}
