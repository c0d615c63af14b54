/* The linter is held to the appraisal: what it calls pinned refuses evidence in which that alone is changed, and
 * what it calls open accepts it. */
#include "cloister/policy_pins.h"

#include "sim/tdx.h"
#include "trial.h"

#define NOW    SNP_MAKER_NOW
#define ANYHEX "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX48(pair)                                                                                \
    pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair \
            pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair   \
                    pair pair pair pair pair pair pair pair pair pair pair pair

static struct scene scene;
static struct clo_reference *reference, *full;
static struct sim_tdx_keys keys;

/* Every register that host inputs show in, and two that depend on the phase. */
static struct clo_reference *make_full(void)
{
    static const char *const more[] = { "1", "5", "7", "9", "13" };
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    CLO_CLEANUP(clo_json_freep) json_t *json = json_deep_copy(clo_reference_json(reference));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *values = json_object_get(json_object_get(json, "pcrs"), "sha256");
    struct clo_reference *out;
    struct clo_error err;

    json_object_set_new(json, "events", json_object());
    for (size_t i = 0; i < CLO_COUNT(more); i++)
        json_object_set_new(values, more[i], json_string(zeros));
    json_object_set_new(
            values, "15",
            json_pack("{s:s,s:s}", CLO_PHASE_ENTER_INITRD, zeros, CLO_PHASE_LEAVE_INITRD, zeros));
    must(clo_json_write(json, &text, &err), &err);
    must(clo_reference_parse(clo_buffer_bytes(&text), &out, &err), &err);
    return out;
}

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    scene_init(&scene);
    must(sim_tdx_keys_new(&keys, &err), &err);
    reference = make_reference();
    full = make_full();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_free(&scene);
    sim_tdx_keys_free(&keys);
    clo_reference_free(reference);
    clo_reference_free(full);
    return 0;
}

/* --- SEV-SNP --- */

#define COVERS_ALL ",'measurement_covers':['firmware','kernel','initrd','cmdline']"

static const struct {
    const char *name;
    struct trial trial;
    bool has_reference, is_full;
    const char *open, *partly; /* aspects, between blanks; the others are pinned */
    const char *unmet;         /* no evidence fulfils it */
} policies[] = {
    { "PCRs, as little as may be",
      { .members = ",'pcrs':[0,4,11,12]" },
      true,
      false,
      " TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "every PCR that is known",
      { .members = "" },
      true,
      true,
      " TCB-floor revocation freshness state instance ",
      " roots ",
      NULL },
    { "a later phase, with PCR 15",
      { .members = ",'phase':'enter-initrd:leave-initrd'" },
      true,
      true,
      " TCB-floor revocation freshness instance ",
      " roots ",
      NULL },
    { "a db of the owner's own",
      { .members = ",'pcrs':[0,7,11,12,13],'secure_boot':'own-db'" },
      true,
      true,
      " TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "any firmware",
      { .members = ",'pcrs':[0,4,11,12]", .measurement = "'measurement':'any'" },
      true,
      false,
      " firmware TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "debugging and migration allowed",
      { .snp = ",'allow_debug':true,'allow_migration':true" },
      true,
      true,
      " debug migration TCB-floor revocation freshness state instance ",
      " roots ",
      NULL },
    { "a floor for firmware",
      { .snp = ",'minimum_tcb':{'bootloader':3,'snp':8,'microcode':115},'allow_provisional':true" },
      true,
      true,
      " revocation freshness state instance ",
      " roots ",
      NULL },
    { "a floor of half a step",
      { .snp = ",'minimum_tcb':{'snp':8},'allow_provisional':true" },
      true,
      true,
      " revocation freshness state instance ",
      " roots TCB-floor ",
      NULL },
    { "a floor of nothing",
      { .snp = ",'minimum_tcb':{'snp':0},'allow_provisional':true" },
      true,
      true,
      " TCB-floor revocation freshness state instance ",
      " roots ",
      NULL },
    { "no floor, and provisional firmware",
      { .snp = ",'allow_provisional':true" },
      true,
      true,
      " TCB-floor revocation freshness state instance ",
      " roots ",
      NULL },
    { "a list is demanded",
      { .snp = ",'require_revocation':true" },
      true,
      true,
      " TCB-floor freshness state instance ",
      " roots ",
      NULL },
    { "a young list is demanded",
      { .members = ",'maximum_age':{'crl':'90d'}" },
      true,
      true,
      " TCB-floor state instance ",
      " roots ",
      NULL },
    { "a bare report of firmware",
      { .is_bare = true },
      false,
      false,
      " program command-line TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "a bare report of firmware, and HOST_DATA, which is the host's",
      { .is_bare = true, .snp = ",'host_data':['" ANYHEX "']" },
      false,
      false,
      " program command-line TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "a bare report of everything",
      { .is_bare = true, .snp = COVERS_ALL, .members = ",'evidence':['bare']" },
      false,
      false,
      " TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "an owner's key",
      { .is_bare = true, .measurement = "'measurement':'any','host_data':['" ANYHEX "']" },
      false,
      false,
      " firmware program command-line TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "an ID key of firmware alone",
      { .is_bare = true,
        .has_id_key = true,
        .measurement = "'id_key_digest':['" TRIAL_ID_KEY "']" },
      false,
      false,
      " program command-line TCB-floor revocation freshness state instance ",
      " roots host-inputs ",
      NULL },
    { "an ID key of all that it has signed",
      { .is_bare = true,
        .has_id_key = true,
        .measurement = "'id_key_digest':['" TRIAL_ID_KEY "']",
        .snp = COVERS_ALL },
      false,
      false,
      " TCB-floor revocation freshness state instance ",
      " program command-line roots host-inputs ",
      NULL },
    { "PCRs without reference values",
      { .members = ",'pcrs':[0,4,11,12]" },
      false,
      false,
      "",
      "",
      "no reference value is given for any" },
    { "PCRs that no reference value is given for",
      { .members = ",'pcrs':[0,3,4,11,12]" },
      true,
      false,
      "",
      "",
      "PCR 3 is demanded" },
    { "PCR 11 in place of 4",
      { .members = ",'pcrs':[0,11,12]" },
      true,
      false,
      "",
      "",
      "lack 0 (firmware), 12 (command lines) or 4" },
    { "a phase that nobody knows",
      { .members = ",'phase':'enter_initrd'" },
      true,
      true,
      "",
      "",
      "in phase \"enter_initrd\"" },
    { "no measurement",
      { .measurement = "'host_data':['" ANYHEX "']" },
      true,
      false,
      "",
      "",
      "names no launch measurement" },
};

