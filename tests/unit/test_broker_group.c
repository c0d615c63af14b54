/* What a broker says of a decision waits until it is on the disk. */
#include "slow_disk.h"

#include "broker_maker.h"

static void group_begin(void)
{
    struct clo_error err;

    must(clo_broker_group_begin(broker, on_synced, NULL, &err), &err);
    store->group->sync = sync_disk;
}

static void test_held(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 100 };
    unsigned before = decisions;

    (void)state;
    reset_scene();
    group_begin();
    shut_disk(true, false);
    begin(&client);
    CHECK(client.answer.mark == 0, "a nonce waits for nothing");
    CHECK(attest(&client) == 200, member(&client, "detail"));
    CHECK(client.answer.mark != 0 && !clo_broker_may_send(broker, &client.answer), "is held");
    CHECK(decisions == before, "and not told");
    /* What another request says of the same decision is held as well. */
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    CHECK(!clo_broker_may_send(broker, &client.answer), "so is what follows from it");
    shut_disk(false, false);
    CHECK(settled(store, client.answer.mark) == CLO_STORE_DURABLE, "on the disk");
    CHECK(clo_broker_may_send(broker, &client.answer) && client.answer.status == 200, "is sent");
    clo_broker_group_end(broker);
    CHECK(decisions == before + 2, "and told");
}

static void test_lost(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 200 };
    unsigned before = decisions;

    (void)state;
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    group_begin();
    shut_disk(false, true);
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    CHECK(settled(store, client.answer.mark) == CLO_STORE_LOST, "the disk fails");
    CHECK(clo_broker_may_send(broker, &client.answer), "there is something to send");
    CHECK(client.answer.status == 500, "but not what was decided");
    CHECK(memmem(client.answer.body.data, client.answer.body.size, "ciphertext", 10) == NULL,
          "no secret in it");
    CHECK(decisions == before + 1, "nor is it told");
    shut_disk(false, false);
    clo_broker_group_end(broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_lost),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
