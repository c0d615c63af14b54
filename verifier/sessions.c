#include "verifier/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#define KEY_SIZE 32
#define MAC_SIZE 32
/* ends, name, MAC */
#define COOKIE_BYTES (8 + CLO_SESSION_NAME_SIZE + MAC_SIZE)

struct used {
    struct used *next; /* in its bucket */
    uint8_t name[CLO_SESSION_NAME_SIZE];
    int64_t ends;
    struct clo_session_result result; /* tee_pubkey NULL: has shown nothing */
};

struct clo_sessions {
    struct clo_secret *key;
    struct clo_random random;
    unsigned seconds;
    size_t limit;
    struct used **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    int64_t swept; /* when those that had ended were dropped */
};

bool clo_sessions_new(struct clo_random random, unsigned seconds, size_t limit,
                      struct clo_sessions **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = calloc(1, sizeof *sessions);

    if (sessions == NULL)
        return clo_out_of_memory(err);
    for (sessions->bucket_count = 1; sessions->bucket_count < limit;)
        sessions->bucket_count *= 2;
    sessions->buckets = calloc(sessions->bucket_count, sizeof(struct used *));
    if (sessions->buckets == NULL)
        return clo_out_of_memory(err);
    if (!clo_secret_new(KEY_SIZE, &sessions->key, err))
        return false;
    if (!random.fill(random.context, clo_secret_data(sessions->key), KEY_SIZE))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    sessions->random = random;
    sessions->seconds = seconds;
    sessions->limit = limit;
    sessions->swept = INT64_MIN;
    *out = CLO_TAKE(sessions);
    return true;
}

void clo_session_result_free(struct clo_session_result *result)
{
    json_decref(result->tee_pubkey);
    free(result->released);
    free(result->terms);
    *result = (struct clo_session_result){ 0 };
}

bool clo_session_result_add_terms(struct clo_session_result *result, const char *digest,
                                  struct clo_error *err)
{
    char(*terms)[CLO_SESSION_DIGEST] =
            reallocarray(result->terms, result->term_count + 1, sizeof *terms);

    if (terms == NULL)
        return clo_out_of_memory(err);
    result->terms = terms;
    snprintf(terms[result->term_count++], sizeof *terms, "%s", digest);
    return true;
}

bool clo_session_result_fulfils(const struct clo_session_result *result, const char *digest)
{
    for (size_t i = 0; i < result->term_count; i++)
        if (strcmp(result->terms[i], digest) == 0)
            return true;
    return false;
}

static void free_used(struct used *used)
{
    clo_session_result_free(&used->result);
    free(used);
}

void clo_sessions_free(struct clo_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; sessions->buckets != NULL && i < sessions->bucket_count; i++)
        while (sessions->buckets[i] != NULL) {
            struct used *next = sessions->buckets[i]->next;
            free_used(sessions->buckets[i]);
            sessions->buckets[i] = next;
        }
    free(sessions->buckets);
    clo_secret_free(sessions->key);
    free(sessions);
}

void clo_sessions_freep(struct clo_sessions **sessions)
{
    clo_sessions_free(*sessions);
    *sessions = NULL;
}

/* --- Cookie and nonce --- */

static bool mac(const struct clo_sessions *sessions, const char *purpose,
                const struct clo_session *session, struct clo_digest *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };

    clo_buffer_text(&message, purpose);
    clo_buffer_be64(&message, (uint64_t)session->ends);
    clo_buffer_append(&message, clo_bytes(session->name, sizeof session->name));
    if (!clo_buffer_ok(&message))
        return false;
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(sessions->key), clo_buffer_bytes(&message), out);
    return true;
}

static bool copy_text(struct clo_buffer *text, char *out, size_t room)
{
    const char *string = clo_buffer_string(text);

    if (string == NULL || text->size >= room)
        return false;
    memcpy(out, string, text->size + 1);
    return true;
}

/* Fills in cookie and nonce from `name` and `ends`. */
static bool derive(const struct clo_sessions *sessions, struct clo_session *session)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cookie = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    struct clo_digest proof;
    struct clo_digest value;

    if (!mac(sessions, "cookie", session, &proof) || !mac(sessions, "nonce", session, &value))
        return false;
    clo_buffer_be64(&raw, (uint64_t)session->ends);
    clo_buffer_append(&raw, clo_bytes(session->name, sizeof session->name));
    clo_buffer_append(&raw, clo_digest_bytes(&proof));
    if (!clo_buffer_ok(&raw))
        return false;
    clo_base64url_write(clo_buffer_bytes(&raw), &cookie);
    clo_base64_write(clo_digest_bytes(&value), &nonce);
    return copy_text(&cookie, session->cookie, sizeof session->cookie) &&
           copy_text(&nonce, session->nonce, sizeof session->nonce);
}

