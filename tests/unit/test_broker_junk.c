/* What proves nothing takes no place, writes no rows, and is not in the way of others. */
#include "broker_maker.h"

/* Sends attestations that prove nothing, each in a session of its own. */
static unsigned send_junk(const char *peer, int64_t clock, unsigned count, const char *body)
{
    unsigned limited = 0;

    for (unsigned i = 0; i < count; i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = clock, .peer = peer };
        if (ask(&client, "POST", "/kbs/v0/auth", "{\"version\":\"0.1.1\",\"tee\":\"snp\"}") == 200)
            memcpy(client.cookie, client.answer.cookie, sizeof client.cookie);
        unsigned status = ask(&client, "POST", "/kbs/v0/attest", body);
        limited += status == 429;
        CHECK(status == 400 || status == 401 || status == 429, body);
    }
    return limited;
}

static bool metric_is(int64_t clock, const char *line)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = clock };

    ask(&client, "GET", "/metrics", "");
    return memmem(client.answer.body.data, client.answer.body.size, line, strlen(line)) != NULL;
}

/* Junk takes no place, writes no rows, and is not in an honest guest's way. */
static void test_junk(void **state)
{
    CLO_CLEANUP(free_client) struct client honest = { .clock = 100000, .peer = "192.0.2.7" };
    CLO_CLEANUP(free_client) struct client neighbour = { .clock = 100000, .peer = "192.0.2.66" };

    (void)state;
    unsigned before = decisions;
    unsigned limited = send_junk("192.0.2.66", 100000, 20000, "{}");
    CHECK(limited > 19000, "one address, without pause: most are not looked at");
    CHECK(decisions - before <= 1, "and not a row each");
    CHECK(metric_is(100000, "cloister_sessions_in_use 0\n"), "nobody's place is taken");
    reset_scene();
    scene.resets = 1000;
    CHECK(attest_anew(&honest) == 200, member(&honest, "detail"));
    CHECK(get(&honest, "default/disk/demo") == 200, member(&honest, "detail"));
    /* Who shares the address waits, is told so in a way that makes a guest try again, and comes in then. */
    scene.resets = 1001;
    CHECK(ask(&neighbour, "POST", "/kbs/v0/auth", "{\"version\":\"0.1.1\",\"tee\":\"snp\"}") == 429,
          "the same address");
    neighbour.clock += 5;
    CHECK(attest_anew(&neighbour) == 200, member(&neighbour, "detail"));
    before = decisions;
    clo_broker_tick(broker, SNP_MAKER_NOW, 100010, false);
    CHECK(decisions == before, "not yet time for a row");
    clo_broker_tick(broker, SNP_MAKER_NOW, 100100, false);
    CHECK(decisions == before + 1, "one row for all of it");
    CHECK(strncmp(last_decision, "junk refused -: junk: ", 22) == 0, last_decision);
    CHECK(strstr(last_decision, " from 1 address since ") != NULL, last_decision);
}

/* A verdict uses the nonce up, evidence that nobody genuine made does not. */
static void test_what_uses_a_nonce(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 200000 };

    (void)state;
    reset_scene();
    scene.sign_with_other_ak = true;
    begin(&client);
    unsigned before = decisions;
    CHECK(attest(&client) == 401, "a forgery");
    CHECK(decisions <= before + 1 && strncmp(last_decision, "attest", 6) != 0, last_decision);
    CHECK(metric_is(200000, "cloister_sessions_in_use 0\n"), "takes no place");
    reset_scene();
    scene.cmdline = "init=/bin/sh";
    CHECK(attest(&client) == 401, "genuine, of another command line");
    CHECK(strncmp(last_decision, "attest refused", 14) == 0, last_decision);
    CHECK(metric_is(200000, "cloister_sessions_in_use 1\n"), "takes one");
    reset_scene();
    CHECK(attest(&client) == 401, "the nonce is used up");
    CHECK(strcmp(member(&client, "detail"), "nonce: used before; each is good once") == 0,
          member(&client, "detail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_what_uses_a_nonce),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
