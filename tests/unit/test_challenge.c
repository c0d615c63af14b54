/* Veraison's challenge-response API at the broker: its statuses, results in both forms, and that nothing is ever released in
 * it. */
#include "trustee_maker.h"

#include "cloister/ear.h"
#include "cloister/encoding.h"
#include "verifier/kbs/junk.h"

#define NEW        "/challenge-response/v1/newSession"
#define BUNDLE     "application/vnd.cloister.evidence+json"
#define TSM        "application/vnd.veraison.configfs-tsm+json"
#define JWT        "application/eat+jwt"
#define CWT        "application/eat+cwt"
#define POLICY_FOR "{\"cloister_policy\":1,\"name\":\"bare\",\"tee\":[\"snp\"],\"roots\":[\"%s\"],"

static int set_up_challenge(void **state)
{
    char policy[4096], measurement[2 * 48 + 1], root[2 * 32 + 1];

    if (set_up(state) != 0)
        return 1;
    scene_reset(&scene);
    clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), measurement);
    clo_hex_text(clo_digest_bytes(&scene.maker.root), root);
    snprintf(policy, sizeof policy,
             POLICY_FOR "\"evidence\":[\"bare\"],\"snp\":{\"measurement\":[\"%s\"],"
                        "\"measurement_covers\":[\"kernel\",\"initrd\",\"cmdline\"]}}",
             root, measurement);
    put_shared("default/snp/a", "for SNP", policy);
    return 0;
}

/* --- A client --- */

struct session {
    struct client client;
    const char *peer;
    char path[200];
};

static void free_session(struct session *session)
{
    free_client(&session->client);
}

static unsigned send_it(struct session *session, const char *method, const char *path,
                        const char *query, const char *type, const char *accept, const char *body)
{
    struct client *client = &session->client;
    const struct clo_broker_request request = {
        .method = method,
        .path = path,
        .query = query,
        .content_type = type,
        .accept = accept,
        .peer = session->peer,
        .body = clo_bytes_text(body),
        .time = SNP_MAKER_NOW,
        .clock = client->clock,
    };

    return send_request(client, &request);
}

static unsigned begin_session(struct session *session, const char *query)
{
    unsigned status = send_it(session, "POST", NEW, query, NULL, NULL, "");

    snprintf(session->client.nonce, sizeof session->client.nonce, "%.63s",
             member(&session->client, "nonce"));
    snprintf(session->path, sizeof session->path, "%s", session->client.answer.location);
    return status;
}

/* The scene's bundle over the session's nonce. */
static void make_bundle(const struct session *session, struct clo_buffer *body)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;

    if (strcmp(scene.nonce, NONCE) == 0)
        scene.nonce = session->client.nonce;
    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(&scene, evidence, &certificates);
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_evidence_json(evidence);
    must(clo_json_write(json, body, &err), &err);
    scene.nonce = NONCE;
}

static unsigned send_bundle(struct session *session, const char *accept)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };

    make_bundle(session, &body);
    return send_it(session, "POST", session->path, NULL, BUNDLE, accept, clo_buffer_string(&body));
}

/* configfs-tsm's files: a report whose REPORT_DATA is the nonce. */
static unsigned send_tsm(struct session *session, struct clo_bytes report_data)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    struct clo_error err;

    scene_reset(&scene);
    memset(scene.maker.report + 0x50, 0, 64);
    memcpy(scene.maker.report + 0x50, report_data.data, report_data.size);
    snp_maker_make(&scene.maker, &certificates);
    for (size_t i = 0; i < certificates.count; i++)
        must(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[i]), &pem, &err),
             &err);
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:s, s:o, s:o}", "provider", "sev_guest", "outblob",
                      clo_json_base64url(clo_bytes(scene.maker.report, sizeof scene.maker.report)),
                      "auxblob", clo_json_base64url(clo_buffer_bytes(&pem)));
    must(clo_json_write(json, &body, &err), &err);
    return send_it(session, "POST", session->path, NULL, TSM, NULL, clo_buffer_string(&body));
}

/* The key by which the well-known document says that results are signed. */
static void find_key(struct session *session, struct clo_public_key **out)
{
    struct clo_error err;

    CHECK(send_it(session, "GET", "/.well-known/veraison/verification", NULL, NULL, NULL, "") ==
                  200,
          "well-known");
    CHECK(strcmp(member(&session->client, "state"), "READY") == 0, "state");
    const json_t *points = json_object_get(session->client.json, "api-endpoints");
    CHECK(strcmp(json_string_value(json_object_get(points, "newChallengeResponseSession")), NEW) ==
                  0,
          "where sessions are begun");
    must(clo_jwk_to_public_key(json_object_get(session->client.json, "ear-verification-key"), out,
                               &err),
         &err);
}

