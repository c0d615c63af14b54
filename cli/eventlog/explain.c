/* cloister eventlog explain: holds logs against reference values and names the first event of each
 * register that differs. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/eventlog/input.h"
#include "cli/inputs.h"
#include "cloister/explain.h"

struct references {
    struct clo_reference *items[CLI_LIST_MAX + 1];
    size_t count;
};

static void references_free(struct references *references)
{
    for (size_t i = 0; i < references->count; i++)
        clo_reference_free(references->items[i]);
}

static bool load_references(const struct cli_list *paths, struct references *out,
                            struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (!cli_read_reference(paths->items[i], &out->items[i], err))
            return false;
        out->count++;
    }
    return true;
}

/* The first reference that has something to say of the PCR at that point of the boot. */
static const struct clo_reference *choose(const struct references *references, enum clo_hash hash,
                                          unsigned pcr, const char *phase)
{
    struct clo_digest ignored;

    for (size_t i = 0; i < references->count; i++)
        if (clo_reference_value(references->items[i], hash, pcr, phase, &ignored) ||
            clo_reference_lists_events(references->items[i], pcr))
            return references->items[i];
    return NULL;
}

/* The first bank of the log that a reference speaks of, SHA-1 last. */
static enum clo_hash choose_bank(const struct clo_eventlog *log,
                                 const struct references *references, const char *phase)
{
    enum clo_hash best = CLO_HASH_NONE;
    struct clo_digest ignored;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        bool is_known = false;
        for (size_t k = 0; hash != CLO_HASH_NONE && k < references->count; k++)
            for (unsigned reg = 0; reg < CLO_REGISTER_RTMR(CLO_RTMR_COUNT) && !is_known; reg++)
                is_known = clo_reference_value(references->items[k], hash, reg, phase, &ignored);
        if (is_known && (best == CLO_HASH_NONE || best == CLO_HASH_SHA1))
            best = hash;
    }
    return best == CLO_HASH_NONE ? eventlog_best_bank(log) : best;
}

static const char *difference_name(enum clo_difference difference)
{
    static const char *const names[] = {
        [CLO_DIFFERENCE_NONE] = "none",
        [CLO_DIFFERENCE_CHANGED] = "changed",
        [CLO_DIFFERENCE_UNEXPECTED] = "unexpected",
        [CLO_DIFFERENCE_MISSING] = "missing",
        [CLO_DIFFERENCE_UNLOGGED] = "unlogged",
        [CLO_DIFFERENCE_UNKNOWN] = "unknown",
    };

    return (size_t)difference < CLO_COUNT(names) ? names[difference] : "unknown";
}

/* The log's side: its words, and whether its digest proves them. */
static json_t *logged_json(const struct clo_event *event, enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    struct clo_digest digest = { .hash = hash };

    clo_event_describe(event, &text);
    const char *string = clo_buffer_string(&text);
    (void)clo_event_digest(event, hash, &digest);
    return json_pack("{s:s, s:s, s:b, s:o, s:I}", "type", type == NULL ? "unknown" : type, "text",
                     string == NULL ? "" : string, "text_is_measured",
                     clo_event_data_is_measured(event, hash), "digest",
                     clo_json_hex(clo_digest_bytes(&digest)), "offset", (json_int_t)event->offset);
}

static json_t *expected_json(const struct clo_reference_event *event, enum clo_hash hash)
{
    json_t *json = json_pack("{s:s, s:s, s:s*, s:s*}", "type", event->type, "name", event->name,
                             "text", event->text, "given", event->given);

    for (size_t i = 0; i < event->digest_count; i++)
        if (event->digests[i].hash == hash)
            json_object_set_new(json, "digest", clo_json_hex(clo_digest_bytes(&event->digests[i])));
    return json;
}

static json_t *explanation_json(const struct clo_explain_inputs *inputs,
                                const struct clo_explanation *explanation)
{
    bool is_rtmr = clo_register_is_rtmr(inputs->pcr);
    bool differs = explanation->difference != CLO_DIFFERENCE_NONE;
    unsigned number = is_rtmr ? inputs->pcr - CLO_REGISTER_RTMR(0) : inputs->pcr;
    json_t *json = json_pack("{s:i, s:s, s:s}", is_rtmr ? "rtmr" : "pcr", (int)number, "difference",
                             difference_name(explanation->difference), "text", explanation->text);

    if (differs && explanation->logged != NULL)
        json_object_set_new(json, "logged", logged_json(explanation->logged, inputs->hash));
    if (differs && explanation->has_expected)
        json_object_set_new(json, "expected", expected_json(&explanation->expected, inputs->hash));
    if (differs)
        json_object_set_new(json, "event", json_integer((json_int_t)explanation->event));
    return json;
}

