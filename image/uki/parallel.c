#include "image/uki/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS_MAX 8
#define WORTHWHILE  ((uint64_t)512 << 10) /* below, starting a thread costs more than it saves */

struct work {
    size_t count;
    void (*run)(void *context, size_t index);
    void *context;
    atomic_size_t next;
};

static void *take(void *context)
{
    struct work *work = context;
    size_t i;

    while ((i = atomic_fetch_add(&work->next, 1)) < work->count)
        work->run(work->context, i);
    return NULL;
}

void uki_parallel(size_t count, uint64_t bytes, void (*run)(void *context, size_t index),
                  void *context)
{
    struct work work = { .count = count, .run = run, .context = context };
    pthread_t threads[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t started = 0;

    while (bytes >= WORTHWHILE && started < THREADS_MAX && started + 1 < count &&
           (long)started + 1 < processors &&
           pthread_create(&threads[started], NULL, take, &work) == 0)
        started++;
    take(&work);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}
