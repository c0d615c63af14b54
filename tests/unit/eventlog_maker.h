/* Event logs made in memory: the bytes of TCG PC Client Platform Firmware Profile 1.06, section 10. */
#ifndef CLOISTER_TEST_EVENTLOG_MAKER_H
#define CLOISTER_TEST_EVENTLOG_MAKER_H

#include "cloister/eventlog.h"

/* TCG_PCClientPCREvent: the first event of every log, and all of a SHA-1 one. */
static inline void log_old_event(struct clo_buffer *log, unsigned pcr, uint32_t type,
                                 struct clo_bytes data)
{
    struct clo_digest digest = { .hash = CLO_HASH_SHA1 };

    if (type != CLO_EV_NO_ACTION)
        clo_hash(CLO_HASH_SHA1, data, &digest);
    clo_buffer_le32(log, pcr);
    clo_buffer_le32(log, type);
    clo_buffer_append(log, clo_digest_bytes(&digest));
    clo_buffer_le32(log, (uint32_t)data.size);
    clo_buffer_append(log, data);
}

/* The Spec ID event that names these banks. */
static inline void log_header(struct clo_buffer *log, const enum clo_hash *banks, size_t count)
{
    static const char id[] = "Spec ID Event03";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    clo_buffer_append(&data, clo_bytes(id, sizeof id));
    clo_buffer_le32(&data, 0);
    clo_buffer_u8(&data, 0);
    clo_buffer_u8(&data, 2);
    clo_buffer_u8(&data, 0);
    clo_buffer_u8(&data, 2);
    clo_buffer_le32(&data, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        clo_buffer_le16(&data, clo_hash_to_tpm(banks[i]));
        clo_buffer_le16(&data, (uint16_t)clo_hash_size(banks[i]));
    }
    clo_buffer_u8(&data, 0);
    log_old_event(log, 0, CLO_EV_NO_ACTION, clo_buffer_bytes(&data));
}

/* TCG_PCR_EVENT2: `measured` is what the digests are of. */
static inline void log_event_of(struct clo_buffer *log, unsigned pcr, uint32_t type,
                                const enum clo_hash *banks, size_t count, struct clo_bytes measured,
                                struct clo_bytes data)
{
    clo_buffer_le32(log, pcr);
    clo_buffer_le32(log, type);
    clo_buffer_le32(log, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct clo_digest digest;
        clo_hash(banks[i], measured, &digest);
        clo_buffer_le16(log, clo_hash_to_tpm(banks[i]));
        clo_buffer_append(log, clo_digest_bytes(&digest));
    }
    clo_buffer_le32(log, (uint32_t)data.size);
    clo_buffer_append(log, data);
}

/* An event in the SHA-256 bank whose digest is that of its data. */
static inline void log_event(struct clo_buffer *log, unsigned pcr, uint32_t type,
                             struct clo_bytes data)
{
    static const enum clo_hash bank = CLO_HASH_SHA256;

    log_event_of(log, pcr, type, &bank, 1, data, data);
}

static inline void log_header_sha256(struct clo_buffer *log)
{
    static const enum clo_hash bank = CLO_HASH_SHA256;

    log_header(log, &bank, 1);
}

#endif
