/* The owner's policy: what evidence must show. docs/schema/policy.json is its schema.
 *
 * What it does not say is denied: a member that is absent allows nothing, one that we do not know is
 * refused. */
#ifndef CLOISTER_POLICY_H
#define CLOISTER_POLICY_H

#include "cloister/pcr.h"
#include "cloister/snp.h"

#define CLO_POLICY_LIST_MAX 64

struct clo_policy_digests {
    struct clo_digest items[CLO_POLICY_LIST_MAX]; /* .hash only says the size: 32, 48 or 64 */
    size_t count;
    bool any; /* "any" was written: every value is allowed */
};

struct clo_policy {
    char name[128];
    struct clo_digest fingerprint; /* SHA-256 of the canonical JSON: how results name it */
    bool is_strict_builtin;
    bool tee_snp;
    bool tee_tdx;
    bool roots_amd;
    struct clo_digest roots[CLO_POLICY_LIST_MAX]; /* SHA-256 of SubjectPublicKeyInfo */
    size_t root_count;
    struct clo_snp_certificates root_certificates; /* those given as PEM */
    bool has_pcrs;
    uint32_t pcrs; /* bit n: PCR n must have its reference value. Not said: all that have one */
    char phase[128];
    struct {
        bool allow_debug;
        bool allow_migration;
        uint32_t vmpl;                        /* bit n: VMPL n is allowed; 0 alone when not said */
        struct clo_snp_tcb_parts minimum_tcb; /* -1: not said */
        bool require_alias_check;             /* PLATFORM_INFO's ALIAS_CHECK_COMPLETE */
        uint64_t minimum_guest_svn;
        struct clo_policy_digests measurement;
        struct clo_policy_digests id_key_digest;
        struct clo_policy_digests host_data;
    } snp;
};

CLO_API CLO_MUST_USE bool clo_policy_parse(struct clo_bytes json, struct clo_policy **out,
                                           struct clo_error *err);
/* Built in as "strict": denies debugging, migration agents and reserved bits, trusts AMD's roots
 * (and those that the caller adds), and demands every PCR for which a reference value is given. */
CLO_API CLO_MUST_USE bool clo_policy_strict(struct clo_policy **out, struct clo_error *err);
CLO_API void clo_policy_free(struct clo_policy *policy);
CLO_API void clo_policy_freep(struct clo_policy **policy);

/* Appraises a verified report alone: adds the checks policy.tee, policy.root, policy.debug,
 * policy.migration, policy.reserved, policy.vmpl, policy.tcb, policy.guest_svn, policy.alias_check,
 * policy.measurement and policy.host_data. Neither a measurement nor an ID key in the policy denies:
 * on a genuine machine anybody can start some guest (or some vTPM). */
CLO_API void clo_policy_appraise_snp(const struct clo_policy *policy,
                                     const struct clo_snp_verified *report,
                                     struct clo_checks *checks);

#endif
