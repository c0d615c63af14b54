/* Fields of an event, and what their values are made of: for people, so that text is cleaned, and for programs. */
#ifndef CLOISTER_TCG_EVENT_VALUES_H
#define CLOISTER_TCG_EVENT_VALUES_H

#include "cloister/encoding.h"
#include "cloister/eventlog.h"
#include "cloister/json.h"
#include "event_decode.h"

struct fields {
    json_t *object;
    bool is_covered; /* the event's data, by its digest */
};

/* Takes the value; NULL (no memory, or no text) leaves the field out. */
void field_add(struct fields *fields, const char *name, json_t *value, bool is_covered);
/* Covered as the event's data is. */
void field_put(struct fields *fields, const char *name, json_t *value);

json_t *field_number(uint64_t value);
json_t *field_address(uint64_t value); /* "0x1000" */
json_t *field_guid(const struct clo_guid *value);
/* Cleaned, and cut where it is very long. */
json_t *field_clean(const char *string);
/* Text of one or two bytes a character; NULL if it is neither. */
json_t *field_text(struct clo_bytes data);
json_t *field_text_or_hex(struct clo_bytes data);
json_t *field_path(struct clo_bytes data); /* a device path */

/* An event without a digest in this bank, CLO_HASH_NONE among them, is the digest of nothing. */
bool field_is_digest_of(const struct clo_event *event, enum clo_hash hash, struct clo_bytes part);

/* Of an event that is about a variable. False if that has no name. */
bool event_variable_fields(const struct clo_event *event, enum clo_hash hash,
                           const struct event_variable *variable, struct fields *fields);

#endif