static void check_result(struct clo_bytes token, const struct clo_public_key *key,
                         const char *nonce, const char *status)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_error err;

    must(clo_ear_read(token, key, &claims, &err), &err);
    const json_t *cpu = json_object_get(json_object_get(claims, "submods"), "cpu0");
    const char *said = json_string_value(json_object_get(cpu, "ear_status"));
    CHECK(said != NULL && strcmp(said, status) == 0, said == NULL ? "no status" : said);
    said = json_string_value(json_object_get(claims, "eat_nonce"));
    CHECK(said != NULL && strcmp(said, nonce) == 0, said == NULL ? "no nonce" : said);
}

/* --- What works --- */

static void test_flow(void **state)
{
    CLO_CLEANUP(free_session) struct session s = { .client.clock = 100 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    (void)state;
    find_key(&s, &key);
    CHECK(begin_session(&s, "nonceSize=32") == 201, member(&s.client, "detail"));
    CHECK(strncmp(s.path, "/challenge-response/v1/session/", 31) == 0, s.path);
    CHECK(strcmp(member(&s.client, "state"), "waiting") == 0 && strlen(s.client.nonce) == 43,
          s.client.nonce);
    CHECK(json_array_size(json_object_get(s.client.json, "accept")) == 2, "media types");
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 200 &&
                  strcmp(member(&s.client, "nonce"), s.client.nonce) == 0 &&
                  strcmp(member(&s.client, "state"), "waiting") == 0,
          "before");
    reset_scene();
    CHECK(send_bundle(&s, NULL) == 200, member(&s.client, "detail"));
    CHECK(strcmp(member(&s.client, "state"), "complete") == 0, "state");
    check_result(clo_bytes_text(member(&s.client, "result")), key, s.client.nonce, "affirming");
    CHECK(strstr(last_decision, "attest affirming -") != NULL, last_decision);
    /* In the other forms, later. */
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, CWT, "") == 200 &&
                  strcmp(s.client.answer.content_type, CWT) == 0,
          "as a CWT");
    check_result(clo_buffer_bytes(&s.client.answer.body), key, s.client.nonce, "affirming");
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, JWT, "") == 200 &&
                  strcmp(s.client.answer.content_type, JWT) == 0,
          "as a JWT");
    check_result(clo_buffer_bytes(&s.client.answer.body), key, s.client.nonce, "affirming");
    /* Once. */
    CHECK(send_bundle(&s, NULL) == 409, "again");
    CHECK(strstr(member(&s.client, "detail"), "has its result") != NULL,
          member(&s.client, "detail"));
    CHECK(send_it(&s, "DELETE", s.path, NULL, NULL, NULL, "") == 204, "deleted");
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 404, "is gone");
    CHECK(send_bundle(&s, NULL) == 409, "its nonce stays used");
}

/* Whatever the verdict is, it is the result. */
static void test_contraindicated(void **state)
{
    CLO_CLEANUP(free_session) struct session s = { .client.clock = 150 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    (void)state;
    find_key(&s, &key);
    CHECK(begin_session(&s, NULL) == 201, "begin");
    reset_scene();
    scene.quoted = 0xf; /* not those that the policy demands */
    CHECK(send_bundle(&s, CWT) == 200, member(&s.client, "detail"));
    check_result(clo_buffer_bytes(&s.client.answer.body), key, s.client.nonce, "contraindicated");
    CHECK(strstr(last_decision, "attest refused -") != NULL, last_decision);
}

/* A genuine machine that is not the owner's has no end of evidence; but each costs rows. */
static void test_costs(void **state)
{
    CLO_CLEANUP(free_session)
    struct session s = { .client.clock = 155, .peer = "192.0.2.77" };
    size_t count = 0;

    (void)state;
    reset_scene();
    scene.quoted = 0xf;
    while (count <= CLO_JUNK_BURST && begin_session(&s, NULL) == 201 &&
           send_bundle(&s, NULL) == 200)
        count++;
    CHECK(count == CLO_JUNK_BURST && s.client.answer.status == 429, "more than its share");
    CHECK(strstr(member(&s.client, "detail"), "too many requests") != NULL,
          member(&s.client, "detail"));
}

static void test_report_alone(void **state)
{
    static const char *const sizes[] = { "nonceSize=8", "nonceSize=32", "nonceSize=64" };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sizes); i++) {
        CLO_CLEANUP(free_session) struct session s = { .client.clock = 160 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
        char text[96];
        if (key == NULL)
            find_key(&s, &key);
        CHECK(begin_session(&s, sizes[i]) == 201, sizes[i]);
        snprintf(text, sizeof text, "%s", member(&s.client, "nonce"));
        must(clo_base64url_read(clo_bytes_text(text), &nonce, &err), &err);
        CHECK(nonce.size == (i == 0 ? 8u : i == 1 ? 32u : 64u), sizes[i]);
        CHECK(send_tsm(&s, clo_bytes(nonce.data, nonce.size - 1)) == 403, "another nonce");
        CHECK(send_tsm(&s, clo_buffer_bytes(&nonce)) == 200, member(&s.client, "detail"));
        check_result(clo_bytes_text(member(&s.client, "result")), key, text, "affirming");
    }
}

