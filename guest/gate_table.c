#include "guest/gate_table.h"

#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/partitions.h"

#define PCR_TABLE        5
#define CCEL_TABLE       2 /* RTMR 1, as a CCEL log counts */
#define RTMR_TABLE       1
#define TDREPORT_RTMRS   720 /* TDINFO_STRUCT, offset 208 (Intel TDX Module ABI, 348551) */
#define TDREPORT_DATA_SZ 64

static bool read_report(const struct clo_table_sources *sources, struct clo_buffer *out,
                        struct clo_error *err)
{
    static const uint8_t zeros[TDREPORT_DATA_SZ];
    struct clo_bytes data = clo_bytes(zeros, sizeof zeros);

    return sources->call != NULL
                   ? clo_tdx_guest_report_by(sources->call, sources->context, data, out, err)
                   : clo_tdx_guest_report(sources->tdx_guest, data, out, err);
}

static bool read_rtmr(const struct clo_table_sources *sources, struct clo_digest *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };

    out->hash = CLO_HASH_SHA384;
    if (clo_tdx_guest_read(sources->measurements, "rtmr1:sha384", out->bytes, err))
        return true;
    if (!read_report(sources, &report, err))
        return false;
    struct clo_bytes value = clo_bytes_slice(clo_buffer_bytes(&report),
                                             TDREPORT_RTMRS + RTMR_TABLE * CLO_TDX_GUEST_MR_SIZE,
                                             CLO_TDX_GUEST_MR_SIZE);
    if (value.size != CLO_TDX_GUEST_MR_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "TDREPORT: too short");
    memcpy(out->bytes, value.data, value.size);
    return true;
}

static bool read_pcr(struct clo_tpm *tpm, enum clo_hash bank, struct clo_digest *out,
                     struct clo_error *err)
{
    struct clo_tpm_pcrs pcrs;

    if (!clo_tpm_pcr_read(tpm, bank, 1U << PCR_TABLE, &pcrs, err))
        return false;
    if ((pcrs.mask >> PCR_TABLE & 1) == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "PCR %d cannot be read", PCR_TABLE);
    *out = pcrs.values[PCR_TABLE];
    return true;
}

/* A machine that has a log has a register to hold it against; without one nothing was measured. */
bool clo_table_compare(const struct clo_table_sources *sources, struct clo_tpm *tpm,
                       enum clo_hash bank, const struct clo_gpt *gpt, bool *is_measured,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_table_events events = { .count = 0 };
    struct clo_table_register is = { .hash = bank, .index = PCR_TABLE };
    const char *path = tpm != NULL ? sources->eventlog : sources->ccel;

    *is_measured = false;
    if (access(path, F_OK) != 0)
        return true;
    if (tpm == NULL)
        is = (struct clo_table_register){ .hash = CLO_HASH_SHA384, .index = CCEL_TABLE };
    if (!clo_file_read(path, CLO_FILE_LIMIT, &log, err) ||
        !(tpm != NULL ? read_pcr(tpm, bank, &is.value, err) : read_rtmr(sources, &is.value, err)) ||
        !clo_partitions_measured(clo_buffer_bytes(&log), &is, &events, err))
        return false;
    *is_measured = events.count > 0;
    return !*is_measured || clo_partitions_compare(gpt, &events, err);
}

bool clo_table_is_written(struct clo_bytes head, struct clo_bytes written, struct clo_error *err)
{
    return clo_bytes_equal(head, written) ||
           clo_fail(err, CLO_ERR_REFUSED, "differs from the one that was written to grow the disk");
}
