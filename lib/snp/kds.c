#include "cloister/kds.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "snp_internal.h"

#define SPL_MAX 255

static const struct {
    const char *folder; /* between the host and the product */
    const char *name;   /* after the product; NULL: the hwID and its parameters */
} kinds[] = {
    [CLO_KDS_VCEK] = { "vcek", NULL },
    [CLO_KDS_VCEK_CHAIN] = { "vcek", "cert_chain" },
    [CLO_KDS_VLEK_CHAIN] = { "vlek", "cert_chain" },
    [CLO_KDS_VCEK_CRL] = { "vcek", "crl" },
    [CLO_KDS_VLEK_CRL] = { "vlek", "crl" },
};

bool clo_kds_request_of(const struct clo_snp_report *report, enum clo_snp_product product,
                        struct clo_kds_request *out, struct clo_error *err)
{
    struct clo_kds_request request = { .kind = CLO_KDS_VCEK };
    enum clo_snp_product by_report = clo_snp_report_product(report);

    request.product = by_report != CLO_SNP_UNKNOWN ? by_report : product;
    if (report->signing_key != CLO_SNP_VCEK)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "SNP report: signed by %s: only VCEKs are at AMD's key server",
                        report->signing_key == CLO_SNP_VLEK ? "a VLEK" : "no VCEK");
    if (request.product == CLO_SNP_UNKNOWN)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "SNP report: version %u does not name its product: say which",
                        report->version);
    if (clo_bytes_all(report->chip_id, 0))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "SNP report: the host masks CHIP_ID: nobody can tell whose VCEK it takes");
    request.hw_id_size = snp_is_family_1a(request.product) ? 8 : 64;
    memcpy(request.hw_id, report->chip_id.data, request.hw_id_size);
    request.spl = clo_snp_tcb_parts(&report->reported_tcb, request.product);
    *out = request;
    return true;
}

bool clo_kds_path(const struct clo_kds_request *request, char out[CLO_KDS_PATH_MAX],
                  struct clo_error *err)
{
    const char *product = clo_snp_product_name(request->product);
    const char *folder = kinds[request->kind].folder;
    char hex[2 * 64 + 1];
    char fmc[32] = "";

    if (request->product == CLO_SNP_UNKNOWN)
        return clo_fail(err, CLO_ERR_USAGE, "key server: no product");
    if (request->kind != CLO_KDS_VCEK) {
        snprintf(out, CLO_KDS_PATH_MAX, "/%s/v1/%s/%s", folder, product, kinds[request->kind].name);
        return true;
    }
    if (request->hw_id_size != (snp_is_family_1a(request->product) ? 8 : 64))
        return clo_fail(err, CLO_ERR_USAGE, "key server: %s with a hwID of %zu bytes", product,
                        request->hw_id_size);
    if (snp_is_family_1a(request->product))
        snprintf(fmc, sizeof fmc, "fmcSPL=%02d&", request->spl.fmc);
    snprintf(out, CLO_KDS_PATH_MAX,
             "/%s/v1/%s/%s?%sblSPL=%02d&teeSPL=%02d&snpSPL=%02d&ucodeSPL=%02d", folder, product,
             clo_hex_text(clo_bytes(request->hw_id, request->hw_id_size), hex), fmc,
             request->spl.bootloader, request->spl.tee, request->spl.snp, request->spl.microcode);
    return true;
}

/* --- Reading --- */

/* If the text begins so, moves after it. */
static bool take(const char **at, const char *text)
{
    size_t size = strlen(text);

    if (strncmp(*at, text, size) != 0)
        return false;
    *at += size;
    return true;
}

static bool take_product(const char **at, enum clo_snp_product *out)
{
    for (int i = CLO_SNP_MILAN; i <= CLO_SNP_VENICE; i++) {
        const char *behind = *at;
        if (take(&behind, clo_snp_product_name((enum clo_snp_product)i)) && take(&behind, "/")) {
            *at = behind;
            *out = (enum clo_snp_product)i;
            return true;
        }
    }
    return false;
}

static bool take_hw_id(const char **at, struct clo_kds_request *request, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = sizeof request->hw_id };
    size_t expected = snp_is_family_1a(request->product) ? 8 : 64;
    size_t length = strcspn(*at, "?");

    if (length != 2 * expected)
        return clo_fail(err, CLO_ERR_FORMAT, "hwID: %zu characters, expected %zu for %s", length,
                        2 * expected, clo_snp_product_name(request->product));
    if (!clo_hex_read(clo_bytes(*at, length), &bytes, err))
        return clo_wrap(err, "hwID");
    memcpy(request->hw_id, bytes.data, expected);
    request->hw_id_size = expected;
    *at += length;
    return true;
}

