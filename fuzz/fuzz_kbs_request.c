/* Requests of the KBS protocol: what is taken has evidence of the session's TEE and a digest that it must hold. */
#include <string.h>

#include "lib/evidence/kbs_request.h"

#include "fuzz.h"

/* The first byte chooses the session. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
    struct clo_kbs_agreed agreed = { CLO_KBS_SNP, CLO_HASH_SHA384, 3 };
    struct clo_kbs_agreed told;
    struct clo_error err;

    if (size == 0)
        return 0;
    struct clo_bytes body = clo_bytes(data + 1, size - 1);
    if (clo_kbs_auth_parse(body, &told, &err))
        MUST(told.tee < CLO_KBS_TEES && told.version <= CLO_KBS_VERSION_COMPOSITE &&
             clo_hash_size(told.hash) >= 32);
    agreed.tee = (enum clo_kbs_tee)(data[0] % CLO_KBS_TEES);
    agreed.version = (data[0] & 0x40) != 0 ? 0 : CLO_KBS_VERSION_COMPOSITE;
    if (!clo_kbs_attest_parse(body, &agreed, "bm9uY2U=", &sent, &err))
        return 0;
    MUST(clo_evidence_has(sent.evidence, CLO_EVIDENCE_RUNTIME_DATA));
    MUST(sent.is_own || (sent.bound.size >= 32 && sent.bound.size <= 64));
    MUST(clo_evidence_has(sent.evidence, CLO_EVIDENCE_SNP_REPORT) == (agreed.tee == CLO_KBS_SNP));
    MUST(clo_evidence_has(sent.evidence, CLO_EVIDENCE_SAMPLE) == (agreed.tee == CLO_KBS_SAMPLE));
    return 0;
}
