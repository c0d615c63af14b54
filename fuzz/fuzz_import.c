#include "lib/evidence/import.h"

#include "fuzz.h"

/* Whatever is recognised has a name, and pieces of the kind that it is said to be; and what it is called depends on
 * the bytes alone. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import again = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_error err;

    (void)!clo_import_pcrs(in, in, &out, &err);
    (void)!clo_import_signature(in, in, &out, &err);
    (void)!clo_import_eventlog(in, &out, NULL, &err);
    MUST(clo_import_attest(in).size <= size);
    if (!clo_import_read(in, &import, &err)) {
        MUST(err.status != CLO_OK);
        return 0;
    }
    MUST((import.kind == CLO_IMPORT_EVIDENCE) ==
         (import.evidence != NULL && clo_evidence_count(import.evidence) > 0));
    MUST((import.kind == CLO_IMPORT_KEY) == (import.key != NULL));
    MUST((import.kind == CLO_IMPORT_CERTIFICATES) ==
         (import.certificates.count + import.certificates.crl_count > 0));
    MUST((import.kind == CLO_IMPORT_UNKNOWN) == (import.what == NULL));
    MUST(clo_import_read(in, &again, &err) && again.kind == import.kind &&
         again.what == import.what);
    return 0;
}
