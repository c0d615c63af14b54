#include "guest/collect.h"

#include <string.h>

#include "cloister/hcl.h"
#include "cloister/snp.h"
#include "device/file.h"
#include "guest/collect_azure.h"
#include "guest/collect_internal.h"
#include "lib/evidence/tee.h"

bool collect_add(struct clo_evidence *evidence, const char *label, const struct clo_buffer *bytes,
                 struct clo_error *err)
{
    return clo_evidence_add(evidence, label, clo_buffer_bytes(bytes), err);
}

/* --- Certificates travel as PEM, whatever they came as --- */

static bool add_certificates(struct clo_evidence *evidence,
                             const struct clo_snp_certificates *certificates, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    for (size_t i = 0; i < certificates->count; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(certificates->items[i]), &pem, err))
            return false;
    return pem.size == 0 || collect_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, &pem, err);
}

/* --- The vTPM --- */

static bool add_pcrs(const struct clo_tpm_pcrs *pcrs, struct clo_evidence *evidence,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *values = json_object();
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:o}", clo_hash_name(pcrs->hash), values);
    bool ok = json != NULL;

    for (unsigned i = 0; i < CLO_TPM_PCRS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        if ((pcrs->mask >> i & 1) != 0)
            ok = json_object_set_new(values, key,
                                     clo_json_hex(clo_digest_bytes(&pcrs->values[i]))) == 0 &&
                 ok;
    }
    if (!ok)
        return clo_out_of_memory(err);
    return clo_json_write(json, &text, err) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_PCRS, &text, err);
}

/* Of the active banks the one that quotes are verified in first. */
static bool choose_bank(struct clo_tpm *tpm, enum clo_hash *out, struct clo_error *err)
{
    static const enum clo_hash wanted[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t count;

    if (!clo_tpm_banks(tpm, banks, &count, err))
        return false;
    for (size_t w = 0; w < CLO_COUNT(wanted); w++)
        for (size_t i = 0; i < count; i++)
            if (banks[i] == wanted[w]) {
                *out = wanted[w];
                return true;
            }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "TPM: neither a SHA-256 nor a SHA-384 bank");
}

bool collect_quote(const struct clo_collector *from, struct clo_bytes runtime_data,
                   const struct clo_tpm_identity *by, struct clo_evidence *evidence,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_digest qualifying;
    struct clo_tpm_pcrs pcrs;
    enum clo_hash bank;

    clo_hash(CLO_HASH_SHA256, runtime_data, &qualifying);
    return choose_bank(from->tpm, &bank, err) &&
           clo_tpm_pcr_read(from->tpm, bank, CLO_COLLECT_PCRS, &pcrs, err) &&
           clo_tpm_identity_quote(from->tpm, by, bank, CLO_COLLECT_PCRS,
                                  clo_digest_bytes(&qualifying), &attest, &signature, err) &&
           add_pcrs(&pcrs, evidence, err) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_QUOTE, &attest, err) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_SIGNATURE, &signature, err);
}

/* Only the laid-out part: the index may be larger. */
static bool read_hcl(struct clo_tpm *tpm, struct clo_buffer *out, struct clo_hcl *hcl,
                     struct clo_error *err)
{
    if (tpm == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "there is no TPM");
    return clo_tpm_nv_read(tpm, CLO_HCL_NV_INDEX, CLO_TPM_NV_LIMIT, out, err) &&
           clo_hcl_parse(clo_buffer_bytes(out), hcl, err);
}

static bool collect_vtpm(const struct clo_collector *from, struct clo_bytes runtime_data,
                         const struct clo_buffer *report, const struct clo_hcl *hcl,
                         struct clo_evidence *evidence, struct clo_error *err)
{
    static const struct clo_tpm_identity bound = { .ak = CLO_TPM_AK };

    return collect_add(evidence, CLO_EVIDENCE_HCL_REPORT, report, err) &&
           clo_collect_azure(from, hcl, evidence, err) &&
           collect_quote(from, runtime_data, &bound, evidence, err);
}

/* --- The hardware itself --- */

bool collect_table(const struct clo_collector *from, const struct clo_hardware_report *report,
                   struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };

    (void)from;
    if (report->table.size == 0)
        return true; /* the verifier gets them from AMD */
    return (clo_snp_certificates_add_table(&certificates, clo_buffer_bytes(&report->table), err) ||
            clo_wrap(err, "the host's certificate table")) &&
           add_certificates(evidence, &certificates, err);
}

static bool add_ccel(const struct clo_collector *from, const struct clo_hardware_report *report,
                     struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_error ignored;

    (void)report;
    return from->ccel == NULL || !clo_file_read(from->ccel, CLO_FILE_LIMIT, &log, &ignored) ||
           collect_add(evidence, CLO_EVIDENCE_TDX_CCEL, &log, err);
}

