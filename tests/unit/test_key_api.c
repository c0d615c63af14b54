/* What administrators ask for over the network: who may, what is put, and what is refused whatever their program has let
 * through. */
#include "trustee_maker.h"

#include "cloister/encoding.h"
#include "verifier/kbs/admin.h"
#include "verifier/kbs/key_request.h"

#define ADMIN_FILE                                                                           \
    "{\"cloister_admin\":1,\"certificates\":[{\"subject\":\"CN=alice\",\"role\":\"admin\"}," \
    "{\"subject\":\"CN=reader\",\"role\":[\"x\",\"reader\"]}],\"roles\":{\"admin\":[\"^/"    \
    "cloister/v0/key/list$\",\"^/cloister/v0/key/[a-z-]+/default/.+$\",\"^/cloister/v0/key/" \
    "revoke-machine/.+$\"],\"reader\":[\"^/cloister/v0/key/list$\"]}}"
#define KEY "/cloister/v0/key/"
/* Pins nothing but the firmware, and says why; and the same without a reason. */
#define WEAK                                                                              \
    "\"{\\\"cloister_policy\\\":1,\\\"tee\\\":[\\\"snp\\\"],\\\"roots\\\":[\\\"amd\\\"]," \
    "\\\"accept_weak\\\":\\\"a test\\\"}\""
#define OPEN                                                                              \
    "\"{\\\"cloister_policy\\\":1,\\\"tee\\\":[\\\"snp\\\"],\\\"roots\\\":[\\\"amd\\\"]," \
    "\\\"snp\\\":{"                                                                       \
    "\\\"measurement\\\":\\\"any\\\"}}\""

static struct clo_admin *admin;

static int set_up_api(void **state)
{
    struct clo_error err;

    must(clo_admin_parse(clo_bytes_text(ADMIN_FILE), &admin, &err), &err);
    administrators = admin;
    return set_up(state);
}

static int tear_down_api(void **state)
{
    int failed = tear_down(state);

    clo_admin_freep(&admin);
    return failed;
}

static struct clo_broker_request request_of(const char *subject, const char *path, const char *body)
{
    return (struct clo_broker_request){ .method = "POST",
                                        .path = path,
                                        .subject = subject,
                                        .peer = "192.0.2.1",
                                        .body = clo_bytes_text(body),
                                        .time = SNP_MAKER_NOW,
                                        .clock = 1000 };
}

/* As the holder of a certificate of this subject; NULL: of none. */
static unsigned ask_as(struct client *client, const char *subject, const char *path,
                       const char *body)
{
    const struct clo_broker_request request = request_of(subject, path, body);

    return send_request(client, &request);
}

static void test_who(void **state)
{
    static const struct {
        const char *name, *subject, *path;
        unsigned status;
        const char *detail;
    } cases[] = {
        { "an administrator", "CN=alice", KEY "list", 200, "" },
        { "one who may read", "CN=reader", KEY "list", 200, "" },
        { "and no more", "CN=reader", KEY "remove/default/disk/demo", 401,
          "the certificate's role does not allow this" },
        { "a path outside", "CN=alice", KEY "remove/other/disk/demo", 401,
          "the certificate's role does not allow this" },
        { "a stranger", "CN=mallory", KEY "list", 401,
          "the certificate \"CN=mallory\" is not an administrator's" },
        { "a longer subject", "CN=alice,O=them", KEY "list", 401, "is not an administrator's" },
        { "nobody", NULL, KEY "list", 401, "bearer token or certificate is needed" },
        { "a word that there is not", "CN=alice", KEY "give/default/disk/demo", 404,
          "no such request" },
        { "more than a list", "CN=alice", KEY "listing/default/x/y", 400,
          "list: nothing follows it" },
        { "a path that is not one", "CN=alice", KEY "remove/default/../demo", 400, "resource" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { 0 };
        CHECK(ask_as(&client, cases[i].subject, cases[i].path, "{}") == cases[i].status,
              cases[i].name);
        CHECK(strstr(member(&client, "detail"), cases[i].detail) != NULL,
              member(&client, "detail"));
    }
}

static bool counts_no_more(const void *connection)
{
    (void)connection;
    return false;
}

/* Asked when the change is made: what the connection has shown may have been taken back since the request came. */
static void test_certificate_over(void **state)
{
    struct clo_broker_request request = request_of("CN=alice", KEY "list", "{}");
    CLO_CLEANUP(free_client) struct client client = { 0 };

    (void)state;
    request.subject_counts = counts_no_more;
    CHECK(send_request(&client, &request) == 401, "a certificate that counts no more");
    CHECK(strstr(member(&client, "detail"), "counts no more: connect again") != NULL,
          member(&client, "detail"));
}

/* A certificate is not a word in a token's place: what was sent as a token decides. */
static void test_token_decides(void **state)
{
    struct clo_broker_request request = request_of("CN=alice", KEY "list", "{}");
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };

    (void)state;
    request.authorization = "Bearer x";
    clo_broker_answer(broker, &request, &answer);
    CHECK(answer.status == 401, "a wrong token next to a right certificate");
}

/* Nobody but them has a large body read. */
static void test_door(void **state)
{
    const struct clo_broker_request alice = request_of("CN=alice", KEY "put/default/disk/x", "");
    const struct clo_broker_request nobody = request_of(NULL, KEY "put/default/disk/x", "");
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    size_t most = 0;

    (void)state;
    CHECK(clo_broker_admit(broker, &alice, &most, &answer) && most == CLO_BROKER_BODY_MAX, "alice");
    CHECK(!clo_broker_admit(broker, &nobody, &most, &answer) && answer.status == 401, "nobody");
}

