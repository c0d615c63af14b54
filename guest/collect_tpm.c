/* Evidence of TPMs that no hardware report binds, and of the one that an SVSM is. */
#include <string.h>

#include "guest/collect_internal.h"
#include "lib/evidence/tee.h"

/* Where Google keeps what its attestation key is made from, and the key's certificate (go-tpm-tools, client/handles.go). */
#define GCE_AK_TEMPLATE    0x01c10001U
#define GCE_AK_CERTIFICATE 0x01c10000U
#define SERVICE            "svsm"

struct shown {
    struct clo_buffer ek, ak, certificates;
};

static void free_shown(struct shown *shown)
{
    clo_buffer_free(&shown->ek);
    clo_buffer_free(&shown->ak);
    clo_buffer_free(&shown->certificates);
}

static bool add_keys(const struct clo_collector *from, const struct clo_tpm_identity *identity,
                     struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(free_shown) struct shown shown = { .ek = { 0 } };

    return clo_tpm_identity_read(from->tpm, identity, &shown.ek, &shown.ak, &shown.certificates,
                                 err) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_AK, &shown.ak, err) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_EK, &shown.ek, err) &&
           (shown.certificates.size == 0 ||
            collect_add(evidence, CLO_EVIDENCE_TPM_EK_CERTIFICATES, &shown.certificates, err));
}

static bool add_gce_certificate(const struct clo_collector *from, struct clo_evidence *evidence,
                                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    return (clo_tpm_certificate(from->tpm, GCE_AK_CERTIFICATE, &pem, err) ||
            clo_wrap(err, "Google's certificate of the attestation key")) &&
           collect_add(evidence, CLO_EVIDENCE_TPM_AK_CERTIFICATES, &pem, err);
}

static bool begin(const struct clo_collector *from, struct clo_bytes runtime_data,
                  struct clo_evidence **out, struct clo_error *err)
{
    if (from->tpm == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "evidence: there is no TPM");
    return clo_evidence_new(out, err) &&
           clo_evidence_add(*out, CLO_EVIDENCE_RUNTIME_DATA, runtime_data, err);
}

bool clo_collect_tpm(const struct clo_collector *from, struct clo_bytes runtime_data,
                     const struct clo_tpm_identity *identity, bool is_gce,
                     struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_tpm_identity by = *identity;

    if (is_gce && by.ak == 0)
        by.ak_template = GCE_AK_TEMPLATE;
    if (!begin(from, runtime_data, &evidence, err))
        return false;
    if (!collect_quote(from, runtime_data, &by, evidence, err) ||
        !add_keys(from, &by, evidence, err) ||
        (is_gce && !add_gce_certificate(from, evidence, err)) || !collect_logs(from, evidence, err))
        return clo_wrap(err, "evidence");
    *out = CLO_TAKE(evidence);
    return true;
}

/* The nonce is a digest of 64 bytes, which is what an SVSM wants. */
static bool add_services(const struct clo_collector *from, struct clo_bytes runtime_data,
                         struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_hardware_report_free) struct clo_hardware_report report = { .provider = "" };
    struct clo_digest nonce;

    clo_hash(CLO_HASH_SHA512, runtime_data, &nonce);
    if (!collect_hardware_report(from, clo_digest_bytes(&nonce), SERVICE, &report, err))
        return false;
    if (strcmp(report.provider, clo_tee_names(CLO_TEE_SNP)->provider) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: provider %s", report.source,
                        report.provider);
    return collect_add(evidence, CLO_EVIDENCE_SNP_REPORT, &report.report, err) &&
           collect_add(evidence, CLO_EVIDENCE_SVSM_MANIFEST, &report.manifest, err) &&
           collect_table(from, &report, evidence, err);
}

bool clo_collect_svsm(const struct clo_collector *from, struct clo_bytes runtime_data,
                      const struct clo_tpm_identity *identity, struct clo_evidence **out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;

    if (!begin(from, runtime_data, &evidence, err))
        return false;
    if (!add_services(from, runtime_data, evidence, err) ||
        !collect_quote(from, runtime_data, identity, evidence, err) ||
        !add_keys(from, identity, evidence, err) || !collect_logs(from, evidence, err))
        return clo_wrap(err, "evidence");
    *out = CLO_TAKE(evidence);
    return true;
}
