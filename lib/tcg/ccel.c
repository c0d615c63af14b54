#include "cloister/ccel.h"

#include <string.h>

#include "cloister/crypto.h"
#include "cloister/json.h"

#define TABLE_SIZE 56
#define RTMR_COUNT 4
#define ALG_SHA384 0x000c
#define LOG_LIMIT  ((size_t)16 << 20)

/* --- The ACPI table --- */

bool clo_ccel_is_table(struct clo_bytes in)
{
    return in.size >= 36 && memcmp(in.data, "CCEL", 4) == 0;
}

bool clo_ccel_table_parse(struct clo_bytes in, struct clo_ccel_table *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_ccel_table table = { 0 };
    uint8_t sum = 0;

    clo_read_skip(&r, 4); /* signature */
    uint32_t length = clo_read_le32(&r);
    clo_read_skip(&r, 28); /* revision, checksum, who made it */
    table.type = clo_read_u8(&r);
    table.subtype = clo_read_u8(&r);
    clo_read_skip(&r, 2);
    table.size = clo_read_le64(&r);
    table.address = clo_read_le64(&r);
    if (!clo_ccel_is_table(in))
        return clo_fail(err, CLO_ERR_FORMAT, "is not a CCEL table");
    if (!clo_reader_ok(&r) || length != TABLE_SIZE || in.size != length)
        return clo_fail(err, CLO_ERR_FORMAT, "CCEL table: %zu bytes, says %u, expected %d", in.size,
                        length, TABLE_SIZE);
    for (size_t i = 0; i < in.size; i++)
        sum = (uint8_t)(sum + in.data[i]);
    if (sum != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "CCEL table: checksum is off by 0x%02x", sum);
    *out = table;
    return true;
}

/* --- dstack's JSON --- */

static void append_header(struct clo_buffer *out)
{
    static const char id[] = "Spec ID Event03";

    clo_buffer_le32(out, 1);
    clo_buffer_le32(out, 3); /* EV_NO_ACTION */
    clo_buffer_zero(out, 20);
    clo_buffer_le32(out, 33);
    clo_buffer_append(out, clo_bytes(id, sizeof id));
    clo_buffer_le32(out, 0);
    clo_buffer_append(out, clo_bytes("\0\2\0\2", 4));
    clo_buffer_le32(out, 1);
    clo_buffer_le16(out, ALG_SHA384);
    clo_buffer_le16(out, 48);
    clo_buffer_u8(out, 0);
}

struct json_event {
    uint64_t rtmr;
    uint64_t type;
    const char *name;
    struct clo_buffer digest;
    struct clo_buffer payload;
};

static void free_event(struct json_event *event)
{
    clo_buffer_free(&event->digest);
    clo_buffer_free(&event->payload);
}

static bool read_event(const json_t *json, struct json_event *out, struct clo_error *err)
{
    static const char *const members[] = { "imr",   "event_type",    "digest",
                                           "event", "event_payload", NULL };

    if (!clo_json_only(json, members, err) || !clo_json_get_u64(json, "imr", &out->rtmr, err) ||
        !clo_json_get_u64(json, "event_type", &out->type, err) ||
        !clo_json_get_string(json, "event", &out->name, err) ||
        !clo_json_get_bytes(json, "digest", CLO_JSON_HEX, 48, &out->digest, err) ||
        !clo_json_get_bytes(json, "event_payload", CLO_JSON_HEX, LOG_LIMIT, &out->payload, err))
        return false;
    if (out->rtmr >= RTMR_COUNT)
        return clo_fail(err, CLO_ERR_FORMAT, "\"imr\": %llu", (unsigned long long)out->rtmr);
    if (out->type > UINT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"event_type\": %llu", (unsigned long long)out->type);
    return true;
}

/* What dstack hashes of an event of its own: type, name and payload, with colons between. */
static void runtime_data(const struct json_event *event, struct clo_buffer *out)
{
    clo_buffer_le32(out, (uint32_t)event->type);
    clo_buffer_u8(out, ':');
    clo_buffer_text(out, event->name);
    clo_buffer_u8(out, ':');
    clo_buffer_append(out, clo_buffer_bytes(&event->payload));
}

/* TCG_PCR_EVENT2 with a SHA-384 digest. */
static void write_event(uint32_t rtmr, uint32_t type, struct clo_bytes digest,
                        struct clo_bytes data, struct clo_buffer *out)
{
    clo_buffer_le32(out, rtmr + 1);
    clo_buffer_le32(out, type);
    clo_buffer_le32(out, 1);
    clo_buffer_le16(out, ALG_SHA384);
    clo_buffer_append(out, digest);
    clo_buffer_le32(out, (uint32_t)data.size);
    clo_buffer_append(out, data);
}

static bool append_event(const struct json_event *event, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    bool is_runtime = event->type == CLO_EV_DSTACK_RUNTIME;
    struct clo_bytes digest = clo_buffer_bytes(&event->digest);
    struct clo_bytes data = clo_buffer_bytes(&event->payload);
    struct clo_digest made;

    if (is_runtime) {
        runtime_data(event, &runtime);
        data = clo_buffer_bytes(&runtime);
    }
    /* Newer logs leave the digest of these out: it follows from the rest. */
    if (is_runtime && digest.size == 0) {
        clo_hash(CLO_HASH_SHA384, data, &made);
        digest = clo_digest_bytes(&made);
    }
    if (digest.size != 48)
        return clo_fail(err, CLO_ERR_FORMAT, "\"digest\": %zu bytes, expected 48", digest.size);
    write_event((uint32_t)event->rtmr, (uint32_t)event->type, digest, data, out);
    return (clo_buffer_ok(out) && clo_buffer_ok(&runtime)) || clo_out_of_memory(err);
}

bool clo_ccel_from_json(struct clo_bytes json, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    json_t *entry;
    size_t i;

    if (!clo_json_parse(json, &list, err))
        return false;
    if (!json_is_array(list))
        return clo_fail(err, CLO_ERR_FORMAT, "not a list of events");
    append_header(out);
    json_array_foreach (list, i, entry) {
        CLO_CLEANUP(free_event) struct json_event event = { 0 };
        if (!read_event(entry, &event, err) || !append_event(&event, out, err))
            return clo_wrap(err, "event %zu", i);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- What user space measured --- */

static bool append_record(const struct clo_userlog_event *event, struct clo_buffer *out,
                          struct clo_error *err)
{
    struct clo_bytes text = clo_bytes_text(event->text == NULL ? "" : event->text);

    if (event->kind != CLO_USERLOG_RTMR)
        return true;
    for (size_t i = 0; i < event->digest_count; i++) {
        if (event->digests[i].hash != CLO_HASH_SHA384)
            continue;
        write_event(event->index, CLO_EV_IPL, clo_digest_bytes(&event->digests[i]), text, out);
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "no sha384 digest");
}

bool clo_ccel_append(struct clo_bytes bytes, const struct clo_eventlog *log,
                     const struct clo_userlog *userlog, struct clo_buffer *out,
                     struct clo_error *err)
{
    size_t count = clo_eventlog_count(log);

    if (count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "the firmware's log has no events to go on from");
    /* Without what pads the firmware's log at its end. */
    struct clo_bytes last = clo_eventlog_at(log, count - 1)->data;
    clo_buffer_append(out, clo_bytes_slice(bytes, 0, (size_t)(last.data + last.size - bytes.data)));
    for (size_t i = 0; i < clo_userlog_count(userlog); i++)
        if (!append_record(clo_userlog_at(userlog, i), out, err))
            return clo_wrap(err, "record %zu", i);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
