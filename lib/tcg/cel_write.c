#include <string.h>

#include "cel.h"
#include "cloister/encoding.h"
#include "lib/base/cbor.h"

#define PCRS_MAX 24
#define NO_PCR   UINT32_MAX /* where an EV_NO_ACTION may say that it goes */

/* One record on its way out: only what its content type has is looked at. */
struct out_record {
    bool is_nv; /* then `pcr` is an NV index */
    unsigned pcr;
    struct clo_event_digest digests[CLO_EVENT_DIGESTS_MAX];
    size_t digest_count;
    unsigned content_type;
    uint32_t event_type;
    struct clo_bytes name;
    struct clo_bytes data;
    const char *systemd_type;
    const char *systemd_text;
};

struct writing {
    enum clo_cel_encoding encoding;
    json_t *records;        /* JSON */
    struct clo_buffer body; /* CBOR */
    size_t count;
    uint64_t next[PCRS_MAX +
                  2]; /* the number of a PCR's next record; then of none's, of NV indices' */
    bool failed;
};

/* --- JSON --- */

static json_t *systemd_content(const struct out_record *record)
{
    json_t *content = json_object();

    if (record->systemd_type != NULL)
        json_object_set_new(content, "eventType", json_string(record->systemd_type));
    if (record->systemd_text != NULL)
        json_object_set_new(content, "string", json_string(record->systemd_text));
    return content;
}

static json_t *json_content(const struct out_record *record)
{
    const char *type = clo_event_type_name(record->event_type);

    if (record->content_type == CEL_SYSTEMD)
        return systemd_content(record);
    if (record->content_type == CEL_IMA_TEMPLATE)
        return json_pack("{s:o?, s:o}", "template_name",
                         json_stringn((const char *)record->name.data, record->name.size),
                         "template_data", clo_json_hex(record->data));
    return json_pack("{s:o, s:o}", "event_type",
                     type != NULL ? json_string(type) : json_integer(record->event_type),
                     "event_data", clo_json_hex(record->data));
}

static void add_json(struct writing *w, const struct out_record *record, uint64_t recnum)
{
    static const char *const types[] = { [CEL_PCCLIENT_STD] = "pcclient_std",
                                         [CEL_IMA_TEMPLATE] = "ima_template",
                                         [CEL_SYSTEMD] = "systemd" };
    json_t *digests = json_array();

    for (size_t i = 0; i < record->digest_count; i++) {
        const struct clo_event_digest *digest = &record->digests[i];
        const char *name = clo_event_algorithm_name(digest->algorithm);
        char number[8];
        snprintf(number, sizeof number, "0x%04x", digest->algorithm);
        json_array_append_new(digests,
                              json_pack("{s:s, s:o}", "hashAlg", name != NULL ? name : number,
                                        "digest", clo_json_hex(digest->bytes)));
    }
    json_t *json = json_pack("{s:I, s:I, s:o, s:s, s:o}", "recnum", (json_int_t)recnum,
                             record->is_nv ? "nv_index" : "pcr", (json_int_t)record->pcr, "digests",
                             digests, "content_type", types[record->content_type], "content",
                             json_content(record));
    w->failed = json == NULL || json_array_append_new(w->records, json) != 0 || w->failed;
}

/* --- CBOR --- */

static void add_cbor_content(struct writing *w, const struct out_record *record)
{
    struct clo_buffer *out = &w->body;

    if (record->content_type == CEL_SYSTEMD) {
        CLO_CLEANUP(clo_json_freep) json_t *content = systemd_content(record);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error ignored;
        w->failed = !clo_json_write(content, &text, &ignored) || w->failed;
        clo_cbor_bytes(out, clo_buffer_bytes(&text));
        return;
    }
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    if (record->content_type == CEL_IMA_TEMPLATE) {
        clo_cbor_write(out, CLO_CBOR_TEXT, record->name.size);
        clo_buffer_append(out, record->name);
    } else {
        clo_cbor_write(out, CLO_CBOR_UINT, record->event_type);
    }
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_bytes(out, record->data);
}

static void add_cbor(struct writing *w, const struct out_record *record, uint64_t recnum)
{
    struct clo_buffer *out = &w->body;

    clo_cbor_write(out, CLO_CBOR_MAP, 5);
    clo_cbor_write(out, CLO_CBOR_UINT, CEL_RECNUM);
    clo_cbor_write(out, CLO_CBOR_UINT, recnum);
    clo_cbor_write(out, CLO_CBOR_UINT, record->is_nv ? CEL_NV_INDEX : CEL_PCR);
    clo_cbor_write(out, CLO_CBOR_UINT, record->pcr);
    clo_cbor_write(out, CLO_CBOR_UINT, CEL_DIGESTS);
    clo_cbor_write(out, CLO_CBOR_ARRAY, record->digest_count);
    for (size_t i = 0; i < record->digest_count; i++) {
        clo_cbor_write(out, CLO_CBOR_MAP, 2);
        clo_cbor_write(out, CLO_CBOR_UINT, 0);
        clo_cbor_write(out, CLO_CBOR_UINT, record->digests[i].algorithm);
        clo_cbor_write(out, CLO_CBOR_UINT, 1);
        clo_cbor_bytes(out, record->digests[i].bytes);
    }
    clo_cbor_write(out, CLO_CBOR_UINT, CEL_CONTENT_TYPE);
    clo_cbor_write(out, CLO_CBOR_UINT, record->content_type);
    clo_cbor_write(out, CLO_CBOR_UINT, CEL_CONTENT);
    add_cbor_content(w, record);
}

