/* A clock that nobody sets: for limits and durations. */
#ifndef CLOISTER_DEVICE_CLOCK_H
#define CLOISTER_DEVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment. */
static inline int64_t clo_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
