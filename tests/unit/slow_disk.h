/* A disk that a test opens and shuts, under decisions that become durable together. */
#ifndef CLOISTER_TEST_SLOW_DISK_H
#define CLOISTER_TEST_SLOW_DISK_H

#include <errno.h>
#include <pthread.h>

#include "test.h"
#include "verifier/store/store_internal.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut, fails;
    unsigned begun, told;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static inline int sync_disk(int fd)
{
    (void)fd;
    pthread_mutex_lock(&disk.lock);
    disk.begun++;
    pthread_cond_broadcast(&disk.changed);
    while (disk.is_shut)
        pthread_cond_wait(&disk.changed, &disk.lock);
    bool fails = disk.fails;
    pthread_mutex_unlock(&disk.lock);
    errno = fails ? EIO : 0;
    return fails ? -1 : 0;
}

static inline void on_synced(void *context)
{
    (void)context;
    pthread_mutex_lock(&disk.lock);
    disk.told++;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static inline void shut_disk(bool is_shut, bool fails)
{
    pthread_mutex_lock(&disk.lock);
    disk.is_shut = is_shut;
    disk.fails = fails;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static inline void wait_for(const unsigned *count, unsigned least)
{
    pthread_mutex_lock(&disk.lock);
    while (*count < least)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

static inline enum clo_store_sync settled(struct clo_store *store, uint64_t mark)
{
    enum clo_store_sync state;

    for (unsigned told = 0; (state = clo_store_sync_state(store, mark)) == CLO_STORE_WAITING;) {
        pthread_mutex_lock(&disk.lock);
        while (disk.told == told && clo_store_sync_state(store, mark) == CLO_STORE_WAITING)
            pthread_cond_wait(&disk.changed, &disk.lock);
        told = disk.told;
        pthread_mutex_unlock(&disk.lock);
    }
    return state;
}

#endif
