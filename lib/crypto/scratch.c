/* What each thread works in, and the one curve that all share. */
#include "crypto_internal.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/obj_mac.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static bool has_key;
static EC_GROUP *p256; /* constants: never changed, never freed */

static _Thread_local struct crypto_scratch *mine;

static void free_scratch(void *data)
{
    struct crypto_scratch *scratch = data;

    if (scratch == NULL)
        return;
    BN_CTX_free(scratch->context);
    BN_free(scratch->a);
    BN_free(scratch->b);
    BN_free(scratch->c);
    EC_POINT_free(scratch->point);
    EC_POINT_free(scratch->key);
    free(scratch);
    mine = NULL;
}

static void start(void)
{
    has_key = pthread_key_create(&at_thread_end, free_scratch) == 0;
    p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
}

/* A plug-in may be unloaded before its threads end. */
__attribute__((destructor)) static void stop(void)
{
    if (has_key)
        pthread_key_delete(at_thread_end);
}

const EC_GROUP *crypto_p256(void)
{
    pthread_once(&once, start);
    return p256;
}

const struct crypto_scratch *crypto_scratch(void)
{
    if (mine != NULL)
        return mine;
    const EC_GROUP *group = crypto_p256();
    struct crypto_scratch *scratch = calloc(1, sizeof *scratch);
    if (group == NULL || scratch == NULL || !has_key) {
        free(scratch);
        return NULL;
    }
    scratch->context = BN_CTX_new();
    scratch->a = BN_new();
    scratch->b = BN_new();
    scratch->c = BN_new();
    scratch->point = EC_POINT_new(group);
    scratch->key = EC_POINT_new(group);
    if (scratch->context == NULL || scratch->a == NULL || scratch->b == NULL ||
        scratch->c == NULL || scratch->point == NULL || scratch->key == NULL ||
        pthread_setspecific(at_thread_end, scratch) != 0) {
        free_scratch(scratch);
        return NULL;
    }
    mine = scratch;
    return mine;
}
