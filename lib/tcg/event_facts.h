/* What of an event is compared with another's: the part of its fields that a reference file stores. */
#ifndef CLOISTER_LIB_TCG_EVENT_FACTS_H
#define CLOISTER_LIB_TCG_EVENT_FACTS_H

#include "cloister/eventlog.h"
#include "cloister/json.h"

/* Of a variable {"variable": "db", "entries": 3}, the entries of signature lists alone; of a partition table
 * {"sectors": 2097152, "partitions": [{"first": 2048, "last": 133119, "name": "esp"}]}. NULL: nothing of this
 * event is compared, or memory ran out. */
json_t *event_facts(const struct clo_event *event);

#endif
