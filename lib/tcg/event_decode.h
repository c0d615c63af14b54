/* The structures inside events, decoded once: what describes an event, shows its fields or compares it with
 * another goes by these. TCG PC Client Platform Firmware Profile 1.06, section 10.4; UEFI 2.10. Views into
 * the event's data; nothing here is evidence, see clo_event_data_is_measured(). */
#ifndef CLOISTER_LIB_TCG_EVENT_DECODE_H
#define CLOISTER_LIB_TCG_EVENT_DECODE_H

#include "cloister/encoding.h"
#include "cloister/eventlog.h"

#define EVENT_ENTRIES_MAX 4096 /* of a list in an event */

/* What a variable's value is, as far as its name and the event's type tell. */
enum event_value {
    EVENT_VALUE_BYTES,
    EVENT_VALUE_EMPTY,
    EVENT_VALUE_BYTE,
    EVENT_VALUE_LISTS,      /* of signatures */
    EVENT_VALUE_AUTHORITY,  /* the certificate that let an image start */
    EVENT_VALUE_LEVEL,      /* shim's SbatLevel, as text */
    EVENT_VALUE_OPTION,     /* EFI_LOAD_OPTION */
    EVENT_VALUE_BOOT_ORDER, /* numbers of two bytes */
};

/* EFI_LOAD_OPTION, UEFI 2.10 section 3.1.3. */
struct event_load_option {
    uint32_t attributes;
    struct clo_bytes description; /* UTF-16LE, without a NUL */
    struct clo_bytes path;
    struct clo_bytes options;
};

/* EFI_SIGNATURE_DATA with a certificate, or (shim's own key) the certificate alone. */
struct event_authority {
    bool has_owner;
    struct clo_guid owner;
    struct clo_bytes certificate;
};

/* UEFI_VARIABLE_DATA, section 10.4.2. Of one that is cut short what is whole before the cut is there, the
 * rest empty. */
struct event_variable {
    struct clo_guid vendor;
    struct clo_bytes name; /* UTF-16LE, without a NUL */
    struct clo_bytes value;
    enum event_value kind;
    size_t entry_count; /* of lists: as many as can be read */
    bool are_lists_whole;
    struct event_load_option option;
    struct event_authority authority;
};

/* UEFI_IMAGE_LOAD_EVENT, section 10.4.3. */
struct event_image {
    uint64_t address, size, link_time_address;
    struct clo_bytes device_path;
};

/* UEFI_GPT_DATA, section 10.4.4. */
struct event_gpt {
    struct clo_guid disk;
    uint64_t last_sector;
    size_t count;
    uint32_t entry_size;
    struct clo_bytes entries;
};
struct event_partition {
    struct clo_guid type, guid;
    uint64_t first_lba, last_lba;
    struct clo_bytes name; /* UTF-16LE, without a NUL */
};

/* TCG_PCClientTaggedEvent, section 10.4.5. */
struct event_tag {
    uint32_t tag;
    struct clo_bytes data;
};

/* UEFI_PLATFORM_FIRMWARE_BLOB and BLOB2, section 10.4.6. */
struct event_blob {
    bool has_description; /* BLOB2 */
    struct clo_bytes description;
    uint64_t address, size;
};

/* UEFI_HANDOFF_TABLE_POINTERS and POINTERS2, section 10.4.7. */
struct event_tables {
    bool has_description; /* POINTERS2 */
    struct clo_bytes description;
    size_t count;
    struct clo_bytes entries;
};
struct event_table {
    struct clo_guid vendor;
    uint64_t address;
};

enum event_kind {
    EVENT_OTHER, /* none of the following */
    EVENT_VARIABLE,
    EVENT_IMAGE,
    EVENT_GPT,
    EVENT_TAG,
    EVENT_BLOB,
    EVENT_TABLES,
};

struct event_decoded {
    enum event_kind kind; /* by the event's type */
    bool is_whole;        /* its data have that form; else only a variable's beginning is of use */
    union {
        struct event_variable variable;
        struct event_image image;
        struct event_gpt gpt;
        struct event_tag tag;
        struct event_blob blob;
        struct event_tables tables;
    };
};

void event_decode(const struct clo_event *event, struct event_decoded *out);
/* Below the count. */
void event_partition_at(const struct event_gpt *gpt, size_t index, struct event_partition *out);
void event_table_at(const struct event_tables *tables, size_t index, struct event_table *out);

/* Appends text of one or two bytes a character as UTF-8; false if it is neither. */
bool event_text(struct clo_bytes data, struct clo_buffer *out);

#endif
