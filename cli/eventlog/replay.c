/* cloister eventlog replay: the registers that logs lead to. */
#include <string.h>

#include "cli/cli.h"
#include "cli/eventlog/input.h"
#include "cloister/encoding.h"
#include "cloister/pcr.h"

#define SYSTEMD_PCR_FIRST 11
#define SYSTEMD_PCR_LAST  15
#define CC_REGISTER_FIRST 1 /* register index 1 is RTMR 0; index 0 is MRTD */

/* What is replayed, one after the other; all but the first may be NULL. */
struct replay {
    const struct clo_eventlog *log;
    const struct clo_ima *ima;
    const struct clo_userlog *userlog;
    enum clo_ima_extension extension;
    bool json;
};

static bool replay_userlog(const struct replay *from, struct clo_pcr_bank *bank,
                           struct clo_error *err)
{
    return clo_eventlog_is_ccel(from->log) ? clo_userlog_replay_rtmrs(from->userlog, bank, err)
                                           : clo_userlog_replay(from->userlog, bank, err);
}

static bool replay(const struct replay *from, enum clo_hash hash, struct clo_pcr_bank *bank,
                   struct clo_error *err)
{
    return (clo_eventlog_replay(from->log, hash, bank, err) || clo_wrap(err, "event log")) &&
           (from->ima == NULL || clo_ima_replay(from->ima, from->extension, bank, err) ||
            clo_wrap(err, "IMA's list")) &&
           (from->userlog == NULL || replay_userlog(from, bank, err) ||
            clo_wrap(err, "user space's log"));
}

/* --- Records that extend none of these registers --- */

/* The next one from `*at` on; NULL at the end. */
static const struct clo_userlog_event *next_passed_over(const struct replay *from, size_t *at)
{
    enum clo_userlog_kind kind =
            clo_eventlog_is_ccel(from->log) ? CLO_USERLOG_RTMR : CLO_USERLOG_PCR;

    while (from->userlog != NULL && *at < clo_userlog_count(from->userlog)) {
        const struct clo_userlog_event *event = clo_userlog_at(from->userlog, (*at)++);
        if (event->kind != kind)
            return event;
    }
    return NULL;
}

static void print_passed_over(const struct replay *from)
{
    const struct clo_userlog_event *event;
    char reg[96];

    for (size_t at = 0; (event = next_passed_over(from, &at)) != NULL;) {
        char text[200];
        clo_userlog_register(event, reg, sizeof reg);
        snprintf(text, sizeof text, "%s", event->text == NULL ? "" : event->text);
        clo_sanitize(text);
        printf("passed over: record %zu of user space, of %s%s%s\n", at - 1, reg,
               *text == '\0' ? "" : ": ", text);
    }
}

static json_t *passed_over_json(const struct replay *from)
{
    const struct clo_userlog_event *event;
    json_t *array = json_array();
    char reg[96];

    for (size_t at = 0; (event = next_passed_over(from, &at)) != NULL;) {
        clo_userlog_register(event, reg, sizeof reg);
        json_array_append_new(array,
                              json_pack("{s:I, s:s, s:s*, s:s*}", "record", (json_int_t)at - 1,
                                        "register", reg, "type", event->type, "text", event->text));
    }
    return array;
}

/* PCR numbers, or in a CCEL log all four RTMRs by theirs. */
static json_t *bank_json(const struct clo_pcr_bank *bank, bool is_ccel)
{
    json_t *values = json_object();
    unsigned first = is_ccel ? CC_REGISTER_FIRST : 0;
    unsigned count = is_ccel ? CC_REGISTER_FIRST + 4 : CLO_PCR_COUNT;

    for (unsigned i = first; i < count; i++) {
        char key[8];
        snprintf(key, sizeof key, "%u", i - first);
        if (is_ccel || (bank->touched >> i & 1) != 0)
            json_object_set_new(values, key, clo_json_hex(clo_digest_bytes(&bank->values[i])));
    }
    return values;
}

/* With user space's log, its registers are shown also where nothing came: a UKI that was not measured. */
static void print_bank(const struct clo_pcr_bank *bank, bool is_ccel, bool has_userlog)
{
    unsigned first = is_ccel ? CC_REGISTER_FIRST : 0;
    unsigned count = is_ccel ? CC_REGISTER_FIRST + 4 : CLO_PCR_COUNT;

    printf("%s\n", clo_hash_name(bank->hash));
    for (unsigned i = first; i < count; i++) {
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        if (is_ccel || (bank->touched >> i & 1) != 0)
            printf("  %s %2u  %s\n", is_ccel ? "RTMR" : "PCR", i - first,
                   clo_hex_text(clo_digest_bytes(&bank->values[i]), hex));
        else if (has_userlog && i >= SYSTEMD_PCR_FIRST && i <= SYSTEMD_PCR_LAST)
            printf("  PCR %2u  nothing was measured\n", i);
    }
}

