#include "verifier/kbs/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#include "verifier/kbs/session_result.h"

#define KEY_SIZE      32
#define KEYS_LEAST    600 /* seconds that a key of the store is given to new sessions */
#define KEYS_SESSIONS 4   /* or so many lives of a session, whichever is longer */
#define MAC_SIZE      32
#define NAME_TIME     4 /* bytes of a name, before those that are random */
/* ends, key, name, what was agreed on, MAC */
#define AGREED_SIZE  3
#define COOKIE_BYTES (8 + 4 + CLO_SESSION_NAME_SIZE + AGREED_SIZE + MAC_SIZE)

struct used {
    struct used *next; /* in its bucket */
    uint8_t name[CLO_SESSION_NAME_SIZE];
    int64_t ends;
    struct clo_session_result result; /* tee_pubkey NULL: has shown nothing */
};

struct clo_sessions {
    struct clo_store *store; /* NULL: keys and nonces are the process's own */
    struct clo_secret *key;
    struct clo_session_key keys[CLO_SESSION_KEYS]; /* of the store, newest first */
    size_t key_count;
    int64_t keys_read;
    size_t evicted; /* the bucket that made room last */
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
    explicit_bzero(sessions->keys, sizeof sessions->keys);
    free(sessions);
}

void clo_sessions_freep(struct clo_sessions **sessions)
{
    clo_sessions_free(*sessions);
    *sessions = NULL;
}

/* --- Cookie and nonce --- */

static bool find_key(const struct clo_sessions *sessions, int64_t id, struct clo_bytes *out)
{
    if (sessions->store == NULL) {
        *out = clo_secret_bytes(sessions->key);
        return id == 0;
    }
    for (size_t i = 0; i < sessions->key_count; i++)
        if (sessions->keys[i].id == id) {
            *out = clo_bytes(sessions->keys[i].key, sizeof sessions->keys[i].key);
            return true;
        }
    return false;
}

static void write_agreed(const struct clo_session *session, struct clo_buffer *out)
{
    clo_buffer_u8(out, (uint8_t)session->agreed.tee);
    clo_buffer_u8(out, (uint8_t)session->agreed.hash);
    clo_buffer_u8(out, session->agreed.version);
}

/* The key's number needs no MAC: under another one it would be another MAC. */
static bool mac(const struct clo_sessions *sessions, const char *purpose,
                const struct clo_session *session, struct clo_digest *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    struct clo_bytes key;

    clo_buffer_text(&message, purpose);
    clo_buffer_be64(&message, (uint64_t)session->ends);
    clo_buffer_append(&message, clo_bytes(session->name, sizeof session->name));
    write_agreed(session, &message);
    if (!clo_buffer_ok(&message) || !find_key(sessions, session->key, &key))
        return false;
    clo_hmac(CLO_HASH_SHA256, key, clo_buffer_bytes(&message), out);
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
    clo_buffer_be32(&raw, (uint32_t)session->key);
    clo_buffer_append(&raw, clo_bytes(session->name, sizeof session->name));
    write_agreed(session, &raw);
    clo_buffer_append(&raw, clo_digest_bytes(&proof));
    if (!clo_buffer_ok(&raw))
        return false;
    clo_base64url_write(clo_buffer_bytes(&raw), &cookie);
    clo_base64_write(clo_digest_bytes(&value), &nonce);
    return copy_text(&cookie, session->cookie, sizeof session->cookie) &&
           copy_text(&nonce, session->nonce, sizeof session->nonce);
}

static unsigned key_seconds(const struct clo_sessions *sessions)
{
    unsigned lives = KEYS_SESSIONS * sessions->seconds;

    return lives > KEYS_LEAST ? lives : KEYS_LEAST;
}

/* Another one who serves from the store may have made a new key. */
static bool read_keys(struct clo_sessions *sessions, int64_t now, struct clo_error *err)
{
    sessions->keys_read = now;
    return clo_store_session_keys(sessions->store, sessions->random, now, key_seconds(sessions),
                                  sessions->keys, &sessions->key_count, err);
}

bool clo_sessions_share(struct clo_sessions *sessions, struct clo_store *store, int64_t now,
                        struct clo_error *err)
{
    sessions->store = store;
    return read_keys(sessions, now, err);
}

/* The newest, made anew once it is old. */
static bool choose_key(struct clo_sessions *sessions, int64_t now, int64_t *out,
                       struct clo_error *err)
{
    *out = 0;
    if (sessions->store == NULL)
        return true;
    const struct clo_session_key *newest = &sessions->keys[0];
    bool is_fresh = sessions->key_count > 0 && now >= newest->made &&
                    now - newest->made < (int64_t)key_seconds(sessions);
    if (!is_fresh && !read_keys(sessions, now, err))
        return false;
    *out = sessions->keys[0].id;
    return true;
}

/* Beginning with the time: rows that are added together then stand together, and the store changes fewer pages. What makes it
 * one's own are the 96 bits that follow. */
