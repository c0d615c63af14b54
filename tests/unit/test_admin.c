/* Administrators over the network: whose tokens count for what, and what they may do. */
#include <sqlite3.h>

#include "trustee_maker.h"

#include "verifier/kbs/admin.h"

/* RFC 8037, appendix A: its key, and a token of ours by it (Python's cryptography): {"role":"kbs-admin","exp":4000000000}. */
#define ED25519_PEM                                                   \
    "-----BEGIN PUBLIC KEY-----\\n"                                   \
    "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\\n" \
    "-----END PUBLIC KEY-----\\n"
#define ED25519_TOKEN                                                                          \
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoia2JzLWFkbWluIiwiZXhwIjo0MDAwMDAwMDAwfQ." \
    "mEtXpMehuv-AfLTk7fUhux8SuNXQE-oVXyrgc69eXUTzdUybyWhEmXHM6G1QmEeRpcIG7R6N2LigpVTV_1v7Aw"

static struct clo_private_key *key;
static struct clo_admin *admin;

static void make_file(const struct clo_private_key *of, const char *more, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error err;

    must(clo_private_key_public(of, &public, &err), &err);
    must(clo_public_key_spki(public, &der, &err), &err);
    must(clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&der), &pem, &err), &err);
    CLO_CLEANUP(clo_json_freep) json_t *text = json_string(clo_buffer_string(&pem));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quoted = { 0 };
    must(clo_json_write(text, &quoted, &err), &err);
    clo_buffer_printf(out,
                      "{\"cloister_admin\":1,\"keys\":[{\"pem\":%s,\"issuer\":\"us\"},{\"pem\":"
                      "\"" ED25519_PEM "\"}],\"roles\":{\"kbs-admin\":["
                      "\"^/kbs/v0/resource/default/.+$\",\"^/kbs/v0/resource-policy$\"]%s}%s}",
                      clo_buffer_string(&quoted), "", more);
}

/* Set: while the next token is looked at, the owner has the broker read a file that names nobody. */
static bool is_removed_meanwhile;

bool __real_clo_admin_check(struct clo_admin *admin, const char *token, int64_t time,
                            const char *path, char *role, struct clo_error *err);
bool __wrap_clo_admin_check(struct clo_admin *of, const char *token, int64_t time, const char *path,
                            char *role, struct clo_error *err);

bool __wrap_clo_admin_check(struct clo_admin *of, const char *token, int64_t time, const char *path,
                            char *role, struct clo_error *err)
{
    bool ok = __real_clo_admin_check(of, token, time, path, role, err);

    if (is_removed_meanwhile)
        clo_broker_set_admin(broker, NULL);
    is_removed_meanwhile = false;
    return ok;
}

static int set_up_admin(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest ours;
    struct clo_error err;

    must(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), &err);
    make_file(key, ",\"policy\":" TRUSTEE_POLICY_SAMPLE, &text);
    must(clo_admin_parse(clo_buffer_bytes(&text), &admin, &err), &err);
    clo_hash(CLO_HASH_SHA256, clo_bytes(NULL, 0), &ours);
    clo_admin_set_broker(admin, &ours);
    administrators = admin;
    return set_up(state);
}

static int tear_down_admin(void **state)
{
    int failed = tear_down(state);

    clo_admin_freep(&admin);
    clo_private_key_freep(&key);
    return failed;
}

static void sign_token(const struct clo_private_key *by, const char *claims, struct client *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    must(clo_json_parse(clo_bytes_text(claims), &json, &err), &err);
    out->authorization.size = 0;
    clo_buffer_text(&out->authorization, "Bearer ");
    must(clo_jws_sign(by, json, &out->authorization, &err), &err);
}

#define GOOD "{\"role\":\"kbs-admin\",\"iss\":\"us\",\"exp\":4000000000}"
/* SHA-256 of nothing, in place of a key's. */
#define OURS "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PATH "/kbs/v0/resource/default/test/admin"

