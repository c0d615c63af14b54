/* Many decisions, durable together. */
#include <sched.h>
#include <sys/stat.h>

#include "store_maker.h"

#include "slow_disk.h"

static void begin(struct clo_store *store)
{
    struct clo_error err;

    if (!clo_store_group_begin(store, on_synced, NULL, &err))
        fail_msg("%s", err.text);
    store->group->sync = sync_disk;
    disk.begun = disk.told = 0;
    shut_disk(false, false);
}

/* A decision; returns its mark. */
static uint64_t decide(struct clo_store *store, int64_t time)
{
    const struct clo_audit row = { .time = time,
                                   .action = "attest",
                                   .verdict = "affirming",
                                   .session = "",
                                   .tee = "snp",
                                   .detail = "" };
    struct clo_error err;

    if (!clo_store_audit(store, &row, &err))
        fail_msg("%s", err.text);
    return clo_store_mark(store);
}

static long long log_size(const struct clo_store *store)
{
    char path[4300];
    struct stat status;

    snprintf(path, sizeof path, "%s/store.db-wal", store->folder);
    return stat(path, &status) == 0 ? (long long)status.st_size : -1;
}

/* While one is on its way to the disk the others gather, and go together. */
static void test_together(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    uint64_t last = 0;

    (void)state;
    CHECK(clo_store_mark(store) == 0, "each by itself");
    begin(store);
    shut_disk(true, false);
    uint64_t first = decide(store, 1);
    wait_for(&disk.begun, 1);
    for (int i = 0; i < 20; i++)
        last = decide(store, 2 + i);
    CHECK(last == first + 20, "marks rise");
    CHECK(clo_store_sync_state(store, first) == CLO_STORE_WAITING, "the first waits");
    CHECK(clo_store_sync_state(store, last) == CLO_STORE_WAITING, "the last waits");
    shut_disk(false, false);
    CHECK(settled(store, last) == CLO_STORE_DURABLE, "all are on the disk");
    CHECK(disk.begun == 2, "one sync for twenty");
    clo_store_group_end(store);
    CHECK(clo_store_mark(store) == 0, "each by itself again");
}

/* What did not reach the disk is not told; and after a sync that failed one that succeeds is not believed until
 * everything was written again. */
static void test_failing(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct clo_error err;

    (void)state;
    begin(store);
    shut_disk(false, true);
    uint64_t lost = decide(store, 100);
    CHECK(settled(store, lost) == CLO_STORE_LOST, "lost");
    CHECK(!clo_store_check_writable(store, &err), "and health says so");
    CHECK(strstr(err.text, "does not reach the disk") != NULL, err.text);
    CHECK(settled(store, clo_store_mark(store)) == CLO_STORE_DURABLE, "the database was written");
    CHECK(disk.begun == 1, "and not the log alone");
    CHECK(log_size(store) == 0, "the log is empty, since all is in the database");
    shut_disk(false, false);
    CHECK(clo_store_check_writable(store, &err), err.text);
    clo_store_group_end(store);
}

/* The end waits for what was decided. */
static void test_end(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();

    (void)state;
    begin(store);
    for (int i = 0; i < 50; i++)
        decide(store, 200 + i);
    unsigned told = disk.told;
    clo_store_group_end(store);
    CHECK(disk.begun > 0 && disk.told >= told && disk.told == disk.begun, "synced and told");
}

/* A log that is always written to does not grow for ever. */
static void test_log_is_carried_over(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    int most = 0;

    (void)state;
    begin(store);
    for (int i = 0; i < 4000; i++) {
        uint64_t mark = decide(store, 300 + i);
        if (i % 64 == 0)
            (void)settled(store, mark);
        int pages = atomic_load(&store->group->pages);
        most = pages > most ? pages : most;
    }
    CHECK(most > 0 && most < 12000, "its pages");
    CHECK(log_size(store) < 12000 * 4120, "its size");
    clo_store_group_end(store);
}

/* What was carried over whole is not carried over again: until there is more the next decision starts the log anew, and
 * SQLite's checkpoint must not be at work meanwhile. */
static void test_carried_over_once(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    struct store_group *group;
    uint64_t mark = 0, tried = 0;

    (void)state;
    begin(store);
    group = store->group;
    shut_disk(true, false);
    while (atomic_load(&group->pages) < 1000)
        mark = decide(store, 5000);
    shut_disk(false, false);
    while (tried < mark) {
        sched_yield();
        pthread_mutex_lock(&group->lock);
        tried = group->tried;
        pthread_mutex_unlock(&group->lock);
    }
    CHECK(atomic_load(&group->pages) == 0, "the log is still worth carrying over");
    shut_disk(true, false);
    (void)decide(store, 5001);
    int pages = atomic_load(&group->pages);
    shut_disk(false, false);
    CHECK(pages > 0 && pages < 1000, "the log is not begun anew: nothing was carried over");
    clo_store_group_end(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_failing),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_log_is_carried_over),
        cmocka_unit_test(test_carried_over_once),
    };

    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
