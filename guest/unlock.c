#include "guest/unlock.h"

#include <time.h>

#include "cloister/jose.h"
#include "cloister/resource.h"

#define REQUEST_TIMEOUT_MS 20000
#define FIRST_PAUSE_S      1
#define LAST_PAUSE_S       16

static int64_t now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec;
}

bool clo_unlock_runtime_data(const char *nonce, const char *resource,
                             const struct clo_private_key *key, json_t **json,
                             struct clo_buffer *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *data = NULL;

    if (!clo_private_key_public(key, &public, err) || !clo_jwk_from_public_key(public, &jwk, err))
        return clo_wrap(err, "one-time key");
    data = json_pack("{s:s, s:O, s:s*}", "nonce", nonce, "tee-pubkey", jwk, "resource", resource);
    if (data == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "the nonce is not UTF-8");
    if (!clo_json_write(data, text, err))
        return false;
    *json = CLO_TAKE(data);
    return true;
}

/* A disk that has been used again is one that the broker knows of: until then it is not opened, so
 * that nobody gains by keeping the message back. */
static bool use_release(const struct clo_unlock *unlock, struct clo_kbs_client *kbs,
                        const char *path, const json_t *jwe, const struct clo_private_key *key,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_release_free) struct clo_release release = { 0 };
    uint64_t generation = 0;

    if (!clo_release_open(jwe, key, unlock->config->disk_is_registered, &release, err) ||
        !unlock->on_release(unlock->context, &release, &generation, err))
        return false;
    return !release.has_disk || clo_kbs_generation(kbs, path, generation, err);
}

/* The name that the broker gave our template: it must be one of its names. A broker that says none takes it as it is. */
static bool choose_resource(const char *wanted, const struct clo_buffer *answered,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    clo_buffer_append(&name, clo_buffer_bytes(answered));
    if (answered->size == 0)
        clo_buffer_text(&name, wanted);
    const char *text = clo_buffer_string(&name);
    if (text == NULL)
        return clo_out_of_memory(err);
    if (!clo_resource_check(text, err))
        return clo_fail(err, CLO_ERR_FORMAT, "the broker's answer: %s", err->text);
    if (!clo_resource_matches(wanted, text))
        return clo_fail(err, CLO_ERR_FORMAT, "the broker's answer: \"%s\" is not a name of \"%s\"",
                        text, wanted);
    clo_buffer_text(out, text);
    return clo_buffer_string(out) != NULL || clo_out_of_memory(err);
}

static bool keep_name(const struct clo_unlock *unlock, const struct clo_buffer *path,
                      struct clo_error *err)
{
    if (unlock->unlocked == NULL)
        return true;
    unlock->unlocked->path.size = 0;
    clo_buffer_append(&unlock->unlocked->path, clo_buffer_bytes(path));
    return clo_buffer_string(&unlock->unlocked->path) != NULL || clo_out_of_memory(err);
}

/* One whole exchange, in a session of its own. */
static bool exchange(const struct clo_unlock *unlock, const char *tee,
                     const struct clo_private_key *key, struct clo_kbs_client *kbs,
                     struct clo_error *err)
{
    const char *resource = unlock->config->resource;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answered = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *runtime_data = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *bundle = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;

    if (!clo_kbs_auth(kbs, tee, &nonce, err) ||
        !clo_unlock_runtime_data(clo_buffer_string(&nonce), resource, key, &runtime_data, &text,
                                 err) ||
        !clo_collect(unlock->collector, clo_buffer_bytes(&text), &evidence, err))
        return false;
    if (unlock->on_evidence != NULL)
        unlock->on_evidence(unlock->context, evidence);
    bundle = clo_evidence_json(evidence);
    if (bundle == NULL)
        return clo_out_of_memory(err);
    return clo_kbs_attest(kbs, runtime_data, bundle, &token, &answered, err) &&
           choose_resource(resource, &answered, &path, err) &&
           clo_kbs_resource(kbs, clo_buffer_string(&path), &jwe, err) &&
           use_release(unlock, kbs, clo_buffer_string(&path), jwe, key, err) &&
           keep_name(unlock, &path, err);
}

bool clo_unlock_key(const struct clo_unlock *unlock, struct clo_error *err)
{
    CLO_CLEANUP(clo_kbs_freep) struct clo_kbs_client *kbs = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    const struct clo_guest_config *config = unlock->config;
    int64_t end = now_s() + config->retry_seconds;
    unsigned pause = FIRST_PAUSE_S;
    const char *tee;

    /* One key for all that is tried: a broker releases once in a boot, and to the same key again where
     * its answer was lost on the way. */
    if (!clo_collect_tee(unlock->collector, &tee, err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &key, err) ||
        !clo_kbs_new(config->broker_url, clo_buffer_bytes(&config->broker_key), REQUEST_TIMEOUT_MS,
                     &kbs, err))
        return false;
    while (!exchange(unlock, tee, key, kbs, err)) {
        if (err->status != CLO_ERR_UNAVAILABLE)
            return false;
        if (now_s() + pause > end)
            return clo_wrap(err, "gave up after %u s", config->retry_seconds);
        if (unlock->on_wait != NULL)
            unlock->on_wait(unlock->context, err->text, pause);
        nanosleep(&(struct timespec){ .tv_sec = pause }, NULL);
        pause = pause * 2 > LAST_PAUSE_S ? LAST_PAUSE_S : pause * 2;
    }
    if (unlock->unlocked != NULL)
        unlock->unlocked->kbs = CLO_TAKE(kbs);
    return true;
}

void clo_unlocked_free(struct clo_unlocked *unlocked)
{
    clo_kbs_free(unlocked->kbs);
    clo_buffer_free(&unlocked->path);
    *unlocked = (struct clo_unlocked){ 0 };
}

bool clo_unlocked_tag_errors(struct clo_unlocked *unlocked, uint64_t count, uint64_t first,
                             struct clo_error *err)
{
    if (unlocked->kbs == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the key came from no broker");
    return clo_kbs_tag_errors(unlocked->kbs, clo_buffer_string(&unlocked->path), count, first, err);
}
