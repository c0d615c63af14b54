/* The whole protocol without a socket: a pretend platform's evidence, one registered image, and
 * everything that must not get a key. */
#include <signal.h>
#include <sys/resource.h>

#include "broker_maker.h"
#include "cloister/ear.h"

static void test_released(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1000 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *token_key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    unsigned before = decisions;
    struct clo_error err;

    (void)state;
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    give_token(&client);
    /* The result is an EAR by the key whose public half lies in the state folder. */
    must(clo_store_key(store, CLO_BROKER_TOKEN_KEY, CLO_KEY_P256, &token_key, &err), &err);
    must(clo_private_key_public(token_key, &public, &err), &err);
    must(clo_jws_verify(clo_bytes_text(member(&client, "token")), public, &claims, &err), &err);
    CHECK(strcmp(json_string_value(json_object_get(claims, "eat_nonce")), client.nonce) == 0,
          "eat_nonce");
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    CHECK(memmem(client.answer.body.data, client.answer.body.size, SECRET, strlen(SECRET)) == NULL,
          "not in the clear");
    open_answer(&client, SECRET);
    CHECK(decisions == before + 2, "each decision is told");
    /* Within its session it may come again, with or without the token. */
    client.authorization.size = 0;
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    client.clock = 1060;
    CHECK(ask(&client, "GET", RESOURCE, "") == 401, "the session is over");
    CHECK(strcmp(member(&client, "problem"), CLO_KBS_PROBLEM_SESSION) == 0, "and said to be");
}

/* Results by the names that Trustee's programs read, with the guest's key where they look for it. */
static void test_old_names(void **state)
{
    static const char evidence[] = "ear.veraison.annotated-evidence";
    CLO_CLEANUP(free_client) struct client client = { .clock = 1000 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *token_key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *read = NULL;
    struct clo_broker *usual = broker;
    struct clo_error err;

    (void)state;
    reset_scene();
    broker = new_broker_with(true);
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    must(clo_store_key(store, CLO_BROKER_TOKEN_KEY, CLO_KEY_P256, &token_key, &err), &err);
    must(clo_private_key_public(token_key, &public, &err), &err);
    const char *token = member(&client, "token");
    must(clo_jws_verify(clo_bytes_text(token), public, &claims, &err), &err);
    const json_t *cpu = json_object_get(json_object_get(claims, "submods"), "cpu0");
    CHECK(strcmp(json_string_value(json_object_get(cpu, "ear.status")), "affirming") == 0,
          "status");
    const json_t *data = json_object_get(json_object_get(cpu, evidence), "runtime_data_claims");
    CHECK(json_is_string(json_object_get(json_object_get(data, "tee-pubkey"), "kty")), "the key");
    CHECK(json_object_get(cpu, "ear_status") == NULL, "no new name next to it");
    must(clo_ear_read(clo_bytes_text(token), public, &read, &err), &err);
    clo_broker_free(broker);
    broker = usual;
}

/* --- What does not --- */

static void test_refused_evidence(void **state)
{
    static const struct {
        const char *name, *detail;
        struct scene scene; /* the members that are set replace the usual ones */
    } cases[] = {
        { "another command line", "PCR 11: .cmdline", { .cmdline = "init=/bin/sh" } },
        { "a command line from outside", "PCR 12: unexpected event", { .injected = "x" } },
        { "an old nonce", "is not the one that was given out", { .nonce = "b2xk" } },
        { "runtime data that was not quoted", "evidence.nonce", { .foreign_runtime_data = true } },
        { "a quote by another key", "tpm.quote.signature", { .sign_with_other_ak = true } },
        { "claims that the report does not bind", "hcl.binding", { .claims_name_other_ak = true } },
        { "values that were not quoted", "tpm.pcrs", { .wrong_pcr_value = true } },
        { "a log that hides an event", "PCR 4", { .log_leaves_out_an_event = true } },
        { "no quote", "tpm.quote", { .left_out = "tpm-quote" } },
        { "no report", "report", { .left_out = "hcl-report" } },
        { "no runtime data", "the evidence has no runtime data", { .left_out = "runtime-data" } },
        { "no certificates", "snp", { .left_out = "snp-certificates" } },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 2000 };
        const struct scene *changed = &cases[i].scene;
        reset_scene();
        if (changed->cmdline != NULL)
            scene.cmdline = changed->cmdline;
        if (changed->nonce != NULL)
            scene.nonce = changed->nonce;
        scene.injected = changed->injected;
        scene.left_out = changed->left_out;
        scene.foreign_runtime_data = changed->foreign_runtime_data;
        scene.sign_with_other_ak = changed->sign_with_other_ak;
        scene.claims_name_other_ak = changed->claims_name_other_ak;
        scene.wrong_pcr_value = changed->wrong_pcr_value;
        scene.log_leaves_out_an_event = changed->log_leaves_out_an_event;
        begin(&client);
        unsigned status;
        if (changed->left_out != NULL && strcmp(changed->left_out, "runtime-data") == 0) {
            status = ask(&client, "POST", "/kbs/v0/attest",
                         "{\"runtime-data\":{},\"tee-evidence\":{\"primary_evidence\":"
                         "{\"__cmwc_t\":\"tag:cloister.dev,2026:evidence\",\"hcl-report\":"
                         "[\"application/vnd.cloister.hcl-report\",\"AA\"]}}}");
        } else {
            status = attest(&client);
        }
        if (strcmp(cases[i].name, "a log that hides an event") == 0) {
            /* The values are right and quoted: a log that does not lead to them fails by itself. */
            CHECK(strstr(member(&client, "detail"), "eventlog.replay") != NULL,
                  member(&client, "detail"));
        } else {
            CHECK(strstr(member(&client, "detail"), cases[i].detail) != NULL,
                  member(&client, "detail"));
        }
        CHECK(status == 401, cases[i].name);
        CHECK(ask(&client, "GET", RESOURCE, "") == 401, cases[i].name);
        CHECK(strcmp(member(&client, "detail"), "session: nothing was attested in it") == 0,
              member(&client, "detail"));
    }
}

