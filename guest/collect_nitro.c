/* Documents of AWS's hypervisor: of an enclave, by its security module, and of an instance, by its NitroTPM. */
#include "device/nsm.h"
#include "device/tpm_nsm.h"
#include "guest/collect_internal.h"

/* `verify nitro` asks for the digest of the runtime data as the document's user_data. */
static bool add_document(const struct clo_collector *from, struct clo_bytes runtime_data,
                         struct clo_evidence *evidence, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer document = { 0 };
    struct clo_digest digest;
    struct clo_bytes asked;

    clo_hash(CLO_HASH_SHA512, runtime_data, &digest);
    asked = clo_digest_bytes(&digest);
    if (from->nsm != NULL ? !clo_nsm_document(from->nsm, asked, &document, err)
                          : !clo_tpm_nsm_document(from->tpm, asked, &document, err))
        return false;
    return collect_add(evidence, CLO_EVIDENCE_NITRO_DOCUMENT, &document, err);
}

bool clo_collect_nitro(const struct clo_collector *from, struct clo_bytes runtime_data,
                       struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    bool is_tpm = from->nsm == NULL;

    if (is_tpm && from->tpm == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "evidence: there is no TPM");
    if (!clo_evidence_new(&evidence, err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, runtime_data, err) ||
        !add_document(from, runtime_data, evidence, err) ||
        (is_tpm && !collect_logs(from, evidence, err)))
        return clo_wrap(err, "evidence");
    *out = CLO_TAKE(evidence);
    return true;
}
