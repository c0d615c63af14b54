/* TCG event logs: parse one, walk its events, replay it into PCR values. (TCG PC Client Platform
 * Firmware Profile 1.06, section 10; for TDX guests UEFI 2.10 section 38.4, where the log carries
 * measurement register indexes instead of PCR numbers.)
 *
 * A log proves nothing by itself: believe it once its replay equals the PCRs of a verified quote.
 * Even then only the digests are proven; whether an event's data belongs to its digest is what
 * clo_event_data_is_measured() answers. Events are views into the bytes given to
 * clo_eventlog_parse(), which must outlive the log. */
#ifndef CLOISTER_EVENTLOG_H
#define CLOISTER_EVENTLOG_H

#include "cloister/crypto.h"

CLO_BEGIN_C

#define CLO_EVENT_DIGESTS_MAX 8

/* TCG PC Client Platform Firmware Profile 1.06, table 27, and those that appear in the field. */
enum {
    CLO_EV_PREBOOT_CERT = 0x0,
    CLO_EV_POST_CODE = 0x1,
    CLO_EV_NO_ACTION = 0x3,
    CLO_EV_SEPARATOR = 0x4,
    CLO_EV_ACTION = 0x5,
    CLO_EV_EVENT_TAG = 0x6,
    CLO_EV_S_CRTM_CONTENTS = 0x7,
    CLO_EV_S_CRTM_VERSION = 0x8,
    CLO_EV_PLATFORM_CONFIG_FLAGS = 0xa,
    CLO_EV_IPL = 0xd,
    CLO_EV_POST_CODE2 = 0x13,
    CLO_EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001,
    CLO_EV_EFI_VARIABLE_BOOT = 0x80000002,
    CLO_EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003,
    CLO_EV_EFI_BOOT_SERVICES_DRIVER = 0x80000004,
    CLO_EV_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005,
    CLO_EV_EFI_GPT_EVENT = 0x80000006,
    CLO_EV_EFI_ACTION = 0x80000007,
    CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008,
    CLO_EV_EFI_HANDOFF_TABLES = 0x80000009,
    CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a,
    CLO_EV_EFI_HANDOFF_TABLES2 = 0x8000000b,
    CLO_EV_EFI_VARIABLE_BOOT2 = 0x8000000c,
    CLO_EV_EFI_GPT_EVENT2 = 0x8000000d,
    CLO_EV_EFI_HCRTM_EVENT = 0x80000010,
    CLO_EV_EFI_VARIABLE_AUTHORITY = 0x800000e0,
};

struct clo_event_digest {
    uint16_t algorithm; /* TPM_ALG_ID */
    struct clo_bytes bytes;
};

struct clo_digest_layout; /* of a log: the form of its digests, the size of each */

struct clo_event {
    uint32_t pcr;                           /* in a CCEL log: the CC measurement register index */
    uint32_t type;                          /* not covered by replay: a hint, never evidence */
    struct clo_bytes digests;               /* as they are in the log: clo_event_digest_at() */
    const struct clo_digest_layout *layout; /* NULL: TPMT_HA of hashes that we know */
    struct clo_bytes data;
    size_t offset; /* in the log */
};

enum clo_eventlog_format {
    CLO_EVENTLOG_SHA1,         /* TCG_PCClientPCREvent throughout, as TPM 1.2 had it */
    CLO_EVENTLOG_CRYPTO_AGILE, /* a Spec ID event, then TCG_PCR_EVENT2 */
};

struct clo_eventlog;

/* Zero or 0xff padding, and up to 7 stray bytes, after the last event are tolerated and counted. */
CLO_API CLO_MUST_USE bool clo_eventlog_parse(struct clo_bytes in, struct clo_eventlog **out,
                                             struct clo_error *err);
/* As far as it is whole: what ends it before its end, such as an event that is cut, is in `cut`, else
 * that is CLO_OK. For showing it; a replay of it leads nowhere. */