static bool choose_name(const struct clo_sessions *sessions, int64_t now,
                        uint8_t out[CLO_SESSION_NAME_SIZE], struct clo_error *err)
{
    for (unsigned i = 0; i < NAME_TIME; i++)
        out[i] = (uint8_t)((uint64_t)now >> (8 * (NAME_TIME - 1 - i)));
    return sessions->random.fill(sessions->random.context, out + NAME_TIME,
                                 CLO_SESSION_NAME_SIZE - NAME_TIME) ||
           clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
}

bool clo_session_begin(struct clo_sessions *sessions, int64_t now,
                       const struct clo_kbs_agreed *agreed, struct clo_session *out,
                       struct clo_error *err)
{
    struct clo_session session = { .ends = now + sessions->seconds, .agreed = *agreed };

    if (!choose_key(sessions, now, &session.key, err))
        return false;
    if (!choose_name(sessions, now, session.name, err))
        return false;
    if (!derive(sessions, &session))
        return clo_out_of_memory(err);
    *out = session;
    return true;
}

static bool fail_foreign(struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_UNVERIFIED,
                    "session: not one of this broker's, or of before it was started again");
}

bool clo_session_get(struct clo_sessions *sessions, const char *cookie, int64_t now,
                     struct clo_session *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { .limit = COOKIE_BYTES };
    struct clo_session session = { 0 };
    struct clo_error ignored;
    struct clo_bytes key;

    if (!clo_base64url_read(clo_bytes_text(cookie), &raw, &ignored) || raw.size != COOKIE_BYTES)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "session: not one of this broker's");
    struct clo_reader r = clo_reader(clo_buffer_bytes(&raw));
    session.ends = (int64_t)clo_read_be64(&r);
    session.key = clo_read_be32(&r);
    memcpy(session.name, clo_read_bytes(&r, sizeof session.name).data, sizeof session.name);
    session.agreed.tee = (enum clo_kbs_tee)clo_read_u8(&r);
    session.agreed.hash = (enum clo_hash)clo_read_u8(&r);
    session.agreed.version = clo_read_u8(&r);
    /* Another's new key: looked for once in a second. */
    if (!find_key(sessions, session.key, &key)) {
        if (sessions->store == NULL || sessions->keys_read == now)
            return fail_foreign(err);
        if (!read_keys(sessions, now, err))
            return false;
        if (!find_key(sessions, session.key, &key))
            return fail_foreign(err);
    }
    if (!derive(sessions, &session))
        return clo_out_of_memory(err);
    /* The cookie must be the one that we would make of its own parts: MAC included. */
    if (!clo_bytes_equal_secret(clo_bytes_text(session.cookie), clo_bytes_text(cookie)))
        return fail_foreign(err);
    if (now >= session.ends)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "session: is over, its nonce is too old");
    *out = session;
    return true;
}

/* --- What was used --- */

/* By what is random in a name; one that is not ours has no valid cookie: nobody can choose a bucket. */
static struct used **bucket_of(const struct clo_sessions *sessions,
                               const uint8_t name[CLO_SESSION_NAME_SIZE])
{
    struct clo_reader r =
            clo_reader(clo_bytes(name + NAME_TIME, CLO_SESSION_NAME_SIZE - NAME_TIME));

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

/* What is in the store as well makes room, a bucket at a time. */
static void make_room(struct clo_sessions *sessions)
{
    while (sessions->count == sessions->limit) {
        struct used **bucket =
                &sessions->buckets[sessions->evicted++ & (sessions->bucket_count - 1)];
        while (*bucket != NULL) {
            struct used *used = *bucket;
            *bucket = used->next;
            free_used(used);
            sessions->count--;
        }
    }
}

static struct used *add_used(struct clo_sessions *sessions, const struct clo_session *session,
                             struct clo_error *err)
{
    if (sessions->store != NULL)
        make_room(sessions);
    if (sessions->count == sessions->limit) {
        clo_fail(err, CLO_ERR_UNAVAILABLE, "too many sessions at once");
        return NULL;
    }
    struct used *used = calloc(1, sizeof *used);
    if (used == NULL) {
        clo_out_of_memory(err);
        return NULL;
    }
    struct used **bucket = bucket_of(sessions, session->name);
    used->ends = session->ends;
    used->next = *bucket;
    memcpy(used->name, session->name, sizeof used->name);
    *bucket = used;
    sessions->count++;
    return used;
}

/* What another one, or this one before it was started again, knows of it. */
static struct used *look_up(struct clo_sessions *sessions, const struct clo_session *session)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct used *used = find(sessions, session);
    struct clo_error ignored;
    bool is_used;

    if (used != NULL || sessions->store == NULL)
        return used;
    if (!clo_store_session(sessions->store, clo_bytes(session->name, sizeof session->name),
                           &is_used, &text, &ignored) ||
        !is_used)
        return NULL;
    used = add_used(sessions, session, &ignored);
    if (used != NULL && text.size > 0 &&
        !clo_session_result_read(clo_buffer_bytes(&text), &used->result, &ignored))
        clo_session_result_free(&used->result);
    return used;
}

bool clo_session_is_used(struct clo_sessions *sessions, const struct clo_session *session)
{
    return look_up(sessions, session) != NULL;
}

