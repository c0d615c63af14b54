#include "cloister/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/explain/explain_internal.h"
#include "lib/tcg/event_facts.h"

#define EVENTS_MAX   4096
#define DIGEST_SHOWN 8 /* bytes: enough to tell two apart */

struct actual {
    struct clo_digest digest;
    const struct clo_event *event;        /* one of the firmware's log, or NULL */
    const struct clo_userlog_event *user; /* one of user space's, or NULL */
};

/* How a log names the register: a CCEL counts RTMR 0 as 1, after MRTD. */
static unsigned logged_as(unsigned reg)
{
    return clo_register_is_rtmr(reg) ? reg - CLO_REGISTER_RTMR(0) + 1 : reg;
}

static size_t collect(const struct clo_eventlog *log, const struct clo_userlog *userlog,
                      enum clo_hash hash, unsigned pcr, struct actual *out)
{
    size_t count = 0;

    for (size_t i = 0; log != NULL && i < clo_eventlog_count(log) && count < EVENTS_MAX; i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        if (event->pcr == logged_as(pcr) && event->type != CLO_EV_NO_ACTION &&
            clo_event_digest(event, hash, &out[count].digest))
            out[count++].event = event;
    }
    for (size_t i = 0; userlog != NULL && i < clo_userlog_count(userlog) && count < EVENTS_MAX;
         i++) {
        const struct clo_userlog_event *event = clo_userlog_at(userlog, i);
        unsigned reg =
                event->kind == CLO_USERLOG_RTMR ? CLO_REGISTER_RTMR(event->index) : event->pcr;
        for (size_t k = 0; reg == pcr && k < event->digest_count; k++) {
            if (event->digests[k].hash == hash && count < EVENTS_MAX) {
                out[count].digest = event->digests[k];
                out[count++].user = event;
            }
        }
    }
    return count;
}

static void describe(const struct actual *actual, enum clo_hash hash, struct clo_buffer *out)
{
    if (actual == NULL) {
        clo_buffer_text(out, "an event");
        return;
    }
    if (actual->user != NULL) {
        clo_buffer_printf(out, "%s%s%s%s",
                          actual->user->type == NULL ? "event" : actual->user->type,
                          actual->user->text == NULL ? "" : " \"",
                          actual->user->text == NULL ? "" : actual->user->text,
                          actual->user->text == NULL ? "" : "\"");
        return;
    }
    const char *type = clo_event_type_name(actual->event->type);
    clo_buffer_printf(out, "%s \"", type == NULL ? "event" : type);
    clo_event_describe(actual->event, out);
    clo_buffer_text(out, clo_event_data_is_measured(actual->event, hash)
                                 ? "\""
                                 : "\" (the log's own words)");
}

static bool is_expected(const struct clo_reference_event *event, const struct actual *actual)
{
    for (size_t i = 0; i < event->digest_count; i++)
        if (clo_digest_equal(&event->digests[i], &actual->digest))
            return true;
    return false;
}

static void append_expected(const struct clo_reference_event *event, struct clo_buffer *out)
{
    clo_buffer_text(out, event->name);
    if (event->text != NULL)
        clo_buffer_printf(out, " \"%.300s\"", event->text);
}

/* Another value of the same variable? Digests alone do not say what stands for what. */
static bool is_same_variable(const struct clo_reference_event *expected,
                             const struct actual *actual)
{
    const char *type = actual->event == NULL ? NULL : clo_event_type_name(actual->event->type);

    if (type == NULL || strcmp(type, expected->type) != 0)
        return false;
    CLO_CLEANUP(clo_json_freep) json_t *logged = event_facts(actual->event);
    CLO_CLEANUP(clo_json_freep) json_t *wanted = explain_facts(expected);
    return explain_is_same_variable(wanted, logged);
}

