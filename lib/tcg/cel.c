#include "cel.h"

#include <string.h>

#define PCRS_MAX  24
#define SHA1_SIZE 20

bool clo_cel_is_log(struct clo_bytes in, enum clo_cel_encoding *out)
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

bool cel_add_digest(struct cel_record *record, uint16_t algorithm, struct clo_bytes digest,
                    struct clo_error *err)
{
    enum clo_hash hash = clo_hash_from_tpm(algorithm);

    if (hash == CLO_HASH_NONE)
        return true;
    if (digest.size != clo_hash_size(hash))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes for %s", digest.size, clo_hash_name(hash));
    for (size_t i = 0; i < record->digest_count; i++)
        if (record->digests[i].hash == hash)
            return clo_fail(err, CLO_ERR_FORMAT, "a second one for %s", clo_hash_name(hash));
    struct clo_digest *out = &record->digests[record->digest_count++];
    *out = (struct clo_digest){ .hash = hash };
    memcpy(out->bytes, digest.data, digest.size);
    return true;
}

/* --- Reading: into a crypto-agile log --- */

struct reading {
    struct clo_buffer body;
    struct clo_buffer spec_id; /* the first event's data, where the log has one */
    uint32_t hashes;           /* bit n: enum clo_hash n appears */
    uint64_t next[PCRS_MAX];   /* the least number that a PCR's next record may have */
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
    if (record->index >= PCRS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u", record->index);
    if (record->recnum != 0 && record->recnum < reading->next[record->index])
        return clo_fail(err, CLO_ERR_FORMAT, "recnum %llu of PCR %u comes too late",
                        (unsigned long long)record->recnum, record->index);
    if (record->recnum != UINT64_MAX)
        reading->next[record->index] = record->recnum + 1;
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
        return true;
    }
    if (record->digest_count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no digest of a bank that we know");
    clo_buffer_le32(&reading->body, record->index);
    clo_buffer_le32(&reading->body,
                    record->content_type == CEL_PCCLIENT_STD ? record->event_type : CLO_EV_IPL);
    clo_buffer_le32(&reading->body, (uint32_t)record->digest_count);
    for (size_t i = 0; i < record->digest_count; i++) {
        reading->hashes |= 1U << record->digests[i].hash;
        clo_buffer_le16(&reading->body, clo_hash_to_tpm(record->digests[i].hash));
        clo_buffer_append(&reading->body, clo_digest_bytes(&record->digests[i]));
    }
    clo_buffer_le32(&reading->body, (uint32_t)data.size);
    clo_buffer_append(&reading->body, data);
    return clo_buffer_ok(&reading->body) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* TCG_EfiSpecIDEvent for the banks that appear. */
static void make_spec_id(uint32_t hashes, struct clo_buffer *out)
{
    static const char name[] = "Spec ID Event03";
    unsigned count = 0;

    for (unsigned hash = 1; hash < CLO_HASH_COUNT; hash++)
        count += hashes >> hash & 1;
    clo_buffer_append(out, clo_bytes(name, sizeof name));
    clo_buffer_le32(out, 0);
    clo_buffer_append(out, clo_bytes("\0\2\0\2", 4)); /* version 2.0 errata 0, 64 bits */
    clo_buffer_le32(out, count);
    for (unsigned hash = 1; hash < CLO_HASH_COUNT; hash++) {
        if ((hashes >> hash & 1) == 0)
            continue;
        clo_buffer_le16(out, clo_hash_to_tpm((enum clo_hash)hash));
        clo_buffer_le16(out, (uint16_t)clo_hash_size((enum clo_hash)hash));
    }
    clo_buffer_u8(out, 0);
}

static void reading_free(struct reading *reading)
{
    clo_buffer_free(&reading->body);
    clo_buffer_free(&reading->spec_id);
}

bool clo_cel_read(struct clo_bytes in, enum clo_cel_encoding encoding, struct clo_buffer *out,
                  struct clo_error *err)
{
    CLO_CLEANUP(reading_free) struct reading reading = { .count = 0 };
    bool ok = encoding == CLO_CEL_CBOR ? cel_cbor_read(in, take, &reading, err)
                                       : cel_json_read(in, take, &reading, err);

    if (!ok)
        return clo_wrap(err, "canonical event log");
    if (reading.count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "canonical event log: is empty");
    if (reading.spec_id.size == 0)
        make_spec_id(reading.hashes, &reading.spec_id);
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, CLO_EV_NO_ACTION);
    clo_buffer_zero(out, SHA1_SIZE);
    clo_buffer_le32(out, (uint32_t)reading.spec_id.size);
    clo_buffer_append(out, clo_buffer_bytes(&reading.spec_id));
    clo_buffer_append(out, clo_buffer_bytes(&reading.body));
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}
