/* A real TD's quote and event log (shared/vectors/tdx-eventlog, gce-cos-113-with-quote), held against
 * reference values and against rules, with one thing changed at a time. */
#include "cloister/appraise.h"

#include "eventlog_maker.h"
#include "vectors.h"

#define FOLDER "tdx-eventlog/gce-cos-113-with-quote/"

struct guest {
    struct clo_buffer quote, ccel;
    struct clo_evidence *evidence;
    struct clo_eventlog *log;
    struct clo_reference *reference; /* of the log, and MRTD of the quote */
    struct clo_appraisal *appraisal;
};

static void guest_free(struct guest *guest)
{
    clo_appraisal_free(guest->appraisal);
    clo_reference_free(guest->reference);
    clo_eventlog_free(guest->log);
    clo_evidence_free(guest->evidence);
    clo_buffer_free(&guest->quote);
    clo_buffer_free(&guest->ccel);
}

/* With "rtmrN" changed to zeros in the values, where `changed` names one. */
static struct clo_reference *make_reference(const struct guest *guest, const char *changed)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *plain = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference *reference;
    struct clo_tdx_quote quote;
    struct clo_error err;

    CHECK(clo_reference_from_ccel("gce", NULL, guest->log, &plain, &err), err.text);
    CHECK(clo_tdx_parse(clo_buffer_bytes(&guest->quote), &quote, &err), err.text);
    json = json_deep_copy(clo_reference_json(plain));
    json_t *tdx = json_object_get(json, "tdx");
    json_object_set_new(tdx, "mr_td",
                        json_pack("{s:o}", "single-pass", clo_json_hex(quote.body.mr_td)));
    if (changed != NULL && strcmp(changed, "mr_td") == 0) {
        json_object_set_new(tdx, "mr_td",
                            json_pack("{s:o}", "single-pass", clo_json_hex(quote.body.rtmr[0])));
    } else if (changed != NULL) {
        json_object_set_new(tdx, changed, clo_json_hex(quote.body.mr_td));
        json_object_del(json_object_get(json, "events"), changed);
    }
    CHECK(clo_json_write(json, &text, &err), err.text);
    CHECK(clo_reference_parse(clo_buffer_bytes(&text), &reference, &err), err.text);
    return reference;
}

static void guest_load(struct guest *guest, bool with_log)
{
    struct clo_error err;

    read_vector(FOLDER "quote.bin", &guest->quote);
    read_vector(FOLDER "ccel_data.bin", &guest->ccel);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&guest->ccel), &guest->log, &err), err.text);
    CHECK(clo_evidence_new(&guest->evidence, &err), err.text);
    CHECK(clo_evidence_add(guest->evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&guest->quote),
                           &err),
          err.text);
    if (with_log)
        CHECK(clo_evidence_add(guest->evidence, CLO_EVIDENCE_TDX_CCEL,
                               clo_buffer_bytes(&guest->ccel), &err),
              err.text);
}

static void appraise(struct guest *guest, const struct clo_reference *reference,
                     const struct clo_policy *policy)
{
    struct clo_appraise_inputs inputs = {
        .policy = policy,
        .references = &reference,
        .reference_count = reference == NULL ? 0 : 1,
        .at = 1725148800, /* 2024-09-01 */
        .without_tcb = true,
    };
    struct clo_error err;

    clo_appraisal_freep(&guest->appraisal);
    CHECK(clo_appraise(guest->evidence, &inputs, &guest->appraisal, &err), err.text);
}

static enum clo_check_result result(const struct guest *guest, const char *id)
{
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(guest->appraisal), id);

    if (check == NULL)
        fail_msg("there is no check %s", id);
    return check->result;
}

static bool has(const struct guest *guest, const char *id)
{
    return clo_checks_get(clo_appraisal_checks(guest->appraisal), id) != NULL;
}

