/* Certificates from wherever they come, sorted into a chain; and what a leaf's extensions say. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "snp_internal.h"

#define TABLE_ENTRY 24

/* GHCB 2.04, table 9; the sixteen bytes in text order, as AMD's and the kernel's users store them. */
static const struct {
    uint8_t guid[16];
    bool is_certificate;
} table_guids[] = {
    { { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
        0xcd },
      true }, /* VCEK */
    { { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
        0xa1 },
      true }, /* VLEK */
    { { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
        0x82 },
      true }, /* ASK or ASVK */
    { { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
        0xae },
      true }, /* ARK */
};

void clo_snp_certificates_free(struct clo_snp_certificates *certificates)
{
    for (size_t i = 0; i < certificates->count; i++)
        clo_certificate_free(certificates->items[i]);
    *certificates = (struct clo_snp_certificates){ 0 };
}

static bool add_der(struct clo_snp_certificates *certificates, struct clo_bytes der,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;

    if (!clo_certificate_parse(der, &certificate, err))
        return false;
    for (size_t i = 0; i < certificates->count; i++)
        if (clo_bytes_equal(clo_certificate_der(certificates->items[i]), der))
            return true;
    if (certificates->count == CLO_SNP_CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d certificates", CLO_SNP_CERTIFICATES_MAX);
    certificates->items[certificates->count++] = CLO_TAKE(certificate);
    return true;
}

static bool add_pem(struct clo_snp_certificates *certificates, struct clo_bytes pem,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    size_t at = 0;
    size_t found = 0;

    while (clo_pem_next(pem, "CERTIFICATE", &at, &der, err)) {
        if (!add_der(certificates, clo_buffer_bytes(&der), err))
            return clo_wrap(err, "certificate %zu", found + 1);
        found++;
    }
    if (err->status != CLO_OK)
        return false;
    return found > 0 || clo_fail(err, CLO_ERR_FORMAT, "PEM without a certificate");
}

static bool is_pem(struct clo_bytes in)
{
    return in.size > 0 && memmem(in.data, in.size, "-----BEGIN ", 11) != NULL;
}

static bool add_one(struct clo_snp_certificates *certificates, struct clo_bytes in,
                    struct clo_error *err)
{
    /* DER begins with a SEQUENCE whose length takes two more bytes. */
    if (in.size > 2 && in.data[0] == 0x30 && in.data[1] == 0x82)
        return add_der(certificates, in, err);
    return add_pem(certificates, in, err);
}

/* The host wrote this table: every entry must lie in it, and what we do not know is passed over. */
static bool add_table(struct clo_snp_certificates *certificates, struct clo_bytes table,
                      struct clo_error *err)
{
    struct clo_reader r = clo_reader(table);
    size_t found = 0;

    for (size_t index = 0;; index++) {
        struct clo_bytes guid = clo_read_bytes(&r, 16);
        uint32_t offset = clo_read_le32(&r);
        uint32_t length = clo_read_le32(&r);
        if (!clo_reader_ok(&r))
            return clo_fail(err, CLO_ERR_FORMAT, "certificate table: no end within %zu bytes",
                            table.size);
        if (clo_bytes_all(guid, 0))
            break;
        if (offset > table.size || length > table.size - offset)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "certificate table: entry %zu ends behind the table's %zu bytes", index,
                            table.size);
        for (size_t i = 0; i < CLO_COUNT(table_guids); i++) {
            if (memcmp(guid.data, table_guids[i].guid, sizeof table_guids[i].guid) != 0)
                continue;
            if (!add_one(certificates, clo_bytes_slice(table, offset, length), err))
                return clo_wrap(err, "certificate table: entry %zu", index);
            found++;
        }
    }
    return found > 0 || clo_fail(err, CLO_ERR_FORMAT, "certificate table: without a certificate");
}

