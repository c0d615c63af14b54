/* The structures inside events, as the profile names them. Views into the event's data. */
#ifndef CLOISTER_TCG_EVENT_DATA_H
#define CLOISTER_TCG_EVENT_DATA_H

#include "cloister/encoding.h"
#include "cloister/eventlog.h"

/* UEFI_VARIABLE_DATA, section 10.4.2. */
struct event_variable {
    struct clo_guid vendor;
    struct clo_bytes name; /* UTF-16LE, without a NUL */
    struct clo_bytes value;
};
/* False if it is cut short: what is whole before the cut is there, the rest empty. */
bool event_read_variable(struct clo_bytes data, struct event_variable *out);

/* UEFI_IMAGE_LOAD_EVENT, section 10.4.3. */
struct event_image {
    uint64_t address, size, link_time_address;
    struct clo_bytes device_path;
};
bool event_read_image(struct clo_bytes data, struct event_image *out);

/* TCG_PCClientTaggedEvent, section 10.4.5. */
struct event_tag {
    uint32_t tag;
    struct clo_bytes data;
};
bool event_read_tag(struct clo_bytes data, struct event_tag *out);

/* Appends text of one or two bytes a character as UTF-8; false if it is neither. */
bool event_text(struct clo_bytes data, struct clo_buffer *out);

#endif
