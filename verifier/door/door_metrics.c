#include "verifier/door/door_metrics.h"

#include <string.h>

static const char *const paths[DOOR_PATHS] = {
    [DOOR_AUTH] = "auth",
    [DOOR_ATTEST] = "attest",
    [DOOR_RESOURCE] = "resource",
    [DOOR_OTHER] = "other",
};

/* Microseconds, and how Prometheus writes them. */
static const struct {
    int64_t us;
    const char *seconds;
} bounds[DOOR_BUCKETS] = {
    { 100, "0.0001" },  { 250, "0.00025" }, { 500, "0.0005" }, { 1000, "0.001" },
    { 2500, "0.0025" }, { 5000, "0.005" },  { 10000, "0.01" }, { 25000, "0.025" },
    { 50000, "0.05" },  { 100000, "0.1" },  { 500000, "0.5" }, { 2500000, "2.5" },
};

static const struct {
    const char *name, *help;
} counters[DOOR_COUNTERS] = {
    [DOOR_ACCEPTED] = { "cloister_connections_total", "Connections that were accepted." },
    [DOOR_HANDSHAKES] = { "cloister_handshakes_total", "TLS handshakes that were completed." },
    [DOOR_HANDSHAKES_FAILED] = { "cloister_handshakes_failed_total",
                                 "TLS handshakes that failed." },
    [DOOR_TURNED_AWAY] = { "cloister_connections_turned_away_total",
                           "Connections for which there was no place." },
    [DOOR_MADE_ROOM] = { "cloister_connections_made_room_total",
                         "Idle connections that were closed for newer ones." },
    [DOOR_TIMED_OUT] = { "cloister_connections_timed_out_total",
                         "Connections whose time was over." },
    [DOOR_MALFORMED] = { "cloister_http_malformed_total", "Requests that are not HTTP as it is "
                                                          "read here." },
    [DOOR_TOO_LARGE] = { "cloister_http_too_large_total", "Requests whose body is too large." },
    [DOOR_PAUSES] = { "cloister_listener_pauses_total",
                      "Times that no connection was accepted for want of places." },
};

void door_count(struct door_metrics *metrics, enum door_counter counter)
{
    atomic_fetch_add_explicit(&metrics->counters[counter], 1, memory_order_relaxed);
}

enum door_path door_path(const char *path)
{
    static const char prefix[] = "/kbs/v0/";

    if (strncmp(path, prefix, sizeof prefix - 1) != 0)
        return DOOR_OTHER;
    path += sizeof prefix - 1;
    return strcmp(path, "auth") == 0            ? DOOR_AUTH
           : strcmp(path, "attest") == 0        ? DOOR_ATTEST
           : strncmp(path, "resource/", 9) == 0 ? DOOR_RESOURCE
                                                : DOOR_OTHER;
}

void door_note_answer(struct door_metrics *metrics, const char *path, unsigned status,
                      int64_t microseconds)
{
    enum door_path kind = door_path(path);
    struct door_histogram *durations = &metrics->durations[kind];
    size_t bucket = 0;

    while (bucket < DOOR_BUCKETS && microseconds > bounds[bucket].us)
        bucket++;
    atomic_fetch_add_explicit(&durations->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&durations->sum_us, (unsigned long long)microseconds,
                              memory_order_relaxed);
    if (status >= 100 && status < 600)
        atomic_fetch_add_explicit(&metrics->statuses[kind][status / 100], 1, memory_order_relaxed);
}

static unsigned long long get(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void begin(struct clo_buffer *out, const char *name, const char *type, const char *help)
{
    clo_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_histogram(const struct door_histogram *histogram, const char *path,
                            struct clo_buffer *out)
{
    static const char name[] = "cloister_request_duration_seconds";
    unsigned long long count = 0;

    for (size_t i = 0; i < DOOR_BUCKETS; i++) {
        count += get(&histogram->buckets[i]);
        clo_buffer_printf(out, "%s_bucket{path=\"%s\",le=\"%s\"} %llu\n", name, path,
                          bounds[i].seconds, count);
    }
    count += get(&histogram->buckets[DOOR_BUCKETS]);
    unsigned long long sum = get(&histogram->sum_us);
    clo_buffer_printf(out,
                      "%s_bucket{path=\"%s\",le=\"+Inf\"} %llu\n"
                      "%s_sum{path=\"%s\"} %llu.%06llu\n%s_count{path=\"%s\"} %llu\n",
                      name, path, count, name, path, sum / 1000000, sum % 1000000, name, path,
                      count);
}

static void write_statuses(const struct door_metrics *metrics, struct clo_buffer *out)
{
    begin(out, "cloister_requests_total", "counter", "Requests that were answered.");
    for (size_t i = 0; i < DOOR_PATHS; i++)
        for (size_t class = 1; class < 6; class ++) {
            unsigned long long count = get(&metrics->statuses[i][class]);
            if (count != 0)
                clo_buffer_printf(out,
                                  "cloister_requests_total{path=\"%s\",status=\"%zuxx\"} %llu\n",
                                  paths[i], class, count);
        }
}

void door_metrics_write(const struct door_metrics *metrics, size_t connections, size_t addresses,
                        struct clo_buffer *out)
{
    begin(out, "cloister_connections", "gauge", "Connections that are open.");
    clo_buffer_printf(out, "cloister_connections %zu\n", connections);
    begin(out, "cloister_addresses", "gauge", "Addresses that have a connection.");
    clo_buffer_printf(out, "cloister_addresses %zu\n", addresses);
    for (size_t i = 0; i < DOOR_COUNTERS; i++) {
        begin(out, counters[i].name, "counter", counters[i].help);
        clo_buffer_printf(out, "%s %llu\n", counters[i].name, get(&metrics->counters[i]));
    }
    write_statuses(metrics, out);
    begin(out, "cloister_request_duration_seconds", "histogram",
          "From the last byte of a request until its answer is made.");
    for (size_t i = 0; i < DOOR_PATHS; i++)
        write_histogram(&metrics->durations[i], paths[i], out);
}
