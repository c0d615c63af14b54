/* Revocation lists (RFC 5280, section 5), as the makers' key servers publish them. */
#include "cloister/crypto.h"

#include <stdlib.h>
#include <string.h>

#include "lib/crypto/crl_hold.h"
#include "lib/crypto/x509_proof.h"
#include "x509.h"

#define CRL_MAX   ((size_t)4 << 20)
#define VERSION_2 1

#define CE_CRL_NUMBER         20
#define CE_REASON             21
#define CE_INVALIDITY_DATE    24
#define CE_DELTA              27
#define CE_DISTRIBUTION_POINT 28
#define CE_AUTHORITY_KEY      35

struct clo_crl {
    atomic_uint more_holders; /* beyond the first */
    x509_proof_slot proof;    /* an owner's lists are held against many chains */
    struct clo_buffer der;    /* the views below are into it */
    struct x509_signed shell;
    struct x509_algorithm algorithm;
    struct clo_bytes issuer_name, entries, authority_key, number;
    size_t count;
    int64_t this_update;
    int64_t next_update;
    bool is_partial;           /* delta, or of one distribution point */
    bool has_unknown_critical; /* of its own or of an entry */
    char issuer[X509_NAME_TEXT];
};

struct entry {
    struct clo_bytes serial;
    int64_t since;
    struct clo_bytes extensions;
};

static bool read_entry(struct clo_reader *r, struct entry *out)
{
    struct clo_reader inside = clo_der_enter(r, CLO_DER_SEQUENCE);

    out->serial = clo_der_value(&inside, CLO_DER_INTEGER);
    out->since = clo_der_time(&inside);
    out->extensions = clo_bytes(NULL, 0);
    clo_der_optional(&inside, CLO_DER_SEQUENCE, &out->extensions);
    if (!clo_der_done(&inside) || !clo_der_is_integer(out->serial))
        r->failed = true;
    return clo_reader_ok(r);
}

static bool read_entry_extensions(struct clo_crl *crl, struct clo_bytes extensions)
{
    struct clo_reader r = clo_reader(extensions);
    struct clo_certificate_extension extension;

    while (clo_reader_left(&r) > 0) {
        if (!x509_extension_read(&r, &extension))
            return false;
        /* Another issuer's certificate (section 5.3.3), or something we cannot know. */
        if (extension.is_critical && !x509_is_ce(extension.oid, CE_REASON) &&
            !x509_is_ce(extension.oid, CE_INVALIDITY_DATE))
            crl->has_unknown_critical = true;
    }
    return true;
}

static bool read_entries(struct clo_crl *crl)
{
    struct clo_reader r = clo_reader(crl->entries);
    struct entry entry;

    while (clo_reader_left(&r) > 0) {
        if (!read_entry(&r, &entry) || !read_entry_extensions(crl, entry.extensions))
            return false;
        crl->count++;
    }
    return clo_reader_ok(&r);
}

static bool read_extensions(struct clo_crl *crl, struct clo_bytes extensions)
{
    struct clo_reader r = clo_reader(extensions);
    struct clo_certificate_extension extension;

    if (!x509_extensions_check(extensions))
        return false;
    while (clo_reader_left(&r) > 0 && x509_extension_read(&r, &extension)) {
        struct clo_reader value = clo_reader(extension.value);
        if (x509_is_ce(extension.oid, CE_DELTA) || x509_is_ce(extension.oid, CE_DISTRIBUTION_POINT))
            crl->is_partial = true;
        else if (extension.is_critical)
            crl->has_unknown_critical = true;
        if (x509_is_ce(extension.oid, CE_AUTHORITY_KEY) &&
            !x509_authority_key_read(extension.value, &crl->authority_key))
            return false;
        if (x509_is_ce(extension.oid, CE_CRL_NUMBER)) {
            crl->number = clo_der_value(&value, CLO_DER_INTEGER);
            if (!clo_der_done(&value) || !clo_der_is_integer(crl->number))
                return false;
        }
    }
    return true;
}

