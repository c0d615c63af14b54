/* The whole protocol without a socket: a pretend platform's evidence, one registered image, and
 * everything that must not get a key. */
#include "verifier/broker.h"

#include "net/kbs.h"
#include "scene.h"

#define RESOURCE "/kbs/v0/resource/default/disk/demo"
#define SECRET   "the disk key of the demo"

static struct scene scene;
static struct clo_scratch scratch;
static struct clo_store *store;
static struct clo_broker *broker;
static unsigned decisions;
static const struct clo_disk_identity *disk_to_put; /* NULL: none */
static char last_decision[1200];
static struct clo_buffer root_pem;
static struct clo_store_entry rules; /* what put() puts besides */
static const char *accepts_weak; /* … and that the policy takes any firmware, for this reason */

/* The same in each run, and no nonce twice. */
static bool fill_random(void *context, void *out, size_t size)
{
    static uint64_t state = 88172645463325252u;
    uint8_t *bytes = out;

    (void)context;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (uint8_t)state;
    }
    return true;
}

static void on_decision(void *context, const struct clo_audit *decision)
{
    (void)context;
    decisions++;
    CHECK(strstr(decision->detail, SECRET) == NULL, "no secret in a decision");
    snprintf(last_decision, sizeof last_decision, "%s %s %s: %s", decision->action,
             decision->verdict, decision->resource == NULL ? "-" : decision->resource,
             decision->detail);
    for (const char *at = last_decision; *at != '\0'; at++)
        CHECK((unsigned char)*at >= 0x20 && *at != 0x7f, "no control character in a decision");
}

/* The scene that is accepted, in a guest whose image names the demo's key. */
static void reset_scene(void)
{
    scene_reset(&scene);
    scene.resource = "default/disk/demo";
}

static void put(const char *path, const char *secret, bool same_measurement)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = make_reference();
    char measurement[2 * 48 + 1];
    struct clo_error err;

    scene_reset(&scene);
    snp_maker_make(&scene.maker, &certificates);
    /* Signed anew each time: the same policy has the same bytes. */
    if (root_pem.size == 0)
        must(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[2]), &root_pem,
                           &err),
             &err);
    clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), measurement);
    if (!same_measurement)
        measurement[0] = measurement[0] == '0' ? '1' : '0';
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:i, s:s, s:[s], s:[s#], s:[i,i,i,i], s:{s:[s]}}", "cloister_policy", 1,
                      "name", "mine", "tee", "snp", "roots", (const char *)root_pem.data,
                      (int)root_pem.size, "pcrs", 0, 4, 11, 12, "snp", "measurement", measurement);
    if (accepts_weak != NULL) {
        json_object_set_new(json, "accept_weak", json_string(accepts_weak));
        json_object_set_new(json_object_get(json, "snp"), "measurement", json_string("any"));
    }
    must(clo_json_write(json, &policy, &err), &err);
    must(clo_reference_write(reference, &text, &err), &err);
    const struct clo_bytes references[] = { clo_buffer_bytes(&text) };
    struct clo_store_entry entry = rules;
    entry.path = path;
    entry.secret = clo_bytes_text(secret);
    entry.policy = clo_buffer_bytes(&policy);
    entry.references = references;
    entry.reference_count = 1;
    entry.disk = disk_to_put;
    entry.now = SNP_MAKER_NOW;
    must(clo_store_put(store, &entry, &err), &err);
}

static struct clo_broker *new_broker(void)
{
    const struct clo_broker_spec spec = { .store = store,
                                          .random = { .fill = fill_random },
                                          .nonce_seconds = 60,
                                          .on_decision = on_decision };
    struct clo_broker *made;
    struct clo_error err;

    must(clo_broker_new(&spec, &made, &err), &err);
    return made;
}

static int set_up(void **state)
{
    struct clo_error err;
    char folder[4200];

    (void)state;
    scene_init(&scene);
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    must(clo_store_open(folder, &store, &err), &err);
    put("default/disk/demo", SECRET, true);
    put("default/disk/other", "of another image", false);
    broker = new_broker();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_broker_free(broker);
    clo_store_free(store);
    clo_scratch_free(&scratch);
    clo_buffer_free(&root_pem);
    scene_free(&scene);
    return 0;
}

/* --- A client --- */

struct client {
    int64_t clock;
    const char *peer;
    char cookie[CLO_SESSION_COOKIE];
    char nonce[64];
    struct clo_buffer authorization;
    struct clo_broker_answer answer;
    json_t *json; /* the last answer's */
};