/* --- Records --- */

static bool add(struct writing *w, const struct out_record *record, struct clo_error *err)
{
    bool is_nowhere = record->pcr == NO_PCR && record->content_type == CEL_PCCLIENT_STD &&
                      record->event_type == CLO_EV_NO_ACTION;

    if (!is_nowhere && !record->is_nv && record->pcr >= PCRS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u", record->pcr);
    if (w->count++ == CEL_RECORDS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d records", CEL_RECORDS_MAX);
    uint64_t recnum = w->next[record->is_nv ? PCRS_MAX + 1 : is_nowhere ? PCRS_MAX : record->pcr]++;
    if (w->encoding == CLO_CEL_JSON)
        add_json(w, record, recnum);
    else
        add_cbor(w, record, recnum);
    return true;
}

/* A view. */
static void add_digest(struct out_record *record, const struct clo_digest *digest)
{
    if (record->digest_count < CLO_COUNT(record->digests))
        record->digests[record->digest_count++] =
                (struct clo_event_digest){ .algorithm = clo_hash_to_tpm(digest->hash),
                                           .bytes = clo_digest_bytes(digest) };
}

static bool add_firmware(struct writing *w, const struct clo_eventlog *log, struct clo_error *err)
{
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        struct out_record record = { .pcr = event->pcr,
                                     .content_type = CEL_PCCLIENT_STD,
                                     .event_type = event->type,
                                     .data = event->data };
        while (record.digest_count < CLO_COUNT(record.digests) &&
               clo_event_digest_at(event, record.digest_count,
                                   &record.digests[record.digest_count]))
            record.digest_count++;
        /* A reader could not replay it; nor do we read it. */
        if (record.digest_count == 0)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "event %zu: no digest", i);
        if (!add(w, &record, err))
            return clo_wrap(err, "event %zu", i);
    }
    return true;
}

static bool add_ima(struct writing *w, const struct clo_ima *ima, const struct clo_eventlog *log,
                    struct clo_error *err)
{
    for (size_t i = 0; i < clo_ima_count(ima); i++) {
        const struct clo_ima_entry *entry = clo_ima_at(ima, i);
        struct clo_digest digests[CLO_HASH_COUNT];
        struct out_record record = { .pcr = entry->pcr,
                                     .content_type = CEL_IMA_TEMPLATE,
                                     .name = entry->template_name,
                                     .data = entry->template_data };
        for (size_t k = 0; k < clo_eventlog_algorithm_count(log); k++) {
            enum clo_hash hash = clo_eventlog_algorithm(log, k);
            if (hash == CLO_HASH_NONE)
                continue;
            clo_ima_digest(entry, hash, &digests[hash]);
            add_digest(&record, &digests[hash]);
        }
        if (!add(w, &record, err))
            return clo_wrap(err, "IMA entry %zu", i);
    }
    return true;
}

bool clo_cel_names(const struct clo_eventlog *log, const struct clo_userlog_event *event)
{
    return event->kind == CLO_USERLOG_NV ||
           event->kind == (clo_eventlog_is_ccel(log) ? CLO_USERLOG_RTMR : CLO_USERLOG_PCR);
}

/* A CCEL log counts RTMR 0 as register 1. */
static unsigned register_of(const struct clo_userlog_event *event)
{
    return event->kind == CLO_USERLOG_PCR    ? event->pcr
           : event->kind == CLO_USERLOG_RTMR ? event->index + 1
                                             : event->index;
}

static bool add_systemd(struct writing *w, const struct clo_eventlog *log,
                        const struct clo_userlog *userlog, struct clo_error *err)
{
    for (size_t i = 0; i < clo_userlog_count(userlog); i++) {
        const struct clo_userlog_event *event = clo_userlog_at(userlog, i);
        if (!clo_cel_names(log, event))
            continue;
        struct out_record record = { .is_nv = event->kind == CLO_USERLOG_NV,
                                     .pcr = register_of(event),
                                     .content_type = CEL_SYSTEMD,
                                     .systemd_type = event->type,
                                     .systemd_text = event->text };
        for (size_t k = 0; k < event->digest_count; k++)
            add_digest(&record, &event->digests[k]);
        if (!add(w, &record, err))
            return clo_wrap(err, "record %zu of user space", i);
    }
    return true;
}

static void writing_free(struct writing *w)
{
    json_decref(w->records);
    clo_buffer_free(&w->body);
}

bool clo_cel_write(const struct clo_eventlog *log, const struct clo_ima *ima,
                   const struct clo_userlog *userlog, enum clo_cel_encoding encoding,
                   struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(writing_free) struct writing w = { .encoding = encoding, .records = json_array() };

    if (!add_firmware(&w, log, err) || (ima != NULL && !add_ima(&w, ima, log, err)) ||
        (userlog != NULL && !add_systemd(&w, log, userlog, err)))
        return clo_wrap(err, "canonical event log");
    if (encoding == CLO_CEL_CBOR) {
        clo_cbor_write(out, CLO_CBOR_ARRAY, w.count);
        clo_buffer_append(out, clo_buffer_bytes(&w.body));
        w.failed = w.failed || !clo_buffer_ok(&w.body);
    } else {
        CLO_CLEANUP(clo_freep) char *text = json_dumps(w.records, JSON_INDENT(1));
        w.failed = w.failed || text == NULL;
        clo_buffer_text(out, text == NULL ? "" : text);
        clo_buffer_text(out, "\n");
    }
    return (!w.failed && clo_buffer_ok(out)) || clo_out_of_memory(err);
}