bool clo_snp_certificates_add(struct clo_snp_certificates *certificates, struct clo_bytes in,
                              struct clo_error *err)
{
    if (is_pem(clo_bytes_slice(in, 0, 4096)) || in.size < TABLE_ENTRY || in.data[0] == 0x30) {
        /* The text "-----BEGIN" near the front could also be a table's first PEM entry. */
        struct clo_bytes guid = clo_bytes_slice(in, 0, 16);
        for (size_t i = 0; i < CLO_COUNT(table_guids) && guid.size == 16; i++)
            if (memcmp(guid.data, table_guids[i].guid, 16) == 0)
                return add_table(certificates, in, err);
        return add_one(certificates, in, err);
    }
    return add_table(certificates, in, err);
}

/* --- What a leaf says --- */

static bool extension(const struct clo_certificate *certificate, const char *arc,
                      struct clo_bytes *out)
{
    char oid[48];

    snprintf(oid, sizeof oid, "%s%s", SNP_OID, arc);
    return clo_certificate_extension(certificate, oid, out);
}

bool snp_is_leaf(const struct clo_certificate *certificate)
{
    struct clo_bytes value;

    return extension(certificate, "3.8", &value); /* ucodeSPL: every VCEK and VLEK has it */
}

/* INTEGER from 0 to 255, in its shortest DER form. */
static bool read_spl(const struct clo_certificate *certificate, const char *arc, int *out,
                     struct clo_error *err)
{
    struct clo_bytes in;

    if (!extension(certificate, arc, &in))
        return clo_fail(err, CLO_ERR_FORMAT, "extension " SNP_OID "%s is missing", arc);
    if (in.size == 3 && in.data[0] == 2 && in.data[1] == 1 && in.data[2] < 0x80)
        *out = in.data[2];
    else if (in.size == 4 && in.data[0] == 2 && in.data[1] == 2 && in.data[2] == 0 &&
             in.data[3] >= 0x80)
        *out = in.data[3];
    else
        return clo_fail(err, CLO_ERR_FORMAT, "extension " SNP_OID "%s is no INTEGER from 0 to 255",
                        arc);
    return true;
}

/* IA5String (or UTF8String) of printable ASCII. */
static bool read_text(struct clo_bytes in, char *out, size_t size, const char *what,
                      struct clo_error *err)
{
    if (in.size < 2 || (in.data[0] != 0x16 && in.data[0] != 0x0c) || in.data[1] >= 0x80 ||
        in.data[1] != in.size - 2 || in.size - 2 >= size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s is no short IA5String", what);
    for (size_t i = 2; i < in.size; i++)
        if (in.data[i] < 0x20 || in.data[i] > 0x7e)
            return clo_fail(err, CLO_ERR_FORMAT, "%s has a byte that is no text", what);
    memcpy(out, in.data + 2, in.size - 2);
    out[in.size - 2] = '\0';
    return true;
}

/* The key server stores hwID as the raw bytes; others wrap them in an OCTET STRING. The raw bytes may
 * begin like a DER tag, so the length decides. */
static bool read_hw_id(struct clo_bytes in, struct clo_bytes *out, struct clo_error *err)
{
    if (in.size == 64 || in.size == 8) {
        *out = in;
        return true;
    }
    if ((in.size == 66 || in.size == 10) && in.data[0] == 4 && in.data[1] == in.size - 2) {
        *out = clo_bytes_slice(in, 2, in.size - 2);
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "hwID: %zu bytes, expected 64 or 8", in.size);
}

static enum clo_snp_product product_by_name(const char *name)
{
    static const struct {
        const char *prefix;
        enum clo_snp_product product;
    } names[] = {
        { "Milan", CLO_SNP_MILAN },   { "Genoa", CLO_SNP_GENOA }, { "Bergamo", CLO_SNP_GENOA },
        { "Siena", CLO_SNP_GENOA },   { "Turin", CLO_SNP_TURIN }, { "Dense", CLO_SNP_TURIN },
        { "Venice", CLO_SNP_VENICE },
    };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strncmp(name, names[i].prefix, strlen(names[i].prefix)) == 0)
            return names[i].product;
    return CLO_SNP_UNKNOWN;
}

