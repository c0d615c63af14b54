/* One piece of evidence of a pretend platform against one policy: what becomes of it. */
#ifndef CLOISTER_TEST_TRIAL_H
#define CLOISTER_TEST_TRIAL_H

#include "scene.h"

#define TRIAL_ID_KEY                                                                               \
    "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a" \
    "5a5a"

struct trial {
    const char
            *members; /* of the policy besides version, name, tee and roots: ",…", quotes single */
    const char *snp;  /* of its "snp" besides the measurement, likewise */
    const char *measurement; /* NULL: the report's */
    const char *phase;       /* of the caller */
    bool is_bare;            /* a report of the guest's own, without a TPM */
    bool has_id_key;         /* ID_KEY_DIGEST is TRIAL_ID_KEY */
    bool no_nonce, no_reference, other_root, no_policy, strict;
    uint64_t guest_policy;                            /* bits that are set in the report besides */
    uint32_t disturbed;                               /* PCRs */
    bool other_measurement, other_chip, old_firmware; /* committed, below what runs */
    uint8_t vmpl;
    const struct clo_reference *reference;
};

static inline void trial_quotes(struct clo_buffer *text)
{
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] == '\'')
            text->data[i] = '"';
}

static inline void trial_policy(const struct scene *scene, const struct trial *t,
                                struct clo_buffer *text)
{
    char root[2 * 32 + 1];
    char measurement[2 * 48 + 1];

    clo_hex_text(clo_digest_bytes(&scene->maker.root), root);
    if (t->other_root)
        memset(root, '1', 64);
    clo_hex_text(clo_bytes(scene->maker.report + 0x90, 48), measurement);
    clo_buffer_printf(text,
                      "{'cloister_policy':1,'name':'mine','tee':['snp'],'roots':['%s']%s,'snp':{",
                      root, t->members == NULL ? "" : t->members);
    if (t->measurement == NULL)
        clo_buffer_printf(text, "'measurement':['%s']", measurement);
    else
        clo_buffer_text(text, t->measurement);
    clo_buffer_printf(text, "%s}}", t->snp == NULL ? "" : t->snp);
    trial_quotes(text);
}

static inline void trial_bare(struct scene *scene, struct clo_evidence *evidence,
                              struct clo_snp_certificates *certificates)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    struct clo_digest digest;

    write_runtime_data(scene, NONCE, &runtime);
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&runtime), &digest);
    memcpy(scene->maker.report + 0x50, digest.bytes, 64);
    snp_maker_make(&scene->maker, certificates);
    add(scene, evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&runtime));
    add(scene, evidence, CLO_EVIDENCE_SNP_REPORT,
        clo_bytes(scene->maker.report, sizeof scene->maker.report));
}

static inline struct clo_appraisal *trial_run(struct scene *scene, const struct trial *t)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    scene_reset(scene);
    trial_policy(scene, t, &text);
    scene->disturbed = t->disturbed;
    if (t->other_measurement)
        scene->maker.report[0x90] ^= 1;
    if (t->has_id_key)
        memset(scene->maker.report + 0xe0, 0x5a, 48);
    if (t->old_firmware)
        scene->maker.report[0x1e0 + 6] = 1; /* COMMITTED_TCB, SNP */
    if (t->other_chip) {
        scene->maker.chip_id[0] ^= 1;
        memcpy(scene->maker.report + 0x1a0, scene->maker.chip_id, sizeof scene->maker.chip_id);
    }
    scene->maker.report[0x30] = t->vmpl;
    for (size_t i = 0; i < 8; i++)
        scene->maker.report[0x08 + i] |= (uint8_t)(t->guest_policy >> (8 * i));
    must(clo_evidence_new(&evidence, &err), &err);
    if (t->is_bare)
        trial_bare(scene, evidence, &certificates);
    else
        make_evidence(scene, evidence, &certificates);
    if (t->strict)
        must(clo_policy_strict(&policy, &err), &err);
    else if (!t->no_policy)
        must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .references = &t->reference,
        .reference_count = t->reference == NULL ? 0 : 1,
        .phase = t->phase,
        .expected_nonce = t->no_nonce ? (struct clo_bytes){ 0 } : clo_bytes_text(NONCE),
        .at = SNP_MAKER_NOW,
        .roots = &scene->maker.root,
        .root_count = 1,
        .endorsements = { .certificates = &certificates },
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    if (t->other_chip)
        scene->maker.chip_id[0] ^= 1;
    return appraisal;
}

#endif
