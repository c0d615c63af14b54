#include "cloister/snp.h"

#include <inttypes.h>
#include <string.h>

#include "snp_internal.h"

/* MSG_REPORT_RSP (AMD 56860, table 25): status, size, 24 reserved bytes, then the report. */
#define RESPONSE_HEADER 0x20
#define SIGNATURE_AT    0x2a0
/* The versions so far are counted from 2 to 5: files of another kind have text or magic numbers here. */
#define VERSION_BELIEVABLE 0xffU
#define ALGORITHM_P384     1U
#define COMPONENT          72 /* R and S each, AMD 56860, table 137 */
#define P384_SIZE          48

static const char *const product_names[] = {
    [CLO_SNP_UNKNOWN] = "unknown", [CLO_SNP_MILAN] = "Milan",   [CLO_SNP_GENOA] = "Genoa",
    [CLO_SNP_TURIN] = "Turin",     [CLO_SNP_VENICE] = "Venice",
};

const char *clo_snp_product_name(enum clo_snp_product product)
{
    return product_names[product];
}

bool snp_is_family_1a(enum clo_snp_product product)
{
    return product == CLO_SNP_TURIN || product == CLO_SNP_VENICE;
}

static struct clo_snp_tcb read_tcb(struct clo_reader *r)
{
    struct clo_snp_tcb tcb = { 0 };
    struct clo_bytes raw = clo_read_bytes(r, sizeof tcb.raw);

    if (raw.size == sizeof tcb.raw)
        memcpy(tcb.raw, raw.data, raw.size);
    return tcb;
}

static struct clo_snp_build read_build(struct clo_reader *r)
{
    struct clo_snp_build build;

    build.build = clo_read_u8(r);
    build.minor = clo_read_u8(r);
    build.major = clo_read_u8(r);
    return build;
}

/* Reserved bytes: kept for the check at the end. */
struct reserved {
    struct clo_bytes views[8];
    size_t count;
};

static void read_reserved(struct clo_reader *r, size_t size, struct reserved *out)
{
    out->views[out->count++] = clo_read_bytes(r, size);
}

static bool check_reserved(const struct reserved *reserved, struct clo_bytes in,
                           struct clo_error *err)
{
    for (size_t i = 0; i < reserved->count; i++)
        for (size_t k = 0; k < reserved->views[i].size; k++)
            if (reserved->views[i].data[k] != 0)
                return clo_fail(err, CLO_ERR_FORMAT,
                                "SNP report: reserved byte at 0x%zx is not zero",
                                (size_t)(reserved->views[i].data - in.data) + k);
    return true;
}

/* A newer version may use what is reserved today, but it is a report: a version that AMD may reach, a policy
 * with the bit that is always one, and the one signature algorithm, whose numbers leave room after them. */
static bool check_newer(const struct clo_snp_report *report, struct clo_error *err)
{
    struct clo_bytes signature = report->signature;

    if (report->version > VERSION_BELIEVABLE)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "SNP report: version 0x%x: no report, or a damaged one", report->version);
    if ((report->policy & CLO_SNP_POLICY_MBO) == 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "SNP report: no report: version %u, and guest policy 0x%" PRIx64
                        " without bit 17, which is always one",
                        report->version, report->policy);
    if (report->signature_algo != ALGORITHM_P384)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "SNP report: no report: version %u, and signature algorithm 0x%x",
                        report->version, report->signature_algo);
    if (!clo_bytes_all(clo_bytes_slice(signature, P384_SIZE, COMPONENT - P384_SIZE), 0) ||
        !clo_bytes_all(clo_bytes_slice(signature, COMPONENT + P384_SIZE, signature.size), 0))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "SNP report: no report: version %u, and no P-384 signature at its end",
                        report->version);
    return true;
}

/* ATTESTATION_REPORT, AMD 56860 table 23, in its order. */
bool clo_snp_parse(struct clo_bytes in, struct clo_snp_report *out, struct clo_error *err)
{
    struct clo_snp_report report = { .raw = in };
    struct reserved reserved = { 0 };
    struct clo_reader r = clo_reader(in);

    if (in.size != CLO_SNP_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: %zu bytes, expected %d", in.size,
                        CLO_SNP_REPORT_SIZE);
    report.version = clo_read_le32(&r);
    if (report.version < CLO_SNP_VERSION_MIN)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "SNP report: version %u, at least %d expected",
                        report.version, CLO_SNP_VERSION_MIN);
    report.is_newer = report.version > CLO_SNP_VERSION_MAX;
    report.guest_svn = clo_read_le32(&r);
    report.policy = clo_read_le64(&r);
    report.family_id = clo_read_bytes(&r, 16);
    report.image_id = clo_read_bytes(&r, 16);
    report.vmpl = clo_read_le32(&r);
    report.signature_algo = clo_read_le32(&r);
    report.current_tcb = read_tcb(&r);
    report.platform_info = clo_read_le64(&r);
    report.signer_info = clo_read_le32(&r);
    report.author_key_en = (report.signer_info & 1) != 0;
    report.mask_chip_key = (report.signer_info & 2) != 0;
    report.signing_key = report.signer_info >> 2 & 7;
    read_reserved(&r, 4, &reserved);
    report.report_data = clo_read_bytes(&r, 64);
    report.measurement = clo_read_bytes(&r, 48);
    report.host_data = clo_read_bytes(&r, 32);
    report.id_key_digest = clo_read_bytes(&r, 48);
    report.author_key_digest = clo_read_bytes(&r, 48);
    report.report_id = clo_read_bytes(&r, 32);
    report.report_id_ma = clo_read_bytes(&r, 32);
    report.reported_tcb = read_tcb(&r);
    report.has_cpuid = report.version >= 3;
    if (report.has_cpuid) {
        report.cpuid_fam_id = clo_read_u8(&r);
        report.cpuid_mod_id = clo_read_u8(&r);
        report.cpuid_step = clo_read_u8(&r);
        read_reserved(&r, 21, &reserved);
    } else {
        read_reserved(&r, 24, &reserved);
    }
    report.chip_id = clo_read_bytes(&r, 64);
    report.committed_tcb = read_tcb(&r);
    report.current = read_build(&r);
    read_reserved(&r, 1, &reserved);
    report.committed = read_build(&r);
    read_reserved(&r, 1, &reserved);
    report.launch_tcb = read_tcb(&r);
    report.has_mit_vectors = report.version >= 5;
    if (report.has_mit_vectors) {
        report.launch_mit_vector = clo_read_le64(&r);
        report.current_mit_vector = clo_read_le64(&r);
    } else {
        read_reserved(&r, 16, &reserved);
    }
    read_reserved(&r, 152, &reserved);
    report.signature = clo_read_bytes(&r, CLO_SNP_REPORT_SIZE - SIGNATURE_AT);

    if (!clo_reader_ok(&r) || clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: truncated at byte %zu", r.at);
    if (report.is_newer && !check_newer(&report, err))
        return false;
    if (!report.is_newer && !check_reserved(&reserved, in, err))
        return false;
    if (!report.is_newer && report.signer_info >> 5 != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "SNP report: SIGNER_INFO is 0x%x: reserved bits are not zero",
                        report.signer_info);
    *out = report;
    return true;
}

