#include "verifier/door/addresses.h"

#include <pthread.h>
#include <stdlib.h>

#include "verifier/peer.h"

#define BUCKETS  4096 /* a power of two */
#define KEY_SIZE 32

struct address {
    struct address *next; /* in its bucket */
    uint64_t name;
    size_t connections;
};

struct clo_addresses {
    uint8_t key[KEY_SIZE]; /* names are keyed: nobody can choose a bucket */
    pthread_mutex_t lock;
    struct address *buckets[BUCKETS];
    size_t count;
};

bool clo_addresses_new(struct clo_random random, struct clo_addresses **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_addresses *addresses = calloc(1, sizeof *addresses);

    if (addresses == NULL)
        return clo_out_of_memory(err);
    if (!random.fill(random.context, addresses->key, sizeof addresses->key))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    pthread_mutex_init(&addresses->lock, NULL);
    *out = CLO_TAKE(addresses);
    return true;
}

void clo_addresses_free(struct clo_addresses *addresses)
{
    if (addresses == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (addresses->buckets[i] != NULL) {
            struct address *next = addresses->buckets[i]->next;
            free(addresses->buckets[i]);
            addresses->buckets[i] = next;
        }
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

/* Where the address hangs, or would. */
static struct address **find(struct clo_addresses *addresses, uint64_t name)
{
    struct address **at = &addresses->buckets[name & (BUCKETS - 1)];

    while (*at != NULL && (*at)->name != name)
        at = &(*at)->next;
    return at;
}

static bool enter(struct clo_addresses *addresses, uint64_t name, size_t limit)
{
    struct address **at = find(addresses, name);

    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        if (*at == NULL)
            return false;
        (*at)->name = name;
        addresses->count++;
    }
    if (limit != 0 && (*at)->connections >= limit)
        return false;
    (*at)->connections++;
    return true;
}

bool clo_addresses_enter(struct clo_addresses *addresses, const char *peer, size_t limit,
                         uint64_t *name)
{
    *name = clo_peer_name(clo_bytes(addresses->key, sizeof addresses->key), peer);
    pthread_mutex_lock(&addresses->lock);
    bool ok = enter(addresses, *name, limit);
    pthread_mutex_unlock(&addresses->lock);
    return ok;
}

void clo_addresses_leave(struct clo_addresses *addresses, uint64_t name)
{
    pthread_mutex_lock(&addresses->lock);
    struct address **at = find(addresses, name);
    if (*at != NULL && --(*at)->connections == 0) {
        struct address *gone = *at;
        *at = gone->next;
        free(gone);
        addresses->count--;
    }
    pthread_mutex_unlock(&addresses->lock);
}

size_t clo_addresses_count(struct clo_addresses *addresses)
{
    pthread_mutex_lock(&addresses->lock);
    size_t count = addresses->count;
    pthread_mutex_unlock(&addresses->lock);
    return count;
}