/* What belongs to a report besides itself. */
static bool (*const companions[CLO_TEE_COUNT])(const struct clo_collector *from,
                                               const struct clo_hardware_report *report,
                                               struct clo_evidence *evidence,
                                               struct clo_error *err) = {
    [CLO_TEE_SNP] = collect_table,
    [CLO_TEE_TDX] = add_ccel,
};

bool collect_hardware_report(const struct clo_collector *from, struct clo_bytes report_data,
                             const char *service, struct clo_hardware_report *out,
                             struct clo_error *err)
{
    struct clo_hardware_request request = { .vmpl = -1, .service_manifest_version = -1 };

    if (from->request != NULL)
        request = *from->request;
    request.report_data = report_data;
    request.service_provider = service;
    return clo_hardware_get(&from->hardware, &request, out, err);
}

static bool collect_hardware(const struct clo_collector *from, struct clo_bytes report_data,
                             struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report report = { .provider = "" };
    enum clo_tee tee;

    if (!collect_hardware_report(from, report_data, NULL, &report, err))
        return false;
    if (!clo_tee_of_provider(report.provider, &tee) || companions[tee] == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: provider %s", report.source,
                        report.provider);
    return collect_add(evidence, clo_tee_names(tee)->label, &report.report, err) &&
           companions[tee](from, &report, evidence, err);
}

static bool collect_bound(const struct clo_collector *from, struct clo_bytes runtime_data,
                          struct clo_evidence *evidence, struct clo_error *err)
{
    struct clo_digest binding;

    clo_hash(CLO_HASH_SHA512, runtime_data, &binding);
    return collect_hardware(from, clo_digest_bytes(&binding), evidence, err);
}

/* --- Both --- */

bool collect_logs(const struct clo_collector *from, struct clo_evidence *evidence,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_error ignored;

    /* Without the log the verifier still has the values; it will say what it misses. */
    if (from->eventlog != NULL && clo_file_read(from->eventlog, CLO_FILE_LIMIT, &log, &ignored) &&
        log.size > 0 && !collect_add(evidence, CLO_EVIDENCE_EVENTLOG, &log, err))
        return false;
    return from->userlog.size == 0 ||
           clo_evidence_add(evidence, CLO_EVIDENCE_USERSPACE_LOG, from->userlog, err);
}

bool clo_collect_tee(const struct clo_collector *from, const char **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report own = { .provider = "" };
    static const uint8_t nothing[CLO_TSM_INBLOB_MAX];
    struct clo_error no_vtpm;
    struct clo_hcl hcl;
    enum clo_tee tee;

    if (read_hcl(from->tpm, &report, &hcl, &no_vtpm)) {
        *out = clo_tee_names(hcl.report_type == CLO_HCL_TDX ? CLO_TEE_TDX : CLO_TEE_SNP)->azure;
        return true;
    }
    if (no_vtpm.status != CLO_ERR_UNAVAILABLE) {
        *err = no_vtpm;
        return clo_wrap(err, "vTPM");
    }
    if (!collect_hardware_report(from, clo_bytes(nothing, sizeof nothing), NULL, &own, err)) {
        if (err->status != CLO_ERR_UNAVAILABLE)
            return false;
        struct clo_error reason = *err;
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "this machine cannot prove itself: no hardware report, neither in the vTPM "
                        "(%s) nor of its own (%s)",
                        no_vtpm.text, reason.text);
    }
    if (!clo_tee_of_provider(own.provider, &tee))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: provider %s", own.source, own.provider);
    *out = clo_tee_names(tee)->name;
    return true;
}

bool clo_collect(const struct clo_collector *from, struct clo_bytes runtime_data,
                 struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    struct clo_hcl hcl;

    if (!clo_evidence_new(&evidence, err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, runtime_data, err))
        return false;
    bool has_vtpm = read_hcl(from->tpm, &report, &hcl, err);
    if (!has_vtpm && err->status != CLO_ERR_UNAVAILABLE)
        return clo_wrap(err, "vTPM");
    bool ok = has_vtpm ? collect_vtpm(from, runtime_data, &report, &hcl, evidence, err)
                       : collect_bound(from, runtime_data, evidence, err);
    if (!ok || !collect_logs(from, evidence, err))
        return clo_wrap(err, "evidence");
    *out = CLO_TAKE(evidence);
    return true;
}

bool clo_collect_bare(const struct clo_collector *from, struct clo_bytes report_data,
                      struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;

    if (!clo_evidence_new(&evidence, err))
        return false;
    if (!collect_hardware(from, report_data, evidence, err) || !collect_logs(from, evidence, err))
        return clo_wrap(err, "evidence");
    *out = CLO_TAKE(evidence);
    return true;
}