/* Neither event recurs unchanged. Does the same variable appear later? */
static enum clo_difference align(const struct clo_explain_inputs *in, const struct actual *actual,
                                 size_t count, size_t at,
                                 const struct clo_reference_event *expected)
{
    struct clo_reference_event later;
    const char *type =
            actual[at].event == NULL ? NULL : clo_event_type_name(actual[at].event->type);

    if (type == NULL || !explain_is_variable(type) || !explain_is_variable(expected->type) ||
        is_same_variable(expected, &actual[at]))
        return CLO_DIFFERENCE_CHANGED;
    for (size_t k = at + 1; clo_reference_event_at(in->reference, in->pcr, in->phase, k, &later);
         k++)
        if (is_same_variable(&later, &actual[at]))
            return CLO_DIFFERENCE_MISSING;
    for (size_t k = at + 1; k < count; k++)
        if (is_same_variable(expected, &actual[k]))
            return CLO_DIFFERENCE_UNEXPECTED;
    return CLO_DIFFERENCE_CHANGED;
}

/* The type of what differs: of what was expected, where something was. */
static const char *type_of(const struct clo_reference_event *expected, const struct actual *actual)
{
    if (expected != NULL)
        return expected->type;
    return actual == NULL || actual->event == NULL ? NULL
                                                   : clo_event_type_name(actual->event->type);
}

/* Where the two lists part, and how. */
static enum clo_difference compare(const struct clo_explain_inputs *in, const struct actual *actual,
                                   size_t count, size_t *at)
{
    struct clo_reference_event expected;
    struct clo_reference_event later;
    size_t i = 0;

    while (i < count && clo_reference_event_at(in->reference, in->pcr, in->phase, i, &expected) &&
           is_expected(&expected, &actual[i]))
        i++;
    *at = i;
    bool has_expected = clo_reference_event_at(in->reference, in->pcr, in->phase, i, &expected);
    if (i == count)
        return has_expected ? CLO_DIFFERENCE_MISSING : CLO_DIFFERENCE_NONE;
    if (!has_expected)
        return CLO_DIFFERENCE_UNEXPECTED;
    for (size_t k = i + 1; clo_reference_event_at(in->reference, in->pcr, in->phase, k, &later);
         k++)
        if (is_expected(&later, &actual[i]))
            return CLO_DIFFERENCE_MISSING;
    for (size_t k = i + 1; k < count; k++)
        if (is_expected(&expected, &actual[k]))
            return CLO_DIFFERENCE_UNEXPECTED;
    return align(in, actual, count, i, &expected);
}

/* What the logged events lead to. */
static struct clo_digest replay(const struct actual *actual, size_t count, enum clo_hash hash,
                                unsigned pcr, uint8_t locality)
{
    struct clo_pcr_bank bank;

    clo_pcr_reset(&bank, hash);
    if (pcr == 0)
        bank.values[0].bytes[clo_hash_size(hash) - 1] = locality;
    for (size_t i = 0; i < count; i++)
        clo_pcr_extend(&bank, logged_as(pcr), &actual[i].digest);
    return bank.values[logged_as(pcr)];
}

/* Its text, where the digest proves that it was measured; false if there is none. */
static bool append_proven(const struct actual *actual, enum clo_hash hash, struct clo_buffer *out)
{
    if (actual->user != NULL) {
        struct clo_digest digest;
        if (actual->user->text == NULL)
            return false;
        clo_hash(hash, clo_bytes_text(actual->user->text), &digest);
        if (!clo_digest_equal(&digest, &actual->digest))
            return false;
        clo_buffer_text(out, actual->user->text);
        return true;
    }
    if (!clo_event_data_is_measured(actual->event, hash))
        return false;
    clo_event_describe(actual->event, out);
    return true;
}

static void append_digest(const struct clo_digest *digest, struct clo_buffer *out)
{
    clo_hex_write(clo_bytes_slice(clo_digest_bytes(digest), 0, DIGEST_SHOWN), out);
    clo_buffer_text(out, "…");
}

/* What the log itself says of an event that nothing proves. */
static void append_claim(const struct clo_reference_event *expected, const struct actual *actual,
                         struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (actual->event == NULL)
        return;
    clo_event_describe(actual->event, &text);
    const char *string = clo_buffer_string(&text);
    if (string != NULL && *string != '\0' && strcmp(string, expected->name) != 0)
        clo_buffer_printf(out, " (the log says: \"%.100s\")", string);
}

