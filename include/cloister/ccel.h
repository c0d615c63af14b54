/* TDX guests' event logs next to the binary one that cloister/eventlog.h reads: the ACPI table that says
 * where it is (UEFI 2.10 section 38.5, CCEL), and the JSON form that dstack hands out. */
#ifndef CLOISTER_CCEL_H
#define CLOISTER_CCEL_H

#include "cloister/eventlog.h"
#include "cloister/userlog.h"

CLO_BEGIN_C

#define CLO_CC_TYPE_TDX 2

struct clo_ccel_table {
    uint8_t type; /* CLO_CC_TYPE_TDX */
    uint8_t subtype;
    uint64_t size;    /* of the log's area */
    uint64_t address; /* in the guest's memory */
};

CLO_API bool clo_ccel_is_table(struct clo_bytes in);
CLO_API CLO_MUST_USE bool clo_ccel_table_parse(struct clo_bytes in, struct clo_ccel_table *out,
                                               struct clo_error *err);

/* An array of {"imr": RTMR, "event_type": N, "digest": hex, "event": name, "event_payload": hex} as a
 * binary log: events of the firmware with their payload, dstack's own with what their digest is of; and a
 * Spec ID event, which the array has not, before them. */
CLO_API CLO_MUST_USE bool clo_ccel_from_json(struct clo_bytes json, struct clo_buffer *out,
                                             struct clo_error *err);
#define CLO_EV_DSTACK_RUNTIME 0x08000001U

/* The log and, after its events, what user space extended RTMRs with (cc-measure.log): as events of type EV_IPL with the
 * measured text for their data. Records of other registers are passed over. */
CLO_API CLO_MUST_USE bool clo_ccel_append(struct clo_bytes bytes, const struct clo_eventlog *log,
                                          const struct clo_userlog *userlog, struct clo_buffer *out,
                                          struct clo_error *err);

CLO_END_C

#endif
