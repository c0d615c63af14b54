#include "cel.h"
#include "cloister/json.h"
#include "lib/base/cbor.h"

#define RECORD_MEMBERS 5

/* The n-th key of a map must be this. */
static void read_key(struct clo_reader *r, uint64_t key)
{
    uint64_t found = clo_cbor_read(r, CLO_CBOR_UINT);

    r->failed = r->failed || found != key;
}

/* A map of two members. */
static void read_pair(struct clo_reader *r)
{
    size_t members = clo_cbor_read_count(r, CLO_CBOR_MAP, 2);

    r->failed = r->failed || members != 2;
}

static bool read_digests(struct clo_reader *r, struct cel_record *record, struct clo_error *err)
{
    size_t count = clo_cbor_read_count(r, CLO_CBOR_ARRAY, 16);

    for (size_t i = 0; i < count && clo_reader_ok(r); i++) {
        read_pair(r);
        read_key(r, 0);
        uint64_t algorithm = clo_cbor_read(r, CLO_CBOR_UINT);
        read_key(r, 1);
        struct clo_bytes digest = clo_cbor_read_string(r, CLO_CBOR_BYTES);
        r->failed = r->failed || algorithm > UINT16_MAX;
        if (clo_reader_ok(r) && !cel_add_digest(record, (uint16_t)algorithm, digest, err))
            return clo_wrap(err, "digest %zu", i);
    }
    return true;
}

static uint32_t read_event_type(struct clo_reader *r)
{
    char text[64] = "";
    uint32_t type = 0;

    if (clo_cbor_peek(r) == CLO_CBOR_UINT) {
        uint64_t number = clo_cbor_read(r, CLO_CBOR_UINT);
        r->failed = r->failed || number > UINT32_MAX;
        return (uint32_t)number;
    }
    struct clo_bytes name = clo_cbor_read_string(r, CLO_CBOR_TEXT);
    r->failed = r->failed || name.size >= sizeof text;
    for (size_t i = 0; clo_reader_ok(r) && i < name.size; i++)
        text[i] = (char)name.data[i];
    r->failed = r->failed || !cel_event_type(text, &type);
    return type;
}

/* systemd's content is its JSON, as a byte string. */
static void read_systemd(struct clo_bytes json_text, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;
    const char *text = NULL;

    if (clo_json_parse_bounded(json_text, CLO_JSON_VALUES_MAX, &json, &ignored) &&
        clo_json_get_string_optional(json, "string", &text, &ignored) && text != NULL)
        clo_buffer_text(out, text);
}

static void read_content(struct clo_reader *r, struct cel_record *record)
{
    if (record->content_type == CEL_SYSTEMD) {
        read_systemd(clo_cbor_read_string(r, CLO_CBOR_BYTES), &record->data);
        return;
    }
    if (record->content_type != CEL_PCCLIENT_STD && record->content_type != CEL_IMA_TEMPLATE) {
        clo_cbor_skip(r);
        return;
    }
    read_pair(r);
    read_key(r, 0);
    if (record->content_type == CEL_PCCLIENT_STD)
        record->event_type = read_event_type(r);
    else
        record->name = clo_cbor_read_string(r, CLO_CBOR_TEXT);
    read_key(r, 1);
    clo_buffer_append(&record->data, clo_cbor_read_string(r, CLO_CBOR_BYTES));
}

static bool read_record(struct clo_reader *r, struct cel_record *record, struct clo_error *err)
{
    size_t members = clo_cbor_read_count(r, CLO_CBOR_MAP, RECORD_MEMBERS);
    r->failed = r->failed || members != RECORD_MEMBERS;
    read_key(r, CEL_RECNUM);
    record->recnum = clo_cbor_read(r, CLO_CBOR_UINT);
    uint64_t kind = clo_cbor_read(r, CLO_CBOR_UINT);
    uint64_t index = clo_cbor_read(r, CLO_CBOR_UINT);
    r->failed = r->failed || (kind != CEL_PCR && kind != CEL_NV_INDEX) || index > UINT32_MAX;
    record->is_nv = kind == CEL_NV_INDEX;
    record->index = (uint32_t)index;
    read_key(r, CEL_DIGESTS);
    if (!read_digests(r, record, err))
        return false;
    read_key(r, CEL_CONTENT_TYPE);
    uint64_t type = clo_cbor_read(r, CLO_CBOR_UINT);
    r->failed = r->failed || type > UINT16_MAX;
    record->content_type = (unsigned)type;
    read_key(r, CEL_CONTENT);
    if (clo_reader_ok(r))
        read_content(r, record);
    if (!clo_buffer_ok(&record->data))
        return clo_fail(err, CLO_ERR_FORMAT, "content of more than %zu bytes", CEL_BYTES_MAX);
    return clo_reader_ok(r) || clo_fail(err, CLO_ERR_FORMAT, "malformed at byte %zu", r->at);
}

bool cel_cbor_read(struct clo_bytes in, cel_each *each, void *context, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    size_t count = clo_cbor_read_count(&r, CLO_CBOR_ARRAY, CEL_RECORDS_MAX);

    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "not an array of at most %d records", CEL_RECORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct cel_record record = { .data = { .limit = CEL_BYTES_MAX } };
        bool ok = read_record(&r, &record, err) && each(context, &record, err);
        clo_buffer_free(&record.data);
        if (!ok)
            return clo_wrap(err, "record %zu", i);
    }
    return clo_reader_left(&r) == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%zu bytes after the log", clo_reader_left(&r));
}
