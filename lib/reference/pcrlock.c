#include "cloister/pcrlock.h"

#include <stdio.h>
#include <string.h>

#include "reference_internal.h"

/* What systemd's own components hold (systemd 262, src/pcrlock/pcrlock.d), and the number that each begins with: the
 * order of the names is the order of a boot. */
static const struct shipped {
    const char *text;
    size_t size;
    uint32_t pcrs;
    unsigned number;
} shipped[] = {
    { "Calling EFI Application from Boot Option", 40, 1U << 4, 350 },
    { "\0\0\0\0", 4, 1U << 7, 400 },
    { "\xff\xff\xff\xff", 4, 1U << 7, 400 },
    { "\0\0\0\0", 4, 0x7f, 500 },
    { "\xff\xff\xff\xff", 4, 0x7f, 500 },
    { "Exit Boot Services Invocation", 29, 1U << 5, 700 },
    { "Exit Boot Services Returned with Success", 40, 1U << 5, 700 },
    { "enter-initrd", 12, 1U << 11, 750 },
    { "leave-initrd", 12, 1U << 11, 800 },
    { "sysinit", 7, 1U << 11, 850 },
    { "ready", 5, 1U << 11, 900 },
};

static bool is_hash_of(const struct clo_reference_event *event, const struct shipped *known)
{
    for (size_t i = 0; i < event->digest_count; i++) {
        struct clo_digest digest;
        clo_hash(event->digests[i].hash, clo_bytes(known->text, known->size), &digest);
        if (!clo_digest_equal(&digest, &event->digests[i]))
            return false;
    }
    return event->digest_count > 0;
}

static const struct shipped *find_shipped(const struct clo_reference_event *event, unsigned pcr)
{
    for (size_t i = 0; i < CLO_COUNT(shipped); i++)
        if ((shipped[i].pcrs >> pcr & 1) != 0 && is_hash_of(event, &shipped[i]))
            return &shipped[i];
    return NULL;
}

/* Where what comes next in this register belongs: after the component that was passed, before the next one. */
static unsigned after(unsigned number)
{
    return number == 400 ? 620 : number == 500 ? 650 : number + 10;
}

/* The first number that is late enough for what is there from a phase on. */
static unsigned of_phase(const char *from)
{
    static const struct {
        const char *phase;
        unsigned number;
    } phases[] = {
        { CLO_PHASE_ENTER_INITRD, 750 },
        { CLO_PHASE_LEAVE_INITRD, 800 },
        { CLO_PHASE_SYSINIT, 850 },
        { CLO_PHASE_READY, 900 },
    };

    for (size_t i = 0; from != NULL && i < CLO_COUNT(phases); i++)
        if (strcmp(from, phases[i].phase) == 0)
            return after(phases[i].number);
    return 0;
}

struct writing {
    clo_pcrlock_each *each;
    void *context;
    unsigned pcr, number;
    json_t *records; /* of the component at hand */
    size_t components;
};

static json_t *record_json(unsigned pcr, const struct clo_reference_event *event)
{
    CLO_CLEANUP(clo_json_freep) json_t *digests = json_array();

    for (size_t i = 0; i < event->digest_count; i++)
        if (json_array_append_new(
                    digests,
                    json_pack("{s:s, s:o}", "hashAlg", clo_hash_name(event->digests[i].hash),
                              "digest", clo_json_hex(clo_digest_bytes(&event->digests[i])))) != 0)
            return NULL;
    return json_pack("{s:i, s:O}", "pcr", (int)pcr, "digests", digests);
}

static bool end_component(struct writing *w, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char name[32];

    if (json_array_size(w->records) == 0)
        return true;
    snprintf(name, sizeof name, "%u-cloister-pcr%u", w->number, w->pcr);
    json = json_pack("{s:o}", "records", json_copy(w->records));
    json_array_clear(w->records);
    if (json == NULL || !clo_json_write(json, &text, err))
        return json != NULL || clo_out_of_memory(err);
    clo_buffer_text(&text, "\n");
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    w->components++;
    return w->each(w->context, name, clo_buffer_bytes(&text), err);
}

static bool move_to(struct writing *w, unsigned number, struct clo_error *err)
{
    if (number == w->number)
        return true;
    if (number < w->number)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "PCR %u: its events are not in the order of systemd's components", w->pcr);
    if (!end_component(w, err))
        return false;
    w->number = number;
    return true;
}

static bool write_event(struct writing *w, const struct clo_reference_event *event,
                        struct clo_error *err)
{
    const struct shipped *known = find_shipped(event, w->pcr);
    unsigned earliest = of_phase(event->from);

    if (known != NULL)
        return move_to(w, after(known->number), err);
    return (earliest <= w->number || move_to(w, earliest, err)) &&
           (json_array_append_new(w->records, record_json(w->pcr, event)) == 0 ||
            clo_out_of_memory(err));
}

static bool write_register(struct writing *w, const struct clo_reference *reference,
                           struct clo_error *err)
{
    const char *phase = CLO_PHASE_READY;
    struct clo_reference_event event;

    /* What is measured before separators is firmware's own; PCRs from 8 on are the loader's and the system's. */
    w->number = w->pcr < 8 ? 250 : 650;
    for (size_t i = 0; clo_reference_event_at(reference, w->pcr, phase, i, &event); i++)
        if (!write_event(w, &event, err))
            return false;
    return end_component(w, err);
}

bool clo_pcrlock_write(const struct clo_reference *reference, clo_pcrlock_each *each, void *context,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *records = json_array();
    struct writing w = { .each = each, .context = context, .records = records };

    if (records == NULL)
        return clo_out_of_memory(err);
    for (w.pcr = 0; w.pcr < CLO_PCR_COUNT; w.pcr++)
        if (!write_register(&w, reference, err))
            return clo_wrap(err, "pcrlock");
    return w.components > 0 ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "pcrlock: the reference lists no events of a PCR, and components are of "
                    "events");
}
