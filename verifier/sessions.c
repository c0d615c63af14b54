#include "verifier/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#define KEY_SIZE 32
#define MAC_SIZE 32
/* ends, name, MAC */
#define COOKIE_BYTES (8 + CLO_SESSION_NAME_SIZE + MAC_SIZE)

struct used {
    uint8_t name[CLO_SESSION_NAME_SIZE];
    int64_t ends;
    struct clo_session_result result; /* tee_pubkey NULL: has shown nothing */
};

struct clo_sessions {
    struct clo_secret *key;
    struct clo_random random;
    unsigned seconds;
    size_t limit;
    struct used *used;
    size_t count;
};

bool clo_sessions_new(struct clo_random random, unsigned seconds, size_t limit,
                      struct clo_sessions **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = calloc(1, sizeof *sessions);

    if (sessions == NULL || (sessions->used = calloc(limit, sizeof *sessions->used)) == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_secret_new(KEY_SIZE, &sessions->key, err))
        return false;
    if (!random.fill(random.context, clo_secret_data(sessions->key), KEY_SIZE))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    sessions->random = random;
    sessions->seconds = seconds;
    sessions->limit = limit;
    *out = CLO_TAKE(sessions);
    return true;
}

void clo_session_result_free(struct clo_session_result *result)
{
    json_decref(result->tee_pubkey);
    free(result->released);
    *result = (struct clo_session_result){ 0 };
}

void clo_sessions_free(struct clo_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < sessions->count; i++)
        clo_session_result_free(&sessions->used[i].result);
    free(sessions->used);
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
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
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
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
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

static struct used *find(const struct clo_sessions *sessions, const struct clo_session *session)
{
    for (size_t i = 0; i < sessions->count; i++)
        if (memcmp(sessions->used[i].name, session->name, sizeof session->name) == 0)
            return &sessions->used[i];
    return NULL;
}

static void forget_ended(struct clo_sessions *sessions, int64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < sessions->count; i++) {
        if (now < sessions->used[i].ends)
            sessions->used[kept++] = sessions->used[i];
        else
            clo_session_result_free(&sessions->used[i].result);
    }
    sessions->count = kept;
}

bool clo_session_use(struct clo_sessions *sessions, const struct clo_session *session, int64_t now,
                     struct clo_error *err)
{
    forget_ended(sessions, now);
    if (find(sessions, session) != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
    if (sessions->count == sessions->limit)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "too many sessions at once");
    struct used *used = &sessions->used[sessions->count++];
    *used = (struct used){ .ends = session->ends };
    memcpy(used->name, session->name, sizeof used->name);
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

const struct clo_session_result *clo_session_result(const struct clo_sessions *sessions,
                                                    const struct clo_session *session)
{
    const struct used *used = find(sessions, session);

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

size_t clo_sessions_in_use(const struct clo_sessions *sessions)
{
    return sessions->count;
}
