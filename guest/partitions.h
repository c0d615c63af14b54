/* The root disk's partition table, held against what the firmware measured of it and against what the image says
 * belongs there; and the kernel's partitions, which came from a reading of its own, against the table.
 *
 * The host owns the disk and may answer each reading differently: what counts is that the kernel has no partition
 * that was not measured, and that the root gets no node but its own. */
#ifndef CLOISTER_GUEST_PARTITIONS_H
#define CLOISTER_GUEST_PARTITIONS_H

#include "cloister/crypto.h"
#include "lib/disk/gpt.h"

#define CLO_PARTITION_KINDS_MAX 8
#define CLO_TABLE_EVENTS_MAX    8

/* Kinds, as guest.json has them: "esp", "root". */
CLO_MUST_USE bool clo_partition_kind_check(const char *kind, struct clo_error *err);
/* The table has exactly these, one of each. */
CLO_MUST_USE bool clo_partitions_check_kinds(const struct clo_gpt *gpt, const char *const *kinds,
                                             size_t count, struct clo_error *err);

/* A register of the TPM's or the TDX module's, and where firmware's log has its events: PCR 5, or RTMR 1, which a
 * CCEL log calls 2 (UEFI 2.10, table 38.4). */
struct clo_table_register {
    enum clo_hash hash;
    unsigned index;
    struct clo_digest value;
};

/* The tables that firmware measured, from a log that leads to the register's value: views into the log. None in
 * a log that has none. */
struct clo_table_events {
    struct clo_bytes events[CLO_TABLE_EVENTS_MAX];
    size_t count;
};
CLO_MUST_USE bool clo_partitions_measured(struct clo_bytes log, const struct clo_table_register *is,
                                          struct clo_table_events *out, struct clo_error *err);

/* Is the table one of those? What differs from the measured one of this disk is named. */
CLO_MUST_USE bool clo_partitions_compare(const struct clo_gpt *gpt,
                                         const struct clo_table_events *measured,
                                         struct clo_error *err);

/* Has the kernel exactly the table's partitions? `blocks` is "/sys/class/block", `disk` is "vda". */
CLO_MUST_USE bool clo_partitions_check_kernel(const char *blocks, const char *disk,
                                              const struct clo_gpt *gpt, struct clo_error *err);
/* Takes the nodes of all partitions away but those of these types. An open partition keeps the kernel from
 * reading the table again (EBUSY): the root's is open from then on. */
CLO_MUST_USE bool clo_partitions_drop(const char *device, const struct clo_gpt *gpt,
                                      const struct clo_guid *kept, size_t kept_count,
                                      struct clo_error *err);

#endif
