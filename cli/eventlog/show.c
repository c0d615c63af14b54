/* cloister eventlog show: what was measured, event by event. */
#include <string.h>

#include "cli/cli.h"
#include "cli/eventlog/input.h"
#include "cloister/encoding.h"
#include "cloister/event_fields.h"

struct show {
    bool digests;
    bool fields;
    bool json;
    bool is_colored;
};

static void print_algorithms(const struct clo_eventlog *log)
{
    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++)
        printf("%s%s", i == 0 ? "" : ", ", clo_eventlog_algorithm_name(log, i));
}

static void describe(const struct clo_event *event, struct clo_buffer *out)
{
    clo_event_describe(event, out);
    if (clo_buffer_string(out) == NULL)
        clo_buffer_free(out);
}

static json_t *event_json(const struct clo_event *event, enum clo_hash bank, bool is_ccel)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    json_t *digests = json_object();
    struct clo_event_digest digest;
    char number[16];

    snprintf(number, sizeof number, "0x%08x", event->type);
    describe(event, &text);
    for (size_t i = 0; clo_event_digest_at(event, i, &digest); i++) {
        enum clo_hash hash = clo_hash_from_tpm(digest.algorithm);
        char name[16];
        snprintf(name, sizeof name, "0x%04x", digest.algorithm);
        json_object_set_new(digests, hash == CLO_HASH_NONE ? name : clo_hash_name(hash),
                            clo_json_hex(digest.bytes));
    }
    return json_pack("{s:I, s:I, s:s, s:o, s:s, s:b, s:o, s:o}", is_ccel ? "register" : "pcr",
                     (json_int_t)event->pcr, "offset", (json_int_t)event->offset, "type",
                     type == NULL ? number : type, "digests", digests, "text",
                     clo_buffer_string(&text), "text_is_measured",
                     clo_event_data_is_measured(event, bank), "fields",
                     clo_event_fields(event, bank), "data", clo_json_hex(event->data));
}

static json_t *oddities_json(const struct clo_eventlog *log)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lines = { 0 };
    json_t *array = json_array();

    clo_eventlog_oddities(log, &lines);
    for (size_t at = 0; at < lines.size;) {
        const uint8_t *end = memchr(lines.data + at, '\n', lines.size - at);
        size_t size = end == NULL ? lines.size - at : (size_t)(end - lines.data) - at;
        json_array_append_new(array, json_stringn((const char *)lines.data + at, size));
        at += size + 1;
    }
    return array;
}

static json_t *log_json(const struct clo_eventlog *log)
{
    bool is_ccel = clo_eventlog_is_ccel(log);
    enum clo_hash bank = clo_eventlog_best_bank(log);
    json_t *events = json_array();

    for (size_t i = 0; i < clo_eventlog_count(log); i++)
        json_array_append_new(events, event_json(clo_eventlog_at(log, i), bank, is_ccel));
    return json_pack("{s:s, s:o, s:i, s:I, s:o, s:o}", "format",
                     clo_eventlog_format(log) == CLO_EVENTLOG_SHA1 ? "sha1" : "crypto-agile",
                     "algorithms", eventlog_algorithms_json(log), "startup_locality",
                     (int)clo_eventlog_startup_locality(log), "padding",
                     (json_int_t)clo_eventlog_padding(log), "oddities", oddities_json(log),
                     "events", events);
}

/* Every field on a line of its own; a value that has parts as JSON. */
#define ITEMS_SHOWN 8
#define TEXT_SHOWN  400

/* A line of a field; JSON has long ones whole. */
static void print_value(const char *mark, const char *name, const json_t *value)
{
    CLO_CLEANUP(clo_freep)
    char *dumped = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    size_t size = text == NULL ? 0 : strlen(text);
    size_t shown = size > TEXT_SHOWN ? TEXT_SHOWN : size;

    while (shown < size && shown > 0 &&
           ((uint8_t)text[shown] & 0xc0) == 0x80) /* inside a character */
        shown--;
    printf("      %s%-18s  %.*s", mark, name, (int)shown, text == NULL ? "" : text);
    if (shown < size)
        printf("… (%zu bytes)", size);
    printf("\n");
}

static void print_items(const char *mark, const char *name, const json_t *items)
{
    size_t count = json_array_size(items);

    for (size_t i = 0; i < count && i < ITEMS_SHOWN; i++)
        print_value(mark, i == 0 ? name : "", json_array_get(items, i));
    if (count > ITEMS_SHOWN)
        printf("      %s%-18s  … and %zu more\n", mark, "", count - ITEMS_SHOWN);
}

static void print_fields(const struct clo_event *event, enum clo_hash bank)
{
    CLO_CLEANUP(clo_json_freep) json_t *fields = clo_event_fields(event, bank);
    const char *name;
    json_t *field;

    json_object_foreach (fields, name, field) {
        const json_t *value = json_object_get(field, "value");
        bool is_covered = json_is_true(json_object_get(field, "covered"));
        if (json_array_size(value) > 1)
            print_items(is_covered ? "  " : "~ ", name, value);
        else
            print_value(is_covered ? "  " : "~ ", name, value);
    }
}