/* TBSCertList (section 5.1). */
static bool read_contents(struct clo_crl *crl, struct clo_error *err)
{
    struct clo_reader whole = clo_reader(crl->shell.message);
    struct clo_reader r = clo_der_enter(&whole, CLO_DER_SEQUENCE);
    bool has_version = clo_der_peek(&r) == CLO_DER_INTEGER;
    struct clo_bytes extensions = { 0 };

    if (has_version && clo_der_number(&r) != VERSION_2)
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: unknown version");
    struct clo_bytes algorithm = clo_der_next(&r).whole;
    if (!clo_reader_ok(&r) || !clo_bytes_equal(algorithm, crl->shell.algorithm) ||
        !x509_algorithm_read(algorithm, &crl->algorithm))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: malformed signature algorithm");
    crl->issuer_name = clo_der_next(&r).whole;
    if (!x509_name_text(crl->issuer_name, crl->issuer))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: malformed name");
    crl->this_update = clo_der_time(&r);
    /* Without it a list would be current for ever; section 5.1.2.5 wants it in every one. */
    if (clo_reader_ok(&r) && clo_der_peek(&r) != CLO_DER_UTC_TIME &&
        clo_der_peek(&r) != CLO_DER_GENERALIZED_TIME)
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: has no nextUpdate");
    crl->next_update = clo_der_time(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: wrong dates");
    clo_der_optional(&r, CLO_DER_SEQUENCE, &crl->entries);
    if (!clo_reader_ok(&r) || !read_entries(crl))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: entry %zu is malformed", crl->count);
    if (clo_der_peek(&r) == CLO_DER_EXPLICIT(0)) {
        struct clo_reader outer = clo_der_enter(&r, CLO_DER_EXPLICIT(0));
        extensions = clo_der_value(&outer, CLO_DER_SEQUENCE);
        r.failed |= !has_version || !clo_der_done(&outer);
    }
    if (!clo_der_done(&r) || !read_extensions(crl, extensions))
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: malformed extensions");
    return true;
}

bool clo_crl_parse(struct clo_bytes der, struct clo_crl **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;

    if (der.size > CRL_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "revocation list: %zu bytes", der.size);
    crl = calloc(1, sizeof *crl);
    if (crl == NULL)
        return clo_out_of_memory(err);
    clo_buffer_append(&crl->der, der);
    if (!clo_buffer_ok(&crl->der))
        return clo_out_of_memory(err);
    if (!x509_signed_read("revocation list", clo_buffer_bytes(&crl->der), &crl->shell, err) ||
        !read_contents(crl, err))
        return false;
    *out = CLO_TAKE(crl);
    return true;
}

struct clo_crl *clo_crl_hold(const struct clo_crl *crl)
{
    struct clo_crl *held = (struct clo_crl *)(uintptr_t)crl;

    atomic_fetch_add(&held->more_holders, 1);
    return held;
}

bool clo_crl_is_shared(const struct clo_crl *crl)
{
    return atomic_load(&crl->more_holders) > 0;
}

void clo_crl_free(struct clo_crl *crl)
{
    if (crl == NULL || atomic_fetch_sub(&crl->more_holders, 1) > 0)
        return;
    x509_proof_free(&crl->proof);
    clo_buffer_free(&crl->der);
    free(crl);
}

void clo_crl_freep(struct clo_crl **crl)
{
    clo_crl_free(*crl);
    *crl = NULL;
}

struct clo_bytes clo_crl_der(const struct clo_crl *crl)
{
    return clo_buffer_bytes(&crl->der);
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

struct clo_bytes clo_crl_issuer_name(const struct clo_crl *crl)
{
    return crl->issuer_name;
}

struct clo_bytes clo_crl_authority_key(const struct clo_crl *crl)
{
    return crl->authority_key;
}

struct clo_bytes clo_crl_number(const struct clo_crl *crl)
{
    return crl->number;
}

size_t clo_crl_count(const struct clo_crl *crl)
{
    return crl->count;
}

bool clo_crl_is_from(const struct clo_crl *crl, const struct clo_certificate *issuer)
{
    return clo_bytes_equal(crl->issuer_name, clo_certificate_subject_name(issuer));
}

bool clo_crl_verify(const struct clo_crl *crl, const struct clo_certificate *issuer,
                    enum clo_signature_scheme scheme, enum clo_hash hash, struct clo_error *err)
{
    if (!clo_crl_is_from(crl, issuer))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list: issued by \"%.100s\", not by \"%.100s\"", crl->issuer,
                        clo_certificate_subject(issuer));
    if (crl->has_unknown_critical)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "revocation list of \"%.100s\": a critical extension that we do not know",
                        crl->issuer);
    if (crl->is_partial)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "revocation list of \"%.100s\": a delta, or of one distribution point",
                        crl->issuer);
    if (!x509_signed_with(&crl->algorithm, scheme, hash))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list of \"%.100s\": not signed with the algorithm that its "
                        "chain demands",
                        crl->issuer);
    struct clo_error why;
    const struct clo_public_key *key = clo_certificate_key(issuer);
    if (x509_proof_has(&crl->proof, key, scheme, hash))
        return true;
    if (!clo_signature_verify(key, scheme, hash, crl->shell.message, crl->shell.signature, &why))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "revocation list of \"%.100s\": signature does not hold", crl->issuer);
    /* The one member that changes. */
    x509_proof_add((x509_proof_slot *)(uintptr_t)&crl->proof, key, scheme, hash);
    return true;
}

bool clo_crl_find(const struct clo_crl *crl, struct clo_bytes serial, int64_t *since)
{
    struct clo_reader r = clo_reader(crl->entries);
    struct entry entry;

    /* Most are asked about numbers that are nowhere in it. */
    if (serial.size == 0 || crl->entries.size == 0 ||
        memmem(crl->entries.data, crl->entries.size, serial.data, serial.size) == NULL)
        return false;
    while (clo_reader_left(&r) > 0 && read_entry(&r, &entry)) {
        if (!clo_bytes_equal(entry.serial, serial))
            continue;
        if (since != NULL)
            *since = entry.since;
        return true;
    }
    return false;
}

bool clo_crl_revokes(const struct clo_crl *crl, const struct clo_certificate *certificate)
{
    return clo_crl_find(crl, clo_certificate_serial(certificate), NULL);
}
