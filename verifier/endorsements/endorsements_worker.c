/* The endorser's own thread: reads the owner's files again, and asks AMD's and Intel's services for what
 * decisions wanted, at first and from time to time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "endorsements_internal.h"

#define FILES_SECONDS   60
#define REFRESH_SECONDS (6 * 3600) /* or half of what is left, if that is sooner */
#define REFRESH_MIN     600
#define WANTED_FIRST    2 /* back-off while a client waits for it … */
#define WANTED_MAX      300
#define HELD_FIRST      60 /* … and while what is here still does */
#define HELD_MAX        3600
#define SHARED_SECONDS  60 /* what another process has just fetched will do */

/* --- When --- */

/* Between 80 and 120 per cent: many brokers do not ask at once. */
static int64_t with_jitter(const struct clo_endorser *endorser, int64_t seconds)
{
    const struct clo_random *random = &endorser->spec.random;
    uint8_t byte = 128;

    if (random->fill == NULL || !random->fill(random->context, &byte, 1))
        byte = 128;
    return seconds * (800 + 400 * byte / 255) / 1000;
}

static void set_next(const struct clo_endorser *endorser, struct entry *entry, int64_t now)
{
    int64_t first = entry->is_held ? HELD_FIRST : WANTED_FIRST;
    int64_t most = entry->is_held ? HELD_MAX : WANTED_MAX;
    int64_t wait = REFRESH_SECONDS;

    if (entry->failures > 0) {
        unsigned doublings = entry->failures > 16 ? 16 : entry->failures - 1;
        wait = first << doublings > most ? most : first << doublings;
    } else if (entry->kind == ENTRY_VCEK) {
        entry->due = INT64_MAX;
        return; /* of one chip and TCB: nothing newer will come */
    } else if (entry->expires - now < 2 * (int64_t)REFRESH_SECONDS) {
        wait = (entry->expires - now) / 2 > REFRESH_MIN ? (entry->expires - now) / 2 : REFRESH_MIN;
    }
    wait = with_jitter(endorser, wait);
    entry->due = now + (wait > 0 ? wait : 1);
}

/* --- What --- */

/* When the document says that it was issued, and that it ends. What cannot be dated is never newer than what is held,
 * and would never be asked for again. */
static bool note_dates(struct entry *got, struct clo_error *err)
{
    const struct clo_answer *answer = &got->answer;
    char fmspc[13];

    if (answer->crl != NULL) {
        got->issued = clo_crl_this_update(answer->crl);
        got->expires = clo_crl_next_update(answer->crl);
    }
    return !answer->has_collateral ||
           clo_endorsement_dates(&answer->collateral, &got->issued, &got->expires, fmspc) ||
           clo_fail(err, CLO_ERR_FORMAT, "Intel PCS: collateral whose dates cannot be read");
}

/* The network, without the lock. */
static bool fetch(const struct clo_endorser *endorser, const struct entry *wanted, int64_t now,
                  struct entry *got, struct clo_error *err)
{
    struct clo_source source = {
        .transport = &endorser->transport,
        .cache = endorser->spec.cache,
        .at = now,
        .fetched_since = wanted->is_held ? now - SHARED_SECONDS : INT64_MIN,
    };
    const struct clo_makers makers = { .source = &source,
                                       .kds = endorser->spec.kds,
                                       .pcs = endorser->spec.pcs,
                                       .edition = &endorser->spec.edition };

    return clo_makers_get(&makers, &wanted->request, &got->answer, err) && note_dates(got, err);
}

/* An older list than the one that is here, from a mirror or a cache, is none. */
static bool is_older(const struct entry *got, const struct entry *held)
{
    return held->is_held && (held->kind == ENTRY_CRL || held->kind == ENTRY_COLLATERAL) &&
           got->issued < held->issued;
}

static void publish(struct entry *entry, struct entry *got)
{
    clo_answer_free(&entry->answer);
    entry->answer = got->answer;
    entry->issued = got->issued;
    entry->expires = got->expires;
    entry->is_held = true;
    got->answer = (struct clo_answer){ 0 };
}

/* --- One piece of work; called and left with the lock held --- */

static struct entry *find_name(struct clo_endorser *endorser, const char *name)
{
    for (size_t i = 0; i < endorser->entry_count; i++)
        if (strcmp(endorser->entries[i]->request.name, name) == 0)
            return endorser->entries[i];
    return NULL;
}

static void tell(const struct clo_endorser *endorser, const struct clo_error *err)
{
    if (endorser->spec.on_failure != NULL)
        endorser->spec.on_failure(endorser->spec.context, err);
}

