/* What a worker is told through its pipe. */
#include "test.h"

#include "verifier/door/door.h"

/* Many syncs while it is busy are one word: the pipe stays free for connections. */
static void test_synced(void **state)
{
    struct door door = { .broker = NULL };
    struct worker *worker;
    struct clo_error err;
    const struct arrival room = { .kind = ARRIVAL_ROOM, .fd = -1 };

    (void)state;
    if (!worker_new(&door, NULL, &worker, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < 5000; i++)
        worker_tell_synced(worker);
    CHECK(worker_give(worker, &room), "there is room");
    /* Once it has been heard the next one is told. */
    CHECK(atomic_load(&worker->is_told), "told");
    worker_take(worker, &(struct arrival){ .kind = ARRIVAL_SYNC, .fd = -1 });
    CHECK(!atomic_load(&worker->is_told), "heard");
    worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
