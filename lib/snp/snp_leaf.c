/* What the extensions of a VCEK or VLEK say (AMD 57230, tables 8 to 11). */
#include <stdio.h>
#include <string.h>

#include "snp_internal.h"

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
        return clo_fail(err, CLO_ERR_FORMAT,
                        "extension " SNP_OID "%s is not an INTEGER from 0 to 255", arc);
    return true;
}

/* spl4 to spl7 stand for components that no product has yet; not every certificate has them. */
static bool read_reserved_spls(const struct clo_certificate *certificate, bool *out,
                               struct clo_error *err)
{
    static const char *const arcs[] = { "3.4", "3.5", "3.6", "3.7" };
    struct clo_bytes value;
    int spl;

    for (size_t i = 0; i < CLO_COUNT(arcs); i++) {
        if (!extension(certificate, arcs[i], &value))
            continue;
        if (!read_spl(certificate, arcs[i], &spl, err))
            return false;
        *out = *out || spl != 0;
    }
    return true;
}

/* IA5String (or UTF8String) of printable ASCII. */
static bool read_text(struct clo_bytes in, char *out, size_t size, const char *what,
                      struct clo_error *err)
{
    if (in.size < 2 || (in.data[0] != 0x16 && in.data[0] != 0x0c) || in.data[1] >= 0x80 ||
        in.data[1] != in.size - 2 || in.size - 2 >= size)
        return clo_fail(err, CLO_ERR_FORMAT, "%s is not a short IA5String", what);
    for (size_t i = 2; i < in.size; i++)
        if (in.data[i] < 0x20 || in.data[i] > 0x7e)
            return clo_fail(err, CLO_ERR_FORMAT, "%s has a byte that is not text", what);
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
    if (!read_reserved_spls(certificate, &leaf.has_unknown_spl, err))
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
