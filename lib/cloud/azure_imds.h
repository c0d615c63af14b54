/* What Azure's metadata service (IMDS) hands to a confidential VM: certificates of AMD's for its processor
 * (THIM), and a TDX quote for a TDREPORT. (Microsoft Learn, "Azure Instance Metadata Service" and "Trusted
 * Hardware Identity Management"; kinvolk/azure-cvm-tooling, az-cvm-vtpm; docs/formats/azure_imds.md.)
 *
 * The host answers at that address: nothing of it is believed for coming from there. Certificates and
 * quotes carry signatures, and a verifier treats them as if the host had sent them, which it has. */
#ifndef CLOISTER_LIB_AZURE_IMDS_H
#define CLOISTER_LIB_AZURE_IMDS_H

#include "cloister/json.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"

#define CLO_AZURE_THIM_PATH    "/metadata/THIM/amd/certification"
#define CLO_AZURE_TDQUOTE_PATH "/acc/tdquote"
#define CLO_AZURE_IMDS_LIMIT   ((size_t)128 << 10) /* of an answer */

/* {"vcekCert", "certificateChain", …}: adds what is in it. Of other members (tcbm, cacheControl, …) nothing is
 * looked at. Without a vcekCert it is CLO_ERR_FORMAT; the chain may be absent. */
CLO_MUST_USE bool clo_azure_thim_parse(struct clo_bytes json, struct clo_snp_certificates *out,
                                       struct clo_error *err);
/* The request for a quote: {"report": base64url of 1024 bytes}. Appended. */
CLO_MUST_USE bool clo_azure_tdquote_write(struct clo_bytes td_report, struct clo_buffer *out,
                                          struct clo_error *err);
/* {"quote": base64url}: appended, whatever it holds. */
CLO_MUST_USE bool clo_azure_tdquote_parse(struct clo_bytes json, struct clo_buffer *quote,
                                          struct clo_error *err);
/* Is it JSON with such a member? For those who take a file in any form. */
bool clo_azure_is_thim(struct clo_bytes in);

#endif
