/* Can the store be used at all? For monitoring. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "verifier/store/store_internal.h"

#define ROOM 65536 /* that a decision may take */

bool clo_store_has_terms(struct clo_store *store, bool *out, struct clo_error *err)
{
    STORE_LOCK(store);
    CLO_CLEANUP(put_back) sqlite3_stmt *statement = NULL;

    if (!store_prepare(store, "SELECT EXISTS (SELECT 1 FROM terms)", &statement, err))
        return false;
    if (sqlite3_step(statement) != SQLITE_ROW)
        return fail_sql(store, err);
    *out = sqlite3_column_int(statement, 0) != 0;
    return true;
}

/* A page more may find a place where the ten of a decision do not. The file has no name and is gone when it is closed. */
static bool has_room(const struct clo_store *store, struct clo_error *err)
{
    static const uint8_t zeros[ROOM];
    int fd = open(store->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    size_t at = 0;
    ssize_t written = 1;

    if (fd < 0)
        return true; /* not every file system has such files: the transaction has to do */
    for (; at < ROOM && written > 0; at += written > 0 ? (size_t)written : 0)
        written = write(fd, zeros + at, ROOM - at);
    int why = errno;
    close(fd);
    return at == ROOM || clo_fail(err, CLO_ERR_SYSTEM, "%s: no room for decisions: %s",
                                  store->folder, strerror(why));
}

/* What is there is written over itself: a full disk refuses that, too. */
bool clo_store_check_writable(struct clo_store *store, struct clo_error *err)
{
    bool is_failing = store->group != NULL && atomic_load(&store->group->is_failing);

    if (!has_room(store, err) || !clo_store_begin(store, err) ||
        !clo_store_end(store,
                       execute(store, "UPDATE counts SET value = value WHERE name = 'terms'", err),
                       err))
        return false;
    /* Of the last sync: this one begins another, which may succeed. */
    return !is_failing || clo_fail(err, CLO_ERR_SYSTEM,
                                   "%s: what is written does not reach the disk", store->folder);
}
