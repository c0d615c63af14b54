/* What systemd-report's TPM signs: a quote, certified NvPCRs and the digest of the session in which they were made, as JSON of the
 * TSS. What was signed is rebuilt from that. docs/formats/systemd_report.md. */
#ifndef CLOISTER_LIB_EVIDENCE_SYSTEMD_TPM_H
#define CLOISTER_LIB_EVIDENCE_SYSTEMD_TPM_H

#include "cloister/evidence.h"
#include "cloister/json.h"
#include "lib/tcg/tpm_public.h"

#define SYSTEMD_COMPONENTS_MAX 64

enum systemd_component_kind {
    SYSTEMD_PCR,   /* TPM2_Quote */
    SYSTEMD_NVPCR, /* TPM2_NV_Certify */
    SYSTEMD_TPM_PROPERTY,
    SYSTEMD_AUTH_POLICY, /* TPM2_GetCapability, of later versions: bound by the session alone */
    SYSTEMD_AUDIT,       /* TPM2_GetSessionAuditDigest */
    SYSTEMD_COMPONENT_COUNT,
};

struct systemd_component {
    enum systemd_component_kind kind;
    struct clo_buffer attest;    /* TPMS_ATTEST; empty of a capability */
    struct clo_buffer signature; /* TPMT_SIGNATURE, likewise */
    struct clo_buffer extra;     /* extraData */
    const json_t *attested;
    const char *name;          /* of the NvPCR: */
    struct clo_buffer nv_area; /* TPMS_NV_PUBLIC */
    uint16_t nv_hash;          /* TPM_ALG_ID of its name */
    uint32_t nv_index, nv_attributes;
    const char *authenticated;  /* whose digest is the extra data */
    struct clo_buffer response; /* of a capability: what the command answered */
    struct clo_buffer asked;    /* and what was asked */
};

struct systemd_tpm {
    struct clo_buffer area; /* TPMT_PUBLIC of the key */
    struct systemd_component components[SYSTEMD_COMPONENTS_MAX];
    size_t count;
    const struct systemd_component *quote, *audit; /* the first, and the last */
};

/* One quote first, one audit last. Borrows from `data`; to be freed. */
CLO_MUST_USE bool systemd_tpm_read(const json_t *data, struct systemd_tpm *out,
                                   struct clo_error *err);
void systemd_tpm_free(struct systemd_tpm *tpm); /* for CLO_CLEANUP: leaves it empty */
/* The digest of a session in which exactly these commands were sent and answered, in this order. */
CLO_MUST_USE bool systemd_tpm_session(const struct systemd_tpm *tpm, struct clo_digest *out,
                                      struct clo_error *err);
/* nameAlg and digest of an NV index' public area: what certifications know it by. Appended. */
CLO_MUST_USE bool systemd_nv_name(const struct systemd_component *component, struct clo_buffer *out,
                                  struct clo_error *err);
/* Key, quote, signature, log, and the PCR values that the log leads to. */
CLO_MUST_USE bool systemd_tpm_add(const json_t *data, struct clo_evidence *out,
                                  struct clo_error *err);

#endif