static void free_client(struct client *client)
{
    clo_buffer_free(&client->authorization);
    clo_broker_answer_free(&client->answer);
    json_decref(client->json);
    *client = (struct client){ 0 };
}

static unsigned ask(struct client *client, const char *method, const char *path, const char *body)
{
    const char *authorization = clo_buffer_string(&client->authorization);
    const struct clo_broker_request request = {
        .method = method,
        .path = path,
        .cookie = client->cookie[0] == '\0' ? NULL : client->cookie,
        .authorization = authorization[0] == '\0' ? NULL : authorization,
        .peer = client->peer,
        .body = clo_bytes_text(body),
        .time = SNP_MAKER_NOW,
        .clock = client->clock,
    };
    struct clo_error ignored;

    clo_broker_answer_free(&client->answer);
    json_decref(client->json);
    client->json = NULL;
    clo_broker_answer(broker, &request, &client->answer);
    if (!clo_json_parse(clo_buffer_bytes(&client->answer.body), &client->json, &ignored))
        client->json = NULL;
    return client->answer.status;
}

static const char *member(const struct client *client, const char *key)
{
    const char *text = json_string_value(json_object_get(client->json, key));

    return text == NULL ? "" : text;
}

static void begin(struct client *client)
{
    CHECK(ask(client, "POST", "/kbs/v0/auth",
              "{\"version\":\"0.1.1\",\"tee\":\"az-snp-vtpm\",\"extra-params\":{}}") == 200,
          "auth");
    memcpy(client->cookie, client->answer.cookie, sizeof client->cookie);
    snprintf(client->nonce, sizeof client->nonce, "%s", member(client, "nonce"));
}

/* The scene's evidence, over this client's nonce unless the scene has one of its own. */
static unsigned attest(struct client *client)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *runtime_data = NULL;
    struct clo_error err;

    if (strcmp(scene.nonce, NONCE) == 0)
        scene.nonce = client->nonce;
    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(&scene, evidence, &certificates);
    must(clo_json_parse(clo_evidence_get(evidence, CLO_EVIDENCE_RUNTIME_DATA), &runtime_data, &err),
         &err);
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:O, s:{s:o, s:s}}", "runtime-data", runtime_data, "tee-evidence",
                      "primary_evidence", clo_evidence_json(evidence), "additional_evidence", "");
    must(clo_json_write(json, &body, &err), &err);
    return ask(client, "POST", "/kbs/v0/attest", clo_buffer_string(&body));
}

static void give_token(struct client *client)
{
    clo_buffer_printf(&client->authorization, "Bearer %s", member(client, "token"));
}

static void open_answer(const struct client *client, const char *expected)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    must(clo_jwe_open(client->json, scene.transport, &secret, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes_text(expected)), "the secret");
}

/* --- What works --- */

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
    must(clo_store_key(store, CLO_BROKER_TOKEN_KEY, CLO_KEY_P384, &token_key, &err), &err);
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
    CHECK(strcmp(member(&client, "type"), CLO_KBS_PROBLEM_SESSION) == 0, "and said to be");
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
        CHECK(status == 403 || status == 400, cases[i].name);
        CHECK(ask(&client, "GET", RESOURCE, "") == 403, cases[i].name);
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
    CHECK(attest(&client) == 403, "another root");
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
    CHECK(attest(&client) == 403, "the same nonce again");
    CHECK(strcmp(member(&client, "detail"), "nonce: used before; each is good once") == 0,
          member(&client, "detail"));
    reset_scene();
    begin(&late);
    late.clock = 3060;
    CHECK(attest(&late) == 401, "too late");
    CHECK(strcmp(member(&late, "type"), CLO_KBS_PROBLEM_SESSION) == 0, "begin anew");
    reset_scene();
    CHECK(attest(&nobody) == 401, "no session");
    CHECK(strcmp(member(&nobody, "detail"), "session: none was begun") == 0,
          member(&nobody, "detail"));
}

/* A broker that was started again knows nothing of what it gave out before. */
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
    CHECK(attest(&client) == 401, "a nonce of before");
    CHECK(strcmp(member(&client, "type"), CLO_KBS_PROBLEM_SESSION) == 0, "begin anew");
    CHECK(ask(&attested, "GET", RESOURCE, "") == 401, "a session of before");
}

