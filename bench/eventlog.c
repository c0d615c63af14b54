/* A log of 10 MiB: parsed and replayed in the library next to go-eventlog, and whole processes next to tpm2_eventlog, in
 * turn in each round. A real log's events are repeated until it is that long (its registers are then of no machine); where
 * there is none, events of our own. What is not installed is left out. */
#include <string.h>

#include "cloister/pcr.h"
#include "device/file.h"
#include "peer.h"
#include "process.h"
#include "tests/unit/eventlog_maker.h"

#define LOG_SIZE ((size_t)10 << 20)
#define RUNS     5
#define ROUNDS   15

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

/* --- The log --- */

/* A hundred lines as a boot loader measures them, of many lengths: 240 bytes in the mean. */
static void make_seed(struct clo_buffer *out)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA1, CLO_HASH_SHA256, CLO_HASH_SHA384 };
    char line[512];

    log_header(out, banks, CLO_COUNT(banks));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "%0*u", 1 + (int)(i * 37 % 480), i);
        struct clo_bytes data = clo_bytes_text(line);
        log_event_of(out, i % 16, CLO_EV_IPL, banks, CLO_COUNT(banks), data, data);
    }
}

/* The first event as it is, and the others over and over. */
static void make(const char *from, const char *to)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer seed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    if (from != NULL)
        must(clo_file_read(from, CLO_FILE_LIMIT, &seed, &err), &err);
    else
        make_seed(&seed);
    struct clo_bytes bytes = clo_buffer_bytes(&seed);
    must(clo_eventlog_parse(bytes, &log, &err), &err);
    must(clo_eventlog_count(log) > 1 || clo_fail(&err, CLO_ERR_FORMAT, "a log of one event"), &err);
    size_t first = clo_eventlog_at(log, 1)->offset;
    struct clo_bytes events =
            clo_bytes_slice(bytes, first, bytes.size - clo_eventlog_padding(log) - first);
    clo_buffer_append(&out, clo_bytes_slice(bytes, 0, first));
    while (clo_buffer_ok(&out) && out.size + events.size <= LOG_SIZE)
        clo_buffer_append(&out, events);
    must(clo_file_write(to, clo_buffer_bytes(&out), 0644, &err), &err);
}

/* --- In the library --- */

static size_t parse_and_replay(struct clo_bytes in)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;

    must(clo_eventlog_parse(in, &log, &err) &&
                 clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, &err),
         &err);
    return clo_eventlog_count(log);
}

static size_t parse(struct clo_bytes in)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    must(clo_eventlog_parse(in, &log, &err), &err);
    return clo_eventlog_count(log);
}

static double measure(struct clo_bytes in, size_t (*job)(struct clo_bytes), size_t *events)
{
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 0; i < RUNS; i++)
        *events = job(in);
    return (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / RUNS * 1e6;
}

static void compare(struct clo_bytes in, const char *name, size_t (*job)(struct clo_bytes),
                    struct peer *peer)
{
    struct bench_series ours = { 0 }, theirs = { 0 }, ratio = { 0 };
    char title[120];
    size_t events;

    measure(in, job, &events); /* warm up */
    if (peer != NULL)
        peer_measure(peer, name);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double a = measure(in, job, &events);
        bench_add(&ours, a);
        if (peer == NULL)
            continue;
        double b = peer_measure(peer, name);
        bench_add(&theirs, b);
        bench_add(&ratio, b / a);
    }
    snprintf(title, sizeof title, "Event log of %zu events in memory: %s", events, name);
    bench_heading(title);
    bench_row("cloister", &ours, "us");
    if (peer == NULL) {
        puts("go-eventlog cannot be had");
        return;
    }
    bench_row("go-eventlog", &theirs, "us");
    bench_row("times as fast, pair by pair", &ratio, "x");
    printf("%-44s %9.2f x\n\n", "of the minima", theirs.values[0] / ours.values[0]);
}

/* --- Whole processes --- */

static void compare_processes(char *program, char *form, char *log, double goal)
{
    char *const ours[] = { program, (char[]){ "eventlog" }, form, log, NULL };
    char *const theirs[] = { (char[]){ "tpm2_eventlog" }, log, NULL };
    struct bench_processes us = { 0 }, them = { 0 }, first = { 0 };
    char title[80];

    bench_process(ours, &first); /* warm up */
    bool is_installed = bench_process(theirs, &first);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bench_process(ours, &us);
        if (is_installed)
            bench_process(theirs, &them);
    }
    snprintf(title, sizeof title, "cloister eventlog %s", form);
    bench_process_compare(title, &us, "tpm2_eventlog", &them, goal);
}

int main(int argc, char **argv)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;

    if ((argc == 3 || argc == 4) && strcmp(argv[1], "make") == 0) {
        make(argc == 4 ? argv[3] : NULL, argv[2]);
        return 0;
    }
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: bench-eventlog make OUT [LOG]\n"
                        "       bench-eventlog LOG PROGRAM [PEER]\n");
        return 2;
    }
    must(clo_file_read(argv[1], CLO_FILE_LIMIT, &file, &err), &err);
    char *const go[] = { argv[3], (char[]){ "eventlog" }, argv[1], NULL };
    struct peer peer = { 0 };
    if (argc == 4)
        peer = peer_start(go);
    compare(clo_buffer_bytes(&file), "parse", parse, argc == 4 ? &peer : NULL);
    compare(clo_buffer_bytes(&file), "parse and replay SHA-256", parse_and_replay,
            argc == 4 ? &peer : NULL);
    if (argc == 4)
        peer_stop(&peer);
    compare_processes(argv[2], (char[]){ "replay" }, argv[1], 30);
    compare_processes(argv[2], (char[]){ "show" }, argv[1], 0);
    return 0;
}
