/* What the ways to collect evidence share. */
#ifndef CLOISTER_GUEST_COLLECT_INTERNAL_H
#define CLOISTER_GUEST_COLLECT_INTERNAL_H

#include "guest/collect.h"

CLO_MUST_USE bool collect_add(struct clo_evidence *evidence, const char *label,
                              const struct clo_buffer *bytes, struct clo_error *err);
/* The quote over the runtime data, its signature and the PCR values. */
CLO_MUST_USE bool collect_quote(const struct clo_collector *from, struct clo_bytes runtime_data,
                                const struct clo_tpm_identity *by, struct clo_evidence *evidence,
                                struct clo_error *err);
/* `service`: of a provider next to the guest, "svsm"; NULL: a plain report. */
CLO_MUST_USE bool collect_hardware_report(const struct clo_collector *from,
                                          struct clo_bytes report_data, const char *service,
                                          struct clo_hardware_report *out, struct clo_error *err);
/* The host's certificates for an SEV-SNP report. */
CLO_MUST_USE bool collect_table(const struct clo_collector *from,
                                const struct clo_hardware_report *report,
                                struct clo_evidence *evidence, struct clo_error *err);
CLO_MUST_USE bool collect_logs(const struct clo_collector *from, struct clo_evidence *evidence,
                               struct clo_error *err);

#endif