/* Attests as the scene is, and says how it went. */
static unsigned attest_anew(struct client *client)
{
    client->authorization.size = 0;
    begin(client);
    unsigned status = attest(client);
    scene.nonce = NONCE;
    return status;
}

static unsigned get(struct client *client, const char *resource)
{
    char path[300];

    snprintf(path, sizeof path, "/kbs/v0/resource/%s", resource);
    return ask(client, "GET", path, "");
}

static void check_refused(struct client *client, const char *resource, const char *detail)
{
    CHECK(get(client, resource) == 403, resource);
    CHECK(strcmp(member(client, "detail"), detail) == 0, member(client, "detail"));
    CHECK(strstr(last_decision, detail) != NULL, last_decision);
}

static void test_resources(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4000 };
    CLO_CLEANUP(free_client) struct client other = { .clock = 4000 };
    static const char *const odd[] = { "default/disk", "default/disk/../demo", "",
                                       "a/b/{ak}",     "a/b/\033[2J",          "\033]0;owned\a" };

    (void)state;
    reset_scene();
    scene.resource = "default/disk/other";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/other",
                  "resource \"default/disk/other\": is not for this image");
    reset_scene();
    scene.resource = "default/disk/none";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/none", "resource \"default/disk/none\": there is none");
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        CHECK(get(&client, odd[i]) == 400, odd[i]);
        CHECK(strstr(member(&client, "detail"), "expected REPOSITORY/TYPE/TAG") != NULL,
              member(&client, "detail"));
        CHECK(strchr(member(&client, "detail"), '\033') == NULL, "no escape");
    }
    /* Another session's token, and none of a known kind. */
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strcmp(member(&client, "resource"), "default/disk/demo") == 0, "its name is told");
    give_token(&client);
    CHECK(attest_anew(&other) == 200, member(&other, "detail"));
    clo_buffer_append(&other.authorization, clo_buffer_bytes(&client.authorization));
    check_refused(&other, "default/disk/demo", "token: not the one of this session");
    other.authorization.size = 0;
    clo_buffer_text(&other.authorization, "Basic YTpi");
    CHECK(get(&other, "default/disk/demo") == 403, "no bearer token");
    /* What one session may write into the audit trail has an end. */
    unsigned before = decisions;
    for (unsigned i = 0; i < 100; i++)
        CHECK(get(&other, "default/disk/demo") == 403, "no bearer token");
    CHECK(decisions - before <= 4, "the rows of one session");
}

/* A session is held against what it has shown, not against what has the same place in the store later. */
static void test_terms_replaced(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4100 };
    struct clo_error err;

    (void)state;
    put("default/disk/reused", "the first secret", true);
    reset_scene();
    scene.resource = "default/disk/reused";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    put("default/disk/reused", "another, on the same terms", true);
    CHECK(get(&client, "default/disk/reused") == 200, member(&client, "detail"));
    open_answer(&client, "another, on the same terms");
    put("default/disk/reused", "on stricter terms", false);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": is not for this image");
    must(clo_store_remove(store, "default/disk/reused", &err), &err);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": there is none");
    /* All terms go, and others come in their place. */
    put("default/disk/demo", SECRET, false);
    put("default/disk/reused", "on stricter terms", false);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": is not for this image");
    must(clo_store_remove(store, "default/disk/reused", &err), &err);
    put("default/disk/demo", SECRET, true);
}

/* Equal terms are not equal machines. */
static void test_another_machine(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4200 };
    CLO_CLEANUP(free_client) struct client nameless = { .clock = 4200 };

    (void)state;
    put("default/disk/vm-b", "the key of VM B", true);
    rules = (struct clo_store_entry){ .is_shared = true };
    put("default/config/shared", "for all of them", true);
    rules = (struct clo_store_entry){ 0 };
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/vm-b",
                  "resource \"default/disk/vm-b\": the evidence asks for \"default/disk/demo\"");
    check_refused(&client, "default/config/shared",
                  "resource \"default/config/shared\": the evidence asks for "
                  "\"default/disk/demo\"");
    reset_scene();
    scene.resource = NULL;
    CHECK(attest_anew(&nameless) == 200, member(&nameless, "detail"));
    CHECK(json_object_get(nameless.json, "resource") == NULL, "no name");
    check_refused(&nameless, "default/disk/vm-b",
                  "resource \"default/disk/vm-b\": the evidence names no resource, and this one "
                  "was not put with --shared");
    CHECK(get(&nameless, "default/config/shared") == 200, member(&nameless, "detail"));
    open_answer(&nameless, "for all of them");
    /* Named in the evidence but not in what it is bound to. */
    static const char *const odd[] = { "default/disk", "../../x", "a/b/{disk}", "a/b/\033[2J" };
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        reset_scene();
        scene.resource = odd[i];
        CHECK(attest_anew(&client) == 400, odd[i]);
    }
}

