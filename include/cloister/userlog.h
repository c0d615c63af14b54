/* The log of what user space measured: systemd's tpm2-measure.log, and its cc-measure.log of RTMRs
 * (JSON-SEQ, RFC 7464, of records near TCG's Canonical Event Log). cloister-init writes it, and a replay of the firmware's log goes
 * on with it. Believe it as the other: once the replay equals a quote. */
#ifndef CLOISTER_USERLOG_H
#define CLOISTER_USERLOG_H

#include "cloister/json.h"
#include "cloister/pcr.h"

CLO_BEGIN_C

/* What a record extends. The value of registers other than PCRs and RTMRs is not proven. */
enum clo_userlog_kind {
    CLO_USERLOG_PCR,
    CLO_USERLOG_NV,    /* an NV index of the TPM ("NvPCR", systemd 259 and later) */
    CLO_USERLOG_RTMR,  /* of a TD, 0 to 3 */
    CLO_USERLOG_OTHER, /* a register that this version does not know */
};
#define CLO_USERLOG_NO_PCR UINT32_MAX

struct clo_userlog_event {
    enum clo_userlog_kind kind;
    unsigned pcr;     /* of a PCR's record; CLO_USERLOG_NO_PCR in all others */
    uint32_t index;   /* of the NV index or RTMR */
    const char *name; /* of the NV index, where it says; NULL */
    struct clo_digest digests[CLO_HASH_COUNT];
    size_t digest_count;
    const char *type; /* "phase", "volume-key", …; NULL if it does not say */
    const char *text; /* what was measured, where it is not a secret; NULL */
};

struct clo_userlog;

CLO_API CLO_MUST_USE bool clo_userlog_parse(struct clo_bytes in, struct clo_userlog **out,
                                            struct clo_error *err);
CLO_API void clo_userlog_free(struct clo_userlog *log);
CLO_API void clo_userlog_freep(struct clo_userlog **log);
CLO_API size_t clo_userlog_count(const struct clo_userlog *log);
CLO_API const struct clo_userlog_event *clo_userlog_at(const struct clo_userlog *log, size_t index);
/* Extends `bank` with every event of a PCR; passes over the others, which extend none. */
CLO_API CLO_MUST_USE bool clo_userlog_replay(const struct clo_userlog *log,
                                             struct clo_pcr_bank *bank, struct clo_error *err);
/* The same with those of RTMRs, in a bank that counts as a CCEL log does: RTMR 0 is register 1. */
CLO_API CLO_MUST_USE bool clo_userlog_replay_rtmrs(const struct clo_userlog *log,
                                                   struct clo_pcr_bank *bank,
                                                   struct clo_error *err);
/* "PCR 11", "NV index 0x01d10200 (hardware)", "RTMR 2". */
CLO_API void clo_userlog_register(const struct clo_userlog_event *event, char *out, size_t size);

/* Appends one record. */
CLO_API CLO_MUST_USE bool clo_userlog_append(const struct clo_userlog_event *event,
                                             struct clo_buffer *log, struct clo_error *err);

CLO_END_C

#endif