static void test_tokens(void **state)
{
    static const struct {
        const char *name, *claims, *path;
        unsigned status;
    } cases[] = {
        { "another role", "{\"role\":\"guest\",\"iss\":\"us\",\"exp\":4000000000}", PATH, 401 },
        { "no role", "{\"iss\":\"us\",\"exp\":4000000000}", PATH, 401 },
        { "a role among others",
          "{\"role\":[\"x\",\"kbs-admin\"],\"iss\":\"us\",\"exp\":4000000000}",
          "/kbs/v0/resource-policy", 403 },
        { "another issuer", "{\"role\":\"kbs-admin\",\"iss\":\"them\",\"exp\":4000000000}", PATH,
          401 },
        { "over", "{\"role\":\"kbs-admin\",\"iss\":\"us\",\"exp\":1000}", PATH, 401 },
        { "endless", "{\"role\":\"kbs-admin\",\"iss\":\"us\"}", PATH, 401 },
        { "not yet",
          "{\"role\":\"kbs-admin\",\"iss\":\"us\",\"exp\":4000000000,\"nbf\":3900000000}", PATH,
          401 },
        { "a path that the role has not", GOOD, "/kbs/v0/resource/other/test/admin", 401 },
        { "for another broker",
          "{\"role\":\"kbs-admin\",\"iss\":\"us\",\"exp\":4000000000,\"aud\":\"cloister-broker:"
          "00\"}",
          "/kbs/v0/resource-policy", 401 },
        { "for this broker",
          "{\"role\":\"kbs-admin\",\"iss\":\"us\",\"exp\":4000000000,\"aud\":\"cloister-"
          "broker:" OURS "\"}",
          "/kbs/v0/resource-policy", 403 },
        { "policies", GOOD, "/kbs/v0/resource-policy", 403 },
        { "policies that the role has not", GOOD, "/kbs/v0/attestation-policy", 401 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 100 };
        sign_token(key, cases[i].claims, &client);
        CHECK(ask(&client, "POST", cases[i].path, "v") == cases[i].status, cases[i].name);
        CHECK(cases[i].status != 401 || strstr(member(&client, "type"), "/AdminAuth") != NULL,
              member(&client, "type"));
    }
    CLO_CLEANUP(free_client) struct client foreign = { .clock = 100 };
    CLO_CLEANUP(free_client) struct client nobody = { .clock = 100 };
    sign_token(scene.maker.vcek, GOOD, &foreign);
    CHECK(ask(&foreign, "POST", PATH, "v") == 401, "another key");
    CHECK(strstr(member(&foreign, "detail"), "not signed by an administrator's key") != NULL,
          member(&foreign, "detail"));
    CHECK(ask(&nobody, "POST", PATH, "v") == 401 && ask(&nobody, "DELETE", PATH, "") == 401,
          "no token");
}

static void test_resource(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 200 };
    CLO_CLEANUP(free_client) struct client guest = { .clock = 200 };
    CLO_CLEANUP(clo_json_freep) json_t *jwk = trustee_key(scene.transport, NULL);
    struct clo_digest digest;

    (void)state;
    sign_token(key, GOOD, &client);
    CHECK(ask(&client, "POST", PATH, "set over the network") == 200, member(&client, "detail"));
    CHECK(strstr(last_decision, "by an administrator (kbs-admin)") != NULL, last_decision);
    CHECK(trustee_auth(&guest, "0.4.0", "sample") == 200, member(&guest, "detail"));
    trustee_digest(guest.nonce, jwk, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&guest, jwk, trustee_sample(&digest), "", NULL) == 200,
          member(&guest, "detail"));
    CHECK(get(&guest, "default/test/admin") == 200, member(&guest, "detail"));
    open_answer(&guest, "set over the network");
    /* What is there keeps its terms: the demo's key is not put under those of tests. */
    CHECK(ask(&client, "POST", RESOURCE, "another") == 403, "the demo's");
    CHECK(strstr(member(&client, "detail"), "is there; delete it first") != NULL,
          member(&client, "detail"));
    CHECK(ask(&client, "DELETE", PATH, "") == 200, member(&client, "detail"));
    CHECK(ask(&client, "DELETE", PATH, "") == 404, "twice");
    CHECK(get(&guest, "default/test/admin") == 404, "gone");
}

