/* The evidence bundle: a CMW collection (draft-ietf-rats-msg-wrap-17, section 3.3) in JSON, whose
 * members are [MEDIA TYPE, base64url].
 *
 * Everything in it is the attester's word until lib/appraise has verified it. */
#ifndef CLOISTER_EVIDENCE_H
#define CLOISTER_EVIDENCE_H

#include "cloister/json.h"

CLO_BEGIN_C

#define CLO_EVIDENCE_TYPE  "tag:cloister.dev,2026:evidence"
#define CLO_EVIDENCE_LIMIT ((size_t)16 << 20) /* of the JSON text */

/* The labels. A bundle with another one is refused: what we do not know we cannot appraise. */
#define CLO_EVIDENCE_RUNTIME_DATA     "runtime-data"     /* canonical JSON: nonce, tee-pubkey */
#define CLO_EVIDENCE_HCL_REPORT       "hcl-report"       /* Azure's, with the hardware report */
#define CLO_EVIDENCE_SNP_REPORT       "snp-report"       /* a bare one */
#define CLO_EVIDENCE_SNP_CERTIFICATES "snp-certificates" /* PEM: VCEK or VLEK, ASK or ASVK, ARK */
#define CLO_EVIDENCE_SVSM_MANIFEST    "svsm-manifest"    /* the report's services; AMD 58019 */
#define CLO_EVIDENCE_TDX_QUOTE        "tdx-quote"
#define CLO_EVIDENCE_TDX_CCEL         "tdx-ccel"
#define CLO_EVIDENCE_TDX_COLLATERAL   "tdx-collateral" /* JSON: clo_tdx_collateral_parse() */
#define CLO_EVIDENCE_NITRO_DOCUMENT   "nitro-document" /* AWS's: COSE_Sign1 */
#define CLO_EVIDENCE_TPM_QUOTE        "tpm-quote"      /* TPMS_ATTEST */
#define CLO_EVIDENCE_TPM_SIGNATURE    "tpm-signature"  /* TPMT_SIGNATURE */
#define CLO_EVIDENCE_TPM_PCRS         "tpm-pcrs"       /* JSON {"sha256":{"0":hex}} */
#define CLO_EVIDENCE_TPM_AK           "tpm-ak"         /* TPMT_PUBLIC of the key that signed it */
/* PEM: the maker's for that key first, then their issuers' */
#define CLO_EVIDENCE_TPM_AK_CERTIFICATES "tpm-ak-certificates"
#define CLO_EVIDENCE_TPM_EK              "tpm-ek" /* TPMT_PUBLIC of the endorsement key next to it */
#define CLO_EVIDENCE_TPM_EK_CERTIFICATES "tpm-ek-certificates" /* PEM, likewise */
#define CLO_EVIDENCE_EVENTLOG            "eventlog"            /* TCG, binary */
#define CLO_EVIDENCE_USERSPACE_LOG       "userspace-log"       /* JSON-SEQ */
#define CLO_EVIDENCE_SYSTEMD_REPORT      "systemd-report" /* JSON-SEQ: the report, and one signature */
#define CLO_EVIDENCE_SAMPLE              "sample" /* Trustee's, for tests: nobody signed it */

struct clo_evidence;

CLO_API CLO_MUST_USE bool clo_evidence_new(struct clo_evidence **out, struct clo_error *err);
CLO_API void clo_evidence_free(struct clo_evidence *evidence);
CLO_API void clo_evidence_freep(struct clo_evidence **evidence);

CLO_API CLO_MUST_USE bool clo_evidence_parse(struct clo_bytes json, struct clo_evidence **out,
                                             struct clo_error *err);
/* The same from JSON that is already read (a member of another message). */
CLO_API CLO_MUST_USE bool clo_evidence_from_json(const json_t *json, struct clo_evidence **out,
                                                 struct clo_error *err);
/* Copies `bytes`. An unknown label or a second member of one label is CLO_ERR_USAGE. */
CLO_API CLO_MUST_USE bool clo_evidence_add(struct clo_evidence *evidence, const char *label,
                                           struct clo_bytes bytes, struct clo_error *err);
/* data NULL if there is none; borrowed from the bundle. */
CLO_API struct clo_bytes clo_evidence_get(const struct clo_evidence *evidence, const char *label);
CLO_API bool clo_evidence_has(const struct clo_evidence *evidence, const char *label);
CLO_API size_t clo_evidence_count(const struct clo_evidence *evidence);
/* In a fixed order; the label is static. */
CLO_API const char *clo_evidence_at(const struct clo_evidence *evidence, size_t index,
                                    const char **media_type, struct clo_bytes *bytes);
CLO_API json_t *clo_evidence_json(const struct clo_evidence *evidence); /* NULL: out of memory */
/* Appends canonical JSON. */
CLO_API CLO_MUST_USE bool clo_evidence_write(const struct clo_evidence *evidence,
                                             struct clo_buffer *out, struct clo_error *err);

CLO_END_C

#endif