/* NAME is "…", expected "…"; with digests where a text is not known. */
static void tell_changed(const struct clo_reference_event *expected, const struct actual *actual,
                         enum clo_hash hash, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (append_proven(actual, hash, &text)) {
        clo_buffer_printf(out, "%s is \"%.150s\"", expected->name, clo_buffer_string(&text));
    } else {
        clo_buffer_printf(out, "%s differs: its digest is ", expected->name);
        append_digest(&actual->digest, out);
        append_claim(expected, actual, out);
    }
    clo_buffer_text(out, ", expected ");
    if (expected->text != NULL)
        clo_buffer_printf(out, "\"%.150s\"", expected->text);
    for (size_t i = 0; expected->text == NULL && i < expected->digest_count; i++)
        if (expected->digests[i].hash == hash)
            append_digest(&expected->digests[i], out);
}

/* Of a partition table or signature lists both sides may be known: then how they differ is told, not
 * guessed. */
static bool append_how(const struct clo_reference_event *expected, const struct actual *actual,
                       enum clo_hash hash, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer logged = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer how = { 0 };

    bool is_table = strcmp(expected->type, "EV_EFI_GPT_EVENT") == 0;
    bool is_lists = strcmp(expected->type, "EV_EFI_VARIABLE_DRIVER_CONFIG") == 0;

    if ((!is_table && !is_lists) || !append_proven(actual, hash, &logged))
        return false;
    const char *text = clo_buffer_string(&logged);
    CLO_CLEANUP(clo_json_freep) json_t *was = explain_facts(expected);
    CLO_CLEANUP(clo_json_freep) json_t *is = event_facts(actual->event);
    bool is_same_text = expected->text != NULL && text != NULL && strcmp(text, expected->text) == 0;
    if (is_table ? !explain_table(was, is, is_same_text, &how) : !explain_lists(was, is, &how))
        return false;
    clo_buffer_printf(out, " (%s)", clo_buffer_string(&how));
    return true;
}

/* What user space measures on its own account, in whatever register. */
static const char *user_cause(const struct clo_userlog_event *user)
{
    static const struct {
        const char *text;
        const char *cause;
    } causes[] = {
        { "os-separator", "the initrd carries systemd's separator service (261 and later), which "
                          "measures into PCR 0 to 7, 9 and 12 to 14" },
        { "nvpcr-separator", "systemd (259 and later) keeps registers of its own in the TPM" },
        { "nvpcr-init:", "systemd (259 and later) keeps registers of its own in the TPM" },
    };

    for (size_t i = 0; user->text != NULL && i < CLO_COUNT(causes); i++)
        if (strncmp(user->text, causes[i].text, strlen(causes[i].text)) == 0)
            return causes[i].cause;
    return NULL;
}

/* By what differs: what was expected, where something was. */
static void append_cause(unsigned pcr, const struct clo_reference_event *expected,
                         const struct actual *actual, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer logged = { 0 };
    const char *name = expected == NULL ? NULL : expected->name;

    if (expected == NULL && actual != NULL && actual->event != NULL) {
        clo_event_describe(actual->event, &logged);
        name = clo_buffer_string(&logged);
    }
    const char *cause = actual != NULL && actual->user != NULL ? user_cause(actual->user) : NULL;
    if (cause == NULL)
        cause = explain_cause(pcr, type_of(expected, actual), name);
    if (cause != NULL)
        clo_buffer_printf(out, " (usually: %s)", cause);
}

static void tell(const struct clo_explain_inputs *in, enum clo_difference difference,
                 const struct actual *actual, const struct clo_reference_event *wanted,
                 struct clo_buffer *out)
{
    const struct clo_reference_event nothing = { .name = "event" };
    const struct clo_reference_event *expected = wanted == NULL ? &nothing : wanted;

    switch (difference) {
    case CLO_DIFFERENCE_NONE:
        clo_buffer_text(out, "as expected");
        return;
    case CLO_DIFFERENCE_UNLOGGED:
        clo_buffer_text(out, "its value is not what the log adds up to: something was measured "
                             "and not logged");
        return;
    case CLO_DIFFERENCE_UNKNOWN:
        clo_buffer_text(out, "is not the expected value, and no event tells why");
        break;
    case CLO_DIFFERENCE_MISSING:
        clo_buffer_text(out, "missing event: ");
        append_expected(expected, out);
        break;
    case CLO_DIFFERENCE_UNEXPECTED:
        clo_buffer_text(out, "unexpected event: ");
        describe(actual, in->hash, out);
        break;
    case CLO_DIFFERENCE_CHANGED:
        tell_changed(expected, actual, in->hash, out);
        if (append_how(expected, actual, in->hash, out))
            return;
        break;
    }
    append_cause(in->pcr, difference == CLO_DIFFERENCE_UNEXPECTED ? NULL : wanted, actual, out);
}

