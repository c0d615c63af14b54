/* What the broker says before a body is read, how much of one it makes values of, and many threads that ask at once. */
#include <pthread.h>

#include "broker_maker.h"

static bool admit(const struct client *client, const char *method, const char *path, size_t *limit,
                  unsigned *status)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    const struct clo_broker_request head = {
        .method = method,
        .path = path,
        .cookie = client->cookie[0] == '\0' ? NULL : client->cookie,
        .peer = client->peer,
        .time = SNP_MAKER_NOW,
        .clock = client->clock,
    };
    bool ok = clo_broker_admit(broker, &head, limit, &answer);

    *status = answer.status;
    return ok;
}

static void test_limits(void **state)
{
    static const struct {
        const char *method, *path;
        size_t limit;
    } bodies[] = {
        { "POST", "/kbs/v0/auth", 4096 },
        { "POST", "/kbs/v0/attest", CLO_BROKER_BODY_MAX },
        { "POST", "/cloister/v0/generation/a/b/c/1", 4096 },
        { "POST", "/cloister/v0/tag-errors/a/b/c", 4096 },
        { "GET", "/kbs/v0/resource/default/disk/demo", 0 },
        { "GET", "/metrics", 0 },
        { "HEAD", "/healthz", 0 },
        { "DELETE", "/kbs/v0/resource/default/disk/demo", 0 }, /* by kbs-client, without a length */
    };
    CLO_CLEANUP(free_client) struct client client = { .clock = 1000 };
    unsigned status;
    size_t limit;

    (void)state;
    begin(&client);
    for (size_t i = 0; i < CLO_COUNT(bodies); i++) {
        CHECK(admit(&client, bodies[i].method, bodies[i].path, &limit, &status), bodies[i].path);
        CHECK(limit == bodies[i].limit, bodies[i].path);
    }
}

/* The MAC is looked at first: nobody makes us read megabytes for a session that is not ours. */
static void test_sessions_first(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1000 };
    unsigned status;
    size_t limit;

    (void)state;
    CHECK(!admit(&client, "POST", "/kbs/v0/attest", &limit, &status) && status == 401, "none");
    begin(&client);
    client.cookie[20] = client.cookie[20] == 'A' ? 'B' : 'A';
    CHECK(!admit(&client, "POST", "/kbs/v0/attest", &limit, &status) && status == 401, "forged");
    CHECK(!admit(&client, "POST", "/cloister/v0/generation/a/b/c/1", &limit, &status) &&
                  status == 401,
          "generation");
    begin(&client);
    client.clock += 61;
    CHECK(!admit(&client, "POST", "/kbs/v0/attest", &limit, &status) && status == 401, "over");
}

/* A body of `count` values and names. */
static unsigned ask_with_values(struct client *client, size_t count)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };

    clo_buffer_text(&body, "[0");
    for (size_t i = 2; i < count; i++)
        clo_buffer_text(&body, ",0");
    clo_buffer_text(&body, "]");
    begin(client);
    return ask(client, "POST", "/kbs/v0/attest", clo_buffer_string(&body));
}

static void test_values(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 2000 };

    (void)state;
    CHECK(ask_with_values(&client, 20001) != 200, "one too many");
    CHECK(strstr(member(&client, "detail"), "JSON: more than 20000 values") != NULL,
          member(&client, "detail"));
    CHECK(ask_with_values(&client, 20000) != 200, "as many as may be");
    CHECK(strstr(member(&client, "detail"), "more than") == NULL, member(&client, "detail"));
}

/* What is not a request is junk of its address. */
static void test_refuse(void **state)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    CLO_CLEANUP(free_client) struct client client = { .clock = 3000, .peer = "192.0.2.9" };
    const struct clo_broker_request request = { .peer = client.peer,
                                                .time = SNP_MAKER_NOW,
                                                .clock = client.clock };

    (void)state;
    for (int i = 0; i < 200; i++) {
        clo_broker_answer_free(&answer);
        clo_broker_refuse(broker, &request, 400, "HTTP: not a request", &answer);
        CHECK(answer.status == 400 &&
                      memmem(answer.body.data, answer.body.size, "not a request", 13),
              "the answer");
    }
    CHECK(ask(&client, "POST", "/kbs/v0/auth", "{\"version\":\"0.1.1\",\"tee\":\"snp\"}") == 429,
          "it has to wait");
}

/* --- Threads --- */

#define THREADS 4

struct asker {
    pthread_t thread;
    const char *cookie, *body;
    char peer[16];
    int64_t clock;
    unsigned accepted;
};

static void *attest_all(void *context)
{
    struct asker *asker = context;

    for (int i = 0; i < 20; i++) {
        CLO_CLEANUP(free_client)
        struct client client = { .clock = asker->clock, .peer = asker->peer };
        snprintf(client.cookie, sizeof client.cookie, "%s", asker->cookie);
        asker->accepted += ask(&client, "POST", "/kbs/v0/attest", asker->body) == 200;
        CHECK(ask(&client, "GET", "/metrics", "") == 200, "metrics");
        client.cookie[0] = '\0';
        begin(&client);
        CHECK(ask(&client, "POST", "/kbs/v0/attest", "{}") != 200, "junk");
        CHECK(ask(&client, "GET", RESOURCE, "") != 200, "nothing attested");
    }
    return NULL;
}

/* How many decisions were in its favour. */
static unsigned long affirmed(int64_t clock)
{
    static const char name[] = "cloister_attest_total{result=\"affirming\"} ";
    CLO_CLEANUP(free_client) struct client client = { .clock = clock };

    ask(&client, "GET", "/metrics", "");
    const char *text = clo_buffer_string(&client.answer.body);
    const char *at = text == NULL ? NULL : strstr(text, name);
    CHECK(at != NULL, "metrics");
    return strtoul(at + strlen(name), NULL, 10);
}

/* All show the same evidence for the same nonce at once: one decision is made, and those who come after it are told the same. */
static void test_one_nonce(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4000 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    struct asker askers[THREADS];
    unsigned accepted = 0;

    (void)state;
    reset_scene();
    begin(&client);
    unsigned long before = affirmed(client.clock);
    make_attest(&client, &body);
    const char *text = clo_buffer_string(&body);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ .cookie = client.cookie, .body = text, .clock = client.clock };
        snprintf(askers[i].peer, sizeof askers[i].peer, "192.0.2.%zu", i + 100);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, attest_all, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        accepted += askers[i].accepted;
    }
    CHECK(accepted > 0, "it is answered");
    assert_int_equal(affirmed(client.clock), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_sessions_first),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_one_nonce),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