static void test_put(void **state)
{
    static const char path[] = KEY "put/default/disk/new";
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource there = { 0 };
    CLO_CLEANUP(free_client) struct client client = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(ask_as(&client, "CN=alice", path,
                 "{\"secret\":\"c2VjcmV0\",\"policy\":" WEAK
                 ",\"shared\":true,\"releases\":\"any\",\"second_holder\":\"refuse\","
                 "\"lease_seconds\":60,\"release_limit\":3}") == 200,
          member(&client, "detail"));
    CHECK(json_integer_value(json_object_get(client.json, "bytes")) == 6, "bytes");
    CHECK(strstr(last_decision, "admin put as weak default/disk/new: by an administrator (admin, "
                                "CN=alice)") != NULL,
          last_decision);
    must(clo_store_get(store, "default/disk/new", &there, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(there.secret), clo_bytes_text("secret")), "the secret");
    CHECK(there.is_shared && there.any_releases && there.lease_seconds == 60 &&
                  there.release_limit == 3 && there.second_holder == CLO_SECOND_HOLDER_REFUSE,
          "its rules");
    CHECK(ask_as(&client, "CN=alice", KEY "terms/default/disk/new", "{\"policy\":" WEAK "}") == 200,
          member(&client, "detail"));
    CHECK(ask_as(&client, "CN=alice", KEY "revoke/default/disk/new", "{}") == 200, "revoke");
    CHECK(ask_as(&client, "CN=alice", KEY "allow/default/disk/new", "{}") == 200, "allow");
    CHECK(ask_as(&client, "CN=alice", KEY "lease/default/disk/new", "{}") == 200, "lease");
    CHECK(ask_as(&client, "CN=alice", KEY "give-up/default/disk/new", "{}") == 200, "give up");
    CHECK(ask_as(&client, "CN=alice", KEY "remove/default/disk/new", "{}") == 200, "remove");
    CHECK(ask_as(&client, "CN=alice", KEY "remove/default/disk/new", "{}") == 403, "twice");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *word, *body, *detail;
        unsigned status;
    } cases[] = {
        { "not JSON", "put", "x", "JSON", 400 },
        { "no secret", "put", "{\"policy\":" WEAK "}", "\"secret\" is missing", 400 },
        { "an empty one", "put", "{\"secret\":\"\",\"policy\":" WEAK "}", "0 bytes", 400 },
        { "not base64", "put", "{\"secret\":\"?\",\"policy\":" WEAK "}", "secret", 400 },
        { "no policy", "put", "{\"secret\":\"c2Vj\"}", "\"policy\" is missing", 400 },
        { "a policy that is none", "put", "{\"secret\":\"c2Vj\",\"policy\":\"{}\"}", "policy",
          400 },
        { "a policy that leaves everything open", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" OPEN "}", "the policy leaves open: firmware", 403 },
        { "as other terms", "terms", "{\"policy\":" OPEN "}", "the policy leaves open: firmware",
          403 },
        { "a reference that is none", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"references\":[\"{}\"]}",
          "\"references\": item 0", 400 },
        { "a number among references", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"references\":[1]}", "\"references\": item 0",
          400 },
        { "a disk that is none", "put", "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"disk\":\"{}\"}",
          "\"disk\"", 400 },
        { "an older copy of no disk", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"forget_generation\":true}",
          "\"forget_generation\" is for a \"disk\"", 400 },
        { "an odd rule", "put", "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"releases\":\"twice\"}",
          "\"releases\"", 400 },
        { "an odd holder", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"second_holder\":\"shout\"}",
          "\"second_holder\"", 400 },
        { "an endless lease", "put",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"lease_seconds\":99999999999}",
          "\"lease_seconds\": at most", 400 },
        { "an unknown member", "put", "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"force\":true}",
          "unknown member", 400 },
        { "older versions without a reason", "terms-older", "{\"policy\":" WEAK "}",
          "\"accept_older\" is missing", 400 },
        { "put without a reason", "put-older",
          "{\"secret\":\"c2Vj\",\"policy\":" WEAK ",\"accept_older\":\"\"}",
          "\"accept_older\": a reason of at most", 400 },
        { "older versions by the other word", "terms",
          "{\"policy\":" WEAK ",\"accept_older\":\"a test\"}", "unknown member", 400 },
        { "an unknown flag", "revoke", "{\"undo\":true}", "unknown member", 400 },
        { "a lease that is to be given up", "lease", "{\"release\":true}", "unknown member", 400 },
        { "giving up, with a flag", "give-up", "{\"release\":false}", "unknown member", 400 },
    };
    char path[64];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { 0 };
        CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource none = { 0 };
        struct clo_error err;
        snprintf(path, sizeof path, KEY "%s/default/test/refused", cases[i].word);
        CHECK(ask_as(&client, "CN=alice", path, cases[i].body) == cases[i].status, cases[i].name);
        CHECK(strstr(member(&client, "detail"), cases[i].detail) != NULL,
              member(&client, "detail"));
        CHECK(!clo_store_get(store, "default/test/refused", &none, &err), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who),           cmocka_unit_test(test_certificate_over),
        cmocka_unit_test(test_token_decides), cmocka_unit_test(test_door),
        cmocka_unit_test(test_put),           cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up_api, tear_down_api);
}