/* Explains every register that a reference speaks of; counts those that differ. */
static bool explain_all(const struct references *references, struct clo_explain_inputs *inputs,
                        json_t *results, size_t *different, size_t *checked, struct clo_error *err)
{
    bool is_ccel = inputs->log != NULL && clo_eventlog_is_ccel(inputs->log);
    unsigned first = is_ccel ? CLO_REGISTER_RTMR(0) : 0;
    unsigned count = is_ccel ? CLO_RTMR_COUNT : CLO_PCR_COUNT;

    *different = 0;
    *checked = 0;
    for (unsigned reg = first; reg < first + count; reg++) {
        struct clo_explanation explanation;
        inputs->pcr = reg;
        inputs->reference = choose(references, inputs->hash, reg, inputs->phase);
        if (inputs->reference == NULL)
            continue;
        if (!clo_explain(inputs, &explanation, err))
            return false;
        ++*checked;
        *different += explanation.difference != CLO_DIFFERENCE_NONE;
        if (results == NULL)
            printf("%s\n", explanation.text);
        else
            json_array_append_new(results, explanation_json(inputs, &explanation));
    }
    return *checked > 0 ||
           clo_fail(err, CLO_ERR_USAGE, "no reference speaks of the bank %s in this phase",
                    clo_hash_name(inputs->hash));
}

static uint32_t registers_of(const struct clo_eventlog *log)
{
    uint32_t mask = 0;

    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        if (event->type != CLO_EV_NO_ACTION && event->pcr < CLO_PCR_COUNT)
            mask |= 1U << event->pcr;
    }
    return mask;
}

/* Another log in place of a reference: what it shows is what is expected, of every register that either
 * of the two extends. */
static bool load_other(const char *path, const struct clo_eventlog *log, struct references *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *other = NULL;

    if (path == NULL)
        return true;
    if (!eventlog_load(path, &file, &other, err))
        return false;
    struct clo_reference **item = &out->items[out->count];
    bool ok = clo_eventlog_is_ccel(other)
                      ? clo_reference_from_ccel(path, NULL, other, item, err)
                      : clo_reference_from_eventlog(path, NULL, other,
                                                    registers_of(log) | registers_of(other), item,
                                                    err);
    out->count += ok;
    return ok || clo_wrap(err, "%s", path);
}

int cmd_eventlog_explain(int argc, char **argv)
{
    struct cli_list paths = { 0 };
    const char *userspace = NULL;
    const char *phase = NULL;
    const char *bank = NULL;
    const char *other = NULL;
    bool json = false;
    const struct cli_option options[] = {
        { "--reference", "FILE", "reference values; repeats, the first that speaks of a PCR counts",
          .list = &paths },
        { "--other-log", "LOG", "another log, in place of a reference", .text = &other },
        { "--userspace-log", "FILE", "what user space measured (tpm2-measure.log)",
          .text = &userspace },
        { "--phase", "PATH",
          "how far the boot went; default enter-initrd with a user space log, else firmware only",
          .text = &phase },
        { "--bank", "NAME",
          "the bank to look at; default the first that both sides have, SHA-1 last",
          .text = &bank },
        { "--json", NULL, "print one JSON document", .flag = &json },
    };
    const struct cli_usage usage = {
        .command = "eventlog explain",
        .arguments = "LOG --reference FILE…|--other-log LOG",
        .summary = "Says which event of each register is not what the reference expects, and how.\n"
                   "Exits 0 if none differs, 1 otherwise.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog explain eventlog.bin --reference demo.ref.json "
                   "--reference firmware.ref.json\n",
    };
    CLO_CLEANUP(references_free) struct references references = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *results = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    struct cli_list operands;
    struct clo_error err;
    size_t different;
    size_t checked;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "takes one event log");
    if (paths.count == 0 && other == NULL)
        return cli_usage_error(&usage, "--reference is missing");
    struct clo_explain_inputs inputs = { .hash = CLO_HASH_SHA256, .phase = phase };
    if (bank != NULL)
        inputs.hash = clo_hash_from_name(bank);
    if (inputs.hash == CLO_HASH_NONE)
        return cli_usage_error(&usage, "--bank: no such hash: %s", bank);
    if (phase == NULL)
        inputs.phase = userspace == NULL ? "" : CLO_PHASE_ENTER_INITRD;
    if (json)
        results = json_array();
    bool ok = eventlog_load(operands.items[0], &file, &log, &err) &&
              (userspace == NULL || userlog_load(userspace, &userlog, &err)) &&
              load_references(&paths, &references, &err) &&
              load_other(other, log, &references, &err);
    if (ok && bank == NULL)
        inputs.hash = choose_bank(log, &references, inputs.phase);
    inputs.log = log;
    inputs.userlog = userlog;
    ok = ok && explain_all(&references, &inputs, results, &different, &checked, &err);
    if (ok && json) {
        document = json_pack("{s:b, s:O}", "as_expected", different == 0,
                             clo_eventlog_is_ccel(log) ? "rtmrs" : "pcrs", results);
        ok = cli_print_json(document, &err);
    }
    if (!ok)
        return clo_wrap(&err, "eventlog explain") ? CLI_YES : cli_error(&err);
    if (!json)
        printf("%zu of %zu registers as expected\n", checked - different, checked);
    return different == 0 ? CLI_YES : CLI_NO;
}