static void test_references(void **state)
{
    static const char *const ids[] = { "mr_td", "rtmr.0", "rtmr.1", "rtmr.2", "rtmr.3" };
    static const char *const registers[] = { "mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };

    (void)state;
    guest_load(&guest, true);
    guest.reference = make_reference(&guest, NULL);
    appraise(&guest, guest.reference, NULL);
    for (size_t i = 0; i < CLO_COUNT(ids); i++)
        CHECK(result(&guest, ids[i]) == CLO_CHECK_PASS, ids[i]);
    CHECK(clo_appraisal_status(guest.appraisal) == CLO_WARNING, "its TCB was not evaluated");
    for (size_t i = 0; i < CLO_COUNT(ids); i++) {
        CLO_CLEANUP(clo_reference_freep)
        struct clo_reference *other = make_reference(&guest, registers[i]);
        appraise(&guest, other, NULL);
        for (size_t k = 0; k < CLO_COUNT(ids); k++)
            CHECK(result(&guest, ids[k]) == (i == k ? CLO_CHECK_FAIL : CLO_CHECK_PASS), ids[k]);
        CHECK(clo_appraisal_status(guest.appraisal) == CLO_CONTRAINDICATED, registers[i]);
    }
}

/* A reference that says nothing of a TD cannot be held against it, and that is not a pass. */
static void test_foreign_reference(void **state)
{
    static const char text[] = "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
                               "\"events\":{},\"pcrs\":{}}";
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    struct clo_error err;

    (void)state;
    guest_load(&guest, true);
    CHECK(clo_reference_parse(clo_bytes_text(text), &guest.reference, &err), err.text);
    appraise(&guest, guest.reference, NULL);
    CHECK(result(&guest, "rtmr") == CLO_CHECK_FAIL, "nothing is known");
}

/* The explanation names the event, with both sides. */
static void test_explained(void **state)
{
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest value;
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    guest_load(&guest, true);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *plain = make_reference(&guest, NULL);
    json = json_deep_copy(clo_reference_json(plain));
    json_t *list = json_object_get(json_object_get(json, "events"), "rtmr1");
    json_t *event = json_array_get(list, 2); /* the partition table */
    clo_hash(CLO_HASH_SHA384, clo_bytes_text("another"), &value);
    json_object_set_new(json_object_get(event, "digests"), "sha384",
                        clo_json_hex(clo_digest_bytes(&value)));
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    for (size_t i = 0; i < json_array_size(list); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_digest digest = { .hash = CLO_HASH_SHA384 };
        from_hex(json_string_value(json_object_get(
                         json_object_get(json_array_get(list, i), "digests"), "sha384")),
                 &bytes);
        memcpy(digest.bytes, bytes.data, 48);
        clo_pcr_extend(&bank, 0, &digest);
    }
    json_object_set_new(json_object_get(json, "tdx"), "rtmr1",
                        clo_json_hex(clo_digest_bytes(&bank.values[0])));
    CHECK(clo_json_write(json, &text, &err), err.text);
    CHECK(clo_reference_parse(clo_buffer_bytes(&text), &guest.reference, &err), err.text);
    appraise(&guest, guest.reference, NULL);
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(guest.appraisal), "rtmr.1");
    CHECK(check->result == CLO_CHECK_FAIL, "rtmr.1");
    CHECK(strstr(check->detail, "12 partitions") != NULL &&
                  strstr(check->detail, "another partition table") != NULL,
          check->detail);
    CHECK(strcmp(clo_appraisal_summary(guest.appraisal), check->detail) == 0, "the summary");
}

/* --- Rules --- */

/* A rule for each event of the log, by its digest. */
static json_t *rules_of(const struct guest *guest, unsigned rtmr)
{
    json_t *list = json_array();

    for (size_t i = 0; i < clo_eventlog_count(guest->log); i++) {
        const struct clo_event *event = clo_eventlog_at(guest->log, i);
        struct clo_digest digest;
        if (event->pcr != rtmr + 1 || event->type == CLO_EV_NO_ACTION)
            continue;
        CHECK(clo_event_digest(event, CLO_HASH_SHA384, &digest), "digest");
        json_array_append_new(list,
                              json_pack("{s:s, s:[o]}", "type", clo_event_type_name(event->type),
                                        "digests", clo_json_hex(clo_digest_bytes(&digest))));
    }
    return list;
}

static struct clo_policy *make_policy(const struct guest *guest, json_t *rules)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_policy *policy;
    struct clo_tdx_quote quote;
    struct clo_error err;

    CHECK(clo_tdx_parse(clo_buffer_bytes(&guest->quote), &quote, &err), err.text);
    json = json_pack("{s:i, s:[s], s:[s], s:{s:b, s:[o], s:O}}", "cloister_policy", 1, "tee", "tdx",
                     "roots", "intel", "tdx", "allow_unevaluated_tcb", 1, "mr_td",
                     clo_json_hex(quote.body.mr_td), "ccel", rules);
    CHECK(clo_json_write(json, &text, &err), err.text);
    CHECK(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), err.text);
    return policy;
}

