/* Signed reports of systemd-report (systemd 262): a stream of JSON records, the report first, then what signs it.
 * docs/formats/systemd_report.md. */
#ifndef CLOISTER_LIB_EVIDENCE_SYSTEMD_REPORT_H
#define CLOISTER_LIB_EVIDENCE_SYSTEMD_REPORT_H

#include "cloister/crypto.h"
#include "cloister/evidence.h"
#include "cloister/json.h"

#define SYSTEMD_SIGNATURES_MAX 16

struct systemd_signature {
    const char *mechanism;   /* "tsm", "tpm2", "plain", … */
    const json_t *data;      /* what it says; NULL: nothing */
    struct clo_bytes record; /* as it came */
    bool is_of_report;       /* it names this report's digest */
};

struct systemd_report {
    struct clo_bytes record;  /* the report exactly as it was signed */
    struct clo_digest digest; /* SHA-256 of that */
    json_t *json;             /* the report */
    struct systemd_signature signatures[SYSTEMD_SIGNATURES_MAX];
    json_t *owned[SYSTEMD_SIGNATURES_MAX];
    size_t count;
};

bool systemd_report_is(struct clo_bytes in);
/* Views into `in`; to be freed. */
CLO_MUST_USE bool systemd_report_parse(struct clo_bytes in, struct systemd_report *out,
                                       struct clo_error *err);
/* Of the record that would be the report, whatever is in it. */
CLO_MUST_USE bool systemd_report_digest(struct clo_bytes in, struct clo_digest *out);
void systemd_report_free(struct systemd_report *report); /* for CLO_CLEANUP: leaves it empty */
/* Is `text` the value of one of its metrics? What a verifier asked to be put there shows that the report is not older. */
bool systemd_report_has(const struct systemd_report *report, struct clo_bytes text);
/* One signature as evidence: its report or quote, and the stream with no other signature. CLO_ERR_UNSUPPORTED: of a
 * mechanism that proves nothing here. */
CLO_MUST_USE bool systemd_report_evidence(const struct systemd_report *report, size_t signature,
                                          struct clo_evidence *out, struct clo_error *err);

#endif
