#include "cloister/userlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json_read.h"

#define RECORD_SEPARATOR 0x1e
#define EVENTS_MAX       4096
#define VALUES_MAX       (16 * EVENTS_MAX) /* of JSON, in all records */
#define RTMRS            4

struct clo_userlog {
    json_t *records; /* keeps the strings that the events borrow */
    struct clo_userlog_event *events;
    size_t count;
};

static bool read_digests(const json_t *record, struct clo_userlog_event *event,
                         struct clo_error *err)
{
    json_t *digests;
    json_t *entry;
    size_t i;

    if (!clo_json_get_array(record, "digests", &digests, err))
        return false;
    json_array_foreach (digests, i, entry) {
        const char *name;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        if (!clo_json_get_string(entry, "hashAlg", &name, err) ||
            !clo_json_get_bytes(entry, "digest", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &bytes, err))
            return clo_wrap(err, "digest %zu", i);
        enum clo_hash hash = clo_hash_from_name(name);
        if (hash == CLO_HASH_NONE)
            continue; /* a bank we do not know cannot be replayed, nor mistaken for one we do */
        if (bytes.size != clo_hash_size(hash))
            return clo_fail(err, CLO_ERR_FORMAT, "digest %zu: %zu bytes for %s", i, bytes.size,
                            name);
        for (size_t k = 0; k < event->digest_count; k++)
            if (event->digests[k].hash == hash)
                return clo_fail(err, CLO_ERR_FORMAT, "digest %zu: a second one for %s", i, name);
        struct clo_digest *digest = &event->digests[event->digest_count++];
        digest->hash = hash;
        memcpy(digest->bytes, bytes.data, bytes.size);
    }
    return true;
}

/* Which register a record is of: one of these members says it. */
static bool read_register(const json_t *record, struct clo_userlog_event *event,
                          struct clo_error *err)
{
    static const struct {
        const char *name, *what;
        uint64_t limit;
    } members[] = {
        [CLO_USERLOG_PCR] = { "pcr", "PCR", CLO_PCR_COUNT },
        [CLO_USERLOG_NV] = { "nv_index", "NV index", UINT32_MAX },
        [CLO_USERLOG_RTMR] = { "rtmr", "RTMR", RTMRS },
    };
    uint64_t index = 0;

    event->kind = CLO_USERLOG_OTHER;
    event->pcr = CLO_USERLOG_NO_PCR;
    for (size_t i = 0; i < CLO_COUNT(members); i++) {
        if (json_object_get(record, members[i].name) == NULL)
            continue;
        if (event->kind != CLO_USERLOG_OTHER)
            return clo_fail(err, CLO_ERR_FORMAT, "is of a %s and of a %s",
                            members[event->kind].what, members[i].what);
        if (!clo_json_get_u64(record, members[i].name, &index, err))
            return false;
        if (index >= members[i].limit)
            return clo_fail(err, CLO_ERR_FORMAT, "%s %llu", members[i].what,
                            (unsigned long long)index);
        event->kind = (enum clo_userlog_kind)i;
    }
    event->index = (uint32_t)index;
    if (event->kind == CLO_USERLOG_PCR)
        event->pcr = (unsigned)index;
    return true;
}

static bool read_record(const json_t *record, struct clo_userlog_event *out, struct clo_error *err)
{
    struct clo_userlog_event event = { 0 };

    if (!read_register(record, &event, err) || !read_digests(record, &event, err))
        return false;
    /* Records without a content type exist: systemd wrote them for a while. */
    json_t *content = json_object_get(record, "content");
    if (json_is_object(content) &&
        (!clo_json_get_string_optional(content, "eventType", &event.type, err) ||
         !clo_json_get_string_optional(content, "nvIndexName", &event.name, err) ||
         !clo_json_get_string_optional(content, "string", &event.text, err)))
        return clo_wrap(err, "content");
    *out = event;
    return true;
}

