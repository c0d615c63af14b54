/* What the benchmarks share: a clock, rounds, and rows. A figure is worth little on a shared machine; a
 * ratio to a yardstick that ran in the same round is worth something. */
#ifndef CLOISTER_BENCH_H
#define CLOISTER_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cloister/base.h"

#define BENCH_ROUNDS_MAX 100

struct bench_series {
    double values[BENCH_ROUNDS_MAX];
    size_t count;
};

static inline double bench_seconds(clockid_t clock)
{
    struct timespec now = { 0 };

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double bench_now(void)
{
    return bench_seconds(CLOCK_MONOTONIC);
}

static inline void bench_add(struct bench_series *series, double value)
{
    if (series->count < BENCH_ROUNDS_MAX)
        series->values[series->count++] = value;
}

static inline int bench_by_value(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;

    return first < second ? -1 : first > second;
}

/* NAME  minimum  median  maximum  UNIT */
static inline double bench_row(const char *name, struct bench_series *series, const char *unit)
{
    qsort(series->values, series->count, sizeof series->values[0], bench_by_value);
    double median = series->values[series->count / 2];
    printf("%-44s %9.2f %9.2f %9.2f %s\n", name, series->values[0], median,
           series->values[series->count - 1], unit);
    return median;
}

static inline void bench_heading(const char *title)
{
    printf("%s\n%-44s %9s %9s %9s\n", title, "", "min", "median", "max");
}

_Noreturn static inline void bench_fail(const struct clo_error *err)
{
    fprintf(stderr, "bench: %s\n", err->text);
    exit(4);
}

#endif