/* The entry may be gone when the answer comes: what is asked for is a copy. */
static void do_fetch(struct clo_endorser *endorser, const struct entry *due, int64_t now)
{
    struct entry *got = calloc(1, sizeof *got);
    struct entry wanted = *due;
    struct clo_error err = { .status = CLO_OK };

    if (got == NULL)
        return;
    wanted.request.about = (struct clo_buffer){ 0 };
    clo_buffer_append(&wanted.request.about, clo_buffer_bytes(&due->request.about));
    pthread_mutex_unlock(&endorser->lock);
    bool ok = fetch(endorser, &wanted, now, got, &err);
    pthread_mutex_lock(&endorser->lock);
    if (!ok && !endorser->is_ending) {
        struct clo_error told = err;
        clo_wrap(&told, "endorsements: %s", wanted.request.name);
        tell(endorser, &told);
    }
    *(ok ? &endorser->fetched : &endorser->failed) += 1;
    struct entry *entry = find_name(endorser, wanted.request.name);
    if (entry != NULL) {
        if (ok && !is_older(got, entry))
            publish(entry, got);
        entry->failures = ok ? 0 : entry->failures + 1;
        entry->why = err;
        set_next(endorser, entry, endorser_now(endorser));
    }
    clo_buffer_free(&wanted.request.about);
    endorser_entry_free(got);
}

static void do_load(struct clo_endorser *endorser, int64_t now)
{
    struct clo_endorsement_set *files = calloc(1, sizeof *files);
    struct clo_error err = { .status = CLO_OK };

    endorser->files_due = now + FILES_SECONDS;
    if (files == NULL)
        return;
    pthread_mutex_unlock(&endorser->lock);
    bool ok = endorser->spec.load(endorser->spec.context, files, &err);
    pthread_mutex_lock(&endorser->lock);
    if (!ok && strcmp(endorser->files_why, err.text) != 0) {
        snprintf(endorser->files_why, sizeof endorser->files_why, "%s", err.text);
        clo_wrap(&err, "endorsements: the former ones stay");
        tell(endorser, &err);
    }
    if (ok) {
        struct clo_endorsement_set *former = endorser->files;
        endorser->files = files;
        files = former;
        endorser->files_why[0] = '\0';
    }
    clo_endorsement_set_free(files);
}

static bool work(struct clo_endorser *endorser)
{
    int64_t now = endorser_now(endorser);
    bool did = false;

    if (endorser->spec.load != NULL && now >= endorser->files_due) {
        do_load(endorser, now);
        did = true;
    }
    const struct entry *due =
            endorser->spec.transport == NULL ? NULL : endorser_find_due(endorser, now);
    if (due != NULL && !endorser->is_ending)
        do_fetch(endorser, due, now);
    return did || due != NULL;
}

bool clo_endorser_work(struct clo_endorser *endorser)
{
    pthread_mutex_lock(&endorser->lock);
    bool did = work(endorser);
    pthread_mutex_unlock(&endorser->lock);
    return did;
}

/* --- The thread --- */

/* At most so many seconds, or until there is something to do; the lock is held. */
static void wait_a_little(struct clo_endorser *endorser, int64_t seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds;
    (void)pthread_cond_timedwait(&endorser->wake, &endorser->lock, &until);
}

static void *run(void *context)
{
    struct clo_endorser *endorser = context;

    pthread_mutex_lock(&endorser->lock);
    while (!endorser->is_ending)
        if (!work(endorser))
            wait_a_little(endorser, 1);
    pthread_mutex_unlock(&endorser->lock);
    return NULL;
}

bool clo_endorser_is_ending(struct clo_endorser *endorser)
{
    pthread_mutex_lock(&endorser->lock);
    bool ending = endorser->is_ending;
    pthread_mutex_unlock(&endorser->lock);
    return ending;
}

static bool get(void *context, const char *url, size_t limit, struct clo_fetched *out,
                struct clo_error *err)
{
    struct clo_endorser *endorser = context;
    const struct clo_transport *transport = endorser->spec.transport;

    if (clo_endorser_is_ending(endorser))
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the program ends");
    return transport->get(transport->context, url, limit, out, err);
}

static int64_t now_of(void *context)
{
    const struct clo_endorser *endorser = context;

    return endorser->spec.transport->now(endorser->spec.transport->context);
}

/* As the service asks for, but not beyond the program's end. */
static void sleep_for(void *context, unsigned seconds)
{
    struct clo_endorser *endorser = context;

    if (!endorser->has_thread) {
        endorser->spec.transport->sleep(endorser->spec.transport->context, seconds);
        return;
    }
    for (unsigned i = 0; i < seconds && !clo_endorser_is_ending(endorser); i++)
        endorser->spec.transport->sleep(endorser->spec.transport->context, 1);
}

void clo_endorser_stop(struct clo_endorser *endorser)
{
    pthread_mutex_lock(&endorser->lock);
    endorser->is_ending = true;
    pthread_cond_broadcast(&endorser->wake);
    pthread_mutex_unlock(&endorser->lock);
}

bool endorser_start(struct clo_endorser *endorser, struct clo_error *err)
{
    endorser->transport = (struct clo_transport){
        .get = get, .now = now_of, .sleep = sleep_for, .context = endorser
    };
    endorser->files_due = endorser_now(endorser) + FILES_SECONDS;
    if (endorser->spec.without_thread)
        return true;
    endorser->has_thread = true;
    if (pthread_create(&endorser->thread, NULL, run, endorser) == 0)
        return true;
    endorser->has_thread = false;
    return clo_fail(err, CLO_ERR_SYSTEM, "endorsements: no thread");
}

void endorser_end(struct clo_endorser *endorser)
{
    if (!endorser->has_thread)
        return;
    clo_endorser_stop(endorser);
    pthread_join(endorser->thread, NULL);
    endorser->has_thread = false;
}
