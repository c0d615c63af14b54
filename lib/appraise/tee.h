/* A kind of evidence is an entry of a table: how it is recognised in a bundle, verified, held against reference values
 * and a policy, and told in a result. To add one: an entry in a file tee_NAME.c and its line in tees.c
 * (ARCHITECTURE.md, "Where to add what").
 *
 * Hardware evidence (SEV-SNP, TDX) comes bare, or inside another's that binds a TPM's key with it (Azure's HCL report). So
 * an appraisal has two entries: w->tee, by which the evidence came, and, once a report is authentic, w->hardware. They are
 * the same where the report came bare; of a TPM alone there is no second. */
#ifndef CLOISTER_LIB_APPRAISE_TEE_H
#define CLOISTER_LIB_APPRAISE_TEE_H

#include "lib/appraise/appraise_internal.h"
#include "lib/appraise/missing.h"
#include "lib/evidence/tee.h"

/* What a claim of the trustworthiness vector (ear.c) rests on. */
struct tee_claim {
    const char *const
            *concerns; /* beginnings of ids: one that failed contraindicates; NULL: none */
    const char *const *
            shows; /* groups that end in "|", of each of which one check passed; NULL: nothing does */
};

enum tee_claim_name {
    TEE_INSTANCE_IDENTITY,
    TEE_CONFIGURATION,
    TEE_EXECUTABLES,
    TEE_HARDWARE,
    TEE_FILE_SYSTEM,
    TEE_RUNTIME_OPAQUE,
    TEE_STORAGE_OPAQUE,
    TEE_SOURCED_DATA,
    TEE_CLAIMS,
};

struct tee {
    enum clo_tee id;
    enum clo_evidence_kind kind;
    /* The member of a bundle that it is known by; NULL: none, the caller vouches (a TPM's key). */
    const char *label;
    const char *with_label; /* another kind's member that may stand next to it; NULL: none */
    bool has_tpm;           /* PCRs count: a report, or the caller, vouches for the TPM's key */
    /* Verifies it, and holds what it signed against runtime data or nonce. Sets w->hardware once a report is
     * authentic. False only for what cannot be read at all. */
    bool (*appraise)(struct work *w, struct clo_error *err);
    void (*free)(void *state); /* what the entry keeps of one appraisal (tee_keep); NULL: nothing */
    /* Its own registers against reference values and policy. NULL: it has none. */
    void (*check_registers)(struct work *w);
    /* Of checks that failed the most telling first, NULL: no order; how ids of registers, whose details say
     * themselves where they looked, begin (NULL: it has none). */
    const char *const *telling;
    const char *register_ids;
    /* The claims that may be pinned, whether or not this evidence has them. NULL: none. */
    const char *const *claims;
    struct tee_claim ear[TEE_CLAIMS];
    /* Adds what verifying it still lacks. NULL: nothing that could be asked for. */
    bool (*missing)(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                    struct clo_requests *out, struct clo_error *err);
    /* Who a machine is beyond its hardware. NULL: it says nothing. */
    void (*take_instances)(struct work *w);

    /* --- Hardware alone; called once its report is authentic, and NULL where marked. Of an entry that wraps hardware's: check_policy and
     * open_tpm, where they are not NULL --- */

    void (*warn)(struct work *w);         /* of what a policy would have looked at */
    void (*check_policy)(struct work *w); /* checks policy.* */
    void (*check_ages)(struct work *w);
    struct clo_bytes (*init_data)(
            const struct work *w); /* where a bare report holds what was handed in; NULL: nowhere */
    struct clo_bytes (*chip)(const struct work *w); /* which machine; zeros: the host masks it */
    struct clo_bytes (*boot_id)(
            const struct work *w); /* which boot of a bare report; NULL: nothing tells */
    const struct clo_digest *(*root)(const struct work *w, bool *is_makers);
    bool (*is_tcb_left_out)(const struct work *w); /* NULL: never */
    /* What nothing pins: appraise_leave_open(). */
    void (*open_launch)(struct work *w);
    void (*open_bare)(struct work *w);
    void (*open_tpm)(struct work *w);   /* what makes a bound TPM doubtful; NULL: nothing */
    void (*open_grace)(struct work *w); /* what the policy's grace let pass */
    bool (*allows_debug)(const struct work *w);
};

extern const struct tee tee_snp, tee_tdx, tee_hcl, tee_svsm, tee_sample, tee_tpm, tee_nitro;
extern const struct tee
        *const tees[]; /* in the order in which evidence is looked at; ends in NULL */

/* Memory for what an entry keeps while one appraisal is made: zeroed, and freed with entry->free at its end. */
void *tee_keep(struct work *w, const struct tee *entry, size_t size, struct clo_error *err);
void *tee_kept(const struct work *w, const struct tee *entry); /* NULL: nothing */

/* --- For entries that wrap another's report --- */

/* Verify it with the evidence's, the caller's and the maker's endorsements. */
CLO_MUST_USE bool tee_snp_verify(struct work *w, const struct clo_snp_report *report,
                                 struct clo_error *err);
CLO_MUST_USE bool tee_tdx_verify(struct work *w, const struct clo_tdx_quote *quote,
                                 struct clo_error *err);
/* NULL: the evidence has no authentic one. */
const struct clo_snp_verified *tee_snp_verified(const struct work *w);
const struct clo_tdx_verified *tee_tdx_verified(const struct work *w);

#endif
