/* What the door counts, in Prometheus' text. Each counter may be raised by any thread. */
#ifndef CLOISTER_VERIFIER_DOOR_METRICS_H
#define CLOISTER_VERIFIER_DOOR_METRICS_H

#include <stdatomic.h>

#include "cloister/base.h"

#define DOOR_BUCKETS 12

enum door_path {
    DOOR_AUTH,
    DOOR_ATTEST,
    DOOR_RESOURCE,
    DOOR_OTHER,
    DOOR_PATHS,
};

enum door_counter {
    DOOR_ACCEPTED,
    DOOR_HANDSHAKES,
    DOOR_HANDSHAKES_FAILED,
    DOOR_TURNED_AWAY, /* the address has too many, or there is no place */
    DOOR_MADE_ROOM,   /* closed for a newer one */
    DOOR_TIMED_OUT,
    DOOR_MALFORMED,
    DOOR_TOO_LARGE,
    DOOR_PAUSES, /* of the listener */
    DOOR_COUNTERS,
};

struct door_histogram {
    atomic_ullong buckets[DOOR_BUCKETS + 1];
    atomic_ullong sum_us;
};

struct door_metrics {
    atomic_ullong counters[DOOR_COUNTERS];
    atomic_ullong statuses[DOOR_PATHS][6]; /* 1xx to 5xx */
    struct door_histogram durations[DOOR_PATHS];
};

void door_count(struct door_metrics *metrics, enum door_counter counter);
enum door_path door_path(const char *path);
/* An answer, and how long it took from the request's last byte until it was made. */
void door_note_answer(struct door_metrics *metrics, const char *path, unsigned status,
                      int64_t microseconds);
void door_metrics_write(const struct door_metrics *metrics, size_t connections, size_t addresses,
                        struct clo_buffer *out);

#endif