static void test_foreign_root(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 2500 };
    struct scene foreign = { 0 };
    struct scene own = scene;

    (void)state;
    scene_init(&foreign);
    scene = foreign;
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 401, "another root");
    /* It calls itself as ours does: the signature tells them apart. */
    CHECK(strstr(member(&client, "detail"), "snp.chain") != NULL, member(&client, "detail"));
    scene_free(&foreign);
    scene = own;
}

static void test_nonce_once(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 3000 };
    CLO_CLEANUP(free_client) struct client late = { .clock = 3000 };
    CLO_CLEANUP(free_client) struct client nobody = { .clock = 3000 };

    (void)state;
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    reset_scene();
    CHECK(attest(&client) == 401, "the same nonce again");
    CHECK(strcmp(member(&client, "detail"), "nonce: used before; each is good once") == 0,
          member(&client, "detail"));
    reset_scene();
    begin(&late);
    late.clock = 3060;
    CHECK(attest(&late) == 401, "too late");
    CHECK(strcmp(member(&late, "problem"), CLO_KBS_PROBLEM_SESSION) == 0, "begin anew");
    reset_scene();
    CHECK(attest(&nobody) == 401, "no session");
    CHECK(strcmp(member(&nobody, "detail"), "session: none was begun") == 0,
          member(&nobody, "detail"));
}

/* A broker that was started again goes on where it was: what was given out is good, and what was used is not. */
static void test_restart(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 3500 };
    CLO_CLEANUP(free_client) struct client attested = { .clock = 3500 };

    (void)state;
    reset_scene();
    begin(&attested);
    CHECK(attest(&attested) == 200, member(&attested, "detail"));
    begin(&client);
    clo_broker_freep(&broker);
    broker = new_broker();
    reset_scene();
    CHECK(attest(&attested) == 401, "a nonce that was used before the restart");
    CHECK(strcmp(member(&attested, "detail"), "nonce: used before; each is good once") == 0,
          member(&attested, "detail"));
    CHECK(ask(&attested, "GET", RESOURCE, "") == 200, "a session of before");
    open_answer(&attested, SECRET);
    reset_scene();
    CHECK(attest(&client) == 200, "a nonce of before that was not used");
}

/* Two brokers on one store: a nonce that one gave out is used up at either, once. */
static void test_replica(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 3600 };
    struct clo_broker *first = broker;
    struct clo_broker *second = new_broker();

    (void)state;
    reset_scene();
    begin(&client);
    broker = second;
    CHECK(attest(&client) == 200, member(&client, "detail"));
    broker = first;
    reset_scene();
    CHECK(attest(&client) == 401, "used at the other one");
    CHECK(strcmp(member(&client, "detail"), "nonce: used before; each is good once") == 0,
          member(&client, "detail"));
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, "what the other one accepted");
    open_answer(&client, SECRET);
    clo_broker_free(second);
}

