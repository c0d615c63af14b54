/* A peer is a program that takes a job's name on standard input, does it some times over, and says how often; its
 * processor time is read from outside, so that all are measured alike (and a collector of garbage that runs next to the
 * job counts). */
#ifndef CLOISTER_BENCH_PEER_H
#define CLOISTER_BENCH_PEER_H

#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

struct peer {
    pid_t pid;
    clockid_t clock;
    FILE *in, *out;
};

static inline struct peer peer_start(char *const *argv)
{
    struct peer peer = { 0 };
    struct clo_error err = { 0 };
    int to[2];
    int from[2];

    if (pipe(to) != 0 || pipe(from) != 0 || (peer.pid = fork()) < 0) {
        clo_fail(&err, CLO_ERR_SYSTEM, "%s cannot be started", argv[0]);
        bench_fail(&err);
    }
    if (peer.pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execv(argv[0], argv);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    peer.in = fdopen(to[1], "w");
    peer.out = fdopen(from[0], "r");
    clock_getcpuclockid(peer.pid, &peer.clock);
    return peer;
}

/* Microseconds of processor time for each run. */
static inline double peer_measure(struct peer *peer, const char *job)
{
    double start = bench_seconds(peer->clock);
    struct clo_error err = { 0 };
    int runs = 0;

    fprintf(peer->in, "%s\n", job);
    fflush(peer->in);
    if (fscanf(peer->out, "%d", &runs) != 1 || runs <= 0) {
        clo_fail(&err, CLO_ERR_SYSTEM, "a peer ended in job \"%s\"", job);
        bench_fail(&err);
    }
    return (bench_seconds(peer->clock) - start) / runs * 1e6;
}

static inline void peer_stop(struct peer *peer)
{
    fclose(peer->in);
    fclose(peer->out);
    waitpid(peer->pid, NULL, 0);
}

#endif
