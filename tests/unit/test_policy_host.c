/* What an image may take from its host: the appraisal refuses what the policy does not name, and the linter says of
 * the same policy and reference values what comes of it. */
#include "cloister/policy_pins.h"

#include "trial.h"

static struct scene scene;

static int set_up(void **state)
{
    (void)state;
    scene_init(&scene);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_free(&scene);
    return 0;
}

/* The scene's own, with what the image takes; NULL: it does not say. */
static struct clo_reference *reference_with(const char *words)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *plain = make_reference();
    CLO_CLEANUP(clo_json_freep) json_t *json = json_deep_copy(clo_reference_json(plain));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference *out;
    struct clo_error err;

    if (words != NULL)
        json_object_set_new(json, "host_inputs", json_loads(words, 0, NULL));
    must(clo_json_write(json, &text, &err), &err);
    must(clo_reference_parse(clo_buffer_bytes(&text), &out, &err), &err);
    return out;
}

#define ASKED_FOR_NOTHING "the policy does not name it"
#define NOBODY_SAYS       "no reference value says what the image takes"
#define PCRS              ",'pcrs':[0,4,11,12]"

static const struct {
    const char *name, *members, *words;
    const char *refused; /* NULL: it is accepted */
    const char *unmet;   /* of the linter; NULL: it can be fulfilled */
    const char *said;    /* of the aspect; NULL: nothing about the words */
} cases[] = {
    { "not said, and nothing taken", PCRS, "[]", NULL, NULL, NULL },
    { "not said by anybody", PCRS, NULL, NULL, NULL, NULL },
    { "not said, and cloud-init taken", PCRS, "[\"cloud-init\"]", ASKED_FOR_NOTHING,
      "takes \"cloud-init\" from its host", NULL },
    { "nothing, and nothing taken", PCRS ",'host_inputs':[]", "[]", NULL, NULL, NULL },
    { "nothing, and a port that is fed", PCRS ",'host_inputs':[]", "[\"report\"]", NULL, NULL,
      NULL },
    { "nothing, and a disk taken", PCRS ",'host_inputs':[]", "[\"report\",\"disks\"]",
      ASKED_FOR_NOTHING, "takes \"disks\" from its host", NULL },
    { "nothing, and nobody says", PCRS ",'host_inputs':[]", NULL, NOBODY_SAYS,
      "no reference value says", NULL },
    { "one word, and that one taken", PCRS ",'host_inputs':['cloud-init']", "[\"cloud-init\"]",
      NULL, NULL, "as \"host_inputs\" allows: cloud-init" },
    { "one word, and one more taken", PCRS ",'host_inputs':['cloud-init']",
      "[\"cloud-init\",\"cmdline\"]", ASKED_FOR_NOTHING, "takes \"cmdline\"", NULL },
    { "one word, and another that begins so", PCRS ",'host_inputs':['smbios-credential:a']",
      "[\"smbios-credential:ab\"]", ASKED_FOR_NOTHING, "takes \"smbios-credential:ab\"", NULL },
    { "any, and a command line taken", PCRS ",'host_inputs':'any'", "[\"cmdline\"]", NULL, NULL,
      "\"host_inputs\" is \"any\"" },
    { "any, and nobody says", PCRS ",'host_inputs':'any'", NULL, NULL, NULL,
      "\"host_inputs\" is \"any\"" },
};

static void check_linter(size_t i, const struct trial *trial)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_pins pins;
    struct clo_error err;

    scene_reset(&scene);
    trial_policy(&scene, trial, &text);
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    clo_policy_pins(policy, &trial->reference, 1, NULL, &pins);
    const struct clo_pin *pin = &pins.items[CLO_ASPECT_HOST_INPUTS];
    if (cases[i].unmet != NULL) {
        CHECK(strstr(pins.unmet, cases[i].unmet) != NULL, cases[i].name);
        return;
    }
    CHECK(pins.unmet[0] == '\0', cases[i].name);
    if (cases[i].said != NULL)
        CHECK(pin->status >= CLO_PIN_PARTLY && strstr(pin->text, cases[i].said) != NULL,
              cases[i].name);
    else
        CHECK(strstr(pin->text, "from its host") == NULL, cases[i].name);
}

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep)
        struct clo_reference *reference = reference_with(cases[i].words);
        struct trial trial = { .members = cases[i].members, .reference = reference };
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = trial_run(&scene, &trial);
        const char *summary = clo_appraisal_summary(appraisal);
        bool is_refused = clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED;

        if (is_refused != (cases[i].refused != NULL) ||
            (is_refused && (strstr(summary, "policy.host_inputs") == NULL ||
                            strstr(summary, cases[i].refused) == NULL)))
            fail_msg("%s: %s", cases[i].name, summary);
        check_linter(i, &trial);
    }
}

/* The built-in policy leaves it to the caller, and the verdict says what is taken. */
static void test_strict(void **state)
{
    CLO_CLEANUP(clo_reference_freep)
    struct clo_reference *reference = reference_with("[\"disks\"]");
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct trial trial = { .strict = true, .reference = reference };
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = trial_run(&scene, &trial);
    struct clo_pins pins;
    struct clo_error err;

    (void)state;
    assert_int_equal(clo_appraisal_status(appraisal), CLO_WARNING);
    must(clo_policy_strict(&policy, &err), &err);
    clo_policy_pins(policy, &trial.reference, 1, NULL, &pins);
    assert_true(pins.items[CLO_ASPECT_HOST_INPUTS].status >= CLO_PIN_PARTLY);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *member, *error;
    } bad[] = {
        { "'none'", "\"host_inputs\" is" },
        { "['']", "\"host_inputs\": item 0" },
        { "['disks',1]", "\"host_inputs\": item 1" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(bad); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_policy *policy;
        struct clo_error err;
        clo_buffer_printf(
                &text,
                "{'cloister_policy':1,'name':'a','tee':['snp'],'roots':['amd'],'host_inputs':%s}",
                bad[i].member);
        trial_quotes(&text);
        CHECK(!clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), bad[i].member);
        CHECK(strstr(err.text, bad[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
