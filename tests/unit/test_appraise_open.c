/* Policies that say less than they seem to, and evidence that shows less: none of it is affirming, and nothing
 * is released on it. */
#include "trial.h"

static struct scene scene;
static struct clo_reference *usual, *phased;

/* PCR 11 and 15 depend on the phase, as a prediction's do. */
static struct clo_reference *make_phased(void)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_deep_copy(clo_reference_json(usual));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *values = json_object_get(json_object_get(json, "pcrs"), "sha256");
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char later[] = "1100000000000000000000000000000000000000000000000000000000000000";
    json_t *eleven = json_pack("{s:O,s:s}", CLO_PHASE_ENTER_INITRD, json_object_get(values, "11"),
                               CLO_PHASE_LEAVE_INITRD, later);
    struct clo_reference *out;
    struct clo_error err;

    json_object_set_new(json, "events", json_object());
    json_object_set_new(values, "11", eleven);
    json_object_set_new(values, "7", json_string(zeros));
    json_object_set_new(
            values, "15",
            json_pack("{s:s,s:s}", CLO_PHASE_ENTER_INITRD, zeros, CLO_PHASE_LEAVE_INITRD, later));
    must(clo_json_write(json, &text, &err), &err);
    must(clo_reference_parse(clo_buffer_bytes(&text), &out, &err), &err);
    return out;
}

static int set_up(void **state)
{
    (void)state;
    scene_init(&scene);
    usual = make_reference();
    phased = make_phased();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_free(&scene);
    clo_reference_free(usual);
    clo_reference_free(phased);
    return 0;
}

#define ZEROS_32   "0000000000000000000000000000000000000000000000000000000000000000"
#define COVERS_ALL ",'measurement_covers':['firmware','kernel','initrd','cmdline']"

