/* The owner's policy: what evidence must show. docs/schema/policy.json is its schema.
 *
 * What it does not say is denied: a member that is absent allows nothing, one that we do not know is
 * refused. */
#ifndef CLOISTER_POLICY_H
#define CLOISTER_POLICY_H

#include "cloister/pcr.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"

CLO_BEGIN_C

/* What stands between the hardware's word and what is appraised. */
enum clo_evidence_kind {
    CLO_EVIDENCE_OF_VTPM, /* a paravisor's vTPM, whose key the hardware report binds */
    CLO_EVIDENCE_OF_SVSM, /* a vTPM in an SVSM, likewise */
    CLO_EVIDENCE_OF_BARE, /* the hardware report or quote alone */
    CLO_EVIDENCE_OF_TPM,  /* a TPM alone, whose key the caller vouches for */
    CLO_EVIDENCE_KIND_COUNT,
};
CLO_API const char *clo_evidence_kind_name(enum clo_evidence_kind kind); /* "vtpm" */

/* Opaque: what it says is asked for by the functions below, and by cloister/policy_pins.h. */
struct clo_policy;

CLO_API CLO_MUST_USE bool clo_policy_parse(struct clo_bytes json, struct clo_policy **out,
                                           struct clo_error *err);
/* Built in as "strict": denies debugging, migration agents and reserved bits, trusts AMD's and
 * Intel's roots (or those that the caller names), and demands every PCR for which a reference value is
 * given. Which guest it is it leaves to the caller: what is not pinned makes the verdict a warning. */
CLO_API CLO_MUST_USE bool clo_policy_strict(struct clo_policy **out, struct clo_error *err);
CLO_API void clo_policy_free(struct clo_policy *policy);
CLO_API void clo_policy_freep(struct clo_policy **policy);

CLO_API const char *clo_policy_name(const struct clo_policy *policy);
/* SHA-256 of the canonical JSON: how results name it. */
CLO_API const struct clo_digest *clo_policy_fingerprint(const struct clo_policy *policy);
/* Of the policies of its name, the how manieth it is: an owner counts them up. 0: it does not say. */
CLO_API uint64_t clo_policy_version(const struct clo_policy *policy);
/* Why what it leaves open is accepted; "": it is not. */
CLO_API const char *clo_policy_accept_weak(const struct clo_policy *policy);

/* The kinds of evidence that it accepts, as a mask: those that it names, or what the rest implies. PCRs and
 * phases are a bound TPM's; without them a vTPM and a bare report will do, never a TPM alone. */
CLO_API uint32_t clo_policy_evidence(const struct clo_policy *policy);

/* Appraises a verified report alone; docs/verify.md lists the checks it adds (policy.*). Neither a
 * measurement nor an ID or author key in the policy denies: on a genuine machine anybody can start
 * some guest (or some vTPM). */
CLO_API void clo_policy_appraise_snp(const struct clo_policy *policy,
                                     const struct clo_snp_verified *report,
                                     struct clo_checks *checks);

/* Which components of its TCBs fall short of the policy's minima: [{"tcb", "component", "svn", "svn_needed"}];
 * NULL: none. */
CLO_API json_t *clo_policy_snp_behind(const struct clo_policy *policy,
                                      const struct clo_snp_verified *report);

/* As clo_policy_appraise_snp(), for a TDX quote. `proven` has the registers that a reference value or a replayed log has
 * accounted for: bit n for RTMR n, and CLO_POLICY_TDX_MRTD. Those need not be named. */
#define CLO_POLICY_TDX_MRTD (1U << CLO_TDX_RTMR_COUNT)
CLO_API void clo_policy_appraise_tdx(const struct clo_policy *policy,
                                     const struct clo_tdx_verified *quote, uint32_t proven,
                                     struct clo_checks *checks);

CLO_END_C

#endif
