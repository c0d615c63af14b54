/* What an event of a firmware's log says, field by field, for people and programs; and of each field
 * whether its digest covers it. (TCG PC Client Platform Firmware Profile 1.06, section 10.4; UEFI 2.10;
 * shim's and systemd's own events.)
 *
 * A field that is covered is as proven as the digest; any other is the log's word alone: firmware hashes
 * a PE image, and writes its device path next to the hash. An event's type is never covered. */
#ifndef CLOISTER_EVENT_FIELDS_H
#define CLOISTER_EVENT_FIELDS_H

#include "cloister/eventlog.h"
#include "cloister/json.h"

CLO_BEGIN_C

/* {"variable": {"value": "db", "covered": true}, …}; data that we cannot read is one field, "bytes".
 * NULL when out of memory. */
CLO_API json_t *clo_event_fields(const struct clo_event *event, enum clo_hash hash);

CLO_END_C

#endif
