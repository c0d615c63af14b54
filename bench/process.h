/* Whole processes: one is run to its end, its output thrown away, and what it took is read from outside. */
#ifndef CLOISTER_BENCH_PROCESS_H
#define CLOISTER_BENCH_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

struct bench_processes {
    struct bench_series wall, processor; /* milliseconds */
    long memory;                         /* the most that one had, KiB */
};

static inline double bench_timeval(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* One more of a command. False: it is not installed. A failure ends the benchmark. */
static inline bool bench_process(char *const *words, struct bench_processes *out)
{
    struct rusage usage = { 0 };
    int status;

    double start = bench_now();
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(words[0], words);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        status = -1;
    double end = bench_now();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench: %s failed\n", words[0]);
        exit(4);
    }
    bench_add(&out->wall, (end - start) * 1e3);
    bench_add(&out->processor,
              (bench_timeval(usage.ru_utime) + bench_timeval(usage.ru_stime)) * 1e3);
    out->memory = usage.ru_maxrss > out->memory ? usage.ru_maxrss : out->memory;
    return true;
}

static inline void bench_process_rows(const char *name, struct bench_processes *series)
{
    char text[80];

    snprintf(text, sizeof text, "  %s, %.1f MiB", name, (double)series->memory / 1024);
    bench_row(text, &series->wall, "ms");
    bench_row("    its processor time", &series->processor, "ms");
}

/* Ours and theirs, of the same number of rounds; `theirs` of none is left out. A goal of 0 is none. */
static inline void bench_process_compare(const char *title, struct bench_processes *ours,
                                         const char *name, struct bench_processes *theirs,
                                         double goal)
{
    size_t half = ours->wall.count / 2;

    bench_heading(title);
    bench_process_rows("cloister", ours);
    if (theirs->wall.count == 0) {
        printf("  %s is not installed\n", name);
        return;
    }
    bench_process_rows(name, theirs);
    printf("  times as fast: %.2f by minima, %.2f by medians, %.2f by processor time (minima)",
           theirs->wall.values[0] / ours->wall.values[0],
           theirs->wall.values[half] / ours->wall.values[half],
           theirs->processor.values[0] / ours->processor.values[0]);
    if (goal > 0)
        printf("; goal: at least %.2f", goal);
    puts("");
}

#endif
