/* What firmware gets wrong and we put up with, named so that nobody has to wonder. */
#include "cloister/eventlog.h"

#include <string.h>

#define PCRS_OF_FIRMWARE 8

static bool is_text(const struct clo_event *event, const char *text)
{
    return clo_bytes_equal(event->data, clo_bytes_text(text));
}

struct survey {
    size_t separators[PCRS_OF_FIRMWARE];
    size_t error_separators;
    size_t attempts; /* to start from a boot option */
    size_t exits;
    size_t unknown_types;
    size_t without_digest[CLO_HASH_COUNT];
    size_t extending;
};

static void look_at(const struct clo_eventlog *log, const struct clo_event *event,
                    struct survey *survey)
{
    struct clo_digest ignored;

    survey->unknown_types += clo_event_type_name(event->type) == NULL;
    if (event->type == CLO_EV_NO_ACTION)
        return;
    survey->extending++;
    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (hash != CLO_HASH_NONE && !clo_event_digest(event, hash, &ignored))
            survey->without_digest[hash]++;
    }
    if (event->type == CLO_EV_SEPARATOR && event->pcr < PCRS_OF_FIRMWARE) {
        survey->separators[event->pcr]++;
        survey->error_separators +=
                event->data.size == 4 && memcmp(event->data.data, "\1\0\0\0", 4) == 0;
    }
    if (event->type == CLO_EV_EFI_ACTION) {
        survey->attempts += is_text(event, "Calling EFI Application from Boot Option");
        survey->exits += is_text(event, "Exit Boot Services Invocation");
    }
}

static void say_end(const struct clo_eventlog *log, struct clo_buffer *out)
{
    size_t padding = clo_eventlog_padding(log);

    if (padding > 0)
        clo_buffer_printf(out, "%zu bytes after the last event: %s\n", padding,
                          padding < 8 ? "a stray rest" : "padding");
}

static void say_registers(const struct survey *survey, bool is_ccel, struct clo_buffer *out)
{
    for (unsigned pcr = 0; !is_ccel && pcr < PCRS_OF_FIRMWARE; pcr++)
        if (survey->separators[pcr] == 0)
            clo_buffer_printf(out, "PCR %u has no separator: the firmware did not close it\n", pcr);
        else if (survey->separators[pcr] > 1)
            clo_buffer_printf(out, "PCR %u has %zu separators\n", pcr, survey->separators[pcr]);
    if (survey->error_separators > 0)
        clo_buffer_text(out, "a separator says that the firmware met an error\n");
}

void clo_eventlog_oddities(const struct clo_eventlog *log, struct clo_buffer *out)
{
    struct survey survey = { .extending = 0 };

    for (size_t i = 0; i < clo_eventlog_count(log); i++)
        look_at(log, clo_eventlog_at(log, i), &survey);
    say_end(log, out);
    if (clo_eventlog_format(log) == CLO_EVENTLOG_SHA1)
        clo_buffer_text(out, "SHA-1 alone, in the form of TPM 1.2\n");
    if (clo_eventlog_startup_locality(log) != 0)
        clo_buffer_printf(out, "PCR 0 starts with locality %u\n",
                          clo_eventlog_startup_locality(log));
    for (unsigned hash = 1; hash < CLO_HASH_COUNT; hash++)
        if (survey.without_digest[hash] > 0)
            clo_buffer_printf(out, "bank %s: %zu of %zu events have no digest in it\n",
                              clo_hash_name((enum clo_hash)hash), survey.without_digest[hash],
                              survey.extending);
    say_registers(&survey, clo_eventlog_is_ccel(log), out);
    if (survey.attempts > 0 && survey.exits == 0)
        clo_buffer_text(out, "leaving the boot services is not logged: PCR 5 may not replay, and "
                             "the log may end before the kernel starts\n");
    if (survey.attempts > 1)
        clo_buffer_printf(out, "%zu boot options were tried\n", survey.attempts);
    if (survey.unknown_types > 0)
        clo_buffer_printf(out, "%zu events are of types that we do not know\n",
                          survey.unknown_types);
}