/* One to three digits. */
static bool take_spl(const char **at, const char *name, int *out, struct clo_error *err)
{
    size_t length = strspn(*at, "0123456789");
    int value = 0;

    for (size_t i = 0; i < length && i < 4; i++)
        value = value * 10 + ((*at)[i] - '0');
    if (length == 0 || length > 3 || value > SPL_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a number from 0 to %d", name, SPL_MAX);
    if (*out >= 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: given twice", name);
    *out = value;
    *at += length;
    return true;
}

static bool take_parameters(const char **at, struct clo_kds_request *request, struct clo_error *err)
{
    struct clo_snp_tcb_parts spl = { -1, -1, -1, -1, -1 };
    const struct {
        const char *name;
        int *value;
        bool is_needed;
    } parameters[] = {
        { "fmcSPL", &spl.fmc, snp_is_family_1a(request->product) },
        { "blSPL", &spl.bootloader, true },
        { "teeSPL", &spl.tee, true },
        { "snpSPL", &spl.snp, true },
        { "ucodeSPL", &spl.microcode, true },
    };

    for (char separator = '?'; **at != '\0'; separator = '&') {
        size_t which = 0;
        if (**at != separator)
            return clo_fail(err, CLO_ERR_FORMAT, "expected '%c' at \"%.20s\"", separator, *at);
        const char *name = *at + 1;
        size_t length = strcspn(name, "=&");
        while (which < CLO_COUNT(parameters) &&
               (strlen(parameters[which].name) != length ||
                strncmp(parameters[which].name, name, length) != 0))
            which++;
        if (which == CLO_COUNT(parameters) || name[length] != '=')
            return clo_fail(err, CLO_ERR_FORMAT, "unknown parameter \"%.*s\"",
                            (int)(length > 20 ? 20 : length), name);
        *at = name + length + 1;
        if (!take_spl(at, parameters[which].name, parameters[which].value, err))
            return false;
    }
    for (size_t i = 0; i < CLO_COUNT(parameters); i++)
        if ((*parameters[i].value >= 0) != parameters[i].is_needed)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: %s for %s", parameters[i].name,
                            parameters[i].is_needed ? "is missing" : "is not a parameter",
                            clo_snp_product_name(request->product));
    request->spl = spl;
    return true;
}

static bool parse(const char *at, struct clo_kds_request *request, struct clo_error *err)
{
    if (take(&at, "https://") && !take(&at, CLO_KDS_HOST))
        return clo_fail(err, CLO_ERR_FORMAT, "not a URL of " CLO_KDS_HOST);
    bool is_vlek = strncmp(at, "/vlek/", 6) == 0;
    if (!take(&at, "/vcek/v1/") && !take(&at, "/vlek/v1/"))
        return clo_fail(err, CLO_ERR_FORMAT, "neither /vcek/v1/ nor /vlek/v1/");
    if (!take_product(&at, &request->product))
        return clo_fail(err, CLO_ERR_FORMAT, "product \"%.*s\" is not known",
                        (int)(strcspn(at, "/") > 20 ? 20 : strcspn(at, "/")), at);
    if (strcmp(at, "cert_chain") == 0 || strcmp(at, "crl") == 0) {
        bool is_crl = strcmp(at, "crl") == 0;
        request->kind = is_crl    ? is_vlek ? CLO_KDS_VLEK_CRL : CLO_KDS_VCEK_CRL
                        : is_vlek ? CLO_KDS_VLEK_CHAIN
                                  : CLO_KDS_VCEK_CHAIN;
        return true;
    }
    if (is_vlek)
        return clo_fail(err, CLO_ERR_FORMAT, "neither cert_chain nor crl");
    request->kind = CLO_KDS_VCEK;
    return take_hw_id(&at, request, err) && take_parameters(&at, request, err);
}

bool clo_kds_parse(const char *url, struct clo_kds_request *out, struct clo_error *err)
{
    struct clo_kds_request request = { .spl = { -1, -1, -1, -1, -1 } };

    if (!parse(url, &request, err))
        return clo_wrap(err, "key server URL");
    *out = request;
    return true;
}
