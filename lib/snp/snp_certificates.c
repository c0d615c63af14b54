/* Certificates from wherever they come, sorted into a chain. */
#include <string.h>

#include "cloister/encoding.h"
#include "lib/crypto/certificate_cache.h"
#include "lib/snp/snp_share.h"
#include "snp_internal.h"

#define TABLE_ENTRY 24
#define ENTRIES_MAX (CLO_SNP_CERTIFICATES_MAX + CLO_SNP_CRLS_MAX) /* of those that we read */
#define DER_HEADER  4 /* a tag, and a length that takes two more bytes */

enum entry {
    ENTRY_CERTIFICATE,
    ENTRY_CRL
};

/* GHCB 2.04, table 9; the sixteen bytes in text order, as AMD's and the kernel's users store them. Some hosts write
 * them as EFI does, the first three fields little endian: those are read, too. */
static const struct {
    uint8_t guid[16];
    enum entry kind;
} table_guids[] = {
    { { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
        0xcd },
      ENTRY_CERTIFICATE }, /* VCEK */
    { { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
        0xa1 },
      ENTRY_CERTIFICATE }, /* VLEK */
    { { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
        0x82 },
      ENTRY_CERTIFICATE }, /* ASK or ASVK */
    { { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
        0xae },
      ENTRY_CERTIFICATE }, /* ARK */
    { { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67,
        0xea },
      ENTRY_CRL },
};

static bool is_guid(const uint8_t known[16], struct clo_bytes guid)
{
    static const uint8_t as_efi[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    bool is_text = guid.size == 16;
    bool is_efi = is_text;

    for (size_t i = 0; i < 16 && guid.size == 16; i++) {
        is_text = is_text && guid.data[i] == known[i];
        is_efi = is_efi && guid.data[i] == known[as_efi[i]];
    }
    return is_text || is_efi;
}

void clo_snp_certificates_free(struct clo_snp_certificates *certificates)
{
    for (size_t i = 0; i < certificates->count; i++)
        clo_certificate_free(certificates->items[i]);
    for (size_t i = 0; i < certificates->crl_count; i++)
        clo_crl_free(certificates->crls[i]);
    *certificates = (struct clo_snp_certificates){ 0 };
}

/* Known ones are told by their bytes: reading costs more, and a host can name one a million times. */
static bool has(const struct clo_snp_certificates *certificates, struct clo_bytes der)
{
    for (size_t i = 0; i < certificates->count; i++)
        if (clo_bytes_equal(clo_certificate_der(certificates->items[i]), der))
            return true;
    return false;
}

static bool check_room(const struct clo_snp_certificates *certificates, struct clo_error *err)
{
    return certificates->count < CLO_SNP_CERTIFICATES_MAX ||
           clo_fail(err, CLO_ERR_FORMAT, "more than %d certificates", CLO_SNP_CERTIFICATES_MAX);
}

static bool add_der(struct clo_snp_certificates *certificates, struct clo_bytes der,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;

    if (has(certificates, der))
        return true;
    if (!check_room(certificates, err) ||
        !clo_certificate_cache_read(certificates->cache, der, &certificate, err))
        return false;
    certificates->items[certificates->count++] = CLO_TAKE(certificate);
    return true;
}

bool clo_snp_certificates_share(struct clo_snp_certificates *certificates,
                                const struct clo_certificate *certificate, struct clo_error *err)
{
    if (has(certificates, clo_certificate_der(certificate)))
        return true;
    if (!check_room(certificates, err))
        return false;
    certificates->items[certificates->count++] = clo_certificate_hold(certificate);
    return true;
}

static bool add_crl(struct clo_snp_certificates *certificates, struct clo_bytes der,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;

    for (size_t i = 0; i < certificates->crl_count; i++)
        if (clo_bytes_equal(clo_crl_der(certificates->crls[i]), der))
            return true;
    if (certificates->crl_count == CLO_SNP_CRLS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d revocation lists", CLO_SNP_CRLS_MAX);
    if (!clo_crl_cache_read(certificates->cache, der, &crl, err))
        return false;
    certificates->crls[certificates->crl_count++] = CLO_TAKE(crl);
    return true;
}

/* Every block with this label; `found` counts them. */
static bool add_blocks(struct clo_snp_certificates *certificates, struct clo_bytes pem,
                       const char *label, enum entry kind, size_t *found, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    enum clo_next next;
    size_t at = 0;

    while ((next = clo_pem_next(pem, label, &at, &der, err)) == CLO_NEXT_ITEM) {
        struct clo_bytes in = clo_buffer_bytes(&der);
        if (!(kind == ENTRY_CRL ? add_crl(certificates, in, err) : add_der(certificates, in, err)))
            return clo_wrap(err, "%s %zu", kind == ENTRY_CRL ? "list" : "certificate", *found + 1);
        (*found)++;
    }
    return next == CLO_NEXT_END;
}

static bool add_pem(struct clo_snp_certificates *certificates, struct clo_bytes pem,
                    enum entry wanted, struct clo_error *err)
{
    size_t found = 0;
    size_t lists = 0;

    if (!add_blocks(certificates, pem, "CERTIFICATE", ENTRY_CERTIFICATE, &found, err) ||
        !add_blocks(certificates, pem, "X509 CRL", ENTRY_CRL, &lists, err))
        return false;
    if (wanted == ENTRY_CRL)
        return lists > 0 || clo_fail(err, CLO_ERR_FORMAT, "PEM without a revocation list");
    return found > 0 || clo_fail(err, CLO_ERR_FORMAT, "PEM without a certificate");
}

/* A SEQUENCE whose length takes two more bytes. */
static bool is_der(struct clo_bytes in)
{
    return in.size > 2 && in.data[0] == 0x30 && in.data[1] == 0x82;
}

static bool add_one(struct clo_snp_certificates *certificates, struct clo_bytes in, enum entry kind,
                    struct clo_error *err)
{
    if (!is_der(in))
        return add_pem(certificates, in, kind, err);
    return kind == ENTRY_CRL ? add_crl(certificates, in, err) : add_der(certificates, in, err);
}

/* A table has zeros in its first entry (the highest bytes of an offset and a size), PEM has none. */
static bool is_table(struct clo_bytes in)
{
    return !is_der(in) && in.size >= TABLE_ENTRY && memchr(in.data, 0, TABLE_ENTRY) != NULL;
}

/* Where the entries' contents may begin: after the entry of zeros. */
static bool table_end(struct clo_bytes table, size_t *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);
    struct clo_bytes guid;

    do {
        guid = clo_read_bytes(&r, 16);
        clo_read_skip(&r, TABLE_ENTRY - 16);
        if (!clo_reader_ok(&r))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate table: no end within %zu bytes",
                            table.size);
    } while (!clo_bytes_all(guid, 0));
    *out = r.at;
    return true;
}