static bool lists(const char *list, enum clo_aspect aspect)
{
    char word[40];

    snprintf(word, sizeof word, " %s ", clo_aspect_name(aspect));
    for (char *at = word + 1; *at != '\0' && at[1] != '\0'; at++)
        if (*at == ' ')
            *at = '-';
    return strstr(list, word) != NULL;
}

static void parse(const struct trial *trial, struct clo_policy **out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    scene_reset(&scene);
    trial_policy(&scene, trial, &text);
    must(clo_policy_parse(clo_buffer_bytes(&text), out, &err), &err);
}

/* Evidence in which that aspect alone is changed; false: there is none such. */
static bool change(struct trial *trial, enum clo_aspect aspect)
{
    switch (aspect) {
    case CLO_ASPECT_FIRMWARE:
        trial->other_measurement = true;
        trial->has_id_key = false; /* nor has the owner signed it */
        return true;
    case CLO_ASPECT_PROGRAM:
        trial->disturbed = 1U << 4 | 1U << 11;
        return true; /* of a bare report nothing is to be seen: what is open stays so */
    case CLO_ASPECT_COMMAND_LINE:
        trial->disturbed = 1U << 12;
        return true;
    case CLO_ASPECT_HOST_INPUTS:
        trial->disturbed = 1U << 13;
        return true;
    case CLO_ASPECT_DEBUG:
        trial->guest_policy = CLO_SNP_POLICY_DEBUG;
        return true;
    case CLO_ASPECT_MIGRATION:
        trial->guest_policy = CLO_SNP_POLICY_MIGRATE;
        return true;
    case CLO_ASPECT_EVIDENCE:
        trial->is_bare = !trial->is_bare;
        return true;
    case CLO_ASPECT_ROOTS:
        trial->other_root = true;
        return true;
    case CLO_ASPECT_TCB:
        trial->old_firmware = true;
        return true;
    case CLO_ASPECT_INSTANCE:
        trial->other_chip = true;
        return true;
    case CLO_ASPECT_REVOCATION:
    case CLO_ASPECT_FRESHNESS:
        return true; /* the scene has no list */
    default:
        return false;
    }
}

static bool accepts(const struct trial *trial, char *why, size_t size)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = trial_run(&scene, trial);

    snprintf(why, size, "%s", clo_appraisal_summary(appraisal));
    return clo_appraisal_status(appraisal) != CLO_CONTRAINDICATED;
}