bool clo_userlog_parse(struct clo_bytes in, struct clo_userlog **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = calloc(1, sizeof *log);
    size_t at = 0;

    if (log == NULL || (log->records = json_array()) == NULL)
        return clo_out_of_memory(err);
    if (!json_is_bounded(in, VALUES_MAX, err))
        return false;
    while (at < in.size) {
        if (in.data[at] != RECORD_SEPARATOR)
            return clo_fail(err, CLO_ERR_FORMAT, "record %zu: no record separator at byte %zu",
                            log->count, at);
        const uint8_t *next = memchr(in.data + at + 1, RECORD_SEPARATOR, in.size - at - 1);
        size_t end = next == NULL ? in.size : (size_t)(next - in.data);
        json_t *record = NULL;
        if (in.data[end - 1] != '\n')
            return clo_fail(err, CLO_ERR_FORMAT, "record %zu: cut short", log->count);
        if (!clo_json_parse(clo_bytes_slice(in, at + 1, end - at - 1), &record, err) ||
            json_array_append_new(log->records, record) != 0)
            return clo_wrap(err, "record %zu", log->count);
        if (log->count == EVENTS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d records", EVENTS_MAX);
        struct clo_userlog_event *grown =
                realloc(log->events, (log->count + 1) * sizeof *log->events);
        if (grown == NULL)
            return clo_out_of_memory(err);
        log->events = grown;
        if (!read_record(record, &log->events[log->count], err))
            return clo_wrap(err, "record %zu", log->count);
        log->count++;
        at = end;
    }
    *out = CLO_TAKE(log);
    return true;
}

void clo_userlog_free(struct clo_userlog *log)
{
    if (log == NULL)
        return;
    json_decref(log->records);
    free(log->events);
    free(log);
}

void clo_userlog_freep(struct clo_userlog **log)
{
    clo_userlog_free(*log);
    *log = NULL;
}

size_t clo_userlog_count(const struct clo_userlog *log)
{
    return log->count;
}

const struct clo_userlog_event *clo_userlog_at(const struct clo_userlog *log, size_t index)
{
    return index < log->count ? &log->events[index] : NULL;
}

static bool extend(const struct clo_userlog_event *event, unsigned reg, struct clo_pcr_bank *bank,
                   struct clo_error *err)
{
    for (size_t k = 0; k < event->digest_count; k++) {
        if (event->digests[k].hash != bank->hash)
            continue;
        clo_pcr_extend(bank, reg, &event->digests[k]);
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "no %s digest", clo_hash_name(bank->hash));
}

static bool replay_kind(const struct clo_userlog *log, enum clo_userlog_kind kind, unsigned first,
                        struct clo_pcr_bank *bank, struct clo_error *err)
{
    for (size_t i = 0; i < log->count; i++) {
        const struct clo_userlog_event *event = &log->events[i];
        if (event->kind == kind && !extend(event, first + event->index, bank, err))
            return clo_wrap(err, "record %zu", i);
    }
    return true;
}

bool clo_userlog_replay(const struct clo_userlog *log, struct clo_pcr_bank *bank,
                        struct clo_error *err)
{
    return replay_kind(log, CLO_USERLOG_PCR, 0, bank, err);
}

bool clo_userlog_replay_rtmrs(const struct clo_userlog *log, struct clo_pcr_bank *bank,
                              struct clo_error *err)
{
    return replay_kind(log, CLO_USERLOG_RTMR, 1, bank, err);
}

void clo_userlog_register(const struct clo_userlog_event *event, char *out, size_t size)
{
    switch (event->kind) {
    case CLO_USERLOG_PCR:
        snprintf(out, size, "PCR %u", event->pcr);
        break;
    case CLO_USERLOG_NV:
        snprintf(out, size, "NV index 0x%08x%s%.32s%s", event->index,
                 event->name == NULL ? "" : " (", event->name == NULL ? "" : event->name,
                 event->name == NULL ? "" : ")");
        break;
    case CLO_USERLOG_RTMR:
        snprintf(out, size, "RTMR %u", event->index);
        break;
    default:
        snprintf(out, size, "a register of a kind that is not known");
        break;
    }
    clo_sanitize(out);
}

bool clo_userlog_append(const struct clo_userlog_event *event, struct clo_buffer *log,
                        struct clo_error *err)
{
    static const char *const members[] = {
        [CLO_USERLOG_PCR] = "pcr", [CLO_USERLOG_NV] = "nv_index", [CLO_USERLOG_RTMR] = "rtmr"
    };
    uint32_t index = event->kind == CLO_USERLOG_PCR ? event->pcr : event->index;
    CLO_CLEANUP(clo_json_freep) json_t *record = NULL;
    json_t *digests = json_array();
    json_t *content = json_object();

    for (size_t i = 0; i < event->digest_count; i++)
        json_array_append_new(
                digests, json_pack("{s:s, s:o}", "hashAlg", clo_hash_name(event->digests[i].hash),
                                   "digest", clo_json_hex(clo_digest_bytes(&event->digests[i]))));
    if (event->name != NULL)
        json_object_set_new(content, "nvIndexName", json_string(event->name));
    if (event->type != NULL)
        json_object_set_new(content, "eventType", json_string(event->type));
    if (event->text != NULL)
        json_object_set_new(content, "string", json_string(event->text));
    record = json_pack("{s:o, s:s, s:o}", "digests", digests, "content_type", "systemd", "content",
                       content);
    if (event->kind != CLO_USERLOG_OTHER)
        json_object_set_new(record, members[event->kind], json_integer(index));
    if (json_array_size(digests) != event->digest_count)
        return clo_out_of_memory(err);
    clo_buffer_u8(log, RECORD_SEPARATOR);
    if (!clo_json_write(record, log, err))
        return false;
    clo_buffer_text(log, "\n");
    return clo_buffer_ok(log) || clo_out_of_memory(err);
}