static void test_odd_requests(void **state)
{
    static const struct {
        const char *name, *method, *path, *body;
        unsigned status;
    } cases[] = {
        { "nothing there", "GET", "/nothing", "", 404 },
        { "another method", "PUT", "/kbs/v0/auth", "{}", 404 },
        { "auth by GET", "GET", "/kbs/v0/auth", "", 404 },
        { "auth without a body", "POST", "/kbs/v0/auth", "", 401 },
        { "auth of another kind", "POST", "/kbs/v0/auth", "[]", 401 },
        { "auth without a TEE", "POST", "/kbs/v0/auth", "{\"version\":\"0.1.1\"}", 401 },
        { "a long TEE", "POST", "/kbs/v0/auth",
          "{\"version\":\"0.1.1\",\"tee\":\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop\"}", 401 },
    };
    CLO_CLEANUP(free_client) struct client client = { .clock = 5000 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(ask(&client, cases[i].method, cases[i].path, cases[i].body) == cases[i].status,
              cases[i].name);
        CHECK(strcmp(client.answer.content_type, "application/problem+json") == 0, cases[i].name);
    }
    static const char *const bodies[] = { "", "{}", "{\"runtime-data\":{}}",
                                          "{\"runtime-data\":{},\"tee-evidence\":{}}",
                                          "{\"runtime-data\":{},\"tee-evidence\":"
                                          "{\"primary_evidence\":{\"__cmwc_t\":\"x\"}}}" };
    for (size_t i = 0; i < CLO_COUNT(bodies); i++) {
        begin(&client);
        CHECK(ask(&client, "POST", "/kbs/v0/attest", bodies[i]) == 401, bodies[i]);
        CHECK(ask(&client, "GET", RESOURCE, "") == 401, bodies[i]);
    }
    CHECK(ask(&client, "GET", "/healthz", "") == 200, "health");
    CHECK(ask(&client, "GET", "/metrics", "") == 200, "metrics");
    CHECK(memmem(client.answer.body.data, client.answer.body.size, "cloister_attest_total{", 22) !=
                  NULL,
          "metrics");
}

/* A look at the disk writes to it, and anybody may ask for one: what it said counts for a while, also that it takes nothing. */
static void test_health_probed(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 6000 };
    struct rlimit before;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(ask(&client, "GET", "/healthz", "") == 200, "well");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = { 4096, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    unsigned soon = ask(&client, "GET", "/healthz", "");
    client.clock += 20;
    unsigned later = ask(&client, "GET", "/healthz", "");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK(soon == 200, "not looked at again so soon");
    CHECK(later == 503, "the disk takes nothing");
    CHECK(ask(&client, "GET", "/healthz", "") == 503, "not looked at again in the same second");
    client.clock++;
    CHECK(ask(&client, "GET", "/healthz", "") == 200, "well again");
}

/* The one style sheet of the page is the one that its policy names by digest. */
static void check_content_policy(const struct clo_broker_answer *answer, const char *page)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer named = { 0 };
    const char *begin = strstr(page, "<style>");
    const char *end = strstr(page, "</style>");
    struct clo_digest digest;

    assert_true(begin != NULL && end != NULL && strstr(begin + 1, "<style") == NULL);
    begin += strlen("<style>");
    clo_hash(CLO_HASH_SHA256, clo_bytes(begin, (size_t)(end - begin)), &digest);
    clo_buffer_text(&named, "'sha256-");
    clo_base64_write(clo_digest_bytes(&digest), &named);
    CHECK(strstr(answer->content_policy, clo_buffer_string(&named)) != NULL,
          answer->content_policy);
    CHECK(strncmp(answer->content_policy, "default-src 'none';", 19) == 0, answer->content_policy);
    CHECK(strstr(answer->content_policy, "unsafe") == NULL, answer->content_policy);
}

static unsigned get_page(struct client *client, const char *accept, const char *words)
{
    const struct clo_broker_request request = { .method = "GET",
                                                .path = "/",
                                                .query = words,
                                                .content_type = words,
                                                .accept = accept,
                                                .cookie = words,
                                                .authorization = words,
                                                .peer = words,
                                                .subject = words,
                                                .time = SNP_MAKER_NOW,
                                                .clock = client->clock };

    return send_request(client, &request);
}

