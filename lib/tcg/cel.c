#include "cel.h"

#include <string.h>

#define PCRS_MAX       24
#define NO_PCR         UINT32_MAX /* where an EV_NO_ACTION may say that it goes */
#define SHA1_SIZE      20
#define ALGORITHMS_MAX 16

bool clo_cel_is(struct clo_bytes in, enum clo_cel_encoding *out)
{
    struct clo_bytes head = clo_bytes_slice(in, 0, 4096);

    if (head.size >= 2 && (head.data[0] >> 5) == 4 && head.data[0] != 0x80 &&
        memchr(head.data, 0xa5, head.size < 10 ? head.size : 10) != NULL) {
        *out = CLO_CEL_CBOR;
        return true;
    }
    /* Other logs are arrays of objects too: those have no record numbers. */
    size_t at = 0;
    while (at < head.size && memchr(" \t\r\n", head.data[at], 4) != NULL)
        at++;
    *out = CLO_CEL_JSON;
    return at < head.size && head.data[at] == '[' &&
           memmem(head.data, head.size, "\"digests\"", 9) != NULL &&
           memmem(head.data, head.size, "\"pcr\"", 5) != NULL;
}

/* --- Reading: into a crypto-agile log --- */

struct reading {
    struct clo_buffer body;
    struct clo_buffer spec_id; /* the first event's data, where the log has one */
    uint32_t spec_id_index;
    struct {
        uint16_t id;
        uint16_t size;
    } algorithms[ALGORITHMS_MAX]; /* that appear */
    size_t algorithm_count;
    uint64_t next[PCRS_MAX + 1]; /* the least number that a PCR's next record may have */
    size_t count;
};

static bool is_spec_id(const struct cel_record *record)
{
    return record->content_type == CEL_PCCLIENT_STD && record->event_type == CLO_EV_NO_ACTION &&
           record->data.size >= 16 && memcmp(record->data.data, "Spec ID Event03", 16) == 0;
}

/* Numbers go up, from whatever they begin with: some count over all PCRs, some for each. */
static bool check_number(struct reading *reading, const struct cel_record *record,
                         struct clo_error *err)
{
    bool is_nowhere = record->index == NO_PCR && record->content_type == CEL_PCCLIENT_STD &&
                      record->event_type == CLO_EV_NO_ACTION;
    size_t place = is_nowhere ? PCRS_MAX : record->index;

    if (!is_nowhere && record->index >= PCRS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u", record->index);
    if (record->recnum != 0 && record->recnum < reading->next[place])
        return clo_fail(err, CLO_ERR_FORMAT, "recnum %llu of PCR %u comes too late",
                        (unsigned long long)record->recnum, record->index);
    if (record->recnum != UINT64_MAX)
        reading->next[place] = record->recnum + 1;
    return true;
}

/* A bank that firmware's first event does not list was not the firmware's: user space measures into all
 * that the TPM has, and the binary form has no place for those. */
static bool is_listed(const struct reading *reading, uint16_t algorithm)
{
    struct clo_reader r = clo_reader(clo_buffer_bytes(&reading->spec_id));

    if (reading->spec_id.size == 0)
        return true;
    clo_read_skip(&r, 24); /* name, platform class, version */
    for (uint32_t left = clo_read_le32(&r); left > 0 && clo_reader_ok(&r); left--) {
        uint16_t listed = clo_read_le16(&r);
        clo_read_skip(&r, 2);
        if (clo_reader_ok(&r) && listed == algorithm)
            return true;
    }
    return false;
}

/* In the order of their numbers, each of one size. */
static bool note_algorithm(struct reading *reading, const struct cel_digest *digest,
                           struct clo_error *err)
{
    size_t at = 0;