static void name_ak(const struct clo_private_key *key, char out[CLO_INSTANCE_HEX_SIZE])
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = snp_maker_public(key);
    struct clo_digest digest;
    struct clo_error err;

    must(clo_public_key_fingerprint(public, &digest, &err), &err);
    clo_hex_text(clo_digest_bytes(&digest), out);
}

/* One image, many machines: the name is made of what the evidence proves. */
static void test_templates(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4300 };
    char ak[CLO_INSTANCE_HEX_SIZE], other_ak[CLO_INSTANCE_HEX_SIZE];
    char own[200], others[200], detail[500], vm[CLO_INSTANCE_HEX_SIZE], path[200];
    struct clo_digest digest;

    (void)state;
    name_ak(scene.ak, ak);
    name_ak(scene.other_ak, other_ak);
    snprintf(own, sizeof own, "default/disk/demo-%s", ak);
    snprintf(others, sizeof others, "default/disk/demo-%s", other_ak);
    put(own, "the key of this machine", true);
    put(others, "the key of another", true);
    reset_scene();
    scene.resource = "default/disk/demo-{ak}";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strcmp(member(&client, "resource"), own) == 0, member(&client, "resource"));
    snprintf(detail, sizeof detail, "resource \"%s\": the evidence asks for \"%s\"", others, own);
    CHECK(get(&client, others) == 403, "another machine's");
    CHECK(strncmp(member(&client, "detail"), detail, 150) == 0, member(&client, "detail"));
    CHECK(get(&client, own) == 200, member(&client, "detail"));
    open_answer(&client, "the key of this machine");
    /* What the cloud calls it, as the report binds it; and what evidence of a vTPM does not prove. */
    scene.resource = "default/{vm}/disk";
    scene.vm = "26F8BC30-774E-4290-8E7A-535F3B672AEE";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene.vm), &digest);
    snprintf(path, sizeof path, "default/%s/disk", clo_hex_text(clo_digest_bytes(&digest), vm));
    CHECK(strcmp(member(&client, "resource"), path) == 0, member(&client, "resource"));
    scene.vm = NULL;
    CHECK(attest_anew(&client) == 403, "no VM id");
    CHECK(strcmp(member(&client, "detail"),
                 "resource \"default/{vm}/disk\": the evidence proves no {vm}") == 0,
          member(&client, "detail"));
    CHECK(strstr(last_decision, "attest refused") != NULL, last_decision);
    CHECK(get(&client, path) == 403, "nothing came of it");
    scene.resource = "default/disk/{report_id}";
    CHECK(attest_anew(&client) == 403, "a vTPM's evidence is of no launch");
}

/* The root of an accepted guest has its processor, its vTPM and its image, and gets nothing more. */
static void test_once_per_boot(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4400 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    struct clo_private_key *transport = scene.transport;
    static const char refused[] =
            "resource \"default/disk/once\": was released to this boot before";
    struct clo_error err;

    (void)state;
    must(clo_private_key_new(CLO_KEY_P256, 0, &other, &err), &err);
    put("default/disk/once", "once", true);
    reset_scene();
    scene.resource = "default/disk/once";
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the first");
    CHECK(strstr(last_decision, "holder ") != NULL && strstr(last_decision, ", boot ") != NULL,
          last_decision);
    /* Its answer was lost: in the same session, or in another of the same program, with its key. */
    CHECK(get(&client, scene.resource) == 200, member(&client, "detail"));
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the same key");
    scene.transport = other;
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    /* A broker that was started again has not forgotten, nor is a new secret for the same boot. */
    clo_broker_freep(&broker);
    broker = new_broker();
    put("default/disk/once", "a new secret", true);
    reset_scene();
    scene.transport = other;
    scene.resource = "default/disk/once";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    scene.resets = 1;
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the next boot");
    /* Both boots have theirs; and one that may ask for ever does. */
    scene.transport = transport;
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    rules = (struct clo_store_entry){ .any_releases = true };
    put("default/disk/once", "as often as you like", true);
    rules = (struct clo_store_entry){ 0 };
    reset_scene();
    scene.resource = "default/disk/once";
    scene.resets = 1;
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "any");
    scene.transport = transport;
}