static const struct {
    const char *name;
    struct trial trial;
    bool has_reference, is_phased;
    enum clo_appraisal_status status;
    const char *check; /* that fails; NULL: none does */
    const char *words; /* of the summary */
} cases[] = {
    { .name = "what the owner wants",
      .trial = { .members = ",'pcrs':[0,4,11,12]" },
      .has_reference = true,
      .status = CLO_AFFIRMING,
      .words = "accepted by policy \"mine\"" },

    /* --- Kinds of evidence --- */
    { .name = "a bare report under a policy of PCRs",
      .trial = { .is_bare = true, .members = ",'pcrs':[0,4,11,12]", .snp = COVERS_ALL },
      .status = CLO_CONTRAINDICATED,
      .check = "policy.evidence",
      .words = "has no TPM that the report binds" },
    { .name = "the same, with references",
      .trial = { .is_bare = true, .members = ",'pcrs':[0,4,11,12]", .snp = COVERS_ALL },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.evidence" },
    { .name = "a bare report under a policy with a phase",
      .trial = { .is_bare = true,
                 .members = ",'phase':'enter-initrd:leave-initrd'",
                 .snp = COVERS_ALL },
      .status = CLO_CONTRAINDICATED,
      .check = "policy.evidence" },
    { .name = "a bare report where a vTPM is named",
      .trial = { .is_bare = true, .members = ",'evidence':['vtpm']", .snp = COVERS_ALL },
      .status = CLO_CONTRAINDICATED,
      .check = "policy.evidence",
      .words = "is not one that the policy accepts" },
    { .name = "a vTPM where a bare report is named",
      .trial = { .members = ",'evidence':['bare']" },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.evidence" },

    /* --- PCR 11 is any program's word --- */
    { .name = "PCR 11 without 4",
      .trial = { .members = ",'pcrs':[0,11,12]" },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.pcrs",
      .words = "any can extend PCR 11" },
    { .name = "7 and 11 without the owner's word about db",
      .trial = { .members = ",'pcrs':[0,7,11,12]" },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.pcrs" },
    { .name = "7 and 11 with a db of the owner's own",
      .trial = { .members = ",'pcrs':[0,7,11,12],'secure_boot':'own-db'" },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_AFFIRMING },
    { .name = "11 alone with a db of the owner's own",
      .trial = { .members = ",'pcrs':[0,11,12],'secure_boot':'own-db'" },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.pcrs",
      .words = "7 and 11 are not both there" },

    /* --- Phases --- */
    { .name = "a phase misspelt",
      .trial = { .members = ",'phase':'enter_initrd'", .disturbed = 1U << 11 | 1U << 15 },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.phase",
      .words = "did you mean \"enter-initrd\"?" },
    { .name = "a phase misspelt by the caller",
      .trial = { .phase = "enter-initrd:leave-initr" },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.phase",
      .words = "did you mean \"enter-initrd:leave-initrd\"?" },
    { .name = "a phase, and references that know none",
      .trial = { .phase = "enter-initrd:leave-initrd" },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.phase",
      .words = "know no phases" },
    { .name = "a phase of the caller's, and no TPM",
      .trial = { .is_bare = true, .phase = "enter-initrd:leave-initrd", .snp = COVERS_ALL },
      .status = CLO_CONTRAINDICATED,
      .check = "policy.phase" },
    { .name = "a register with phases is wanted in a phase that it does not know",
      .trial = { .phase = "enter_initrd" },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_CONTRAINDICATED,
      .check = "pcr.11" },
    { .name = "a phase that is known",
      .trial = { .phase = "enter-initrd" },
      .has_reference = true,
      .is_phased = true,
      .status = CLO_AFFIRMING },

    /* --- Freshness --- */
    { .name = "no nonce",
      .trial = { .no_nonce = true },
      .has_reference = true,
      .status = CLO_WARNING,
      .words = "freshness was not shown" },
    { .name = "no nonce, and the policy demands one",
      .trial = { .no_nonce = true, .members = ",'require_freshness':true" },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.freshness" },
    { .name = "a nonce, and the policy demands one",
      .trial = { .members = ",'require_freshness':true" },
      .has_reference = true,
      .status = CLO_AFFIRMING },

    /* --- What a measurement covers --- */
    { .name = "a measurement of firmware alone",
      .trial = { .is_bare = true },
      .status = CLO_WARNING,
      .words = "program, command line: not pinned" },
    { .name = "a measurement of all but the command line",
      .trial = { .is_bare = true, .snp = ",'measurement_covers':['kernel','initrd']" },
      .status = CLO_WARNING,
      .words = "but command line: not pinned" },
    { .name = "a measurement of firmware, and data of the host's",
      .trial = { .is_bare = true, .snp = ",'host_data':['" ZEROS_32 "']" },
      .status = CLO_WARNING,
      .words = "program, command line: not pinned" },
    { .name = "an ID key of the owner's, who signs firmware",
      .trial = { .is_bare = true,
                 .has_id_key = true,
                 .measurement = "'id_key_digest':['" TRIAL_ID_KEY "']" },
      .status = CLO_WARNING,
      .words = "program, command line: not pinned" },
    { .name = "a measurement of everything",
      .trial = { .is_bare = true, .snp = COVERS_ALL },
      .status = CLO_AFFIRMING },
    { .name = "a measurement of everything, and any will do",
      .trial = { .is_bare = true, .measurement = "'measurement':'any'", .snp = COVERS_ALL },
      .status = CLO_WARNING,
      .words = "firmware, program, command line: not pinned" },
    { .name = "any firmware behind the vTPM",
      .trial = { .measurement = "'measurement':'any'" },
      .has_reference = true,
      .status = CLO_WARNING,
      .words = "firmware: not pinned" },
    { .name = "a vTPM that what the paravisor runs pretends",
      .trial = { .vmpl = 2, .snp = ",'vmpl':[0,2]" },
      .has_reference = true,
      .status = CLO_WARNING,
      .words = "firmware: not pinned" },
    { .name = "a bare report of what a paravisor runs",
      .trial = { .is_bare = true, .vmpl = 2, .snp = COVERS_ALL ",'vmpl':[2]" },
      .status = CLO_AFFIRMING },
    { .name = "the built-in policy alone",
      .trial = { .is_bare = true, .strict = true },
      .status = CLO_WARNING,
      .words = "firmware, program, command line: not pinned" },

    /* --- Debugging --- */
    { .name = "a debug guest",
      .trial = { .guest_policy = CLO_SNP_POLICY_DEBUG },
      .has_reference = true,
      .status = CLO_CONTRAINDICATED,
      .check = "policy.debug" },
    { .name = "a debug guest that the policy allows",
      .trial = { .guest_policy = CLO_SNP_POLICY_DEBUG, .snp = ",'allow_debug':true" },
      .has_reference = true,
      .status = CLO_WARNING,
      .words = "debug: not pinned" },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct trial trial = cases[i].trial;
        struct clo_error err;
        trial.reference = !cases[i].has_reference ? NULL : cases[i].is_phased ? phased : usual;
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = trial_run(&scene, &trial);
        const char *summary = clo_appraisal_summary(appraisal);
        const struct clo_check *check =
                cases[i].check == NULL
                        ? NULL
                        : clo_checks_get(clo_appraisal_checks(appraisal), cases[i].check);
        if (clo_appraisal_status(appraisal) != cases[i].status)
            fail_msg("%s: %s", cases[i].name, summary);
        if (cases[i].check != NULL && (check == NULL || check->result != CLO_CHECK_FAIL))
            fail_msg("%s: %s does not fail", cases[i].name, cases[i].check);
        const char *said = check == NULL ? summary : check->detail;
        /* It comes before the registers that it leaves without a value. */
        if (check != NULL && strcmp(check->id, "policy.phase") == 0)
            said = summary;
        if (cases[i].words != NULL && strstr(said, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].name, said);
        if (clo_appraisal_releases(appraisal, &err) != (cases[i].status == CLO_AFFIRMING))
            fail_msg("%s: released?", cases[i].name);
    }
}

/* Where the owner says why, what is open does not withhold; what is old still does. */
static void test_accepted_as_weak(void **state)
{
    struct trial trial = { .is_bare = true, .members = ",'accept_weak':'a laboratory'" };
    struct clo_error err;

    (void)state;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *weak = trial_run(&scene, &trial);
    CHECK(clo_appraisal_status(weak) == CLO_WARNING, clo_appraisal_summary(weak));
    CHECK(clo_appraisal_releases(weak, &err), err.text);
    trial.no_nonce = true;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *old = trial_run(&scene, &trial);
    CHECK(!clo_appraisal_releases(old, &err), "without a nonce");
    trial = (struct trial){ .is_bare = true,
                            .other_measurement = true,
                            .members = ",'accept_weak':'a laboratory'" };
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *other = trial_run(&scene, &trial);
    CHECK(!clo_appraisal_releases(other, &err), "what failed fails");
}

/* What every value passes was held against nothing. */
static void test_any_is_no_pass(void **state)
{
    struct trial trial = { .measurement = "'measurement':'any'", .snp = ",'host_data':'any'" };

    (void)state;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = trial_run(&scene, &trial);
    for (size_t i = 0; i < 2; i++) {
        const char *id = i == 0 ? "policy.measurement" : "policy.host_data";
        const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), id);
        CHECK(check != NULL && check->result == CLO_CHECK_SKIP, id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_accepted_as_weak),
        cmocka_unit_test(test_any_is_no_pass),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