CLO_API CLO_MUST_USE bool clo_eventlog_parse_start(struct clo_bytes in, struct clo_eventlog **out,
                                                   struct clo_error *cut, struct clo_error *err);
/* Leaves out the first event: the Spec ID event of a log that was made binary from a form without one. */
CLO_API void clo_eventlog_drop_header(struct clo_eventlog *log);
CLO_API void clo_eventlog_free(struct clo_eventlog *log);
CLO_API void clo_eventlog_freep(struct clo_eventlog **log);

CLO_API size_t clo_eventlog_count(const struct clo_eventlog *log);
CLO_API const struct clo_event *clo_eventlog_at(const struct clo_eventlog *log, size_t index);
CLO_API enum clo_eventlog_format clo_eventlog_format(const struct clo_eventlog *log);
CLO_API size_t clo_eventlog_padding(const struct clo_eventlog *log);
/* The algorithms the log was written for, in its order: the n-th; CLO_HASH_NONE at the end (and
 * for one we do not know). */
CLO_API size_t clo_eventlog_algorithm_count(const struct clo_eventlog *log);
CLO_API enum clo_hash clo_eventlog_algorithm(const struct clo_eventlog *log, size_t index);
/* Its name, also of one whose digests we cannot make: "sm3_256"; "unknown". */
CLO_API const char *clo_eventlog_algorithm_name(const struct clo_eventlog *log, size_t index);
/* Hashes by TCG's names for them, those among them that we cannot make; NULL or 0 if it is none of them. */
CLO_API const char *clo_event_algorithm_name(uint16_t algorithm);
CLO_API uint16_t clo_event_algorithm_from_name(const char *name);
/* The first bank that we know, SHA-1 only if there is no other: what says whether an event's text is
 * covered by its digest. */
CLO_API enum clo_hash clo_eventlog_best_bank(const struct clo_eventlog *log);
/* A log for TDX (CCEL): only SHA-384, and no index above that of the last run-time register. */
CLO_API bool clo_eventlog_is_ccel(const struct clo_eventlog *log);
/* From the StartupLocality event: PCR 0 begins with it. */
CLO_API uint8_t clo_eventlog_startup_locality(const struct clo_eventlog *log);

/* Appends a line for each thing that firmware does not usually do, and that was tolerated. */
CLO_API void clo_eventlog_oddities(const struct clo_eventlog *log, struct clo_buffer *out);

/* The n-th of the event's digests, of whatever algorithm; false after the last. */
CLO_API bool clo_event_digest_at(const struct clo_event *event, size_t index,
                                 struct clo_event_digest *out);
/* The event's digest in one bank as a view, empty if it has none; and a copy of it, false if it has none. */
CLO_API struct clo_bytes clo_event_digest_bytes(const struct clo_event *event, enum clo_hash hash);
CLO_API bool clo_event_digest(const struct clo_event *event, enum clo_hash hash,
                              struct clo_digest *out);
CLO_API const char *clo_event_type_name(uint32_t type); /* "EV_SEPARATOR"; NULL if unknown */
/* By its name, of either case; false if there is none of it. */
CLO_API bool clo_event_type_from_name(const char *name, uint32_t *out);
/* Is the digest, in this bank, the hash of the event's data (or of the part that the profile says is
 * measured)? Then what the data says is as proven as the digest. */
CLO_API bool clo_event_data_is_measured(const struct clo_event *event, enum clo_hash hash);
/* What the data says, for people: one line, at most a few hundred characters. */
CLO_API void clo_event_describe(const struct clo_event *event, struct clo_buffer *out);

/* Linux records kernel command line and initrd as tagged events (libstub, efi-stub-helper.c). */
#define CLO_EVENT_TAG_INITRD       0x8f3b22ecU
#define CLO_EVENT_TAG_LOAD_OPTIONS 0x8f3b22edU

CLO_END_C

#endif
