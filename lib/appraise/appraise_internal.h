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

struct tee; /* tee.h */

/* The registers that signed evidence proves: a TPM's PCRs, or the hardware's own. */
struct registers {
    const char *prefix; /* "pcr", "rtmr" */
    enum clo_hash hash;
    unsigned first;    /* how references number them: this, and on */
    const char *phase; /* of the reference values; "": they have none */
    struct clo_digest values[CLO_PCR_COUNT];
    unsigned count;
    uint32_t mask; /* bit n: the n-th is proven */
};

struct work {
    const struct clo_evidence *evidence;
    const struct clo_appraise_inputs *inputs;
    struct clo_appraisal *appraisal;
    struct clo_checks *checks; /* the appraisal's */
    const char *phase;
    bool explains; /* which event differs, and what all was made from, is asked for */
    struct clo_bytes runtime_data; /* data NULL: none */
    const struct tee *tee;         /* by which the evidence came */
    const struct tee *hardware;    /* whose report is authentic; NULL: none is */
    struct {
        const struct tee *entry;
        void *state;
    } kept[2]; /* tee_keep(): a wrapping entry's, and the hardware's */
    struct registers proven;
    uint32_t proven_rtmrs; /* bit n: reference values account for RTMR n; CLO_POLICY_TDX_MRTD */
    const struct clo_public_key *ak; /* what the hardware report, or the caller, vouches for */
    bool is_ak_bound;                /* it is the report that does */
    struct clo_quote_verified quote;
    bool has_quote; /* quote was filled */
    struct clo_pcr_bank pcrs;
    uint32_t pcr_mask; /* the quoted ones: they are proven */
    struct clo_eventlog *log;
    struct clo_buffer log_bytes; /* that the log looks at, where they are not the evidence's */
    struct clo_userlog *userlog;
    /* Of the caller's references, those that count for these registers (appraise_select). */
    const struct clo_reference *references[APPRAISE_REFERENCES_MAX];
    size_t reference_count;
    bool is_launch_endorsed;  /* a cloud signed that its firmware has this measurement */
    bool is_vm_endorsed;      /* and that all that starts from it is in it: Azure's utility VM */
    bool appraised;           /* something beyond authenticity was looked at */
    bool binds_report;        /* or of the systemd report that came along */
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

/* Takes `claims` over (NULL: memory ran out) and adds all its members. */
CLO_MUST_USE bool appraise_claims(struct work *w, json_t *claims, struct clo_error *err);
/* Is the field what the runtime data have to be bound by: their digest by `hash`, or what the caller says? */
bool appraise_binds(const struct work *w, enum clo_hash hash, struct clo_bytes field);
/* What a report was made for: check `id`. `field` must be SHA-512 of the runtime data, or the nonce that was given. */
void appraise_report_data(struct work *w, const char *id, const char *name, struct clo_bytes field);
/* The roots that the caller and the policy name, besides makers; to be freed. */
CLO_MUST_USE bool appraise_roots(const struct work *w, struct clo_digest **out, size_t *count,
                                 struct clo_error *err);
/* Something that vouches runs out then: the first to do so is told. */
void appraise_expires(struct work *w, int64_t at, const char *what);
/* For people, begun ones too. */
long long appraise_days(int64_t seconds);
/* Is the claim pinned on the command line? That is as good as in the policy. */
bool appraise_expects(const struct work *w, const char *claim);
/* Something that nothing pins. */
void appraise_leave_open(struct work *w, const char *aspect, const char *format, ...)
        CLO_PRINTF(3, 4);
void appraise_set_instance(struct work *w, enum clo_instance which, struct clo_bytes identity);

/* Is the firmware one that its cloud's endorsement names, with nothing of the guest's between? */
bool appraise_is_launch_endorsed(const struct work *w);
/* An authentic report that came within another entry's evidence. */
bool appraise_is_wrapped(const struct work *w);
/* Where a signed report of systemd's came along: what its TPM signed, and the nonce in it; checks report.*. */
CLO_MUST_USE bool appraise_systemd(struct work *w, struct clo_error *err);
/* Is this REPORT_DATA (64 bytes) made for that report? */
bool appraise_binds_report(const struct work *w, struct clo_bytes field);
/* The ID block that was given, against the verified report: checks id_block.*. */
CLO_MUST_USE bool appraise_id_block(struct work *w, struct clo_error *err);
/* The cloud's word on what was launched: checks endorsement.*. */
CLO_MUST_USE bool appraise_launch_endorsement(struct work *w, struct clo_error *err);
/* What was claimed to be handed in at the start, against what the launch holds of it: check init_data. */
CLO_MUST_USE bool appraise_init_data(struct work *w, struct clo_error *err);
/* What the chosen references say that the image takes from its host: the claim host_inputs, and a warning. */
CLO_MUST_USE bool appraise_host_inputs(struct work *w, struct clo_error *err);
/* Chooses among references that are alternatives to each other, once the registers are known. */
void appraise_select(struct work *w);
/* The vTPM's part: quote, PCRs, logs. False only for what cannot be read at all. */
CLO_MUST_USE bool appraise_tpm(struct work *w, struct clo_error *err);
/* {"sha256": {"0": hex, …}}: one bank, the one that is quoted. */
CLO_MUST_USE bool appraise_read_pcrs(struct clo_bytes text, struct clo_pcr_bank *bank,
                                     uint32_t *mask, struct clo_error *err);
/* These of w->pcrs are proven: the claim "pcrs", and what is held against reference values. */
CLO_MUST_USE bool appraise_prove_pcrs(struct work *w, uint32_t mask, struct clo_error *err);
/* What the appraisal was made from, for its JSON. */
CLO_MUST_USE bool appraise_provenance(struct work *w, struct clo_error *err);
/* The proven PCRs against reference values: checks pcr.N, policy.pcrs. */
void appraise_pcrs(struct work *w);
/* The phase that was asked for is one that the references know, of evidence with a TPM: check policy.phase. */
void appraise_phase(struct work *w);
/* Does nothing pin which guest this is? Fills the appraisal's `open`. */
void appraise_open(struct work *w);
/* Who the machine is, as far as verified evidence proves it: claim "instance". */
CLO_MUST_USE bool appraise_instances(struct work *w, struct clo_error *err);
/* The pins: checks expect.NAME. False (CLO_ERR_USAGE) for a name that no claim has. */
CLO_MUST_USE bool appraise_expectations(struct work *w, struct clo_error *err);

#endif
