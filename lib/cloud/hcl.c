#include "cloister/hcl.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "lib/cloud/hcl_claims.h"
#include "lib/cloud/hcl_write.h"

/* igvm_attest/get.rs: IgvmAttestRequestHeader, IgvmAttestRequestData. */
#define HEADER_SIGNATURE     0x414c4348U /* "HCLA" */
#define HEADER_SIZE          0x20
#define HEADER_VERSION       2
#define REQUEST_TYPE_AK_CERT 2
#define REQUEST_VERSION      1
#define REQUEST_DATA_SIZE    20
#define TDREPORT_SIZE        1024
#define CLAIMS_MAX           65536
#define AK_KID               "HCLAkPub"

struct clo_hcl_verified {
    json_t *claims;
    struct clo_public_key *ak;
};

bool clo_hcl_parse(struct clo_bytes in, struct clo_hcl *out, struct clo_error *err)
{
    struct clo_hcl hcl = { 0 };
    struct clo_reader r = clo_reader(in);

    uint32_t signature = clo_read_le32(&r);
    if (clo_reader_ok(&r) && signature != HEADER_SIGNATURE)
        return clo_fail(err, CLO_ERR_FORMAT, "HCL report: does not begin with \"HCLA\"");
    hcl.version = clo_read_le32(&r);
    clo_read_skip(&r, 4); /* report_size: not what is bound */
    hcl.request_type = clo_read_le32(&r);
    clo_read_skip(&r, 16); /* status, reserved */
    struct clo_bytes area = clo_read_bytes(&r, CLO_HCL_HARDWARE_SIZE);
    uint32_t data_size = clo_read_le32(&r);
    clo_read_skip(&r, 4); /* version of the request: it shows in data_size */
    uint32_t report_type = clo_read_le32(&r);
    uint32_t hash_type = clo_read_le32(&r);
    uint32_t claims_size = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "HCL report: truncated at byte %zu", r.at);

    if (report_type != CLO_HCL_SNP && report_type != CLO_HCL_TDX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "HCL report: report type %u", report_type);
    hcl.report_type = (enum clo_hcl_type)report_type;
    hcl.hash = hash_type == 1   ? CLO_HASH_SHA256
               : hash_type == 2 ? CLO_HASH_SHA384
               : hash_type == 3 ? CLO_HASH_SHA512
                                : CLO_HASH_NONE;
    if (hcl.hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "HCL report: hash type %u", hash_type);
    hcl.hardware_report =
            report_type == CLO_HCL_TDX ? clo_bytes_slice(area, 0, TDREPORT_SIZE) : area;
    /* The claims end the request data; a later version puts more in front of them. */
    size_t left = in.size - CLO_HCL_REQUEST_AT;
    if (claims_size > CLAIMS_MAX || claims_size == 0 || data_size > left ||
        data_size < REQUEST_DATA_SIZE || claims_size > data_size - REQUEST_DATA_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "HCL report: %u bytes of claims in %u of request data, %zu are there",
                        claims_size, data_size, left);
    hcl.claims = clo_bytes_slice(in, CLO_HCL_REQUEST_AT + data_size - claims_size, claims_size);
    *out = hcl;
    return true;
}

bool clo_hcl_bind(const struct clo_hcl *hcl, struct clo_bytes report_data, struct clo_error *err)
{
    struct clo_digest digest;
    size_t size = clo_hash_size(hcl->hash);

    clo_hash(hcl->hash, hcl->claims, &digest);
    if (report_data.size < size ||
        !clo_bytes_equal(clo_bytes_slice(report_data, 0, size), clo_digest_bytes(&digest)))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "HCL report: REPORT_DATA is not the %s digest of the claims",
                        clo_hash_name(hcl->hash));
    if (!clo_bytes_all(clo_bytes_slice(report_data, size, report_data.size), 0))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "HCL report: REPORT_DATA is not zero after the digest of the claims");
    return true;
}