/* Hosts round an entry's length up: DER says how long it is, and zeros after it are none of it. */
static struct clo_bytes without_padding(struct clo_bytes in)
{
    if (!is_der(in) || in.size < DER_HEADER)
        return in;
    size_t size = DER_HEADER + ((size_t)in.data[2] << 8 | in.data[3]);
    if (size < in.size && clo_bytes_all(clo_bytes_slice(in, size, in.size - size), 0))
        return clo_bytes_slice(in, 0, size);
    return in;
}

/* The host wrote this table: every entry must lie in it, and what we do not know or has no contents is
 * passed over. Entries may share their contents, so that their number, too, has to have an end. `found`
 * counts the certificates. */
static bool read_table(struct clo_snp_certificates *certificates, struct clo_bytes table,
                       size_t *found, struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);
    size_t known = 0;
    size_t end;

    if (!table_end(table, &end, err))
        return false;
    for (size_t index = 0; r.at < end - TABLE_ENTRY; index++) {
        struct clo_bytes guid = clo_read_bytes(&r, 16);
        uint32_t offset = clo_read_le32(&r);
        uint32_t length = clo_read_le32(&r);
        if (length == 0)
            continue;
        if (offset < end)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "certificate table: entry %zu begins at 0x%x, inside the table's own "
                            "0x%zx bytes",
                            index, offset, end);
        if (offset > table.size || length > table.size - offset)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "certificate table: entry %zu ends beyond the table's %zu bytes", index,
                            table.size);
        for (size_t i = 0; i < CLO_COUNT(table_guids); i++) {
            if (!is_guid(table_guids[i].guid, guid))
                continue;
            if (known++ == ENTRIES_MAX)
                return clo_fail(err, CLO_ERR_FORMAT,
                                "certificate table: more than %d certificates and lists",
                                ENTRIES_MAX);
            if (!add_one(certificates, without_padding(clo_bytes_slice(table, offset, length)),
                         table_guids[i].kind, err))
                return clo_wrap(err, "certificate table: entry %zu", index);
            *found += table_guids[i].kind == ENTRY_CERTIFICATE;
        }
    }
    return true;
}

static bool add_table(struct clo_snp_certificates *certificates, struct clo_bytes table,
                      struct clo_error *err)
{
    size_t found = 0;

    if (clo_bytes_all(table, 0))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "certificate table: %zu zero bytes: the host has put no certificate there",
                        table.size);
    return read_table(certificates, table, &found, err) &&
           (found > 0 || clo_fail(err, CLO_ERR_FORMAT, "certificate table: without a certificate"));
}

bool clo_snp_certificates_add_table(struct clo_snp_certificates *certificates,
                                    struct clo_bytes table, struct clo_error *err)
{
    size_t found = 0;

    return is_table(table) ? read_table(certificates, table, &found, err)
                           : add_one(certificates, table, ENTRY_CERTIFICATE, err);
}