static void print_event(const struct clo_event *event, enum clo_hash bank, const struct show *show)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    bool is_measured = clo_event_data_is_measured(event, bank);
    bool is_faint = show->is_colored && !is_measured;
    struct clo_digest digest;
    char hex[2 * CLO_HASH_SIZE_MAX + 1] = "";
    char number[16];

    snprintf(number, sizeof number, "0x%08x", event->type);
    if (clo_event_digest(event, bank, &digest))
        clo_hex_text(clo_digest_bytes(&digest), hex);
    describe(event, &text);
    printf("%4u  %-32s  %-16.*s  %s%s%s%s\n", event->pcr, type == NULL ? number : type,
           show->digests ? (int)sizeof hex : 16, hex, is_faint ? "\033[2m" : "",
           is_measured ? "" : "~ ", clo_buffer_string(&text), is_faint ? "\033[0m" : "");
    if (show->fields)
        print_fields(event, bank);
}

static void print_log(const struct clo_eventlog *log, const struct show *show)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer oddities = { 0 };
    enum clo_hash bank = clo_eventlog_best_bank(log);

    printf("%zu events, ", clo_eventlog_count(log));
    print_algorithms(log);
    printf("\n%4s  %-32s  %-16s  %s\n", clo_eventlog_is_ccel(log) ? "MR" : "PCR", "event", "digest",
           "what it says (~: a claim, not covered by the digest)");
    for (size_t i = 0; i < clo_eventlog_count(log); i++)
        print_event(clo_eventlog_at(log, i), bank, show);
    clo_eventlog_oddities(log, &oddities);
    if (oddities.size > 0)
        printf("\nOut of the ordinary:\n%s", clo_buffer_string(&oddities));
}

/* --- IMA --- */

static json_t *clean(struct clo_bytes text)
{
    char line[512];

    snprintf(line, sizeof line, "%.*s", (int)(text.size < sizeof line ? text.size : sizeof line),
             text.data == NULL ? "" : (const char *)text.data);
    clo_sanitize(line);
    return json_string(line);
}

static json_t *entry_json(const struct clo_ima_entry *entry)
{
    json_t *json = json_pack("{s:I, s:I, s:o, s:o, s:b}", "pcr", (json_int_t)entry->pcr, "offset",
                             (json_int_t)entry->offset, "template", clean(entry->template_name),
                             "template_digest", clo_json_hex(entry->template_digest), "violation",
                             entry->is_violation);

    if (json != NULL && entry->file_name.data != NULL) {
        json_object_set_new(json, "hash", clean(entry->file_hash));
        json_object_set_new(json, "digest", clo_json_hex(entry->file_digest));
        json_object_set_new(json, "file", clean(entry->file_name));
    }
    return json;
}

static json_t *ima_json(const struct clo_ima *ima)
{
    json_t *entries = json_array();

    for (size_t i = 0; i < clo_ima_count(ima); i++)
        json_array_append_new(entries, entry_json(clo_ima_at(ima, i)));
    return json_pack("{s:s, s:I, s:o}", "format", "ima", "padding", (json_int_t)clo_ima_stray(ima),
                     "entries", entries);
}

static void print_ima(const struct clo_ima *ima, const struct show *show)
{
    printf("%zu entries of the kernel's IMA\n%4s  %-10s  %-16s  %s\n", clo_ima_count(ima), "PCR",
           "template", "file's digest", "file");
    for (size_t i = 0; i < clo_ima_count(ima); i++) {
        const struct clo_ima_entry *entry = clo_ima_at(ima, i);
        CLO_CLEANUP(clo_json_freep) json_t *name = clean(entry->template_name);
        CLO_CLEANUP(clo_json_freep) json_t *file = clean(entry->file_name);
        CLO_CLEANUP(clo_json_freep) json_t *digest = clo_json_hex(entry->file_digest);
        printf("%4u  %-10s  %-16.*s  %s%s\n", entry->pcr, json_string_value(name),
               show->digests ? 2 * CLO_HASH_SIZE_MAX : 16, json_string_value(digest),
               entry->is_violation ? "VIOLATION " : "", json_string_value(file));
    }
}

/* What is whole was shown; what is not is told. */
static int end(struct clo_error *cut)
{
    if (cut->status == CLO_OK)
        return CLI_YES;
    clo_wrap(cut, "eventlog show: only the start is shown");
    return cli_error(cut);
}

int cmd_eventlog_show(int argc, char **argv)
{
    struct show show = { .json = false };
    const struct cli_option options[] = {
        { "--digests", NULL, "print digests whole", .flag = &show.digests },
        { "--fields", NULL,
          "print what is in each event, field by field; long ones whole with --json",
          .flag = &show.fields },
        { "--json", NULL, "print one JSON document", .flag = &show.json },
    };
    const struct cli_usage usage = {
        .command = "eventlog show",
        .arguments = "LOG",
        .operands = { "one event log", 1, 1 },
        .summary = "Shows what firmware, boot loaders or the kernel's IMA measured, event by "
                   "event.\nThe words are the log's own; only digests lead to the registers, and "
                   "each field says whether\nits event's digest covers it.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog show /sys/kernel/security/tpm0/binary_bios_measurements\n",
    };
    CLO_CLEANUP(eventlog_input_free) struct eventlog_input input = { .log = NULL };
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    struct clo_list operands;
    struct clo_error err, cut;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!eventlog_open_start(operands.items[0], &input, &cut, &err))
        return cli_fail("eventlog show", &err);
    if (show.json) {
        document = input.ima != NULL ? ima_json(input.ima) : log_json(input.log);
        return !cli_print_json(document, &err) ? cli_error(&err) : end(&cut);
    }
    show.is_colored = cli_color(stdout);
    if (input.ima != NULL)
        print_ima(input.ima, &show);
    else
        print_log(input.log, &show);
    return end(&cut);
}