bool clo_session_is_kept(const struct clo_sessions *sessions, const struct clo_session *session)
{
    return find(sessions, session) != NULL;
}

bool clo_session_use(struct clo_sessions *sessions, const struct clo_session *session, int64_t now,
                     struct clo_error *err)
{
    forget_ended(sessions, now);
    /* What the store knows of it decides in the end (clo_session_settle()). */
    if (find(sessions, session) != NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
    return add_used(sessions, session, err) != NULL;
}

/* Another one was first: what it has is in the store. */
static void forget_use(struct clo_sessions *sessions, const struct clo_session *session)
{
    struct used **at = bucket_of(sessions, session->name);

    while (*at != NULL && memcmp((*at)->name, session->name, sizeof session->name) != 0)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct used *used = *at;
    *at = used->next;
    free_used(used);
    sessions->count--;
}

static bool write_result(const struct clo_session_result *result, struct clo_buffer *out,
                         struct clo_error *err)
{
    if (result == NULL || result->tee_pubkey == NULL)
        return true;
    return clo_session_result_write(result, out, err);
}

bool clo_session_settle(struct clo_sessions *sessions, const struct clo_session *session,
                        const struct clo_session_result *result, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (sessions->store == NULL)
        return true;
    if (!write_result(result, &text, err))
        return false;
    bool ok = clo_store_use_nonce(sessions->store, clo_bytes(session->name, sizeof session->name),
                                  session->key, text.size == 0 ? NULL : clo_buffer_string(&text),
                                  err);
    if (!ok && err->status == CLO_ERR_REFUSED)
        forget_use(sessions, session);
    if (!ok && err->status == CLO_ERR_UNVERIFIED)
        sessions->key_count = 0; /* another one has newer keys: read before the next nonce */
    return ok;
}

/* Kept for minutes, by the ten thousand: without the room that it grew by. */
static void fit(struct clo_buffer *text)
{
    struct clo_buffer exact = { .limit = text->limit };

    clo_buffer_reserve(&exact, text->size);
    clo_buffer_append(&exact, clo_buffer_bytes(text));
    if (!clo_buffer_ok(&exact))
        return;
    clo_buffer_free(text);
    *text = exact;
}

void clo_session_keep(struct clo_sessions *sessions, const struct clo_session *session,
                      int64_t until, struct clo_session_result *result)
{
    struct used *used = find(sessions, session);

    if (used == NULL)
        return; /* was not used: has nothing to show */
    clo_session_result_free(&used->result);
    used->ends = until > used->ends ? until : used->ends;
    fit(&result->token);
    used->result = *result;
    *result = (struct clo_session_result){ 0 };
}

bool clo_session_by_name(struct clo_sessions *sessions, const uint8_t name[CLO_SESSION_NAME_SIZE],
                         int64_t now, int64_t ends, struct clo_session *out)
{
    struct clo_session session = { .ends = ends };

    memcpy(session.name, name, sizeof session.name);
    const struct used *used = look_up(sessions, &session);
    if (used == NULL || used->result.tee_pubkey == NULL || now >= used->ends)
        return false;
    *out = session;
    return true;
}

struct clo_session_result *clo_session_result(struct clo_sessions *sessions,
                                              const struct clo_session *session)
{
    struct used *used = look_up(sessions, session);

    return used == NULL || used->result.tee_pubkey == NULL ? NULL : &used->result;
}

void clo_session_keep_release(struct clo_sessions *sessions, const struct clo_session *session,
                              const char *path)
{
    struct clo_session_result *result = clo_session_result(sessions, session);

    if (result == NULL)
        return;
    free(result->released);
    result->released = strdup(path); /* without memory: none, which allows nothing */
}

/* Its copy here may be one that was read from the store, whose releases have rows of their own. */
bool clo_session_released(struct clo_sessions *sessions, const struct clo_session *session,
                          const char *path)
{
    const struct clo_session_result *result = clo_session_result(sessions, session);
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    struct clo_error ignored;
    bool was_released;

    if (result == NULL)
        return false;
    if (result->released != NULL && strcmp(result->released, path) == 0)
        return true;
    clo_hex_text(clo_bytes(session->name, sizeof session->name), name);
    return sessions->store != NULL &&
           clo_store_was_released(sessions->store, path, result->holder.boot, name, &was_released,
                                  &ignored) &&
           was_released;
}

bool clo_session_forget(struct clo_sessions *sessions, const struct clo_session *session,
                        struct clo_error *err)
{
    struct used *used = look_up(sessions, session);

    if (used == NULL)
        return true;
    if (sessions->store != NULL &&
        (!clo_store_begin(sessions->store, err) ||
         !clo_store_end(sessions->store,
                        clo_store_set_session(sessions->store,
                                              clo_bytes(session->name, sizeof session->name), NULL,
                                              err),
                        err)))
        return false;
    clo_session_result_free(&used->result);
    return true;
}

size_t clo_sessions_in_use(struct clo_sessions *sessions, int64_t now)
{
    forget_ended(sessions, now);
    return sessions->count;
}
