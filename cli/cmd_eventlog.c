/* cloister eventlog: show, replay. (explain is in cmd_eventlog_explain.c.) */
#include <string.h>

#include "cli.h"
#include "cloister/ccel.h"
#include "cloister/encoding.h"
#include "cloister/pcr.h"
#include "cloister/userlog.h"
#include "device/file.h"
#include "eventlog.h"

#define CC_REGISTER_FIRST 1 /* register index 1 is RTMR 0; index 0 is MRTD */

/* In another form than the binary one: dstack's JSON, made binary; the table that tells where the log
 * is, refused with that. */
static bool convert(struct clo_buffer *file, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
    struct clo_bytes in = clo_buffer_bytes(file);
    struct clo_ccel_table table;

    if (clo_ccel_is_table(in)) {
        if (!clo_ccel_table_parse(in, &table, err))
            return false;
        return clo_fail(err, CLO_ERR_FORMAT,
                        "is the ACPI table, not the log: that lies in %llu bytes at 0x%llx of the "
                        "guest's memory, and Linux shows it as /sys/firmware/acpi/tables/data/CCEL",
                        (unsigned long long)table.size, (unsigned long long)table.address);
    }
    if (in.size == 0 || in.data[0] != '[')
        return true;
    if (!clo_ccel_from_json(in, &binary, err))
        return false;
    clo_buffer_free(file);
    *file = binary;
    binary = (struct clo_buffer){ 0 };
    return true;
}

bool eventlog_load(const char *path, struct clo_buffer *file, struct clo_eventlog **out,
                   struct clo_error *err)
{
    if (!clo_file_read(path, CLO_FILE_LIMIT, file, err))
        return false;
    return (convert(file, err) && clo_eventlog_parse(clo_buffer_bytes(file), out, err)) ||
           clo_wrap(err, "%s", path);
}

bool userlog_load(const char *path, struct clo_userlog **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           (clo_userlog_parse(clo_buffer_bytes(&file), out, err) || clo_wrap(err, "%s", path));
}

/* --- What both print --- */

static json_t *algorithms_json(const struct clo_eventlog *log)
{
    json_t *list = json_array();

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        json_array_append_new(list, hash == CLO_HASH_NONE ? json_string("unknown")
                                                          : json_string(clo_hash_name(hash)));
    }
    return list;
}

static void print_algorithms(const struct clo_eventlog *log)
{
    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        printf("%s%s", i == 0 ? "" : ", ", hash == CLO_HASH_NONE ? "unknown" : clo_hash_name(hash));
    }
}

/* --- show --- */

/* The first bank that we know: what says whether an event's text is covered by its digest. */
static enum clo_hash best_bank(const struct clo_eventlog *log)
{
    enum clo_hash best = CLO_HASH_NONE;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (best == CLO_HASH_NONE || (best == CLO_HASH_SHA1 && hash != CLO_HASH_NONE))
            best = hash;
    }
    return best;
}

static void describe(const struct clo_event *event, struct clo_buffer *out)
{
    clo_event_describe(event, out);
    if (clo_buffer_string(out) == NULL)
        *out = (struct clo_buffer){ 0 };
}

static json_t *event_json(const struct clo_event *event, enum clo_hash bank, bool is_ccel)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    json_t *digests = json_object();
    char number[16];

    snprintf(number, sizeof number, "0x%08x", event->type);
    describe(event, &text);
    for (size_t i = 0; i < event->digest_count; i++) {
        enum clo_hash hash = clo_hash_from_tpm(event->digests[i].algorithm);
        char name[16];
        snprintf(name, sizeof name, "0x%04x", event->digests[i].algorithm);
        json_object_set_new(digests, hash == CLO_HASH_NONE ? name : clo_hash_name(hash),
                            clo_json_hex(event->digests[i].bytes));
    }
    return json_pack("{s:I, s:I, s:s, s:o, s:s, s:b, s:o}", is_ccel ? "register" : "pcr",
                     (json_int_t)event->pcr, "offset", (json_int_t)event->offset, "type",
                     type == NULL ? number : type, "digests", digests, "text",
                     clo_buffer_string(&text), "text_is_measured",
                     clo_event_data_is_measured(event, bank), "data", clo_json_hex(event->data));
}

static json_t *log_json(const struct clo_eventlog *log)
{
    bool is_ccel = clo_eventlog_is_ccel(log);
    enum clo_hash bank = best_bank(log);
    json_t *events = json_array();

    for (size_t i = 0; i < clo_eventlog_count(log); i++)
        json_array_append_new(events, event_json(clo_eventlog_at(log, i), bank, is_ccel));
    return json_pack("{s:s, s:o, s:i, s:I, s:o}", "format",
                     clo_eventlog_format(log) == CLO_EVENTLOG_SHA1 ? "sha1" : "crypto-agile",
                     "algorithms", algorithms_json(log), "startup_locality",
                     (int)clo_eventlog_startup_locality(log), "padding",
                     (json_int_t)clo_eventlog_padding(log), "events", events);
}

