#include "guest/hardware.h"

#include <stdio.h>
#include <string.h>

#include "device/file.h"
#include "lib/evidence/tee.h"

#define QGS_TIMEOUT_MS 30000

const struct clo_hardware clo_hardware_default = {
    .tsm_root = CLO_TSM_ROOT,
    .sev_guest = CLO_SEV_GUEST_DEVICE,
    .tdx_guest = CLO_TDX_GUEST_DEVICE,
    .qgs_port = CLO_QGS_PORT,
};

void clo_hardware_report_free(struct clo_hardware_report *report)
{
    clo_buffer_free(&report->report);
    clo_buffer_free(&report->table);
    clo_buffer_free(&report->manifest);
}

static bool by_tsm(const struct clo_hardware *from, const struct clo_hardware_request *request,
                   struct clo_hardware_report *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    const struct clo_tsm_request asked = {
        .inblob = request->report_data,
        .privlevel = request->vmpl,
        .service_provider = request->service_provider,
        .service_guid = request->service_guid,
        .service_manifest_version = request->service_manifest_version,
    };

    if (!clo_tsm_get(from->tsm_root, &asked, &report, err))
        return false;
    memcpy(out->provider, report.provider, sizeof out->provider);
    out->source = "configfs-tsm";
    out->report = report.outblob;
    out->manifest = report.manifestblob;
    report.outblob = report.manifestblob = (struct clo_buffer){ 0 };
    if (!request->without_table) {
        out->table = report.auxblob;
        report.auxblob = (struct clo_buffer){ 0 };
    }
    return true;
}

static void set_provider(struct clo_hardware_report *out, enum clo_tee tee)
{
    snprintf(out->provider, sizeof out->provider, "%s", clo_tee_names(tee)->provider);
}

static bool by_sev_guest(const struct clo_hardware *from,
                         const struct clo_hardware_request *request,
                         struct clo_hardware_report *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_sev_guest_freep) struct clo_sev_guest *guest = NULL;
    struct clo_error no_table;

    if (!clo_sev_guest_open(from->sev_guest, &guest, err))
        return false;
    set_provider(out, CLO_TEE_SNP);
    out->source = CLO_SEV_GUEST_DEVICE;
    /* Some hosts do not answer extended requests, or answer with nonsense: a report without
     * certificates is as good, for who verifies it can get them elsewhere. */
    if (!request->without_table && clo_sev_guest_report(guest, request->report_data, request->vmpl,
                                                        &out->report, &out->table, &no_table))
        return true;
    return clo_sev_guest_report(guest, request->report_data, request->vmpl, &out->report, NULL,
                                err);
}

static bool by_qgs(const struct clo_hardware *from, const struct clo_hardware_request *request,
                   struct clo_hardware_report *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer td_report = { 0 };
    CLO_CLEANUP(clo_fd_close) int fd = -1;

    set_provider(out, CLO_TEE_TDX);
    out->source = "QGS";
    return clo_tdx_guest_report(from->tdx_guest, request->report_data, &td_report, err) &&
           clo_qgs_connect(from->qgs_port, &fd, err) &&
           clo_qgs_quote(fd, clo_buffer_bytes(&td_report), QGS_TIMEOUT_MS, &out->report, err);
}

bool clo_hardware_get(const struct clo_hardware *from, const struct clo_hardware_request *request,
                      struct clo_hardware_report *out, struct clo_error *err)
{
    const struct {
        bool is_there;
        bool (*get)(const struct clo_hardware *from, const struct clo_hardware_request *request,
                    struct clo_hardware_report *out, struct clo_error *err);
    } ways[] = {
        { from->tsm_root != NULL, by_tsm },
        { from->sev_guest != NULL && request->service_provider == NULL, by_sev_guest },
        { from->tdx_guest != NULL && from->qgs_port != 0 && request->service_provider == NULL &&
                  request->vmpl < 0,
          by_qgs },
    };
    enum clo_status status = CLO_ERR_UNAVAILABLE;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer reasons = { 0 };

    for (size_t i = 0; i < CLO_COUNT(ways); i++) {
        CLO_CLEANUP(clo_hardware_report_free)
        struct clo_hardware_report report = { .provider = "" };
        if (!ways[i].is_there)
            continue;
        if (ways[i].get(from, request, &report, err)) {
            *out = report;
            report = (struct clo_hardware_report){ .provider = "" };
            return true;
        }
        /* A device that refuses is told of before those that are not there. */
        if (err->status != CLO_ERR_UNAVAILABLE && status == CLO_ERR_UNAVAILABLE) {
            status = err->status;
            reasons.size = 0;
        } else if (err->status == CLO_ERR_UNAVAILABLE && status != CLO_ERR_UNAVAILABLE) {
            continue;
        }
        clo_buffer_printf(&reasons, "%s%s", reasons.size == 0 ? "" : "; ", err->text);
    }
    const char *text = clo_buffer_string(&reasons);
    return clo_fail(err, status, "%s", text == NULL || *text == '\0' ? "no device to ask" : text);
}
