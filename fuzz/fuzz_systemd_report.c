#include "lib/evidence/systemd_report.h"

#include "fuzz.h"
#include "lib/evidence/systemd_tpm.h"

/* Records lie one after the other and are all of the input; what becomes evidence has the stream with it, and a session's digest is
 * the same each time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(systemd_report_free) struct systemd_report report = { .count = 0 };
    struct clo_error err = { .status = CLO_OK };
    size_t total;

    if (!systemd_report_parse(clo_bytes(data, size), &report, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0' && report.count == 0);
        return 0;
    }
    total = report.record.size;
    for (size_t i = 0; i < report.count; i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(systemd_tpm_free) struct systemd_tpm tpm = { .count = 0 };
        struct clo_digest first, second;
        total += report.signatures[i].record.size;
        MUST(report.signatures[i].mechanism != NULL);
        MUST(clo_evidence_new(&evidence, &err));
        if (systemd_report_evidence(&report, i, evidence, &err))
            MUST(clo_evidence_has(evidence, CLO_EVIDENCE_SYSTEMD_REPORT));
        if (report.signatures[i].data == NULL ||
            !systemd_tpm_read(report.signatures[i].data, &tpm, &err))
            continue;
        MUST(tpm.count >= 2 && tpm.count <= SYSTEMD_COMPONENTS_MAX);
        if (systemd_tpm_session(&tpm, &first, &err))
            MUST(systemd_tpm_session(&tpm, &second, &err) && clo_digest_equal(&first, &second));
    }
    MUST(total == size);
    return 0;
}