static void run_sql(const char *sql)
{
    char path[4300];
    sqlite3 *database;

    snprintf(path, sizeof path, "%s/state/store.db", scratch.path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

/* A change that cannot be written down does not happen. */
static void test_unwritten(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 250 };

    (void)state;
    sign_token(key, GOOD, &client);
    run_sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
    CHECK(ask(&client, "POST", PATH, "unwritten") == 500, "set");
    run_sql("DROP TRIGGER full");
    CHECK(ask(&client, "DELETE", PATH, "") == 404, "it is not there");
    CHECK(ask(&client, "POST", PATH, "written") == 200, member(&client, "detail"));
    run_sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END");
    CHECK(ask(&client, "DELETE", PATH, "") == 500, "removed");
    run_sql("DROP TRIGGER full");
    CHECK(ask(&client, "DELETE", PATH, "") == 200, "it was there still");
}

/* Who is an administrator is decided when the change is made, not when the request came. */
static void test_removed_meanwhile(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 270 };

    (void)state;
    sign_token(key, GOOD, &client);
    is_removed_meanwhile = true;
    CHECK(ask(&client, "POST", PATH, "too late") == 401, "removed while it was asked");
    CHECK(strstr(member(&client, "detail"), "is not administered over the network") != NULL,
          member(&client, "detail"));
    clo_broker_set_admin(broker, admin);
    CHECK(ask(&client, "DELETE", PATH, "") == 404, "it was not set");
}

/* A broker whose owner says nothing is closed. */
static void test_closed(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 300 };
    struct clo_broker *open = broker;

    (void)state;
    administrators = NULL;
    broker = new_broker();
    sign_token(key, GOOD, &client);
    CHECK(ask(&client, "POST", PATH, "v") == 401, "closed");
    CHECK(strstr(member(&client, "detail"), "is not administered over the network") != NULL,
          member(&client, "detail"));
    clo_broker_free(broker);
    broker = open;
    administrators = admin;
}

static void test_ed25519(void **state)
{
    char role[CLO_ADMIN_ROLE];
    char broken[] = ED25519_TOKEN;
    struct clo_error err;

    (void)state;
    CHECK(clo_admin_check(admin, ED25519_TOKEN, 1780000000, PATH, role, &err), err.text);
    CHECK(strcmp(role, "kbs-admin") == 0, role);
    broken[sizeof broken - 10] ^= 1;
    CHECK(!clo_admin_check(admin, broken, 1780000000, PATH, role, &err), "a changed signature");
}

static void test_files(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{}", "\"cloister_admin\" is missing" },
        { "{\"cloister_admin\":2,\"keys\":[],\"roles\":{}}", "version 2" },
        { "{\"cloister_admin\":1,\"keys\":[],\"roles\":{}}",
          "neither \"keys\" nor \"certificates\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"x\"}],\"roles\":{}}", "\"keys\": item 0" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"/kbs/v0/.*\"]}}",
          "from \"^/kbs\" or \"^/cloister\" to \"$\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"^/kbs/v0/x$|.*$\"]}}",
          "without \"|\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"^/kbs/v0/(x$\"]}}",
          "is not an expression" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"^/kbs/v0/x++++++++++++++++++++++++++++++++$\"]}}",
          "at most 6 \"+\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"^/kbs/v0/((x{255}){255}){255}$\"]}}",
          "neither \"{\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{\"a\":[\"^/kbs/v0/(.*)(.*)\\\\1\\\\2$\"]}}",
          "nor \"\\1\"" },
        { "{\"cloister_admin\":1,\"keys\":[{\"pem\":\"" ED25519_PEM
          "\"}],\"roles\":{},\"policy\":{}}",
          "policy" },
        { "{\"cloister_admin\":1,\"keys\":[],\"roles\":{},\"insecure\":true}", "unknown member" },
        { "{\"cloister_admin\":1,\"certificates\":[],\"roles\":{}}", "neither \"keys\"" },
        { "{\"cloister_admin\":1,\"certificates\":[{\"subject\":\"CN=a\"}],\"roles\":{}}",
          "\"certificates\": item 0: a subject, and a role" },
        { "{\"cloister_admin\":1,\"certificates\":[{\"subject\":\"\",\"role\":\"a\"}],\"roles\":{}"
          "}",
          "\"certificates\": item 0: a subject, and a role" },
        { "{\"cloister_admin\":1,\"certificates\":[{\"subject\":\"CN=a\",\"role\":[\"a\",1]}],"
          "\"roles\":{}}",
          "\"certificates\": item 0: a subject, and a role" },
        { "{\"cloister_admin\":1,\"certificates\":[{\"subject\":\"CN=a\",\"role\":\"a\",\"issuer\":"
          "\"CN=b\"}],\"roles\":{}}",
          "unknown member" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_admin *none = NULL;
        struct clo_error err = { 0 };
        CHECK(!clo_admin_parse(clo_bytes_text(cases[i].text), &none, &err), cases[i].text);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_resource),
        cmocka_unit_test(test_unwritten), cmocka_unit_test(test_removed_meanwhile),
        cmocka_unit_test(test_closed),    cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, set_up_admin, tear_down_admin);
}