    while (at < reading->algorithm_count && reading->algorithms[at].id < digest->algorithm)
        at++;
    if (at < reading->algorithm_count && reading->algorithms[at].id == digest->algorithm)
        return reading->algorithms[at].size == digest->size ||
               clo_fail(err, CLO_ERR_FORMAT, "algorithm 0x%04x: digests of %u and of %u bytes",
                        digest->algorithm, reading->algorithms[at].size, digest->size);
    if (reading->algorithm_count == ALGORITHMS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d algorithms", ALGORITHMS_MAX);
    memmove(&reading->algorithms[at + 1], &reading->algorithms[at],
            (reading->algorithm_count - at) * sizeof reading->algorithms[0]);
    reading->algorithms[at].id = digest->algorithm;
    reading->algorithms[at].size = digest->size;
    reading->algorithm_count++;
    return true;
}

static bool take(void *context, const struct cel_record *record, struct clo_error *err)
{
    struct reading *reading = context;
    struct clo_bytes data = clo_buffer_bytes(&record->data);
    bool is_first = reading->count++ == 0;

    if (record->is_nv)
        return true;
    if (!check_number(reading, record, err))
        return false;
    if (is_first && is_spec_id(record)) {
        clo_buffer_append(&reading->spec_id, data);
        reading->spec_id_index = record->index;
        return true;
    }
    if (record->digest_count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no digest");
    clo_buffer_le32(&reading->body, record->index);
    clo_buffer_le32(&reading->body,
                    record->content_type == CEL_PCCLIENT_STD ? record->event_type : CLO_EV_IPL);
    bool takes_all = record->content_type == CEL_PCCLIENT_STD;
    size_t count = 0;
    for (size_t i = 0; i < record->digest_count; i++)
        count += takes_all || is_listed(reading, record->digests[i].algorithm);
    if (count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no digest of a bank that the log has");
    clo_buffer_le32(&reading->body, (uint32_t)count);
    for (size_t i = 0; i < record->digest_count; i++) {
        const struct cel_digest *digest = &record->digests[i];
        if (!takes_all && !is_listed(reading, digest->algorithm))
            continue;
        if (!note_algorithm(reading, digest, err))
            return false;
        clo_buffer_le16(&reading->body, digest->algorithm);
        clo_buffer_append(&reading->body, clo_bytes(digest->bytes, digest->size));
    }
    clo_buffer_le32(&reading->body, (uint32_t)data.size);
    clo_buffer_append(&reading->body, data);
    return clo_buffer_ok(&reading->body) || clo_out_of_memory(err);
}

/* TCG_EfiSpecIDEvent for the banks that appear. */
static void make_spec_id(struct reading *reading)
{
    static const char name[] = "Spec ID Event03";
    struct clo_buffer *out = &reading->spec_id;

    clo_buffer_append(out, clo_bytes(name, sizeof name));
    clo_buffer_le32(out, 0);
    clo_buffer_append(out, clo_bytes("\0\2\0\2", 4)); /* version 2.0 errata 0, 64 bits */
    clo_buffer_le32(out, (uint32_t)reading->algorithm_count);
    for (size_t i = 0; i < reading->algorithm_count; i++) {
        clo_buffer_le16(out, reading->algorithms[i].id);
        clo_buffer_le16(out, reading->algorithms[i].size);
    }
    clo_buffer_u8(out, 0);
}

static void reading_free(struct reading *reading)
{
    clo_buffer_free(&reading->body);
    clo_buffer_free(&reading->spec_id);
}

bool clo_cel_read(struct clo_bytes in, enum clo_cel_encoding encoding, struct clo_buffer *out,
                  bool *is_header_made, struct clo_error *err)
{
    CLO_CLEANUP(reading_free) struct reading reading = { .count = 0 };
    bool ok = encoding == CLO_CEL_CBOR ? cel_cbor_read(in, take, &reading, err)
                                       : cel_json_read(in, take, &reading, err);

    if (!ok)
        return clo_wrap(err, "canonical event log");
    if (reading.count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "canonical event log: is empty");
    *is_header_made = reading.spec_id.size == 0;
    if (*is_header_made)
        make_spec_id(&reading);
    clo_buffer_le32(out, reading.spec_id_index);
    clo_buffer_le32(out, CLO_EV_NO_ACTION);
    clo_buffer_zero(out, SHA1_SIZE);
    clo_buffer_le32(out, (uint32_t)reading.spec_id.size);
    clo_buffer_append(out, clo_buffer_bytes(&reading.spec_id));
    clo_buffer_append(out, clo_buffer_bytes(&reading.body));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
