/* What an Azure guest's evidence needs besides what is in its vTPM: from the host's metadata service. */
#ifndef CLOISTER_GUEST_COLLECT_AZURE_H
#define CLOISTER_GUEST_COLLECT_AZURE_H

#include "cloister/evidence.h"
#include "cloister/hcl.h"
#include "guest/collect.h"

/* SEV-SNP: the certificates for the report, of the simulator's vTPM or of IMDS. Those of another chip or TCB are left
 * out, and without any the verifier gets them from AMD: not having them is not an error.
 * TDX: a quote for the TDREPORT. Without one nothing proves the machine. CLO_ERR_UNAVAILABLE: nobody gives one
 * now; CLO_ERR_UNVERIFIED: it is of another TD. */
CLO_MUST_USE bool clo_collect_azure(const struct clo_collector *from, const struct clo_hcl *hcl,
                                    struct clo_evidence *evidence, struct clo_error *err);

#endif
