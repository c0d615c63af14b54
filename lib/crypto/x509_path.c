#include "lib/crypto/x509_path.h"

#include <string.h>

#define RSA_BITS_MIN 2048

/* --- One link --- */

static bool is_strong(const struct clo_certificate *certificate)
{
    const struct clo_public_key *key = clo_certificate_key(certificate);

    return clo_public_key_kind(key) != CLO_KEY_RSA || clo_public_key_bits(key) >= RSA_BITS_MIN;
}

static const struct {
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
} algorithms[] = {
    { CLO_RSASSA_PKCS1, CLO_HASH_SHA256 }, { CLO_RSASSA_PKCS1, CLO_HASH_SHA384 },
    { CLO_RSASSA_PKCS1, CLO_HASH_SHA512 }, { CLO_RSASSA_PSS, CLO_HASH_SHA256 },
    { CLO_RSASSA_PSS, CLO_HASH_SHA384 },   { CLO_RSASSA_PSS, CLO_HASH_SHA512 },
    { CLO_ECDSA_DER, CLO_HASH_SHA256 },    { CLO_ECDSA_DER, CLO_HASH_SHA384 },
    { CLO_ECDSA_DER, CLO_HASH_SHA512 },
};

static bool verify_signature(const struct clo_certificate *certificate,
                             const struct clo_certificate *issuer, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(algorithms); i++)
        if (clo_certificate_signed_with(certificate, algorithms[i].scheme, algorithms[i].hash))
            return clo_certificate_verify(certificate, issuer, algorithms[i].scheme,
                                          algorithms[i].hash, err);
    return clo_fail(err, CLO_ERR_REFUSED,
                    "certificate \"%.100s\": signed in a way that is not accepted",
                    clo_certificate_subject(certificate));
}

static bool verify_link(const struct clo_certificate *certificate,
                        const struct clo_certificate *issuer, size_t below, struct clo_error *err)
{
    if (!is_strong(issuer))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": its RSA key is too short",
                        clo_certificate_subject(issuer));
    return x509_may_issue(issuer, (int)below, err) && verify_signature(certificate, issuer, err);
}

/* --- The path --- */

static bool is_root(const struct clo_certificate *certificate, const struct x509_trust *trust)
{
    struct clo_digest fingerprint;
    struct clo_error ignored;

    if (!clo_public_key_fingerprint(clo_certificate_key(certificate), &fingerprint, &ignored))
        return false;
    for (size_t i = 0; i < trust->root_count; i++)
        if (clo_digest_equal(&trust->roots[i], &fingerprint))
            return true;
    return false;
}

static bool is_self_issued(const struct clo_certificate *certificate)
{
    return clo_bytes_equal(clo_certificate_subject_name(certificate),
                           clo_certificate_issuer_name(certificate));
}

/* The first that signed it; a root that is trusted before all others. NULL, and why. */
static const struct clo_certificate *
find_issuer(const struct x509_path *path, const struct x509_trust *trust, struct clo_error *why)
{
    const struct clo_certificate *certificate = path->items[path->count - 1];
    const struct clo_certificate *found = NULL;

    clo_fail(why, CLO_ERR_UNVERIFIED, "the certificate of \"%.100s\" is missing",
             clo_certificate_issuer(certificate));
    for (size_t i = 0; i < trust->certificate_count; i++) {
        const struct clo_certificate *issuer = trust->certificates[i];
        if (!clo_bytes_equal(clo_certificate_subject_name(issuer),
                             clo_certificate_issuer_name(certificate)) ||
            !verify_link(certificate, issuer, path->count - 1, why))
            continue;
        if (is_root(issuer, trust))
            return issuer;
        if (found == NULL && issuer != certificate)
            found = issuer;
    }
    return found;
}

static bool fit_for_leaf(const struct clo_certificate *leaf, const struct x509_trust *trust,
                         struct clo_error *err)
{
    if (clo_certificate_is_ca(leaf, NULL))
        return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\": is a CA's",
                        clo_certificate_subject(leaf));
    return clo_certificate_critical_known(leaf, trust->known, trust->known_count, err);
}

