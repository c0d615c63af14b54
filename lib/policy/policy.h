/* What a policy says, member by member, for those who read, apply and explain one. */
#ifndef CLOISTER_LIB_POLICY_H
#define CLOISTER_LIB_POLICY_H

#include "cloister/policy.h"
#include "lib/evidence/tee.h"
#include "lib/policy/policy_endorsement.h"
#include "lib/policy/policy_tpm.h"

#define CLO_POLICY_LIST_MAX 64

struct clo_ccel_rules;

/* A set of byte strings of one size. Neither values nor "any": the policy does not say. */
struct clo_policy_values {
    uint8_t items[CLO_POLICY_LIST_MAX][CLO_HASH_SIZE_MAX];
    size_t size; /* of each */
    size_t count;
    bool any; /* "any" was written: every value is allowed */
};

/* A minimum for each TCB component, for all products or by product; -1: not said. */
struct clo_policy_tcb {
    bool is_said;
    bool by_product;
    bool has[CLO_SNP_PRODUCT_COUNT]; /* by product: those that are named; others are denied */
    struct clo_snp_tcb_parts minimum[CLO_SNP_PRODUCT_COUNT]; /* [CLO_SNP_UNKNOWN]: for all */
};

#define CLO_POLICY_PROVIDERS_MAX 16

/* What a launch measurement covers besides the firmware: what the owner knows of how it came to be. */
#define CLO_COVERS_FIRMWARE (1U << 0)
#define CLO_COVERS_KERNEL   (1U << 1)
#define CLO_COVERS_INITRD   (1U << 2)
#define CLO_COVERS_CMDLINE  (1U << 3)

/* How old an endorsement may be, in seconds; 0: as old as it says itself. */
struct clo_policy_ages {
    int64_t crl;        /* every revocation list that was looked at */
    int64_t collateral; /* TCB info and QE identity */
};

/* For how long what has gone out of date is accepted all the same, in seconds; 0: not at all. What uses it is
 * never better than a warning. */
struct clo_policy_grace {
    int64_t out_of_date; /* TDX: since the date of the TCB level that the platform reaches */
    int64_t collateral;  /* TCB info and QE identity, since their next update was due */
    int64_t crl;         /* revocation lists, likewise */
};

/* Of SEV-SNP. docs/formats/policy.md says what each means when it is absent. */
struct clo_policy_snp {
    bool allow_debug;
    bool allow_migration;
    bool allow_cxl;
    bool allow_tio;
    bool allow_masked_chip;
    bool allow_provisional; /* COMMITTED_TCB and version older than the current ones */
    bool allow_unknown_platform_info;
    bool require_alias_check; /* PLATFORM_INFO's ALIAS_CHECK_COMPLETE */
    bool require_revocation;  /* a current revocation list was looked at */
    uint32_t covers;          /* CLO_COVERS_: of what the policy names by measurement or key */
    uint32_t minimum_version;
    uint32_t products;                            /* bit n: enum clo_snp_product n is allowed */
    uint32_t signing_keys;                        /* bit n: enum clo_snp_signing_key n is allowed */
    char providers[CLO_POLICY_PROVIDERS_MAX][64]; /* cspID of a VLEK */
    size_t provider_count;
    bool any_provider;
    uint32_t vmpl; /* bit n: VMPL n is allowed; 0 alone when not said */
    uint64_t policy_required, policy_forbidden;
    struct clo_snp_build minimum_abi; /* of the guest policy: major and minor */
    uint64_t platform_required, platform_forbidden;
    uint64_t launch_mitigations, current_mitigations; /* bits that must be set */
    struct clo_policy_tcb minimum_tcb;                /* of all four */
    struct clo_policy_tcb minimum_reported_tcb, minimum_committed_tcb, minimum_current_tcb,
            minimum_launch_tcb;
    struct clo_snp_build minimum_current, minimum_committed; /* zero: not said */
    uint64_t minimum_guest_svn;
    struct clo_policy_values measurement, svsm_measurement, id_key_digest, author_key_digest,
            host_data, report_data, family_id, image_id, report_id, report_id_ma, chip_id;
};