bool clo_snp_certificates_add(struct clo_snp_certificates *certificates, struct clo_bytes in,
                              struct clo_error *err)
{
    return is_table(in) ? add_table(certificates, in, err)
                        : add_one(certificates, in, ENTRY_CERTIFICATE, err);
}

bool clo_snp_certificates_read(struct clo_snp_certificates *certificates, struct clo_bytes in,
                               struct clo_error *err)
{
    struct clo_error ignored;
    size_t found = 0;
    size_t lists = 0;

    if (is_der(in))
        return add_crl(certificates, in, &ignored) || add_der(certificates, in, err);
    if (is_table(in))
        return add_table(certificates, in, err);
    if (!add_blocks(certificates, in, "CERTIFICATE", ENTRY_CERTIFICATE, &found, err) ||
        !add_blocks(certificates, in, "X509 CRL", ENTRY_CRL, &lists, err))
        return false;
    return found + lists > 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "neither certificates nor revocation lists");
}

bool clo_snp_table_knows(struct clo_bytes guid)
{
    for (size_t i = 0; i < CLO_COUNT(table_guids); i++)
        if (is_guid(table_guids[i].guid, guid))
            return true;
    return false;
}

/* --- The chain --- */

static const struct clo_certificate *issuer_of(const struct clo_certificate *certificate,
                                               const struct clo_snp_certificates *certificates,
                                               enum clo_hash hash)
{
    const struct clo_certificate *named[CLO_SNP_CERTIFICATES_MAX];
    struct clo_error ignored;
    size_t count = 0;

    for (size_t i = 0; i < certificates->count; i++)
        if (clo_bytes_equal(clo_certificate_subject_name(certificates->items[i]),
                            clo_certificate_issuer_name(certificate)))
            named[count++] = certificates->items[i];
    /* Names repeat (a pretend platform may use AMD's): then the one whose key fits. Signatures are
     * dear, so not where there is nothing to choose. */
    for (size_t i = 0; count > 1 && i < count; i++)
        if (clo_certificate_verify(certificate, named[i], CLO_RSASSA_PSS, hash, &ignored))
            return named[i];
    return count == 0 ? NULL : named[0];
}

static bool is_tcb(const struct clo_snp_tcb_parts *a, const struct clo_snp_tcb_parts *b)
{
    return a->fmc == b->fmc && a->bootloader == b->bootloader && a->tee == b->tee &&
           a->snp == b->snp && a->microcode == b->microcode;
}

#define FIT_KIND 1U
#define FIT_TCB  1U
#define FIT_CHIP 2U

/* How well a leaf fits: 0 not at all, then its kind, its chip, and its TCB besides. A chip has a VCEK for
 * each TCB, and those of former ones stay around in hosts' tables and in caches. */
static unsigned leaf_fit(const struct clo_certificate *certificate,
                         const struct clo_snp_report *report)
{
    struct clo_snp_leaf leaf;
    struct clo_error ignored;

    if (!clo_snp_leaf_parse(certificate, &leaf, &ignored) ||
        leaf.is_vlek != (report->signing_key == CLO_SNP_VLEK))
        return 0;
    struct clo_snp_tcb_parts reported = clo_snp_tcb_parts(&report->reported_tcb, leaf.product);
    bool is_chip = leaf.is_vlek || clo_bytes_equal(leaf.hw_id, clo_bytes_slice(report->chip_id, 0,
                                                                               leaf.hw_id.size));
    return FIT_KIND + (is_chip ? FIT_CHIP : 0U) + (is_tcb(&reported, &leaf.spl) ? FIT_TCB : 0U);
}

bool clo_snp_leaf_fits(const struct clo_certificate *certificate,
                       const struct clo_snp_report *report)
{
    unsigned fit = leaf_fit(certificate, report);

    /* A masked CHIP_ID is nobody's. */
    return fit == FIT_KIND + FIT_CHIP + FIT_TCB ||
           (fit == FIT_KIND + FIT_TCB && clo_bytes_all(report->chip_id, 0));
}

bool clo_snp_chain_find(const struct clo_snp_report *report,
                        const struct clo_snp_certificates *certificates, struct clo_snp_chain *out,
                        struct clo_error *err)
{
    struct clo_snp_chain chain = { 0 };
    unsigned best = 0;

    for (size_t i = 0; i < certificates->count; i++) {
        if (!snp_is_leaf(certificates->items[i]))
            continue;
        unsigned fit = leaf_fit(certificates->items[i], report);
        if (chain.leaf == NULL || fit > best) {
            chain.leaf = certificates->items[i];
            best = fit;
        }
    }
    if (chain.leaf == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "SNP: no VCEK or VLEK certificate for this report: give it with --cert");
    chain.intermediate = issuer_of(chain.leaf, certificates, CLO_HASH_SHA384);
    if (chain.intermediate != NULL)
        chain.root = issuer_of(chain.intermediate, certificates, CLO_HASH_SHA384);
    *out = chain;
    return true;
}