static void hold(const char *name, const struct trial *trial, const struct clo_pins *pins,
                 enum clo_aspect aspect)
{
    enum clo_pin_status status = pins->items[aspect].status;
    struct trial changed = *trial;
    char why[400];
    bool sees_a_bare_program = trial->is_bare && aspect >= CLO_ASPECT_PROGRAM &&
                               aspect <= CLO_ASPECT_COMMAND_LINE && status == CLO_PIN_PINNED;

    /* Provisional firmware is another matter than a floor. */
    if (aspect == CLO_ASPECT_TCB &&
        (trial->snp == NULL || strstr(trial->snp, "allow_provisional") == NULL))
        return;
    if (sees_a_bare_program)
        changed.other_measurement = true; /* the measurement is what shows it */
    if (!change(&changed, aspect))
        return;
    bool accepted = accepts(&changed, why, sizeof why);
    if (status == CLO_PIN_PINNED && accepted)
        fail_msg("%s: %s: said to be pinned, and accepted: %s", name, clo_aspect_name(aspect), why);
    bool is_demanding = pins->items[CLO_ASPECT_REVOCATION].status == CLO_PIN_PINNED;
    if (status == CLO_PIN_OPEN && !accepted && !is_demanding)
        fail_msg("%s: %s: said to be open, and refused: %s", name, clo_aspect_name(aspect), why);
}

static void test_snp(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(policies); i++) {
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
        struct trial trial = policies[i].trial;
        const char *name = policies[i].name;
        struct clo_pins pins;
        char why[400];
        trial.reference = !policies[i].has_reference ? NULL
                          : policies[i].is_full      ? full
                                                     : reference;
        parse(&trial, &policy);
        clo_policy_pins(policy, &trial.reference, trial.reference == NULL ? 0 : 1, NULL, &pins);
        if (policies[i].unmet != NULL) {
            if (strstr(pins.unmet, policies[i].unmet) == NULL)
                fail_msg("%s: unmet: \"%s\"", name, pins.unmet);
            if (accepts(&trial, why, sizeof why))
                fail_msg("%s: said to be unmet, and accepted", name);
            continue;
        }
        CHECK(pins.unmet[0] == '\0', pins.unmet);
        for (unsigned k = 0; k < CLO_ASPECT_COUNT; k++) {
            enum clo_aspect aspect = (enum clo_aspect)k;
            enum clo_pin_status expected = lists(policies[i].open, aspect)     ? CLO_PIN_OPEN
                                           : lists(policies[i].partly, aspect) ? CLO_PIN_PARTLY
                                                                               : CLO_PIN_PINNED;
            if (pins.items[k].status != expected)
                fail_msg("%s: %s is %s: %s", name, clo_aspect_name(aspect),
                         clo_pin_status_name(pins.items[k].status), pins.items[k].text);
            CHECK(pins.items[k].text[0] != '\0', clo_aspect_name(aspect));
            hold(name, &trial, &pins, aspect);
        }
        if (pins.items[CLO_ASPECT_REVOCATION].status == CLO_PIN_OPEN &&
            !accepts(&trial, why, sizeof why))
            fail_msg("%s: what it wants is refused: %s", name, why);
    }
}

/* --- TDX --- */

#define MRTD   "'mr_td':['" HEX48("a1") "']"
#define RTMR0  ",'rtmr0':['" HEX48("b0") "']"
#define RTMR1  ",'rtmr1':['" HEX48("b1") "']"
#define RTMR2  ",'rtmr2':['" HEX48("b2") "']"
#define NUMBER ",'minimum_evaluation_number':18"