bool clo_session_begin(const struct clo_sessions *sessions, int64_t now, struct clo_session *out,
                       struct clo_error *err)
{
    struct clo_session session = { .ends = now + sessions->seconds };

    if (!sessions->random.fill(sessions->random.context, session.name, sizeof session.name))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    if (!derive(sessions, &session))
        return clo_out_of_memory(err);
    *out = session;
    return true;
}

bool clo_session_get(const struct clo_sessions *sessions, const char *cookie, int64_t now,
                     struct clo_session *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { .limit = COOKIE_BYTES };
    struct clo_session session = { 0 };
    struct clo_error ignored;

    if (!clo_base64url_read(clo_bytes_text(cookie), &raw, &ignored) || raw.size != COOKIE_BYTES)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "session: not one of this broker's");
    struct clo_reader r = clo_reader(clo_buffer_bytes(&raw));
    session.ends = (int64_t)clo_read_be64(&r);
    memcpy(session.name, clo_read_bytes(&r, sizeof session.name).data, sizeof session.name);
    if (!derive(sessions, &session))
        return clo_out_of_memory(err);
    /* The cookie must be the one that we would make of its own parts: MAC included. */
    if (!clo_bytes_equal_secret(clo_bytes_text(session.cookie), clo_bytes_text(cookie)))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "session: not one of this broker's, or of before it was started again");
    if (now >= session.ends)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "session: is over, its nonce is too old");
    *out = session;
    return true;
}

/* --- What was used --- */

/* Names are random, and a name that is not ours has no valid cookie: nobody can choose a bucket. */
static struct used **bucket_of(const struct clo_sessions *sessions,
                               const uint8_t name[CLO_SESSION_NAME_SIZE])
{
    struct clo_reader r = clo_reader(clo_bytes(name, CLO_SESSION_NAME_SIZE));

    return &sessions->buckets[clo_read_be32(&r) & (sessions->bucket_count - 1)];
}

static struct used *find(const struct clo_sessions *sessions, const struct clo_session *session)
{
    struct used *used = *bucket_of(sessions, session->name);

    while (used != NULL && memcmp(used->name, session->name, sizeof session->name) != 0)
        used = used->next;
    return used;
}

/* Looks at all of them, so not more than once in a second of the clock. */
static void forget_ended(struct clo_sessions *sessions, int64_t now)
{
    if (now <= sessions->swept)
        return;
    sessions->swept = now;
    for (size_t i = 0; i < sessions->bucket_count; i++)
        for (struct used **at = &sessions->buckets[i]; *at != NULL;) {
            struct used *used = *at;
            if (now < used->ends) {
                at = &used->next;
                continue;
            }
            *at = used->next;
            free_used(used);
            sessions->count--;
        }
}

bool clo_session_is_used(const struct clo_sessions *sessions, const struct clo_session *session)
{
    return find(sessions, session) != NULL;
}

bool clo_session_use(struct clo_sessions *sessions, const struct clo_session *session, int64_t now,
                     struct clo_error *err)
{
    forget_ended(sessions, now);
    if (find(sessions, session) != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
    if (sessions->count == sessions->limit)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "too many sessions at once");
    struct used *used = calloc(1, sizeof *used);
    if (used == NULL)
        return clo_out_of_memory(err);
    struct used **bucket = bucket_of(sessions, session->name);
    used->ends = session->ends;
    used->next = *bucket;
    memcpy(used->name, session->name, sizeof used->name);
    *bucket = used;
    sessions->count++;
    return true;
}

void clo_session_keep(struct clo_sessions *sessions, const struct clo_session *session,
                      struct clo_session_result *result)
{
    struct used *used = find(sessions, session);

    if (used == NULL)
        return; /* was not used: has nothing to show */
    clo_session_result_free(&used->result);
    used->result = *result;
    *result = (struct clo_session_result){ 0 };
}

struct clo_session_result *clo_session_result(const struct clo_sessions *sessions,
                                              const struct clo_session *session)
{
    struct used *used = find(sessions, session);

    return used == NULL || used->result.tee_pubkey == NULL ? NULL : &used->result;
}

void clo_session_note_release(struct clo_sessions *sessions, const struct clo_session *session,
                              const char *path)
{
    struct used *used = find(sessions, session);

    if (used == NULL)
        return;
    free(used->result.released);
    used->result.released = strdup(path); /* out of memory: nothing was released in it */
}

bool clo_session_released(const struct clo_sessions *sessions, const struct clo_session *session,
                          const char *path)
{
    const struct clo_session_result *result = clo_session_result(sessions, session);

    return result != NULL && result->released != NULL && strcmp(result->released, path) == 0;
}

size_t clo_sessions_in_use(struct clo_sessions *sessions, int64_t now)
{
    forget_ended(sessions, now);
    return sessions->count;
}