/* --- What is refused --- */

static void test_refused(void **state)
{
    static const char *const sizes[] = { "nonceSize=7",          "nonceSize=65",
                                         "nonceSize=",           "nonceSize=-",
                                         "nonceSize=32&nonce=x", "nonce=AAAAAAAAAAA",
                                         "nonceSize=4294967328" };
    CLO_CLEANUP(free_session) struct session s = { .client.clock = 170 };
    CLO_CLEANUP(free_session) struct session other = { .client.clock = 170 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sizes); i++)
        CHECK(begin_session(&s, sizes[i]) == 400, sizes[i]);
    CHECK(begin_session(&s, NULL) == 201, "begin");
    CHECK(send_it(&s, "POST", s.path, NULL, "text/plain", NULL, "x") == 415, "a media type");
    CHECK(send_it(&s, "POST", s.path, NULL, NULL, NULL, "x") == 415, "no media type");
    CHECK(send_it(&s, "POST", s.path, NULL, BUNDLE, NULL, "{}") == 400, "not evidence");
    CHECK(send_it(&s, "POST", s.path, NULL, TSM, NULL, "[1]") == 400, "not evidence");
    /* Evidence for another session's nonce. */
    CHECK(begin_session(&other, NULL) == 201, "another");
    reset_scene();
    scene.nonce = other.client.nonce;
    CHECK(send_bundle(&s, NULL) == 403, member(&s.client, "detail"));
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 200 &&
                  strcmp(member(&s.client, "state"), "waiting") == 0,
          "junk uses nothing up");
    char good = s.path[60];
    s.path[60] = good == 'A' ? 'B' : 'A';
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 404, "a forged name");
    CHECK(send_bundle(&s, NULL) == 404, "a forged name");
    s.path[60] = good;
    s.client.clock += 61;
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 404, "is over");
}

/* Neither its name, nor its result, nor a detour over the other protocol. */
static void test_releases_nothing(void **state)
{
    CLO_CLEANUP(free_session) struct session s = { .client.clock = 180 };
    CLO_CLEANUP(free_client) struct client kbs = { .clock = 180 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    size_t most;

    (void)state;
    CHECK(begin_session(&s, NULL) == 201, "begin");
    snprintf(kbs.cookie, sizeof kbs.cookie, "%s", strrchr(s.path, '/') + 1);
    snprintf(kbs.nonce, sizeof kbs.nonce, "%s", s.client.nonce);
    reset_scene();
    make_attest(&kbs, &body);
    scene.nonce = NONCE;
    CHECK(ask(&kbs, "POST", "/kbs/v0/attest", clo_buffer_string(&body)) == 401,
          "its nonce in the other protocol");
    CHECK(strstr(member(&kbs, "detail"), "of another protocol") != NULL, member(&kbs, "detail"));
    CHECK(send_bundle(&s, NULL) == 200, member(&s.client, "detail"));
    clo_buffer_printf(&kbs.authorization, "Bearer %s", member(&s.client, "result"));
    CHECK(get(&kbs, "default/disk/demo") == 401 && get(&kbs, "default/snp/a") == 401, "its result");
    kbs.authorization.size = 0;
    CHECK(get(&kbs, "default/disk/demo") == 401 && get(&kbs, "default/snp/a") == 401, "its name");
    CHECK(strstr(member(&kbs, "detail"), "of another protocol") != NULL, member(&kbs, "detail"));
    /* And the other way round. */
    begin(&kbs);
    snprintf(s.path, sizeof s.path, "/challenge-response/v1/session/%s", kbs.cookie);
    CHECK(send_it(&s, "GET", s.path, NULL, NULL, NULL, "") == 404, "a session of the KBS protocol");
    CHECK(strstr(member(&s.client, "detail"), "there is none of this name") != NULL,
          member(&s.client, "detail"));
    CHECK(send_bundle(&s, NULL) == 404, "evidence in one");
    const struct clo_broker_request head = { .method = "POST", .path = s.path, .clock = 180 };
    clo_broker_answer_free(&s.client.answer);
    CHECK(!clo_broker_admit(broker, &head, &most, &s.client.answer) &&
                  s.client.answer.status == 404,
          "before its body is read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),    cmocka_unit_test(test_contraindicated),
        cmocka_unit_test(test_costs),   cmocka_unit_test(test_report_alone),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_releases_nothing),
    };

    return cmocka_run_group_tests(tests, set_up_challenge, tear_down);
}