/* For people: nothing in it comes from a client, or is for the owner alone. */
static void test_status_page(void **state)
{
    static const char *const absent[] = { "<script", "javascript:", " style=", " on",  "default/",
                                          SECRET,    "mine",        "owned",   "src=", "http:" };
    CLO_CLEANUP(free_client) struct client client = { .clock = 7000 };
    CLO_CLEANUP(free_client) struct client odd = { .clock = 7000 };

    (void)state;
    CHECK(get_page(&client, "text/html,*/*;q=0.8", NULL) == 200, "the page");
    CHECK(strcmp(client.answer.content_type, "text/html; charset=utf-8") == 0, "its type");
    CHECK(client.answer.cookie[0] == '\0' && client.answer.mark == 0, "nothing else comes of it");
    const char *page = clo_buffer_string(&client.answer.body);
    check_content_policy(&client.answer, page);
    const char *content = strstr(page, "</style>");
    CHECK(strstr(content, "<span aria-hidden=\"true\">✓</span> Yes") != NULL, content);
    CHECK(strstr(content, CLOISTER_VERSION) != NULL && strstr(content, "ES256") != NULL, content);
    for (size_t i = 0; i < CLO_COUNT(absent); i++)
        CHECK(strstr(content, absent[i]) == NULL, absent[i]);
    CHECK(get_page(&odd, "text/html, owned", "<script>owned</script>\x1b[31m") == 200,
          "whatever else is sent");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&odd.answer.body),
                          clo_buffer_bytes(&client.answer.body)),
          "the same page");
    CHECK(get_page(&odd, NULL, NULL) == 404 && get_page(&odd, "*/*", NULL) == 404 &&
                  get_page(&odd, "application/json", NULL) == 404,
          "it is for browsers");
    CHECK(ask(&odd, "POST", "/", "x") == 404 && ask(&odd, "DELETE", "/", "") == 404 &&
                  ask(&odd, "GET", "//", "") == 404 && ask(&odd, "GET", "/index.html", "") == 404,
          "no other request");
}

/* What the owner says is text, and what keeps a broker from deciding is told with it. */
static void test_status_page_of_owner(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 7100 };
    CLO_CLEANUP(clo_store_freep) struct clo_store *empty = NULL;
    struct clo_broker *usual = broker;
    char folder[4200];
    struct clo_error err;

    (void)state;
    snprintf(folder, sizeof folder, "%s/page", scratch.path);
    must(clo_store_open(folder, &empty, &err), &err);
    const struct clo_broker_spec spec = { .store = empty,
                                          .random = { .fill = fill_random },
                                          .nonce_seconds = 60,
                                          .signs_es384 = true,
                                          .public_url = "https://kbs.example/?<b>&\"" };
    must(clo_broker_new(&spec, &broker, &err), &err);
    CHECK(get_page(&client, "text/html", NULL) == 200, "the page");
    const char *page = strstr(clo_buffer_string(&client.answer.body), "</style>");
    CHECK(strstr(page, "</span> No</p>") != NULL, page);
    CHECK(strstr(page, "health: no key is registered") != NULL, page);
    CHECK(strstr(page, "https://kbs.example/?&lt;b&gt;&amp;&quot;") != NULL, page);
    CHECK(strstr(page, "openid-configuration") != NULL && strstr(page, "ES384") != NULL, page);
    clo_broker_free(broker);
    broker = usual;
}

static void test_nothing_registered(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 6000 };
    struct clo_error err;

    (void)state;
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    json_t *entry;
    size_t i;
    must(clo_store_list(store, &list, &err), &err);
    json_array_foreach (list, i, entry)
        must(clo_store_remove(store, json_string_value(json_object_get(entry, "path")), &err),
             &err);
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 401, "nothing to release");
    CHECK(strcmp(member(&client, "detail"), "no key is registered at this broker") == 0,
          member(&client, "detail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_old_names),
        cmocka_unit_test(test_refused_evidence),
        cmocka_unit_test(test_foreign_root),
        cmocka_unit_test(test_nonce_once),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_replica),
        cmocka_unit_test(test_odd_requests),
        cmocka_unit_test(test_health_probed),
        cmocka_unit_test(test_status_page),
        cmocka_unit_test(test_status_page_of_owner),
        cmocka_unit_test(test_nothing_registered),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