/* Copies and strangers: refused where the name is one machine's, else told. */
static void test_second_holder(void **state)
{
    static const struct {
        const char *name, *template;
        enum clo_second_holder rule;
        int64_t lease;
        bool is_copy; /* else another vTPM */
        const char *refused;
    } cases[] = {
        { "a plain name", "default/disk/held-0", CLO_SECOND_HOLDER_DEFAULT, 0, false, NULL },
        { "a plain name, refused", "default/disk/held-1", CLO_SECOND_HOLDER_REFUSE, 0, false,
          "another machine holds it" },
        { "one machine's name", "default/disk/held-2-{vm}", CLO_SECOND_HOLDER_DEFAULT, 0, false,
          "another machine holds it" },
        { "one machine's name, flagged", "default/disk/held-3-{vm}", CLO_SECOND_HOLDER_FLAG, 0,
          false, NULL },
        { "a copy of the vTPM", "default/disk/held-4-{vm}", CLO_SECOND_HOLDER_DEFAULT, 0, true,
          "an older state of it, or a copy" },
    };
    struct clo_private_key *ak = scene.ak;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 4500 };
        char path[CLO_RESOURCE_MAX + 1];
        reset_scene();
        scene.vm = "some machine";
        scene.resource = cases[i].template;
        scene.resets = 5;
        CHECK(attest_anew(&client) == 200, cases[i].name);
        snprintf(path, sizeof path, "%s", member(&client, "resource"));
        rules = (struct clo_store_entry){ .second_holder = cases[i].rule };
        put(path, path, true);
        rules = (struct clo_store_entry){ 0 };
        reset_scene();
        scene.vm = "some machine";
        scene.resource = cases[i].template;
        scene.resets = 5;
        CHECK(attest_anew(&client) == 200 && get(&client, path) == 200, cases[i].name);
        CHECK(strstr(last_decision, "flagged") == NULL, last_decision);
        scene.resets = cases[i].is_copy ? 4 : 5;
        scene.ak = cases[i].is_copy ? ak : scene.other_ak;
        CHECK(attest_anew(&client) == 200, cases[i].name);
        CHECK(get(&client, path) == (cases[i].refused == NULL ? 200 : 403), cases[i].name);
        CHECK(strstr(last_decision, cases[i].refused == NULL ? "flagged: another machine holds it"
                                                             : cases[i].refused) != NULL,
              last_decision);
        scene.ak = ak;
    }
}

/* Released all the same, but nobody who reads the trail takes it for what it is not. */
static void test_weak(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4700 };

    (void)state;
    accepts_weak = "a laboratory";
    put("default/disk/weak", "of a laboratory", true);
    accepts_weak = NULL;
    reset_scene();
    scene.resource = "default/disk/weak";
    scene.maker.report[0x90] ^= 1; /* a firmware that no other terms accept */
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strstr(last_decision, "attest warning ") == last_decision, last_decision);
    CHECK(get(&client, scene.resource) == 200, "released");
    must(clo_store_remove(store, "default/disk/weak", &(struct clo_error){ 0 }),
         &(struct clo_error){ .text = "remove" });
}

static void test_odd_requests(void **state)
{
    static const struct {
        const char *name, *method, *path, *body;
        unsigned status;
    } cases[] = {
        { "nothing there", "GET", "/", "", 400 },
        { "another method", "PUT", "/kbs/v0/auth", "{}", 400 },
        { "auth by GET", "GET", "/kbs/v0/auth", "", 400 },
        { "auth without a body", "POST", "/kbs/v0/auth", "", 400 },
        { "auth of another kind", "POST", "/kbs/v0/auth", "[]", 400 },
        { "auth without a TEE", "POST", "/kbs/v0/auth", "{\"version\":\"0.1.1\"}", 400 },
        { "a long TEE", "POST", "/kbs/v0/auth",
          "{\"version\":\"0.1.1\",\"tee\":\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop\"}", 400 },
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
        CHECK(ask(&client, "POST", "/kbs/v0/attest", bodies[i]) == 400, bodies[i]);
        CHECK(ask(&client, "GET", RESOURCE, "") == 403, bodies[i]);
    }
    CHECK(ask(&client, "GET", "/healthz", "") == 200, "health");
    CHECK(ask(&client, "GET", "/metrics", "") == 200, "metrics");
    CHECK(memmem(client.answer.body.data, client.answer.body.size, "cloister_attest_total{", 22) !=
                  NULL,
          "metrics");
}

