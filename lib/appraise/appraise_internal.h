/* What the files of this room share: an appraisal while it is being made. */
#ifndef CLOISTER_LIB_APPRAISE_INTERNAL_H
#define CLOISTER_LIB_APPRAISE_INTERNAL_H

#include "cloister/appraise.h"
#include "cloister/hcl.h"
#include "cloister/userlog.h"

#define APPRAISE_WARNINGS_MAX   16
#define APPRAISE_REFERENCES_MAX 64
#define APPRAISE_OPEN_MAX       8

/* What the evidence leaves open although nothing failed: the verdict is then a warning. */
struct appraise_open {
    const char *aspect; /* "program" */
    char why[256];
};

struct clo_appraisal {
    enum clo_appraisal_status status;
    const char *tee;
    struct clo_checks checks;
    json_t *claims;
    json_t *tee_pubkey;
    bool binds_pubkey;                   /* the evidence binds the runtime data */
    bool matches_nonce;                  /* and it holds the nonce that was expected */
    bool is_verified;                    /* a hardware report in it is authentic */
    char resource[CLO_RESOURCE_MAX + 1]; /* what the runtime data ask for; empty: nothing */
    struct clo_instances instances;
    struct clo_holder holder;
    json_t *provenance; /* appraise_provenance(): members of the JSON */
    bool has_policy;
    bool has_strict_policy;
    char policy_name[128];
    struct clo_digest policy_fingerprint;
    bool is_fresh; /* what was signed holds a nonce of the caller's */
    bool is_tcb_left_out;
    bool accepts_weak; /* the policy says why what is open may be */
    struct appraise_open open[APPRAISE_OPEN_MAX];
    size_t open_count;
    char warnings[APPRAISE_WARNINGS_MAX][320];
    size_t warning_count;
    char summary[CLO_CHECK_DETAIL_MAX + 64];
};

struct work {
    const struct clo_evidence *evidence;
    const struct clo_appraise_inputs *inputs;
    struct clo_appraisal *appraisal;
    struct clo_checks *checks; /* the appraisal's */
    const char *phase;
    struct clo_bytes runtime_data; /* data NULL: none */
    struct clo_snp_verified snp;
    bool is_verified; /* snp was filled */
    struct clo_tdx_verified tdx;
    bool is_tdx_verified; /* tdx was filled */
    struct clo_tdx_platform *tdx_platform;
    uint32_t proven_rtmrs; /* bit n: reference values account for RTMR n; CLO_POLICY_TDX_MRTD */
    struct clo_hcl_verified *hcl;
    const struct clo_public_key *ak; /* what the hardware report, or the caller, vouches for */
    struct clo_quote_verified quote;
    bool has_quote; /* quote was filled */
    struct clo_pcr_bank pcrs;
    uint32_t pcr_mask; /* the quoted ones: they are proven */
    struct clo_eventlog *log;
    struct clo_userlog *userlog;
    /* Of the caller's references, those that count for these registers (appraise_select). */
    const struct clo_reference *references[APPRAISE_REFERENCES_MAX];
    size_t reference_count;
    bool appraised;           /* something beyond authenticity was looked at */
    bool binds_runtime_data;  /* what a verified report or quote signed is of this runtime data */
    bool matches_qualifying;  /* or of the bytes that the caller gave */
    uint32_t pcrs_held;       /* those that were held against a reference value */
    int64_t expires;          /* when the first of what vouches runs out */
    const char *expires_what; /* NULL: nothing vouches */
    json_t *root_name;
};

/* toolbox.c */
void appraise_warn(struct work *w, const char *format, ...) CLO_PRINTF(2, 3);
/* Adds a member to the claims; takes `value` over. */
CLO_MUST_USE bool appraise_claim(struct work *w, const char *name, json_t *value,
                                 struct clo_error *err);

/* A report by itself, and what Azure wraps around one. False only for what cannot be read at all. */
CLO_MUST_USE bool appraise_snp(struct work *w, struct clo_error *err);
CLO_MUST_USE bool appraise_hcl(struct work *w, struct clo_error *err);
/* Verifies the report with the evidence's, the caller's and AMD's certificates; w->snp has it then. */
CLO_MUST_USE bool appraise_snp_verify(struct work *w, const struct clo_snp_report *report,
                                      struct clo_error *err);
/* A TDX quote by itself, and its log. */
CLO_MUST_USE bool appraise_tdx(struct work *w, struct clo_error *err);
/* Verifies the quote with the caller's collateral; w->tdx has it then. */
CLO_MUST_USE bool appraise_tdx_verify(struct work *w, const struct clo_tdx_quote *quote,
                                      struct clo_error *err);
void appraise_warn_of_tdx(struct work *w);
/* The ID block that was given, against the verified report: checks id_block.*. */
CLO_MUST_USE bool appraise_id_block(struct work *w, struct clo_error *err);
/* What the chosen references say that the image takes from its host: the claim host_inputs, and a warning. */
CLO_MUST_USE bool appraise_host_inputs(struct work *w, struct clo_error *err);
/* Chooses among references that are alternatives to each other, once the registers are known. */
void appraise_select(struct work *w);
/* MRTD and RTMRs against reference values, the event log against the policy's rules: checks mr_td,
 * rtmr.N, policy.ccel.rtmrN. */
void appraise_tdx_registers(struct work *w);
/* Of a verified report: what a policy would have looked at. */
void appraise_warn_of_snp(struct work *w);

/* The vTPM's part: quote, PCRs, logs. False only for what cannot be read at all. */
CLO_MUST_USE bool appraise_tpm(struct work *w, struct clo_error *err);
/* Notes until when the verified chain holds, and whose it is. */
void appraise_provenance_snp(struct work *w, const struct clo_snp_chain *chain,
                             const struct clo_crl *const *crls, size_t crl_count);
void appraise_provenance_tdx(struct work *w);
/* What the appraisal was made from, for its JSON. */
CLO_MUST_USE bool appraise_provenance(struct work *w, struct clo_error *err);
/* The proven PCRs against reference values: checks pcr.N, policy.pcrs. */
void appraise_pcrs(struct work *w);
/* The phase that was asked for is one that the references know, of evidence with a TPM: check policy.phase. */
void appraise_phase(struct work *w, bool has_tpm);
/* Does nothing pin which guest this is? Fills the appraisal's `open`. */
void appraise_open(struct work *w, bool has_tpm);
/* Who the machine is, as far as verified evidence proves it: claim "instance". */
CLO_MUST_USE bool appraise_instances(struct work *w, struct clo_error *err);
/* The pins: checks expect.NAME. False (CLO_ERR_USAGE) for a name that no claim has. */
CLO_MUST_USE bool appraise_expectations(struct work *w, struct clo_error *err);

#endif