static void test_rules(void **state)
{
    static const char *const ids[] = { "policy.ccel.rtmr0", "policy.ccel.rtmr1",
                                       "policy.ccel.rtmr2" };
    static const char *const keys[] = { "rtmr0", "rtmr1", "rtmr2" };
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *rules = json_object();

    (void)state;
    guest_load(&guest, true);
    for (unsigned n = 0; n < 3; n++)
        json_object_set_new(rules, keys[n], rules_of(&guest, n));
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = make_policy(&guest, rules);
    appraise(&guest, NULL, policy);
    for (unsigned n = 0; n < 3; n++) {
        char id[] = "policy.rtmr0";
        id[11] = (char)('0' + n);
        CHECK(result(&guest, ids[n]) == CLO_CHECK_PASS, ids[n]);
        CHECK(!has(&guest, id), "its events account for it");
    }
    /* Without the last rule of one register, that one is denied, and no longer accounted for. */
    for (unsigned n = 0; n < 3; n++) {
        CLO_CLEANUP(clo_json_freep) json_t *fewer = json_deep_copy(rules);
        char id[] = "policy.rtmr0";
        id[11] = (char)('0' + n);
        json_t *list = json_object_get(fewer, keys[n]);
        json_array_remove(list, json_array_size(list) - 1);
        CLO_CLEANUP(clo_policy_freep) struct clo_policy *other = make_policy(&guest, fewer);
        appraise(&guest, NULL, other);
        for (unsigned k = 0; k < 3; k++)
            CHECK(result(&guest, ids[k]) == (k == n ? CLO_CHECK_FAIL : CLO_CHECK_PASS), ids[k]);
        CHECK(result(&guest, id) == CLO_CHECK_FAIL, id);
        CHECK(clo_appraisal_status(guest.appraisal) == CLO_CONTRAINDICATED, "denied");
    }
    /* A register that no rule names is denied. */
    json_object_del(rules, "rtmr2");
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *two = make_policy(&guest, rules);
    appraise(&guest, NULL, two);
    CHECK(!has(&guest, "policy.ccel.rtmr2"), "no rules");
    CHECK(result(&guest, "policy.rtmr2") == CLO_CHECK_FAIL, "denied");
}

/* Rules cannot be met by a log that is not there, or not this quote's. */
static void test_false_log(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *rules = json_object();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_error err;

    (void)state;
    guest_load(&guest, false);
    json_object_set_new(rules, "rtmr2", rules_of(&guest, 2));
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = make_policy(&guest, rules);
    appraise(&guest, NULL, policy);
    CHECK(result(&guest, "policy.ccel") == CLO_CHECK_FAIL, "no log");
    log_header(&made, &bank, 1);
    CHECK(clo_evidence_add(guest.evidence, CLO_EVIDENCE_TDX_CCEL, clo_buffer_bytes(&made), &err),
          err.text);
    json_object_set_new(rules, "rtmr2", json_array());
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *none = make_policy(&guest, rules);
    appraise(&guest, NULL, none);
    CHECK(result(&guest, "policy.ccel.rtmr2") == CLO_CHECK_FAIL, "a log of nothing");
}

/* What the policy itself says of a register goes before a reference value. */
static void test_policy_decides(void **state)
{
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *rules = json_object();

    (void)state;
    guest_load(&guest, true);
    json_object_set_new(rules, "rtmr2", rules_of(&guest, 2));
    guest.reference = make_reference(&guest, "rtmr2");
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = make_policy(&guest, rules);
    appraise(&guest, guest.reference, policy);
    CHECK(result(&guest, "rtmr.2") == CLO_CHECK_SKIP, "differs from the reference");
    CHECK(result(&guest, "policy.ccel.rtmr2") == CLO_CHECK_PASS, "its events are allowed");
    CHECK(!has(&guest, "policy.rtmr0") && !has(&guest, "policy.rtmr2"), "accounted for");
}

/* Where it says nothing, and where it is the built-in one, a reference value that differs is a refusal;
 * also where it allows any MRTD. */
static void test_reference_decides(void **state)
{
    CLO_CLEANUP(guest_free) struct guest guest = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *rules = json_object();
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *strict = NULL;
    struct clo_error err;

    (void)state;
    guest_load(&guest, true);
    json_object_set_new(rules, "rtmr2", rules_of(&guest, 2));
    guest.reference = make_reference(&guest, "rtmr1");
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = make_policy(&guest, rules);
    appraise(&guest, guest.reference, policy);
    CHECK(result(&guest, "rtmr.1") == CLO_CHECK_FAIL, "the policy says nothing of it");
    CHECK(result(&guest, "policy.rtmr1") == CLO_CHECK_FAIL, "so it is not accounted for");
    CHECK(clo_policy_strict(&strict, &err), err.text);
    appraise(&guest, guest.reference, strict);
    CHECK(result(&guest, "rtmr.1") == CLO_CHECK_FAIL, "the built-in policy decides nothing");
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *other = make_reference(&guest, "mr_td");
    appraise(&guest, other, strict);
    CHECK(result(&guest, "mr_td") == CLO_CHECK_FAIL, "nor of MRTD");
    appraise(&guest, other, policy);
    CHECK(result(&guest, "mr_td") == CLO_CHECK_SKIP, "a policy that names MRTD does");
    CHECK(result(&guest, "policy.mr_td") == CLO_CHECK_PASS, "it is the one that is named");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),        cmocka_unit_test(test_foreign_reference),
        cmocka_unit_test(test_explained),         cmocka_unit_test(test_rules),
        cmocka_unit_test(test_false_log),         cmocka_unit_test(test_policy_decides),
        cmocka_unit_test(test_reference_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
