#include "lib/crypto/certificate_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto_internal.h"
#include "lib/crypto/crl_hold.h"

#define CRL_KEPT_MAX 65536

/* One of the three. */
struct kept {
    struct kept *next; /* in its bucket */
    struct clo_certificate *certificate;
    struct clo_crl *crl;
    struct clo_digest name; /* of a signature */
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
    clo_crl_free(kept->crl);
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

static struct clo_bytes bytes_of(const struct kept *kept)
{
    return kept->certificate != NULL ? clo_certificate_der(kept->certificate)
           : kept->crl != NULL       ? clo_crl_der(kept->crl)
                                     : clo_digest_bytes(&kept->name);
}

/* No certificate has the bytes of a list, and neither those of a digest. */
static struct kept *find(struct clo_certificate_cache *cache, size_t bucket, struct clo_bytes der)
{
    struct kept *kept = cache->buckets[bucket];

    while (kept != NULL && !clo_bytes_equal(bytes_of(kept), der))
        kept = kept->next;
    if (kept != NULL)
        kept->used = ++cache->clock;
    return kept;
}

/* Under the lock, for as long as what was found is not held. */
static struct kept *find_locked(struct clo_certificate_cache *cache, struct clo_bytes bytes)
{
    size_t bucket = bucket_of(cache, bytes);

    pthread_mutex_lock(&cache->lock);
    struct kept *kept = find(cache, bucket, bytes);
    cache->found += kept != NULL;
    return kept;
}

bool clo_certificate_cache_read(struct clo_certificate_cache *cache, struct clo_bytes der,
                                struct clo_certificate **out, struct clo_error *err)
{
    if (cache == NULL)
        return clo_certificate_parse(der, out, err);
    const struct kept *kept = find_locked(cache, der);
    bool is_known = kept != NULL && kept->certificate != NULL;
    if (is_known)
        *out = clo_certificate_hold(kept->certificate);
    pthread_mutex_unlock(&cache->lock);
    return is_known || clo_certificate_parse(der, out, err);
}

bool clo_crl_cache_read(struct clo_certificate_cache *cache, struct clo_bytes der,
                        struct clo_crl **out, struct clo_error *err)
{
    if (cache == NULL || der.size > CRL_KEPT_MAX)
        return clo_crl_parse(der, out, err);
    const struct kept *kept = find_locked(cache, der);
    bool is_known = kept != NULL && kept->crl != NULL;
    if (is_known)
        *out = clo_crl_hold(kept->crl);
    pthread_mutex_unlock(&cache->lock);
    return is_known || clo_crl_parse(der, out, err);
}

bool clo_signed_cache_has(struct clo_certificate_cache *cache, const struct clo_digest *name)
{
    if (cache == NULL)
        return false;
    const struct kept *kept = find_locked(cache, clo_digest_bytes(name));
    bool is_known = kept != NULL && kept->certificate == NULL && kept->crl == NULL;
    pthread_mutex_unlock(&cache->lock);
    return is_known;
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

static void add(struct clo_certificate_cache *cache, size_t bucket, const struct kept *what)
{
    struct kept *kept = malloc(sizeof *kept);

    if (kept == NULL)
        return; /* it is read again */
    if (cache->count == cache->room)
        make_room(cache);
    *kept = *what;
    if (what->certificate != NULL)
        kept->certificate = clo_certificate_hold(what->certificate);
    if (what->crl != NULL)
        kept->crl = clo_crl_hold(what->crl);
    kept->used = ++cache->clock;
    kept->next = cache->buckets[bucket];
    cache->buckets[bucket] = kept;
    cache->count++;
}

static void keep(struct clo_certificate_cache *cache, const struct kept *what)
{
    struct clo_bytes bytes = bytes_of(what);
    size_t bucket = bucket_of(cache, bytes);

    pthread_mutex_lock(&cache->lock);
    if (find(cache, bucket, bytes) == NULL)
        add(cache, bucket, what);
    pthread_mutex_unlock(&cache->lock);
}

void clo_certificate_cache_keep(struct clo_certificate_cache *cache,
                                const struct clo_certificate *certificate)
{
    if (cache == NULL || cache->room == 0 || clo_certificate_is_shared(certificate))
        return;
    keep(cache, &(struct kept){ .certificate = (struct clo_certificate *)(uintptr_t)certificate });
}

void clo_crl_cache_keep(struct clo_certificate_cache *cache, const struct clo_crl *crl)
{
    if (cache == NULL || cache->room == 0 || clo_crl_der(crl).size > CRL_KEPT_MAX ||
        clo_crl_is_shared(crl))
        return;
    keep(cache, &(struct kept){ .crl = (struct clo_crl *)(uintptr_t)crl });
}

/* --- Signatures over documents --- */

void clo_signed_name(const struct clo_public_key *key, struct clo_bytes document,
                     struct clo_bytes signature, struct clo_digest *out)
{
    const struct clo_bytes parts[] = { document, signature, clo_buffer_bytes(&key->spki) };
    struct clo_digest digests[CLO_COUNT(parts)];
    struct clo_bytes views[CLO_COUNT(parts)];

    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        clo_hash(CLO_HASH_SHA256, parts[i], &digests[i]);
        views[i] = clo_digest_bytes(&digests[i]);
    }
    clo_hash_many(CLO_HASH_SHA256, views, CLO_COUNT(views), out);
}

void clo_signed_cache_keep(struct clo_certificate_cache *cache, const struct clo_digest *name)
{
    if (cache != NULL && cache->room > 0)
        keep(cache, &(struct kept){ .name = *name });
}

void clo_certificate_cache_counts(struct clo_certificate_cache *cache, size_t *count,
                                  uint64_t *found)
{
    pthread_mutex_lock(&cache->lock);
    *count = cache->count;
    *found = cache->found;
    pthread_mutex_unlock(&cache->lock);
}
