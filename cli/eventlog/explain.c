/* cloister eventlog explain: holds logs against reference values and names the first event of each
 * register that differs. */
#include "cloister/explain.h"
#include "cli/cli.h"
#include "cli/eventlog/input.h"
#include "cli/inputs.h"

/* Explains every register that a reference speaks of; counts those that differ. */
static bool explain_all(const struct cli_references *references, struct clo_explain_inputs *inputs,
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
        inputs->reference =
                clo_explain_reference(cli_references_view(references), references->count,
                                      inputs->hash, reg, inputs->phase);
        if (inputs->reference == NULL)
            continue;
        if (!clo_explain(inputs, &explanation, err))
            return false;
        ++*checked;
        *different += explanation.difference != CLO_DIFFERENCE_NONE;
        if (results == NULL)
            printf("%s\n", explanation.text);
        else
            json_array_append_new(results, clo_explanation_json(inputs, &explanation));
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
static bool load_other(const char *path, const struct clo_eventlog *log, struct cli_references *out,
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
                                                    registers_of(log) | registers_of(other),
                                                    CLO_HASH_NONE, item, err);
    out->count += ok;
    return ok || clo_wrap(err, "%s", path);
}

struct explain {
    struct clo_list paths;
    const char *other, *userspace, *phase, *bank;
    bool json;
    struct cli_references references;
    struct clo_buffer file;
    struct clo_eventlog *log;
    struct clo_userlog *userlog;
};

static void explain_free(struct explain *o)
{
    cli_references_free(&o->references);
    clo_eventlog_free(o->log);
    clo_userlog_free(o->userlog);
    clo_buffer_free(&o->file);
}

static bool load(struct explain *o, const char *path, struct clo_error *err)
{
    return eventlog_load(path, &o->file, &o->log, err) &&
           (o->userspace == NULL || userlog_load(o->userspace, &o->userlog, err)) &&
           cli_references_load(&o->paths, &o->references, err) &&
           load_other(o->other, o->log, &o->references, err);
}

/* Explains the log that was loaded, and prints. */
static bool explain(struct explain *o, enum clo_hash hash, size_t *different, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *results = o->json ? json_array() : NULL;
    struct clo_explain_inputs inputs = {
        .log = o->log,
        .userlog = o->userlog,
        .hash = hash,
        .phase = o->phase,
    };
    size_t checked;

    const char *meant =
            cli_phase_meant(cli_references_view(&o->references), o->references.count, o->phase);
    if (meant != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--phase %s: no reference has it (did you mean %s?)",
                        o->phase, meant);
    if (o->phase == NULL)
        inputs.phase = o->userspace == NULL ? "" : CLO_PHASE_ENTER_INITRD;
    if (o->bank == NULL)
        inputs.hash = clo_explain_bank(o->log, cli_references_view(&o->references),
                                       o->references.count, inputs.phase);
    if (!explain_all(&o->references, &inputs, results, different, &checked, err))
        return false;
    if (!o->json) {
        printf("%zu of %zu registers as expected\n", checked - *different, checked);
        return true;
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *document = json_pack("{s:b, s:O}", "as_expected", *different == 0,
                                 clo_eventlog_is_ccel(o->log) ? "rtmrs" : "pcrs", results);
    return cli_print_json(document, err);
}

int cmd_eventlog_explain(int argc, char **argv)
{
    CLO_CLEANUP(explain_free) struct explain o = { .json = false };
    const struct cli_option options[] = {
        { "--reference", "FILE",
          "reference values (repeatable); the first that speaks of a PCR counts",
          .list = &o.paths },
        { "--other-log", "LOG", "another log, in place of a reference", .text = &o.other },
        { "--userspace-log", "FILE", "what user space measured (tpm2-measure.log)",
          .text = &o.userspace },
        { "--phase", "PATH",
          "how far the boot went; default enter-initrd with a user space log, else firmware only",
          .text = &o.phase },
        { "--bank", "NAME",
          "the bank to look at; default the first that both sides have, SHA-1 last",
          .text = &o.bank, .values = "sha1 sha256 sha384 sha512" },
        { "--json", NULL, "print one JSON document", .flag = &o.json },
    };
    const struct cli_usage usage = {
        .command = "eventlog explain",
        .arguments = "LOG --reference FILE…|--other-log LOG",
        .operands = { "one event log", 1, 1 },
        .summary = "Says which event of each register is not what the reference expects, and how.\n"
                   "Exits 0 if none differs, 1 otherwise.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog explain eventlog.bin --reference demo.ref.json "
                   "--reference firmware.ref.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    size_t different = 0;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.paths.count == 0 && o.other == NULL)
        return cli_usage_error(&usage, "--reference is missing");
    enum clo_hash hash = o.bank == NULL ? CLO_HASH_SHA256 : clo_hash_from_name(o.bank);
    if (hash == CLO_HASH_NONE)
        return cli_usage_error(&usage, "--bank: no such hash: %s", o.bank);
    if (!load(&o, operands.items[0], &err) || !explain(&o, hash, &different, &err))
        return cli_fail("eventlog explain", &err);
    return different == 0 ? CLI_YES : CLI_NO;
}