bool clo_snp_leaf_parse(const struct clo_certificate *certificate, struct clo_snp_leaf *out,
                        struct clo_error *err)
{
    struct clo_snp_leaf leaf = { .spl.fmc = -1 };
    struct clo_bytes value;
    struct clo_bytes csp;
    int struct_version;

    if (!read_spl(certificate, "1", &struct_version, err))
        return false;
    leaf.struct_version = (unsigned)struct_version;
    if (struct_version > 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "structVersion %d", struct_version);
    if (!extension(certificate, "2", &value))
        return clo_fail(err, CLO_ERR_FORMAT, "extension " SNP_OID "2 is missing");
    if (!read_text(value, leaf.product_name, sizeof leaf.product_name, "productName", err))
        return false;
    leaf.product = product_by_name(leaf.product_name);
    if (!read_spl(certificate, "3.1", &leaf.spl.bootloader, err) ||
        !read_spl(certificate, "3.2", &leaf.spl.tee, err) ||
        !read_spl(certificate, "3.3", &leaf.spl.snp, err) ||
        !read_spl(certificate, "3.8", &leaf.spl.microcode, err) ||
        (leaf.struct_version == 1 && !read_spl(certificate, "3.9", &leaf.spl.fmc, err)))
        return false;
    bool has_hw_id = extension(certificate, "4", &value);
    leaf.is_vlek = extension(certificate, "5", &csp);
    if (has_hw_id == leaf.is_vlek)
        return clo_fail(err, CLO_ERR_FORMAT, "%s hwID (VCEK) %s cspID (VLEK)",
                        has_hw_id ? "both" : "neither", has_hw_id ? "and" : "nor");
    if (has_hw_id && !read_hw_id(value, &leaf.hw_id, err))
        return false;
    if (leaf.is_vlek && !read_text(csp, leaf.csp_id, sizeof leaf.csp_id, "cspID", err))
        return false;
    *out = leaf;
    return true;
}

/* --- The chain --- */

static const struct clo_certificate *issuer_of(const struct clo_certificate *certificate,
                                               const struct clo_snp_certificates *certificates,
                                               enum clo_hash hash)
{
    const struct clo_certificate *by_name = NULL;
    struct clo_error ignored;

    /* Names repeat (a pretend platform may use AMD's): the one whose key fits comes first. */
    for (size_t i = 0; i < certificates->count; i++) {
        const struct clo_certificate *other = certificates->items[i];
        if (strcmp(clo_certificate_subject(other), clo_certificate_issuer(certificate)) != 0)
            continue;
        if (clo_certificate_verify(certificate, other, CLO_RSASSA_PSS, hash, &ignored))
            return other;
        if (by_name == NULL)
            by_name = other;
    }
    return by_name;
}

static bool is_leaf_of(const struct clo_certificate *certificate,
                       const struct clo_snp_report *report)
{
    struct clo_snp_leaf leaf;
    struct clo_error ignored;

    if (!clo_snp_leaf_parse(certificate, &leaf, &ignored))
        return false;
    if (leaf.is_vlek != (report->signing_key == CLO_SNP_VLEK))
        return false;
    return leaf.is_vlek ||
           clo_bytes_equal(leaf.hw_id, clo_bytes_slice(report->chip_id, 0, leaf.hw_id.size));
}

bool clo_snp_chain_find(const struct clo_snp_report *report,
                        const struct clo_snp_certificates *certificates, struct clo_snp_chain *out,
                        struct clo_error *err)
{
    struct clo_snp_chain chain = { 0 };
    bool fits = false;

    for (size_t i = 0; i < certificates->count && !fits; i++) {
        if (!snp_is_leaf(certificates->items[i]))
            continue;
        fits = is_leaf_of(certificates->items[i], report);
        if (chain.leaf == NULL || fits)
            chain.leaf = certificates->items[i];
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