/* Of TDX. docs/formats/policy.md says what each means when it is absent. */
struct clo_policy_tdx {
    uint32_t
            tcb_status; /* bit n: enum clo_tdx_status n is accepted; UpToDate alone when not said */
    bool allow_debug;
    bool allow_migratable;
    bool allow_sept_ve; /* SEPT_VE_DISABLE may be off */
    bool allow_unevaluated_tcb;
    char advisories[CLO_POLICY_LIST_MAX][32];
    size_t advisory_count;
    bool any_advisory;
    uint64_t minimum_evaluation_number;
    int64_t tcb_date; /* the earliest that the date of the TCB level may be; 0: not said */
    bool has_minimum_svn;
    uint8_t minimum_svn[16]; /* each component of TEE_TCB_SVN (and TEE_TCB_SVN2) */
    struct clo_policy_values mr_td, rtmr[CLO_TDX_RTMR_COUNT], mr_seam, mr_signer_seam, mr_config_id,
            mr_owner, mr_owner_config, mr_service_td, init_servtd_hash, cur_servtd_hash,
            td_attributes, xfam, report_data, qe_vendor_id, fmspc, ppid;
    struct clo_ccel_rules *ccel; /* what the event log may show; NULL: not said */
};

/* Of AWS Nitro: PCRs of a document. docs/formats/policy.md says what each means when it is absent. */
struct clo_policy_nitro_pcr {
    unsigned pcr;
    uint8_t bytes[48];
};
struct clo_policy_nitro {
    bool allow_debug;
    uint32_t said, any; /* bit n: PCR n has values; may be anything */
    struct clo_policy_nitro_pcr items[CLO_POLICY_LIST_MAX];
    size_t count;
};

struct clo_policy {
    char name[128];
    struct clo_digest fingerprint; /* SHA-256 of the canonical JSON: how results name it */
    /* Of what verifying evidence by it hangs on (roots, makers, grace): where two are equal, evidence that one
     * calls authentic is authentic by the other. */
    struct clo_digest trust;
    bool is_strict_builtin;
    uint32_t tees;   /* bit n: evidence of enum clo_tee n is accepted */
    uint32_t makers; /* bit n: the roots of that platform's maker are trusted */
    struct clo_digest roots[CLO_POLICY_LIST_MAX]; /* SHA-256 of SubjectPublicKeyInfo */
    size_t root_count;
    struct clo_snp_certificates root_certificates; /* those given as PEM */
    bool has_pcrs;
    uint32_t pcrs; /* bit n: PCR n must have its reference value. Not said: all that have one */
    char phase[128];
    bool has_evidence;
    uint32_t evidence; /* bit n: enum clo_evidence_kind n is accepted, where it is said */
    bool has_own_db; /* the db in PCR 7 holds the owner's keys alone: then 7 and 11 may stand for 4 */
    bool require_freshness; /* also where nothing is released: `verify` without a nonce is refused */
    struct clo_policy_ages maximum_age;
    /* What the image may take from its host, in the words of its reference values; not said: nothing. */
    bool has_host_inputs, any_host_input;
    char host_inputs[CLO_POLICY_LIST_MAX][128];
    size_t host_input_count;
    struct clo_policy_grace grace;
    struct clo_policy_tpm tpm;
    struct clo_policy_endorsement endorsement;
    uint64_t version;      /* of those of its name; 0: it does not say */
    char accept_weak[256]; /* why what it leaves open is accepted; "": it is not */
    struct clo_policy_snp snp;
    struct clo_policy_tdx tdx;
    struct clo_policy_nitro nitro;
};

bool clo_policy_allows(const struct clo_policy *policy, enum clo_tee tee);
/* Does it name the roots of that platform's maker ("amd", "intel")? */
bool clo_policy_trusts_maker(const struct clo_policy *policy, enum clo_tee tee);

#endif