static const struct {
    const char *name, *members, *tdx, *open, *partly, *unmet;
} tds[] = {
    { "all of it", ",'maximum_age':{'crl':'10d','collateral':'10d'}", MRTD RTMR0 RTMR1 RTMR2 NUMBER,
      " state instance ", " roots ", NULL },
    { "no number and no ages", "", MRTD RTMR0 RTMR1 RTMR2, " TCB-floor freshness state instance ",
      " roots ", NULL },
    { "any settings", "", MRTD ",'rtmr0':'any'" RTMR1 RTMR2 NUMBER,
      " host-inputs freshness state instance ", " roots ", NULL },
    { "any kernel", "", MRTD RTMR0 RTMR1 ",'rtmr2':'any'" NUMBER,
      " program command-line freshness state instance ", " roots host-inputs ", NULL },
    { "any firmware", "", "'mr_td':'any'" RTMR0 RTMR1 RTMR2 NUMBER,
      " firmware freshness state instance ", " roots ", NULL },
    { "an outdated platform", "",
      MRTD RTMR0 RTMR1 RTMR2 NUMBER ",'tcb_status':['UpToDate','OutOfDate'],'advisories':'any'",
      " TCB-floor freshness state instance ", " roots ", NULL },
    { "a date alone", "", MRTD RTMR0 RTMR1 RTMR2 ",'tcb_date':'2025-03-12'",
      " freshness state instance ", " roots TCB-floor ", NULL },
    { "grace for an outdated platform", ",'grace':{'out_of_date':'90d'}",
      MRTD RTMR0 RTMR1 RTMR2 NUMBER, " freshness state instance ", " roots TCB-floor ", NULL },
    { "grace for collateral and lists",
      ",'maximum_age':{'crl':'10d','collateral':'10d'},'grace':{'stale_collateral':'90d',"
      "'stale_crl':'9d'}",
      MRTD RTMR0 RTMR1 RTMR2 NUMBER, " state instance ", " roots revocation freshness ", NULL },
    { "debugging and migration", "",
      MRTD RTMR0 RTMR1 RTMR2 NUMBER ",'allow_debug':true,'allow_migratable':true",
      " debug migration freshness state instance ", " roots ", NULL },
    { "no MRTD", "", "'rtmr0':'any'" RTMR1 RTMR2, "", "", "names no MRTD" },
    { "no RTMR 2", "", MRTD RTMR0 RTMR1, "", "", "what RTMR 2 may be" },
};

static bool change_td(struct sim_tdx *tdx, enum clo_aspect aspect)
{
    switch (aspect) {
    case CLO_ASPECT_FIRMWARE:
        tdx->body[SIM_TDX_MR_TD] ^= 1;
        return true;
    case CLO_ASPECT_PROGRAM:
        tdx->body[SIM_TDX_RTMR + 2 * 48] ^= 1;
        return true;
    case CLO_ASPECT_COMMAND_LINE:
        tdx->body[SIM_TDX_RTMR + 2 * 48 + 1] ^= 1;
        return true;
    case CLO_ASPECT_HOST_INPUTS:
        tdx->body[SIM_TDX_RTMR] ^= 1;
        return true;
    case CLO_ASPECT_DEBUG:
        tdx->body[SIM_TDX_ATTRIBUTES] |= 1;
        return true;
    case CLO_ASPECT_MIGRATION:
        tdx->body[SIM_TDX_ATTRIBUTES + 3] |= 0x20;
        return true;
    case CLO_ASPECT_TCB:
        tdx->tcb_info.evaluation_number--;
        tdx->qe_identity.evaluation_number--;
        return true;
    case CLO_ASPECT_FRESHNESS:
        tdx->pck_crl.this_update -= 15 * 86400LL;
        return true;
    default:
        return false;
    }
}

static bool accepts_td(const struct sim_tdx *tdx, const char *members, const char *of_tdx,
                       struct clo_pins *pins, char *why, size_t size)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_tdx_collateral *collateral[] = { &made.collateral };
    char root[2 * 32 + 1];
    struct clo_error err;

    must(sim_tdx_make(tdx, &keys, &made, &err) && clo_evidence_new(&evidence, &err), &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&made.quote), &err),
         &err);
    clo_buffer_printf(&text, "{'cloister_policy':1,'tee':['tdx'],'roots':['%s']%s,'tdx':{%s}}",
                      clo_hex_text(clo_digest_bytes(&made.trusted), root), members, of_tdx);
    trial_quotes(&text);
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    clo_policy_pins(policy, NULL, 0, NULL, pins);
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .at = NOW,
        .roots = &made.trusted,
        .root_count = 1,
        .endorsements = { .tdx_collateral = collateral, .tdx_collateral_count = 1 },
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    snprintf(why, size, "%s", clo_appraisal_summary(appraisal));
    return clo_appraisal_status(appraisal) != CLO_CONTRAINDICATED;
}

