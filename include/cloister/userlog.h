/* The log of what user space measured: systemd's tpm2-measure.log (JSON-SEQ, RFC 7464, of records
 * near TCG's Canonical Event Log). cloister-init writes it, and a replay of the firmware's log goes
 * on with it. Believe it as the other: once the replay equals a quote. */
#ifndef CLOISTER_USERLOG_H
#define CLOISTER_USERLOG_H

#include "cloister/json.h"
#include "cloister/pcr.h"

struct clo_userlog_event {
    unsigned pcr;
    struct clo_digest digests[CLO_HASH_COUNT];
    size_t digest_count;
    const char *type; /* "phase", "volume-key", …; NULL if it does not say */
    const char *text; /* what was measured, where it is no secret; NULL */
};

struct clo_userlog;

CLO_API CLO_MUST_USE bool clo_userlog_parse(struct clo_bytes in, struct clo_userlog **out,
                                            struct clo_error *err);
CLO_API void clo_userlog_free(struct clo_userlog *log);
CLO_API void clo_userlog_freep(struct clo_userlog **log);
CLO_API size_t clo_userlog_count(const struct clo_userlog *log);
CLO_API const struct clo_userlog_event *clo_userlog_at(const struct clo_userlog *log, size_t index);
/* Extends `bank` with every event of the log. */
CLO_API CLO_MUST_USE bool clo_userlog_replay(const struct clo_userlog *log,
                                             struct clo_pcr_bank *bank, struct clo_error *err);

/* Appends one record. */
CLO_API CLO_MUST_USE bool clo_userlog_append(const struct clo_userlog_event *event,
                                             struct clo_buffer *log, struct clo_error *err);

#endif