/* Up to a root that is trusted, or to the last that there is: one that signed itself. */
static bool build(const struct clo_certificate *leaf, const struct x509_trust *trust,
                  struct x509_path *out, struct clo_error *err)
{
    *out = (struct x509_path){ .items = { leaf }, .count = 1 };
    if (!fit_for_leaf(leaf, trust, err))
        return false;
    while (out->count < X509_PATH_MAX) {
        const struct clo_certificate *issuer = find_issuer(out, trust, err);
        if (issuer == NULL)
            return false;
        out->items[out->count++] = issuer;
        if (is_root(issuer, trust) || is_self_issued(issuer))
            return !is_self_issued(issuer) || verify_signature(issuer, issuer, err);
    }
    return clo_fail(err, CLO_ERR_REFUSED, "the chain has more than %d certificates", X509_PATH_MAX);
}

/* --- The checks --- */

static bool check_root(const struct x509_trust *trust, const char *id, struct clo_checks *checks,
                       struct x509_path *path)
{
    const struct clo_certificate *last = path->items[path->count - 1];
    struct clo_error err;

    if (trust->root_count == 0)
        return clo_check_that(checks, id, false, "no root is trusted: name one with --root");
    if (path->count == 1)
        return clo_check_that(checks, id, false, "the chain leads to no root");
    if (!clo_public_key_fingerprint(clo_certificate_key(last), &path->root, &err))
        return clo_check_that(checks, id, false, "%s", err.text);
    bool holds = is_root(last, trust);
    return clo_check_that(checks, id, holds, "the chain ends in \"%.100s\", which is %s",
                          clo_certificate_subject(last),
                          holds ? "trusted" : "none of the roots that are trusted");
}

static bool check_validity(const struct x509_trust *trust, const char *id,
                           struct clo_checks *checks, struct x509_path *path)
{
    int64_t at = trust->signed_at != 0 ? trust->signed_at : trust->at;

    path->until = INT64_MAX;
    for (size_t i = 0; i < path->count; i++) {
        const struct clo_certificate *item = path->items[i];
        int64_t until = clo_certificate_not_after(item);
        path->until = until < path->until ? until : path->until;
        if (at < clo_certificate_not_before(item) || at > until)
            return clo_check_that(checks, id, false, "certificate \"%.100s\" %s",
                                  clo_certificate_subject(item),
                                  at > until ? "has run out" : "is not valid yet");
    }
    return clo_check_that(checks, id, true, "all %zu certificates are valid%s", path->count,
                          at == trust->at ? "" : " at the time that the signer says");
}

static bool verify_list(const struct clo_crl *crl, const struct clo_certificate *issuer)
{
    struct clo_error ignored;

    if (!clo_crl_is_from(crl, issuer))
        return false;
    for (size_t i = 0; i < CLO_COUNT(algorithms); i++)
        if (clo_crl_verify(crl, issuer, algorithms[i].scheme, algorithms[i].hash, &ignored))
            return true;
    return false;
}

/* A list that has run out still revokes what it lists; that it does not list something says nothing. */
static bool check_revocation(const struct x509_trust *trust, const char *id,
                             struct clo_checks *checks, const struct x509_path *path)
{
    size_t current = 0;

    for (size_t i = 0; i + 1 < path->count; i++)
        for (size_t k = 0; k < trust->crl_count; k++) {
            const struct clo_crl *crl = trust->crls[k];
            if (!verify_list(crl, path->items[i + 1]))
                continue;
            if (clo_crl_revokes(crl, path->items[i]))
                return clo_check_that(checks, id, false, "certificate \"%.100s\" is revoked",
                                      clo_certificate_subject(path->items[i]));
            current +=
                    clo_crl_this_update(crl) <= trust->at && trust->at <= clo_crl_next_update(crl);
        }
    if (current == 0)
        clo_check_skip(checks, id, "no current revocation list of the chain was given");
    else
        clo_check_that(checks, id, true, "%zu current lists of the chain revoke none of it",
                       current);
    return true;
}

bool x509_path_check(const struct clo_certificate *leaf, const struct x509_trust *trust,
                     const struct x509_path_ids *ids, struct clo_checks *checks,
                     struct x509_path *out)
{
    struct clo_error err;
    bool is_linked = build(leaf, trust, out, &err);

    clo_check_that(checks, ids->chain, is_linked, "%s",
                   is_linked ? "each certificate is signed by the next one" : err.text);
    bool is_rooted = check_root(trust, ids->root, checks, out);
    bool is_valid = check_validity(trust, ids->validity, checks, out);
    bool is_current = check_revocation(trust, ids->revocation, checks, out);
    return is_linked && is_rooted && is_valid && is_current;
}