static void test_tdx(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(tds); i++) {
        struct sim_tdx good;
        struct clo_pins pins;
        char why[400];
        sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, &good);
        bool accepted = accepts_td(&good, tds[i].members, tds[i].tdx, &pins, why, sizeof why);
        if (accepted != (tds[i].unmet == NULL))
            fail_msg("%s: %s", tds[i].name, why);
        if (tds[i].unmet != NULL) {
            CHECK(strstr(pins.unmet, tds[i].unmet) != NULL, pins.unmet);
            continue;
        }
        CHECK(pins.unmet[0] == '\0', pins.unmet);
        for (unsigned k = 0; k < CLO_ASPECT_COUNT; k++) {
            enum clo_aspect aspect = (enum clo_aspect)k;
            enum clo_pin_status expected = lists(tds[i].open, aspect)     ? CLO_PIN_OPEN
                                           : lists(tds[i].partly, aspect) ? CLO_PIN_PARTLY
                                                                          : CLO_PIN_PINNED;
            struct sim_tdx changed = good;
            struct clo_pins again;
            if (pins.items[k].status != expected)
                fail_msg("%s: %s is %s: %s", tds[i].name, clo_aspect_name(aspect),
                         clo_pin_status_name(pins.items[k].status), pins.items[k].text);
            if (!change_td(&changed, aspect))
                continue;
            accepted = accepts_td(&changed, tds[i].members, tds[i].tdx, &again, why, sizeof why);
            /* An older number passes where a floor is there and another status opens it. */
            if (aspect == CLO_ASPECT_TCB && strstr(tds[i].tdx, "tcb_status") != NULL)
                continue;
            if (expected != CLO_PIN_PARTLY && accepted != (expected == CLO_PIN_OPEN))
                fail_msg("%s: %s: said to be %s: %s", tds[i].name, clo_aspect_name(aspect),
                         clo_pin_status_name(expected), why);
        }
    }
}

/* --- The rest --- */

/* Several ways: of each aspect the worst is told. */
static void test_worst(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *strict = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_pins_context context = { .has_disk = true, .has_instance = true };
    struct clo_pins pins;
    struct clo_error err;

    (void)state;
    clo_buffer_text(&text,
                    "{'cloister_policy':1,'tee':['snp','tdx'],'roots':['amd','intel'],"
                    "'snp':{'measurement':['" HEX48("ab") "'],'minimum_tcb':{'snp':8}" COVERS_ALL
                                                          "},'tdx':{" MRTD RTMR0 RTMR1
                                                          ",'rtmr2':'any','allow_debug':true}}");
    trial_quotes(&text);
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    clo_policy_pins(policy, NULL, 0, &context, &pins);
    CHECK(pins.items[CLO_ASPECT_DEBUG].status == CLO_PIN_OPEN, "of TDX");
    CHECK(pins.items[CLO_ASPECT_PROGRAM].status == CLO_PIN_OPEN, "of TDX");
    CHECK(pins.items[CLO_ASPECT_FIRMWARE].status == CLO_PIN_PINNED, "of both");
    CHECK(pins.items[CLO_ASPECT_TCB].status == CLO_PIN_OPEN, "no number");
    CHECK(pins.items[CLO_ASPECT_REVOCATION].status == CLO_PIN_OPEN, "of SEV-SNP");
    CHECK(pins.items[CLO_ASPECT_ROOTS].status == CLO_PIN_PINNED, "the makers'");
    CHECK(pins.items[CLO_ASPECT_STATE].status == CLO_PIN_PINNED &&
                  pins.items[CLO_ASPECT_INSTANCE].status == CLO_PIN_PINNED,
          "said outside");
    CHECK(clo_pins_open(&pins, CLO_PIN_MUST) == 3, "program, command line, debug");
    must(clo_policy_strict(&strict, &err), &err);
    clo_policy_pins(strict, NULL, 0, NULL, &pins);
    CHECK(pins.unmet[0] == '\0' && clo_pins_open(&pins, CLO_PIN_MUST) == 3, "the built-in one");
}

/* Where one of two alternatives says nothing about a register, the evidence may choose that one. */
static void test_alternatives(void **state)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    const struct trial trial = { .members = "" };
    const struct clo_reference *const references[] = { full, reference };
    struct clo_pins pins;

    (void)state;
    parse(&trial, &policy);
    clo_policy_pins(policy, references, 2, NULL, &pins);
    CHECK(pins.items[CLO_ASPECT_HOST_INPUTS].status == CLO_PIN_PARTLY,
          pins.items[CLO_ASPECT_HOST_INPUTS].text);
    clo_policy_pins(policy, references, 1, NULL, &pins);
    CHECK(pins.items[CLO_ASPECT_HOST_INPUTS].status == CLO_PIN_PINNED,
          pins.items[CLO_ASPECT_HOST_INPUTS].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),
        cmocka_unit_test(test_tdx),
        cmocka_unit_test(test_worst),
        cmocka_unit_test(test_alternatives),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
