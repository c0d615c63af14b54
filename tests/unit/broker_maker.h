/* A broker without a socket: a pretend platform's evidence, one registered image, and a client. */
#ifndef CLOISTER_TEST_BROKER_MAKER_H
#define CLOISTER_TEST_BROKER_MAKER_H

#include "verifier/kbs/broker.h"

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
static inline bool fill_random(void *context, void *out, size_t size)
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

static inline void on_decision(void *context, const struct clo_audit *decision)
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
static inline void reset_scene(void)
{
    scene_reset(&scene);
    scene.resource = "default/disk/demo";
}

static inline void put(const char *path, const char *secret, bool same_measurement)
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

static struct clo_admin *administrators; /* NULL: none */

static inline struct clo_broker *new_broker_with(bool has_old_names)
{
    const struct clo_broker_spec spec = { .store = store,
                                          .random = { .fill = fill_random },
                                          .nonce_seconds = 60,
                                          .has_old_names = has_old_names,
                                          .admin = administrators,
                                          .on_decision = on_decision };
    struct clo_broker *made;
    struct clo_error err;

    must(clo_broker_new(&spec, &made, &err), &err);
    return made;
}

static inline struct clo_broker *new_broker(void)
{
    return new_broker_with(false);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

static inline void free_client(struct client *client)
{
    clo_buffer_free(&client->authorization);
    clo_broker_answer_free(&client->answer);
    json_decref(client->json);
    *client = (struct client){ 0 };
}

/* Takes the answer, and what JSON it has, in place of the last one. */
static inline unsigned send_request(struct client *client, const struct clo_broker_request *request)
{
    struct clo_error ignored;

    clo_broker_answer_free(&client->answer);
    json_decref(client->json);
    client->json = NULL;
    clo_broker_answer(broker, request, &client->answer);
    if (!clo_json_parse(clo_buffer_bytes(&client->answer.body), &client->json, &ignored))
        client->json = NULL;
    return client->answer.status;
}

static inline unsigned ask(struct client *client, const char *method, const char *path,
                           const char *body)
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

    return send_request(client, &request);
}

static inline const char *member(const struct client *client, const char *key)
{
    const char *text = json_string_value(json_object_get(client->json, key));

    return text == NULL ? "" : text;
}

static inline void begin(struct client *client)
{
    CHECK(ask(client, "POST", "/kbs/v0/auth",
              "{\"version\":\"0.1.1\",\"tee\":\"az-snp-vtpm\",\"extra-params\":{}}") == 200,
          "auth");
    memcpy(client->cookie, client->answer.cookie, sizeof client->cookie);
    snprintf(client->nonce, sizeof client->nonce, "%s", member(client, "nonce"));
}

/* The scene's evidence, over this client's nonce unless the scene has one of its own. */
static inline void make_attest(const struct client *client, struct clo_buffer *body)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
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
    must(clo_json_write(json, body, &err), &err);
}

static inline unsigned attest(struct client *client)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };

    make_attest(client, &body);
    return ask(client, "POST", "/kbs/v0/attest", clo_buffer_string(&body));
}

static inline void give_token(struct client *client)
{
    clo_buffer_printf(&client->authorization, "Bearer %s", member(client, "token"));
}

static inline void open_answer(const struct client *client, const char *expected)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    must(clo_jwe_open(client->json, scene.transport, &secret, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes_text(expected)), "the secret");
}

/* Attests as the scene is, and says how it went. */
static inline unsigned attest_anew(struct client *client)
{
    client->authorization.size = 0;
    begin(client);
    unsigned status = attest(client);
    scene.nonce = NONCE;
    return status;
}

static inline unsigned get(struct client *client, const char *resource)
{
    char path[300];

    snprintf(path, sizeof path, "/kbs/v0/resource/%s", resource);
    return ask(client, "GET", path, "");
}

static inline void check_refused(struct client *client, const char *resource, const char *detail)
{
    CHECK(get(client, resource) == (strstr(detail, ": there is none") != NULL ? 404 : 403),
          resource);
    CHECK(strcmp(member(client, "detail"), detail) == 0, member(client, "detail"));
    CHECK(strstr(last_decision, detail) != NULL, last_decision);
}

#endif
