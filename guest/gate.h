/* The guest takes nothing from the host but what its image says: where that is decided. Each of these either
 * passes, or gives the first reason why not; what there is besides is said on the console. */
#ifndef CLOISTER_GUEST_GATE_H
#define CLOISTER_GUEST_GATE_H

#include "device/tpm.h"
#include "guest/config.h"
#include "guest/report.h"

struct clo_gate {
    const struct clo_guest_config *config;
    const struct clo_report *report;
    struct clo_tpm *tpm; /* NULL: none */
    enum clo_hash bank;  /* of the TPM's that is read */
    const char *device;  /* the root's partition, "/dev/vda2" */
    bool has_tags;       /* its sectors, once its header is known */
    struct clo_bytes
            grown; /* the table that this boot wrote; empty: none, and the measured one counts */
};

/* Before the broker is asked: what was handed in. */
CLO_MUST_USE bool clo_gate_inputs(const struct clo_gate *gate, struct clo_error *err);
/* And once the disk is known: its partition table, and the disks next to it. */
CLO_MUST_USE bool clo_gate_disk(const struct clo_gate *gate, struct clo_error *err);
/* With the key at hand, and the partition not open yet: the table is looked at again, and the root's partition takes what room the disk
 * has, if the image says so. `head` is what was written: `grown` from then on. */
CLO_MUST_USE bool clo_gate_grow(const struct clo_gate *gate, struct clo_buffer *head,
                                bool *is_allowed, struct clo_error *err);
/* With the root's partition open and the root still to be started: all of it again; then the nodes of the other
 * partitions go, units that obey the host are masked, and allowed credentials are put where systemd finds them. */
CLO_MUST_USE bool clo_gate_close(const struct clo_gate *gate, struct clo_error *err);

#endif
