/* Revocation lists (RFC 5280, section 5), as AMD's key server and others publish them. */
#include "crypto_internal.h"

#include <stdlib.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define CRL_MAX ((size_t)4 << 20)

struct clo_crl {
    X509_CRL *x509;
    int64_t this_update;
    int64_t next_update;
    char issuer[512];
};

static bool unix_time(const ASN1_TIME *time, int64_t *out)
{
    struct tm parts;

    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1)
        return false;
    *out = (int64_t)timegm(&parts);
    return true;
}

bool clo_crl_parse(struct clo_bytes der, struct clo_crl **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = calloc(1, sizeof *crl);
    const unsigned char *at = der.data;

    if (crl == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (der.size > CRL_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: %zu bytes", der.size);
    crl->x509 = d2i_X509_CRL(NULL, &at, (long)der.size);
    if (crl->x509 == NULL)
        return crypto_fail(err, CLO_ERR_FORMAT, "revocation list");
    if (at != der.data + der.size)
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: %zu bytes behind its end",
                        (size_t)(der.data + der.size - at));
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl->x509);
    crl->next_update = INT64_MAX;
    if (!unix_time(X509_CRL_get0_lastUpdate(crl->x509), &crl->this_update) ||
        (next != NULL && !unix_time(next, &crl->next_update)))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: wrong dates");
    crypto_name_text(X509_CRL_get_issuer(crl->x509), crl->issuer, sizeof crl->issuer);
    *out = CLO_TAKE(crl);
    return true;
}

void clo_crl_free(struct clo_crl *crl)
{
    if (crl == NULL)
        return;
    X509_CRL_free(crl->x509);
    free(crl);
}

void clo_crl_freep(struct clo_crl **crl)
{
    clo_crl_free(*crl);
    *crl = NULL;
}

int64_t clo_crl_this_update(const struct clo_crl *crl)
{
    return crl->this_update;
}

int64_t clo_crl_next_update(const struct clo_crl *crl)
{
    return crl->next_update;
}

const char *clo_crl_issuer(const struct clo_crl *crl)
{
    return crl->issuer;
}

bool clo_crl_is_from(const struct clo_crl *crl, const struct clo_certificate *issuer)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(crl->x509), X509_get_subject_name(issuer->x509)) == 0;
}

/* The algorithm that the list names must be the one its issuer uses: RSA-PSS with one hash for
 * message and mask, or the plain ones that OpenSSL's table knows. */
static bool signed_with(const X509_CRL *crl, enum clo_signature_scheme scheme, enum clo_hash hash)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    const void *parameter = NULL;
    int parameter_type = 0;
    int hash_nid = NID_undef;
    int key_nid = NID_undef;
    int expected_hash = OBJ_txt2nid(clo_hash_name(hash));

    X509_CRL_get0_signature(crl, NULL, &algorithm);
    X509_ALGOR_get0(&object, &parameter_type, &parameter, algorithm);
    if (scheme == CLO_RSASSA_PSS) {
        if (OBJ_obj2nid(object) != NID_rsassaPss || parameter_type != V_ASN1_SEQUENCE)
            return false;
        RSA_PSS_PARAMS *pss =
                ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
        if (pss == NULL)
            return false;
        if (pss->hashAlgorithm != NULL) {
            X509_ALGOR_get0(&object, NULL, NULL, pss->hashAlgorithm);
            hash_nid = OBJ_obj2nid(object);
        }
        RSA_PSS_PARAMS_free(pss);
        return hash_nid != NID_undef && hash_nid == expected_hash;
    }
    return OBJ_find_sigid_algs(OBJ_obj2nid(object), &hash_nid, &key_nid) == 1 &&
           hash_nid == expected_hash && hash_nid != NID_undef &&
           key_nid == (scheme == CLO_RSASSA_PKCS1 ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey);
}

static bool has_unknown_critical(const X509_CRL *crl)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
        /* An issuing distribution point or a delta would make the list partial. */
        if (X509_EXTENSION_get_critical(extension) == 1)
            return true;
    }
    return false;
}

bool clo_crl_verify(const struct clo_crl *crl, const struct clo_certificate *issuer,
                    enum clo_signature_scheme scheme, enum clo_hash hash, struct clo_error *err)
{
    if (!clo_crl_is_from(crl, issuer))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list: issued by \"%.100s\", not by \"%.100s\"", crl->issuer,
                        clo_certificate_subject(issuer));
    if (has_unknown_critical(crl->x509))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "revocation list of \"%.100s\": a critical extension that we do not know",
                        crl->issuer);
    if (!signed_with(crl->x509, scheme, hash))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list of \"%.100s\": not signed with the algorithm that its "
                        "chain demands",
                        crl->issuer);
    int result = X509_CRL_verify(crl->x509, issuer->key->evp);
    ERR_clear_error();
    if (result != 1)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list of \"%.100s\": signature does not hold", crl->issuer);
    return true;
}

bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_certificate *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate->x509);
    STACK_OF(X509_REVOKED) *revoked = X509_CRL_get_REVOKED(crl->x509);

    /* Walked by hand: OpenSSL's lookup sorts the list in place, and entries may be in any order. */
    for (int i = 0; revoked != NULL && i < sk_X509_REVOKED_num(revoked); i++)
        if (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i)),
                             serial) == 0)
            return true;
    return false;
}
