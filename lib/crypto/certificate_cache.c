#include "lib/crypto/certificate_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct kept {
    struct kept *next; /* in its bucket */
    struct clo_certificate *certificate;
    uint64_t used;
};

struct clo_certificate_cache {
    pthread_mutex_t lock;
    struct kept **buckets;
    size_t bucket_count; /* a power of two */
    size_t room, count;
    uint64_t clock, found;
};

bool clo_certificate_cache_new(size_t room, struct clo_certificate_cache **out,
                               struct clo_error *err)
{
    struct clo_certificate_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return clo_out_of_memory(err);
    cache->room = room;
    for (cache->bucket_count = 1; cache->bucket_count < room;)
        cache->bucket_count *= 2;
    cache->buckets = calloc(cache->bucket_count, sizeof(struct kept *));
    if (cache->buckets == NULL) {
        free(cache);
        return clo_out_of_memory(err);
    }
    pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return true;
}

static void free_kept(struct kept *kept)
{
    clo_certificate_free(kept->certificate);
    free(kept);
}

void clo_certificate_cache_free(struct clo_certificate_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < cache->bucket_count; i++)
        while (cache->buckets[i] != NULL) {
            struct kept *next = cache->buckets[i]->next;
            free_kept(cache->buckets[i]);
            cache->buckets[i] = next;
        }
    free(cache->buckets);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void clo_certificate_cache_freep(struct clo_certificate_cache **cache)
{
    clo_certificate_cache_free(*cache);
    *cache = NULL;
}

/* A digest, so that nobody chooses what shares a bucket. */
static size_t bucket_of(const struct clo_certificate_cache *cache, struct clo_bytes der)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, der, &digest);
    struct clo_reader r = clo_reader(clo_digest_bytes(&digest));
    return clo_read_le32(&r) & (cache->bucket_count - 1);
}

static struct kept *find(struct clo_certificate_cache *cache, size_t bucket, struct clo_bytes der)
{
    struct kept *kept = cache->buckets[bucket];

    while (kept != NULL && !clo_bytes_equal(clo_certificate_der(kept->certificate), der))
        kept = kept->next;
    if (kept != NULL)
        kept->used = ++cache->clock;
    return kept;
}

bool clo_certificate_cache_read(struct clo_certificate_cache *cache, struct clo_bytes der,
                                struct clo_certificate **out, struct clo_error *err)
{
    const struct kept *kept = NULL;

    if (cache == NULL)
        return clo_certificate_parse(der, out, err);
    size_t bucket = bucket_of(cache, der);
    pthread_mutex_lock(&cache->lock);
    kept = find(cache, bucket, der);
    if (kept != NULL) {
        cache->found++;
        *out = clo_certificate_hold(kept->certificate);
    }
    pthread_mutex_unlock(&cache->lock);
    return kept != NULL || clo_certificate_parse(der, out, err);
}

static struct kept **oldest_of(struct kept **bucket)
{
    struct kept **oldest = bucket;

    for (struct kept **at = bucket; *at != NULL; at = &(*at)->next)
        if ((*at)->used < (*oldest)->used)
            oldest = at;
    return oldest;
}

static void make_room(struct clo_certificate_cache *cache)
{
    struct kept **oldest = NULL;

    for (size_t i = 0; i < cache->bucket_count; i++) {
        struct kept **of_bucket = oldest_of(&cache->buckets[i]);
        if (*of_bucket != NULL && (oldest == NULL || (*of_bucket)->used < (*oldest)->used))
            oldest = of_bucket;
    }
    if (oldest == NULL)
        return;
    struct kept *gone = *oldest;
    *oldest = gone->next;
    cache->count--;
    free_kept(gone);
}

static void add(struct clo_certificate_cache *cache, size_t bucket,
                const struct clo_certificate *certificate)
{
    struct kept *kept = malloc(sizeof *kept);

    if (kept == NULL)
        return; /* it is read again */
    if (cache->count == cache->room)
        make_room(cache);
    kept->certificate = clo_certificate_hold(certificate);
    kept->used = ++cache->clock;
    kept->next = cache->buckets[bucket];
    cache->buckets[bucket] = kept;
    cache->count++;
}

void clo_certificate_cache_keep(struct clo_certificate_cache *cache,
                                const struct clo_certificate *certificate)
{
    if (cache == NULL || cache->room == 0 || clo_certificate_is_shared(certificate))
        return;
    size_t bucket = bucket_of(cache, clo_certificate_der(certificate));
    pthread_mutex_lock(&cache->lock);
    if (find(cache, bucket, clo_certificate_der(certificate)) == NULL)
        add(cache, bucket, certificate);
    pthread_mutex_unlock(&cache->lock);
}

void clo_certificate_cache_counts(struct clo_certificate_cache *cache, size_t *count,
                                  uint64_t *found)
{
    pthread_mutex_lock(&cache->lock);
    *count = cache->count;
    *found = cache->found;
    pthread_mutex_unlock(&cache->lock);
}