static bool has_bank(const struct clo_eventlog *log, enum clo_hash hash)
{
    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++)
        if (clo_eventlog_algorithm(log, i) == hash)
            return true;
    return false;
}

/* Digests of another bank would make every event differ. */
static bool check_bank(const struct clo_explain_inputs *in, struct clo_error *err)
{
    struct clo_reference_event event;

    if (!clo_reference_event_at(in->reference, in->pcr, in->phase, 0, &event) ||
        event.digest_count == 0)
        return true;
    for (size_t i = 0; i < event.digest_count; i++)
        if (event.digests[i].hash == in->hash)
            return true;
    return clo_fail(err, CLO_ERR_FORMAT, "the reference has no %s digests",
                    clo_hash_name(in->hash));
}

/* How the register differs from what the reference says of it. */
static enum clo_difference judge(const struct clo_explain_inputs *in,
                                 const struct clo_digest *expected, const struct actual *actual,
                                 size_t count, size_t *at)
{
    bool has_log = in->log != NULL || in->userlog != NULL;
    uint8_t locality = in->log == NULL ? 0 : clo_eventlog_startup_locality(in->log);
    struct clo_digest logged = replay(actual, count, in->hash, in->pcr, locality);
    const struct clo_digest *value = in->actual != NULL ? in->actual : &logged;

    if (!has_log && in->actual == NULL)
        return CLO_DIFFERENCE_UNKNOWN;
    if (expected != NULL && clo_digest_equal(value, expected))
        return CLO_DIFFERENCE_NONE;
    if (has_log && !clo_digest_equal(value, &logged))
        return CLO_DIFFERENCE_UNLOGGED;
    if (!has_log || !clo_reference_lists_events(in->reference, in->pcr))
        return CLO_DIFFERENCE_UNKNOWN;
    enum clo_difference difference = compare(in, actual, count, at);
    /* Every event as expected and yet another value: PCR 0 began with another locality. */
    return difference == CLO_DIFFERENCE_NONE && expected != NULL ? CLO_DIFFERENCE_UNKNOWN
                                                                 : difference;
}

bool clo_explain(const struct clo_explain_inputs *in, struct clo_explanation *out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct actual *actual = calloc(EVENTS_MAX, sizeof *actual);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_explanation explanation = { .difference = CLO_DIFFERENCE_UNKNOWN };
    struct clo_digest expected;
    char name[CLO_REGISTER_NAME];

    if (actual == NULL)
        return clo_out_of_memory(err);
    /* Without its digests a log looks like one that measured nothing. */
    if (in->log != NULL && !has_bank(in->log, in->hash))
        return clo_fail(err, CLO_ERR_FORMAT, "the event log has no %s digests",
                        clo_hash_name(in->hash));
    bool has_value = clo_reference_value(in->reference, in->hash, in->pcr, in->phase, &expected);
    clo_register_name(in->pcr, name);
    if (!has_value && !clo_reference_lists_events(in->reference, in->pcr))
        return clo_fail(err, CLO_ERR_USAGE, "%s: the reference says nothing of it", name);
    if (!has_value && !check_bank(in, err))
        return clo_wrap(err, "%s", name);
    size_t count = collect(in->log, in->userlog, in->hash, in->pcr, actual);
    explanation.difference =
            judge(in, has_value ? &expected : NULL, actual, count, &explanation.event);
    const struct actual *logged = explanation.event < count ? &actual[explanation.event] : NULL;
    explanation.logged = logged == NULL ? NULL : logged->event;
    explanation.has_expected = clo_reference_event_at(in->reference, in->pcr, in->phase,
                                                      explanation.event, &explanation.expected);
    clo_buffer_printf(&text, "%s: ", name);
    tell(in, explanation.difference, logged,
         explanation.has_expected ? &explanation.expected : NULL, &text);
    const char *string = clo_buffer_string(&text);
    if (string == NULL)
        return clo_out_of_memory(err);
    snprintf(explanation.text, sizeof explanation.text, "%s", string);
    clo_sanitize(explanation.text);
    *out = explanation;
    return true;
}