static bool find_ak(const json_t *claims, struct clo_public_key **out, struct clo_error *err)
{
    json_t *keys;
    json_t *found = NULL;
    size_t i;
    json_t *key;

    if (!clo_json_get_array(claims, "keys", &keys, err))
        return false;
    json_array_foreach (keys, i, key) {
        const char *kid;
        if (!clo_json_get_string_optional(key, "kid", &kid, err))
            return clo_wrap(err, "key %zu", i);
        if (kid == NULL || strcmp(kid, AK_KID) != 0)
            continue;
        if (found != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "two keys named " AK_KID);
        found = key;
    }
    if (found == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no key named " AK_KID);
    return clo_jwk_to_public_key(found, out, err) || clo_wrap(err, AK_KID);
}

bool clo_hcl_claimed_ak(const struct clo_hcl *hcl, struct clo_public_key **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;

    return (clo_json_parse_bounded(hcl->claims, CLO_JSON_VALUES_MAX, &claims, err) &&
            find_ak(claims, out, err)) ||
           clo_wrap(err, "HCL report: claims");
}

static bool verify_claims(const struct clo_hcl *hcl, struct clo_bytes report_data,
                          struct clo_hcl_verified **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_hcl_verified_freep) struct clo_hcl_verified *verified = NULL;

    if (!clo_hcl_bind(hcl, report_data, err))
        return false;
    verified = calloc(1, sizeof *verified);
    if (verified == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_parse_bounded(hcl->claims, CLO_JSON_VALUES_MAX, &verified->claims, err) ||
        !find_ak(verified->claims, &verified->ak, err))
        return clo_wrap(err, "HCL report: claims");
    *out = CLO_TAKE(verified);
    return true;
}

bool clo_hcl_verify(const struct clo_hcl *hcl, const struct clo_snp_verified *report,
                    struct clo_hcl_verified **out, struct clo_error *err)
{
    if (hcl->report_type != CLO_HCL_SNP ||
        !clo_bytes_equal(hcl->hardware_report, report->report.raw))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "HCL report: the verified report is not the one inside");
    return verify_claims(hcl, report->report.report_data, out, err);
}

bool clo_hcl_verify_tdx(const struct clo_hcl *hcl, const struct clo_tdx_verified *quote,
                        struct clo_hcl_verified **out, struct clo_error *err)
{
    if (hcl->report_type != CLO_HCL_TDX)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "HCL report: is not of a TD");
    return verify_claims(hcl, quote->quote.body.report_data, out, err);
}

const struct clo_public_key *clo_hcl_ak(const struct clo_hcl_verified *hcl)
{
    return hcl->ak;
}

const json_t *clo_hcl_claims(const struct clo_hcl_verified *hcl)
{
    return hcl->claims;
}

void clo_hcl_verified_free(struct clo_hcl_verified *hcl)
{
    if (hcl == NULL)
        return;
    json_decref(hcl->claims);
    clo_public_key_free(hcl->ak);
    free(hcl);
}

void clo_hcl_verified_freep(struct clo_hcl_verified **hcl)
{
    clo_hcl_verified_free(*hcl);
    *hcl = NULL;
}

bool clo_hcl_write(enum clo_hcl_type type, struct clo_bytes report, struct clo_bytes claims,
                   struct clo_buffer *out, struct clo_error *err)
{
    if (report.size != CLO_HCL_HARDWARE_SIZE || claims.size == 0 || claims.size > CLAIMS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "HCL report: %zu bytes of report, %zu of claims",
                        report.size, claims.size);
    uint32_t data_size = (uint32_t)(REQUEST_DATA_SIZE + claims.size);
    clo_buffer_le32(out, HEADER_SIGNATURE);
    clo_buffer_le32(out, HEADER_VERSION);
    clo_buffer_le32(out, HEADER_SIZE + CLO_HCL_HARDWARE_SIZE + data_size);
    clo_buffer_le32(out, REQUEST_TYPE_AK_CERT);
    clo_buffer_zero(out, 16);
    clo_buffer_append(out, report);
    clo_buffer_le32(out, data_size);
    clo_buffer_le32(out, REQUEST_VERSION);
    clo_buffer_le32(out, type);
    clo_buffer_le32(out, 1); /* SHA-256 */
    clo_buffer_le32(out, (uint32_t)claims.size);
    clo_buffer_append(out, claims);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