/* A bare report begins with its version (2 and up) and has POLICY, never zero, within its first bytes;
 * the kernel's buffer begins with a status, and has zeros where its header is reserved. */
static bool unwrap_response(struct clo_bytes in, uint32_t status, uint32_t size,
                            struct clo_bytes *report, struct clo_error *err)
{
    if (status != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: the firmware answered with status 0x%x",
                        status);
    if (size != CLO_SNP_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: the response holds %u bytes, expected %d",
                        size, CLO_SNP_REPORT_SIZE);
    if (in.size < RESPONSE_HEADER + CLO_SNP_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: response of %zu bytes, expected %d",
                        in.size, RESPONSE_HEADER + CLO_SNP_REPORT_SIZE);
    *report = clo_bytes_slice(in, RESPONSE_HEADER, CLO_SNP_REPORT_SIZE);
    return true;
}

bool clo_snp_unwrap(struct clo_bytes in, struct clo_bytes *report, struct clo_bytes *table,
                    struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint32_t first = clo_read_le32(&r);
    uint32_t second = clo_read_le32(&r);
    struct clo_bytes reserved = clo_read_bytes(&r, RESPONSE_HEADER - 8);
    struct clo_bytes tail;

    *table = (struct clo_bytes){ 0 };
    if (in.size < CLO_SNP_REPORT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "SNP report: %zu bytes, expected %d", in.size,
                        CLO_SNP_REPORT_SIZE);
    if (clo_bytes_all(reserved, 0) &&
        (first == 0 || (second == 0 && clo_bytes_all(clo_bytes_slice(in, 8, in.size), 0))))
        return unwrap_response(in, first, second, report, err);
    *report = clo_bytes_slice(in, 0, CLO_SNP_REPORT_SIZE);
    tail = clo_bytes_slice(in, CLO_SNP_REPORT_SIZE, in.size - CLO_SNP_REPORT_SIZE);
    /* A table of nothing is none. */
    if (!clo_bytes_all(tail, 0))
        *table = tail;
    return true;
}

enum clo_snp_product clo_snp_report_product(const struct clo_snp_report *report)
{
    static const struct {
        uint8_t family, first, last;
        enum clo_snp_product product;
    } models[] = {
        { 0x19, 0x00, 0x0f, CLO_SNP_MILAN },  { 0x19, 0x10, 0x1f, CLO_SNP_GENOA },
        { 0x19, 0xa0, 0xaf, CLO_SNP_GENOA },  { 0x1a, 0x00, 0x11, CLO_SNP_TURIN },
        { 0x1a, 0x50, 0x57, CLO_SNP_VENICE }, { 0x1a, 0x90, 0xaf, CLO_SNP_VENICE },
        { 0x1a, 0xc0, 0xc7, CLO_SNP_VENICE },
    };

    for (size_t i = 0; report->has_cpuid && i < CLO_COUNT(models); i++)
        if (report->cpuid_fam_id == models[i].family && report->cpuid_mod_id >= models[i].first &&
            report->cpuid_mod_id <= models[i].last)
            return models[i].product;
    return CLO_SNP_UNKNOWN;
}

/* TCB_VERSION, AMD 56860 tables 3 (family 19h) and 4 (family 1Ah). */
struct clo_snp_tcb_parts clo_snp_tcb_parts(const struct clo_snp_tcb *tcb,
                                           enum clo_snp_product product)
{
    const uint8_t *raw = tcb->raw;

    if (snp_is_family_1a(product))
        return (struct clo_snp_tcb_parts){
            .fmc = raw[0], .bootloader = raw[1], .tee = raw[2], .snp = raw[3], .microcode = raw[7]
        };
    return (struct clo_snp_tcb_parts){
        .fmc = -1, .bootloader = raw[0], .tee = raw[1], .snp = raw[6], .microcode = raw[7]
    };
}
