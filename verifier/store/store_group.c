/* Decisions of many, durable together: each is a transaction of its own, which writes to the log and which others see at
 * once; a thread syncs the log for all that were made meanwhile, and answers wait for that. The same thread carries the
 * log over into the database, so that no decision waits for the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verifier/store/store_internal.h"

#define CARRY_PAGES 1000 /* of the log, that are worth carrying over */
#define STOP_PAGES \
    8000 /* … for which everybody waits: else a log that is always written to only grows */

/* --- The disk --- */

/* A connection that knows of no log does nothing, and says that it is done: what it says of the log tells. */
static bool checkpoint(const struct store_group *group, int mode)
{
    int pages = -1;

    return sqlite3_wal_checkpoint_v2(group->carrier, "main", mode, &pages, NULL) == SQLITE_OK &&
           pages >= 0;
}

/* After a sync that failed, the next one says nothing of what was written before it: only a database that was written in
 * whole from the log does. */
static bool sync_all(struct store_group *group)
{
    struct clo_store *store = group->store;
    STORE_LOCK(store);

    return checkpoint(group, SQLITE_CHECKPOINT_TRUNCATE);
}

static bool sync_log(struct store_group *group)
{
    bool ok = atomic_load(&group->is_failing) ? sync_all(group) : group->sync(group->log) == 0;

    atomic_store(&group->is_failing, !ok);
    return ok;
}

/* Not of a log that was carried over whole: SQLite may start that one anew during the checkpoint, which before 3.51.3 then
 * takes pages that are new for ones that the database has, and they are lost. So what a commit says of the log counts
 * once; the lock, since no commit of ours is then between its pages and its word of them. */
static void carry(struct store_group *group)
{
    struct clo_store *store = group->store;
    int pages = atomic_load(&group->pages);
    bool all_wait = pages >= STOP_PAGES;

    if (pages < CARRY_PAGES || atomic_load(&group->is_failing))
        return;
    if (all_wait)
        pthread_mutex_lock(&store->lock);
    (void)checkpoint(group, SQLITE_CHECKPOINT_PASSIVE);
    if (!all_wait)
        pthread_mutex_lock(&store->lock);
    atomic_store(&group->pages, 0);
    pthread_mutex_unlock(&store->lock);
}

/* --- The thread --- */

/* The next transaction after those that were synced, and tried. */
static bool has_work(const struct store_group *group)
{
    return atomic_load(&group->made) > group->tried;
}

static void sync_once(struct store_group *group)
{
    uint64_t made = atomic_load(&group->made);
    bool ok = sync_log(group);

    if (ok)
        atomic_store(&group->durable, made);
    atomic_store(&group->lost, ok ? 0 : made);
    group->on_synced(group->context);
    carry(group);
    pthread_mutex_lock(&group->lock);
    group->tried = made;
    pthread_mutex_unlock(&group->lock);
}

static void *run_group(void *context)
{
    struct store_group *group = context;

    for (;;) {
        pthread_mutex_lock(&group->lock);
        while (!has_work(group) && !group->is_ending)
            pthread_cond_wait(&group->wanted, &group->lock);
        bool is_over = !has_work(group);
        pthread_mutex_unlock(&group->lock);
        if (is_over)
            return NULL;
        sync_once(group);
    }
}

static int on_commit(void *context, sqlite3 *database, const char *name, int pages)
{
    struct store_group *group = context;

    (void)database;
    (void)name;
    atomic_store(&group->pages, pages);
    return SQLITE_OK;
}

void store_group_committed(struct store_group *group)
{
    pthread_mutex_lock(&group->lock);
    atomic_fetch_add(&group->made, 1);
    pthread_cond_signal(&group->wanted);
    pthread_mutex_unlock(&group->lock);
}

/* --- Beginning and end --- */

static void free_group(struct store_group *group)
{
    if (group->log >= 0)
        close(group->log);
    sqlite3_close(group->carrier);
    pthread_cond_destroy(&group->wanted);
    pthread_mutex_destroy(&group->lock);
    free(group);
}

/* One that has read knows of the log. */
static bool open_carrier(struct store_group *group, struct clo_error *err)
{
    static const char read_once[] = "PRAGMA synchronous = FULL; SELECT count(*) FROM sqlite_master";
    char path[4300];

    snprintf(path, sizeof path, "%s/store.db", group->store->folder);
    if (sqlite3_open_v2(path, &group->carrier, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(group->carrier, read_once, NULL, NULL, NULL) != SQLITE_OK)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be opened a second time", path);
    return true;
}

/* Also that the log is there: its name is in the folder. */
static bool open_files(struct store_group *group, struct clo_error *err)
{
    const char *folder = group->store->folder;
    char path[4300];

    if (!open_carrier(group, err))
        return false;
    snprintf(path, sizeof path, "%s/store.db-wal", folder);
    group->log = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = group->log >= 0 && directory >= 0 && fsync(directory) == 0;
    if (!ok)
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    if (directory >= 0)
        close(directory);
    return ok;
}

static bool start(struct store_group *group, struct clo_error *err)
{
    struct clo_store *store = group->store;

    /* One transaction more, so that there is a log. */
    if (!clo_store_check_writable(store, err) || !open_files(group, err))
        return false;
    STORE_LOCK(store);
    if (!execute(store, "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0", err))
        return false;
    sqlite3_wal_hook(store->database, on_commit, group);
    if (pthread_create(&group->thread, NULL, run_group, group) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "the thread that syncs does not start");
    store->group = group;
    return true;
}

bool clo_store_group_begin(struct clo_store *store, void (*on_synced)(void *context), void *context,
                           struct clo_error *err)
{
    struct store_group *group = calloc(1, sizeof *group);

    if (group == NULL)
        return clo_out_of_memory(err);
    group->store = store;
    group->on_synced = on_synced;
    group->context = context;
    group->sync = fdatasync;
    group->log = -1;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->wanted, NULL);
    if (start(group, err))
        return true;
    clo_store_group_end(store);
    free_group(group);
    return false;
}

void clo_store_group_end(struct clo_store *store)
{
    struct store_group *group = store->group;
    struct clo_error ignored;

    if (group != NULL) {
        pthread_mutex_lock(&group->lock);
        group->is_ending = true;
        pthread_cond_signal(&group->wanted);
        pthread_mutex_unlock(&group->lock);
        pthread_join(group->thread, NULL);
    }
    STORE_LOCK(store);
    sqlite3_wal_hook(store->database, NULL, NULL);
    (void)!execute(store, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000", &ignored);
    store->group = NULL;
    if (group != NULL)
        free_group(group);
}

/* --- What answers wait for --- */

uint64_t clo_store_mark(struct clo_store *store)
{
    return store->group == NULL ? 0 : atomic_load(&store->group->made);
}

enum clo_store_sync clo_store_sync_state(struct clo_store *store, uint64_t mark)
{
    const struct store_group *group = store->group;

    if (group == NULL || mark <= atomic_load(&group->durable))
        return CLO_STORE_DURABLE;
    return mark <= atomic_load(&group->lost) ? CLO_STORE_LOST : CLO_STORE_WAITING;
}