static bool replay_all(const struct replay *from, struct clo_error *err)
{
    const struct clo_eventlog *log = from->log;
    CLO_CLEANUP(clo_json_freep) json_t *banks = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *refused = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    const char *name;
    json_t *why;
    bool is_ccel = clo_eventlog_is_ccel(log);
    struct clo_error first = { .status = CLO_OK }; /* why a bank could not be replayed */
    struct clo_pcr_bank bank;
    size_t known = 0;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (hash == CLO_HASH_NONE)
            continue;
        /* Some firmware names a bank and logs nothing for it; the others count all the same. */
        if (!replay(from, hash, &bank, err)) {
            first = first.status == CLO_OK ? *err : first;
            json_object_set_new(refused, clo_hash_name(hash), json_string(err->text));
            continue;
        }
        known++;
        json_object_set_new(banks, clo_hash_name(hash), bank_json(&bank, is_ccel));
        if (!from->json)
            print_bank(&bank, is_ccel, from->userlog != NULL);
    }
    if (known == 0 && first.status != CLO_OK) {
        *err = first;
        return false;
    }
    if (known == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "its digests are %s: no hash that this program makes",
                        clo_eventlog_algorithm_name(log, 0));
    if (!from->json) {
        json_object_foreach (refused, name, why)
            printf("%s\n  not replayed: %s\n", name, json_string_value(why));
        print_passed_over(from);
        return true;
    }
    document =
            json_pack("{s:o, s:O, s:O, s:I, s:o}", "algorithms", eventlog_algorithms_json(log),
                      is_ccel ? "rtmrs" : "pcrs", banks, "not_replayed", refused, "events",
                      (json_int_t)clo_eventlog_count(log), "passed_over", passed_over_json(from));
    return cli_print_json(document, err);
}

/* An IMA list by itself: it says nothing of banks, so all that we know are computed. */
static bool replay_ima(const struct replay *from, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *banks = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    json_t *algorithms = json_array();

    for (unsigned i = 1; i < CLO_HASH_COUNT; i++) {
        enum clo_hash hash = (enum clo_hash)i;
        struct clo_pcr_bank bank;
        clo_pcr_reset(&bank, hash);
        if (!clo_ima_replay(from->ima, from->extension, &bank, err)) {
            json_decref(algorithms);
            return false;
        }
        json_array_append_new(algorithms, json_string(clo_hash_name(hash)));
        json_object_set_new(banks, clo_hash_name(hash), bank_json(&bank, false));
        if (!from->json)
            print_bank(&bank, false, false);
    }
    document = json_pack("{s:o, s:O, s:I}", "algorithms", algorithms, "pcrs", banks, "events",
                         (json_int_t)clo_ima_count(from->ima));
    return !from->json || cli_print_json(document, err);
}

int cmd_eventlog_replay(int argc, char **argv)
{
    struct replay from = { .extension = CLO_IMA_EACH_BANK };
    const char *userspace = NULL;
    const char *ima = NULL;
    bool padded = false;
    const struct cli_option options[] = {
        { "--ima-log", "FILE", "go on with what the kernel's IMA measured (PCR 10)", .text = &ima },
        { "--ima-padded", NULL, "of a kernel before 5.8: SHA-1 padded with zeros in every bank",
          .flag = &padded },
        { "--userspace-log", "FILE",
          "go on with what user space measured (tpm2-measure.log; of a CCEL log cc-measure.log)",
          .text = &userspace },
        { "--json", NULL, "print one JSON document", .flag = &from.json },
    };
    const struct cli_usage usage = {
        .command = "eventlog replay",
        .arguments = "LOG",
        .operands = { "one event log", 1, 1 },
        .summary = "Computes the registers that an event log leads to: PCRs, or RTMRs for a TDX "
                   "(CCEL) log.\nA binary log, a canonical one (JSON or CBOR), or the kernel's "
                   "IMA list.\nThe log is true if a verified quote shows the same values.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog replay eventlog.bin --userspace-log tpm2-measure.log\n",
    };
    CLO_CLEANUP(eventlog_input_free) struct eventlog_input input = { .log = NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ima_file = { 0 };
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *ima_list = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    bool ok = eventlog_open(operands.items[0], &input, &err) &&
              (ima == NULL || ima_load(ima, &ima_file, &ima_list, &err)) &&
              (userspace == NULL || userlog_load(userspace, &userlog, &err));
    if (ok && input.ima != NULL && (ima != NULL || userspace != NULL))
        return cli_usage_error(&usage, "an IMA list is replayed alone, or after a firmware's log");
    if (ok && padded && input.ima == NULL && ima == NULL)
        return cli_usage_error(&usage, "--ima-padded: there is no IMA list");
    from.log = input.log;
    from.ima = input.ima != NULL ? input.ima : ima_list;
    from.userlog = userlog;
    from.extension = padded ? CLO_IMA_PADDED_SHA1 : CLO_IMA_EACH_BANK;
    ok = ok && ((input.ima != NULL ? replay_ima(&from, &err) : replay_all(&from, &err)) ||
                clo_wrap(&err, "%s", operands.items[0]));
    return ok ? CLI_YES : cli_fail("eventlog replay", &err);
}