/* --- Disks --- */

#define GENERATION "/cloister/v0/generation/default/disk/demo/"

/* The key comes with the disk that it is for, and the next generation is told once. */
static void test_disk(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 5500 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *none = NULL;
    struct clo_disk_identity disk = { .uuid = "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11",
                                      .volume_key = { CLO_HASH_SHA256, { 1 } },
                                      .header = { CLO_HASH_SHA256, { 2 } },
                                      .generation = 4 };
    struct clo_disk_identity found;
    char type[CLO_JWE_TYPE];
    struct clo_error err;

    (void)state;
    disk_to_put = &disk;
    put("default/disk/demo", SECRET, true);
    disk_to_put = NULL;
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    CHECK(ask(&client, "POST", GENERATION "5", "{}") == 403, "before it has the key");
    CHECK(strstr(member(&client, "detail"), "was not released in this session") != NULL,
          member(&client, "detail"));
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    must(clo_jwe_open_typed(client.json, scene.transport, type, &secret, &err), &err);
    CHECK(strcmp(type, CLO_DISK_RELEASE_TYPE) == 0, type);
    must(clo_disk_release_parse(clo_secret_bytes(secret), &key, &found, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(key), clo_bytes_text(SECRET)), "the key");
    must(clo_disk_identity_compare(&disk, &found, &err), &err);
    CHECK(found.generation == 4, "the last generation");
    /* Who takes it for the key itself gets nothing. */
    CHECK(!clo_jwe_open(client.json, scene.transport, &none, &err), "not plain bytes");
    CHECK(strstr(err.text, "cloister-disk+json") != NULL, err.text);

    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {
        { GENERATION "4", 403 },
        { GENERATION "5", 200 },
        { GENERATION "5", 403 }, /* of a second copy */
        { GENERATION "3", 403 },
        { GENERATION "9", 200 },
        { GENERATION "+10", 400 },
        { GENERATION "010", 400 },
        { GENERATION "10x", 400 },
        { GENERATION "9007199254740992", 400 },
        { GENERATION "", 400 },
        { "/cloister/v0/generation/default/disk/other/1", 403 },
        { "/cloister/v0/generation/default/1", 400 },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(ask(&client, "POST", cases[i].path, "{}") == cases[i].status, cases[i].path);
    CHECK(ask(&client, "GET", GENERATION "11", "") == 400, "GET");
    /* The next one is told how far it went. */
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    clo_secret_freep(&secret);
    clo_secret_freep(&key);
    must(clo_jwe_open_typed(client.json, scene.transport, type, &secret, &err), &err);
    must(clo_disk_release_parse(clo_secret_bytes(secret), &key, &found, &err), &err);
    CHECK(found.generation == 9, "the last generation");
    client.cookie[0] = '\0';
    CHECK(ask(&client, "POST", GENERATION "12", "{}") == 401, "without a session");
    put("default/disk/demo", SECRET, true);
}

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
    CHECK(attest(&client) == 403, "a forgery");
    CHECK(decisions <= before + 1 && strncmp(last_decision, "attest", 6) != 0, last_decision);
    CHECK(metric_is(200000, "cloister_sessions_in_use 0\n"), "takes no place");
    reset_scene();
    scene.cmdline = "init=/bin/sh";
    CHECK(attest(&client) == 403, "genuine, of another command line");
    CHECK(strncmp(last_decision, "attest refused", 14) == 0, last_decision);
    CHECK(metric_is(200000, "cloister_sessions_in_use 1\n"), "takes one");
    reset_scene();
    CHECK(attest(&client) == 403, "the nonce is used up");
    CHECK(strcmp(member(&client, "detail"), "nonce: used before; each is good once") == 0,
          member(&client, "detail"));
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
    CHECK(attest(&client) == 403, "nothing to release");
    CHECK(strcmp(member(&client, "detail"), "no key is registered at this broker") == 0,
          member(&client, "detail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_refused_evidence),
        cmocka_unit_test(test_foreign_root),
        cmocka_unit_test(test_nonce_once),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_terms_replaced),
        cmocka_unit_test(test_another_machine),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_once_per_boot),
        cmocka_unit_test(test_second_holder),
        cmocka_unit_test(test_weak),
        cmocka_unit_test(test_odd_requests),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_junk),
        cmocka_unit_test(test_what_uses_a_nonce),
        cmocka_unit_test(test_nothing_registered),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