static void print_log(const struct clo_eventlog *log, bool all_digests)
{
    enum clo_hash bank = best_bank(log);
    bool colour = cli_color(stdout);

    printf("%zu events, ", clo_eventlog_count(log));
    print_algorithms(log);
    if (clo_eventlog_padding(log) > 0)
        printf(", %zu bytes of padding", clo_eventlog_padding(log));
    printf("\n%4s  %-32s  %-16s  %s\n", clo_eventlog_is_ccel(log) ? "MR" : "PCR", "event", "digest",
           "what it says (~: a claim, not covered by the digest)");
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        const struct clo_event *event = clo_eventlog_at(log, i);
        const char *type = clo_event_type_name(event->type);
        struct clo_digest digest;
        char hex[2 * CLO_HASH_SIZE_MAX + 1] = "";
        char number[16];
        snprintf(number, sizeof number, "0x%08x", event->type);
        if (clo_event_digest(event, bank, &digest))
            clo_hex_text(clo_digest_bytes(&digest), hex);
        describe(event, &text);
        bool is_measured = clo_event_data_is_measured(event, bank);
        printf("%4u  %-32s  %-16.*s  %s%s%s%s\n", event->pcr, type == NULL ? number : type,
               all_digests ? (int)sizeof hex : 16, hex, colour && !is_measured ? "\033[2m" : "",
               is_measured ? "" : "~ ", clo_buffer_string(&text),
               colour && !is_measured ? "\033[0m" : "");
    }
}

static int show(int argc, char **argv)
{
    bool json = false;
    bool digests = false;
    const struct cli_option options[] = {
        { "--digests", NULL, "print digests whole", .flag = &digests },
        { "--json", NULL, "print one JSON document", .flag = &json },
    };
    const struct cli_usage usage = {
        .command = "eventlog show",
        .arguments = "LOG",
        .summary = "Shows what firmware and boot loaders measured, event by event.\n"
                   "The words are the log's own; only digests lead to the registers.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog show /sys/kernel/security/tpm0/binary_bios_measurements\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "takes one event log");
    if (!eventlog_load(operands.items[0], &file, &log, &err))
        return clo_wrap(&err, "eventlog show") ? CLI_YES : cli_error(&err);
    if (!json) {
        print_log(log, digests);
        return CLI_YES;
    }
    document = log_json(log);
    return cli_print_json(document, &err) ? CLI_YES : cli_error(&err);
}

/* --- replay --- */

static bool replay(const struct clo_eventlog *log, const struct clo_userlog *userlog,
                   enum clo_hash hash, struct clo_pcr_bank *bank, struct clo_error *err)
{
    return (clo_eventlog_replay(log, hash, bank, err) || clo_wrap(err, "event log")) &&
           (userlog == NULL || clo_userlog_replay(userlog, bank, err) ||
            clo_wrap(err, "user space's log"));
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

static void print_bank(const struct clo_pcr_bank *bank, bool is_ccel)
{
    unsigned first = is_ccel ? CC_REGISTER_FIRST : 0;
    unsigned count = is_ccel ? CC_REGISTER_FIRST + 4 : CLO_PCR_COUNT;

    printf("%s\n", clo_hash_name(bank->hash));
    for (unsigned i = first; i < count; i++) {
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        if (is_ccel || (bank->touched >> i & 1) != 0)
            printf("  %s %2u  %s\n", is_ccel ? "RTMR" : "PCR", i - first,
                   clo_hex_text(clo_digest_bytes(&bank->values[i]), hex));
    }
}

static bool replay_all(const struct clo_eventlog *log, const struct clo_userlog *userlog,
                       bool as_json, struct clo_error *err)
{
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
        if (!replay(log, userlog, hash, &bank, err)) {
            first = first.status == CLO_OK ? *err : first;
            json_object_set_new(refused, clo_hash_name(hash), json_string(err->text));
            continue;
        }
        known++;
        json_object_set_new(banks, clo_hash_name(hash), bank_json(&bank, is_ccel));
        if (!as_json)
            print_bank(&bank, is_ccel);
    }
    if (known == 0 && first.status != CLO_OK) {
        *err = first;
        return false;
    }
    if (known == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "none of its hash algorithms is known");
    if (!as_json) {
        json_object_foreach (refused, name, why)
            printf("%s\n  not replayed: %s\n", name, json_string_value(why));
        return true;
    }
    document = json_pack("{s:o, s:O, s:O, s:I}", "algorithms", algorithms_json(log),
                         is_ccel ? "rtmrs" : "pcrs", banks, "not_replayed", refused, "events",
                         (json_int_t)clo_eventlog_count(log));
    return cli_print_json(document, err);
}

static int replay_command(int argc, char **argv)
{
    bool json = false;
    const char *userspace = NULL;
    const struct cli_option options[] = {
        { "--userspace-log", "FILE", "go on with what user space measured (tpm2-measure.log)",
          .text = &userspace },
        { "--json", NULL, "print one JSON document", .flag = &json },
    };
    const struct cli_usage usage = {
        .command = "eventlog replay",
        .arguments = "LOG",
        .summary = "Computes the registers that an event log leads to: PCRs, or RTMRs for a TDX "
                   "(CCEL) log.\n"
                   "The log is true if a verified quote shows the same values.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog replay eventlog.bin --userspace-log tpm2-measure.log\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "takes one event log");
    if (!eventlog_load(operands.items[0], &file, &log, &err) ||
        (userspace != NULL && !userlog_load(userspace, &userlog, &err)) ||
        !(replay_all(log, userlog, json, &err) || clo_wrap(&err, "%s", operands.items[0])))
        return clo_wrap(&err, "eventlog replay") ? CLI_YES : cli_error(&err);
    return CLI_YES;
}

int cmd_eventlog(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "show", show, "what was measured, event by event" },
        { "replay", replay_command, "the registers that a log leads to" },
        { "explain", cmd_eventlog_explain, "which event differs from the reference, and how" },
    };

    return cli_dispatch("eventlog", "Reads what firmware, boot loader and user space measured.",
                        commands, CLO_COUNT(commands), argc, argv);
}
