/* Certificates and revocation lists, however they come: PEM, DER one after the other, a PKCS #7 bag (RFC 2315), a
 * host's table, with zeros after them. */
#include <string.h>

#include "import_internal.h"
#include "lib/base/der.h"

/* 1.2.840.113549.1.7.2 */
static const uint8_t oid_signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };

/* The certificates and lists of a ContentInfo of SignedData, one after the other each. Whose signature it carries
 * is of no interest: a bag has none. */
static bool open_bag(struct clo_bytes in, struct clo_bytes *certificates, struct clo_bytes *lists)
{
    struct clo_reader whole = clo_reader(in);
    struct clo_reader info = clo_der_enter(&whole, CLO_DER_SEQUENCE);

    *certificates = *lists = (struct clo_bytes){ 0 };
    if (!clo_bytes_equal(clo_der_value(&info, CLO_DER_OID),
                         clo_bytes(oid_signed_data, sizeof oid_signed_data)))
        return false;
    struct clo_reader content = clo_der_enter(&info, CLO_DER_EXPLICIT(0));
    struct clo_reader data = clo_der_enter(&content, CLO_DER_SEQUENCE);
    (void)clo_der_value(&data, CLO_DER_INTEGER);  /* version */
    (void)clo_der_value(&data, CLO_DER_SET);      /* digest algorithms */
    (void)clo_der_value(&data, CLO_DER_SEQUENCE); /* content */
    (void)clo_der_optional(&data, CLO_DER_EXPLICIT(0), certificates);
    (void)clo_der_optional(&data, CLO_DER_EXPLICIT(1), lists);
    (void)clo_der_value(&data, CLO_DER_SET); /* signers */
    return clo_der_done(&data);
}

/* One element after the other, up to the end or to zeros; `found` counts what was read. */
static bool add_elements(struct clo_bytes in, struct clo_snp_certificates *out, size_t *found,
                         struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    while (clo_reader_left(&r) > 0 &&
           !clo_bytes_all(clo_bytes_slice(in, r.at, clo_reader_left(&r)), 0)) {
        size_t at = r.at;
        struct clo_der element = clo_der_next(&r);
        struct clo_bytes certificates;
        struct clo_bytes lists;
        if (!clo_reader_ok(&r) || element.tag != CLO_DER_SEQUENCE)
            return clo_fail(err, CLO_ERR_FORMAT, "not DER at byte %zu", at);
        if (open_bag(element.whole, &certificates, &lists)) {
            struct clo_reader inner[] = { clo_reader(certificates), clo_reader(lists) };
            for (size_t i = 0; i < CLO_COUNT(inner); i++)
                while (clo_reader_left(&inner[i]) > 0) {
                    struct clo_bytes one = clo_der_next(&inner[i]).whole;
                    if (!clo_reader_ok(&inner[i]) || !clo_snp_certificates_read(out, one, err))
                        return clo_wrap(err, "PKCS #7 bag");
                    (*found)++;
                }
            continue;
        }
        if (!clo_snp_certificates_read(out, element.whole, err))
            return *found > 0 ? clo_wrap(err, "at byte %zu", at) : false;
        (*found)++;
    }
    return true;
}

static bool has(struct clo_bytes in, const char *text)
{
    return in.size > 0 && memmem(in.data, in.size, text, strlen(text)) != NULL;
}

/* Blocks with another label than the usual ones. */
static bool add_blocks(struct clo_bytes in, struct clo_snp_certificates *out, size_t *found,
                       struct clo_error *err)
{
    static const char *const labels[] = { "CERTIFICATE", "X509 CRL", "X509 CERTIFICATE", "PKCS7",
                                          "CMS" };

    for (size_t i = 0; i < CLO_COUNT(labels); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        enum clo_next next;
        size_t at = 0;
        while ((next = clo_pem_next(in, labels[i], &at, &der, err)) == CLO_NEXT_ITEM) {
            size_t inside = 0;
            if (!add_elements(clo_buffer_bytes(&der), out, &inside, err))
                return clo_wrap(err, "PEM: block \"%s\" before byte %zu", labels[i], at);
            *found += inside;
        }
        if (next == CLO_NEXT_FAILED)
            return false;
    }
    return true;
}

bool import_certificates(struct clo_bytes in, struct clo_snp_certificates *out, bool *known,
                         struct clo_error *err)
{
    size_t found = 0;

    *known = true;
    if (clo_snp_table_knows(clo_bytes_slice(in, 0, 16)))
        return clo_snp_certificates_add(out, in, err);
    /* Text, perhaps with a string's end after it: what other formats have inside is theirs. */
    struct clo_bytes text = in;
    while (text.size > 0 && text.data[text.size - 1] == 0)
        text.size--;
    if (import_is_text(text) && has(text, "-----BEGIN ")) {
        bool ok = add_blocks(in, out, &found, err);
        *known = !ok || found > 0;
        return ok;
    }
    *known = in.size > 4 && in.data[0] == CLO_DER_SEQUENCE && (in.data[1] & 0x80) != 0;
    if (!*known)
        return true;
    bool ok = add_elements(in, out, &found, err);
    /* Nothing was read of it: then it is another kind of DER. */
    *known = found > 0;
    return ok || found == 0;
}

/* PEM, which a bundle's reader takes lists in, too. */
bool import_add_certificates(struct clo_import *import,
                             const struct clo_snp_certificates *certificates, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    for (size_t i = 0; i < certificates->count; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(certificates->items[i]), &pem, err))
            return false;
    for (size_t i = 0; i < certificates->crl_count; i++)
        if (!clo_pem_write("X509 CRL", clo_crl_der(certificates->crls[i]), &pem, err))
            return false;
    return pem.size == 0 ||
           import_add(import, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&pem), err);
}
