/* What Trustee's own programs asked their server, asked here: each answer is Trustee's, but where docs/trustee.md says what differs
 * and why. Sample evidence is made anew over the nonces that we give, hashed as the recorded client hashed it. */
#include "trustee_maker.h"

#include "cloister/encoding.h"
#include "vectors.h"

#define ERRORS "https://github.com/confidential-containers/kbs/errors/"

static int set_up_wire(void **state)
{
    if (set_up(state) != 0)
        return 1;
    put_shared("default/disk/demo", "the secret of the demo", TRUSTEE_POLICY_SAMPLE);
    return 0;
}

/* Where the page says that an answer is another one, and what it is; a prefix of the recording's name. */
static const struct {
    const char *name, *path;
    unsigned status;
    const char *type; /* NULL: none */
} differs[] = {
    { "auth: version 0.1.1", "/kbs/v0/auth", 200, NULL },
    { "auth: version 0.2.0", "/kbs/v0/auth", 200, NULL },
    { "auth: version 0.3.0", "/kbs/v0/auth", 200, NULL },
    { "resource: tee-pubkey P-384", "/kbs/v0/resource/", 200, NULL },
    { "resource: tee-pubkey RSA1_5", "/kbs/v0/resource/", 401, "JweError" },
    { "resource: missing", "/kbs/v0/resource/", 404, "PluginInternalError" },
    { "unknown path", "/nothing", 404, "InvalidRequestPath" },
};

/* Without a client of their own: what needs an administrator, or a server that was told something else. */
static const char *const left_out[] = { "admin: ", "kbs-client config ",
                                        "resource: policy says no" };

static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < CLO_COUNT(left_out); i++)
        if (strncmp(name, left_out[i], strlen(left_out[i])) == 0)
            return true;
    return false;
}

static bool begins(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* --- Sample evidence anew --- */

/* Which of the ways in which the recorded clients hash was it? */
static bool make_alike(const char *recorded_nonce, const char *nonce, const json_t *key,
                       const char *recorded, struct clo_buffer *out)
{
    static const struct {
        const char *additional;
        enum clo_hash hash;
        size_t size;
    } ways[] = { { "", CLO_HASH_SHA384, 48 },
                 { "", CLO_HASH_SHA256, 32 },
                 { NULL, CLO_HASH_SHA384, 48 },
                 { "", CLO_HASH_SHA384, 64 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer field = { 0 };
    struct clo_error err;

    must(clo_base64_read(clo_bytes_text(recorded), &field, &err), &err);
    for (size_t i = 0; i < CLO_COUNT(ways); i++) {
        uint8_t padded[64] = { 0 };
        struct clo_digest digest;
        trustee_digest(recorded_nonce, key, ways[i].additional, ways[i].hash, &digest);
        memcpy(padded, digest.bytes, clo_hash_size(digest.hash));
        if (!clo_bytes_equal(clo_bytes(padded, ways[i].size), clo_buffer_bytes(&field)))
            continue;
        memset(padded, 0, sizeof padded);
        trustee_digest(nonce, key, ways[i].additional, ways[i].hash, &digest);
        memcpy(padded, digest.bytes, clo_hash_size(digest.hash));
        clo_base64_write(clo_bytes(padded, ways[i].size), out);
        return true;
    }
    return false;
}

/* The recorded body with our nonce in place of the recorded one; what is not such a body stays as it is. */
static void adapt(const char *text, const char *recorded_nonce, const char *nonce,
                  struct clo_buffer *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *body = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer field = { 0 };
    struct clo_error err;

    if (!clo_json_parse(clo_bytes_text(text), &body, &err)) {
        clo_buffer_text(out, text);
        return;
    }
    json_t *runtime = json_object_get(body, "runtime-data");
    json_t *primary = json_object_get(json_object_get(body, "tee-evidence"), "primary_evidence");
    const char *said = json_string_value(json_object_get(runtime, "nonce"));
    const char *data = json_string_value(json_object_get(primary, "report_data"));
    if (said != NULL && data != NULL) {
        bool is_own = strcmp(said, recorded_nonce) == 0;
        const char *with = is_own ? nonce : said;
        CHECK(make_alike(said, with, json_object_get(runtime, "tee-pubkey"), data, &field),
              "hashed in a way that is not known");
        json_object_set_new(runtime, "nonce", json_string(with));
        json_object_set_new(primary, "report_data", json_string(clo_buffer_string(&field)));
    }
    must(clo_json_write(body, out, &err), &err);
}

/* --- A recording --- */

struct replay {
    struct client client;
    char recorded_nonce[64];
    char recorded_cookie[128];
    char token[16384];
};

static const char *header(const json_t *message, const char *name)
{
    return json_string_value(json_object_get(json_object_get(message, "headers"), name));
}

/* The cookie that the recorded server gave is ours; another one is as it was. */
static void set_cookie(struct replay *r, const json_t *request, char kept[CLO_SESSION_COOKIE])
{
    const char *cookie = header(request, "cookie");

    memcpy(kept, r->client.cookie, CLO_SESSION_COOKIE);
    if (cookie == NULL)
        r->client.cookie[0] = '\0';
    else if (r->recorded_cookie[0] == '\0' ||
             strncmp(cookie, r->recorded_cookie, strlen(r->recorded_cookie)) != 0)
        snprintf(r->client.cookie, CLO_SESSION_COOKIE, "%.60s", "0123456789abcdef");
}

static void check_answer(const char *name, const struct client *client, const char *path,
                         const json_t *response)
{
    unsigned status = (unsigned)json_integer_value(json_object_get(response, "status"));
    const char *text =
            json_string_value(json_object_get(json_object_get(response, "body"), "text"));
    CLO_CLEANUP(clo_json_freep)
    json_t *body = text == NULL ? NULL : json_loads(text, 0, NULL);
    const char *type = json_string_value(json_object_get(body, "type"));
    char full[160];

    for (size_t i = 0; i < CLO_COUNT(differs); i++)
        if (begins(name, differs[i].name) && begins(path, differs[i].path)) {
            status = differs[i].status;
            snprintf(full, sizeof full, ERRORS "%s",
                     differs[i].type == NULL ? "" : differs[i].type);
            type = differs[i].type == NULL ? NULL : full;
        }
    if (client->answer.status != status || (type != NULL && strcmp(member(client, "type"), type)))
        fail_msg("%s: %s: status %u, expected %u: %s %s (expected %s)", name, path,
                 client->answer.status, status, member(client, "type"), member(client, "detail"),
                 type == NULL ? "-" : type);
}

static void replay_one(const char *name, struct replay *r, const json_t *exchange)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    const json_t *request = json_object_get(exchange, "request");
    const json_t *response = json_object_get(exchange, "response");
    const char *method = json_string_value(json_object_get(request, "method"));
    const char *text = json_string_value(json_object_get(json_object_get(request, "body"), "text"));
    const char *given = header(response, "set-cookie");
    char kept[CLO_SESSION_COOKIE], path[512];

    snprintf(path, sizeof path, "%s", json_string_value(json_object_get(request, "path")));
    path[strcspn(path, "?")] = '\0'; /* the door cuts it off */
    adapt(text == NULL ? "" : text, r->recorded_nonce, r->client.nonce, &body);
    set_cookie(r, request, kept);
    (void)ask(&r->client, method, path, body.size == 0 ? "" : clo_buffer_string(&body));
    check_answer(name, &r->client, path, response);
    memcpy(r->client.cookie, kept, sizeof kept);
    if (r->client.answer.cookie[0] != '\0')
        memcpy(r->client.cookie, r->client.answer.cookie, sizeof r->client.cookie);
    if (given != NULL)
        snprintf(r->recorded_cookie, sizeof r->recorded_cookie, "%.*s", (int)strcspn(given, ";"),
                 given);
    const char *answered =
            json_string_value(json_object_get(json_object_get(response, "body"), "text"));
    CLO_CLEANUP(clo_json_freep)
    json_t *told = answered == NULL ? NULL : json_loads(answered, 0, NULL);
    const char *nonce = json_string_value(json_object_get(told, "nonce"));
    if (nonce != NULL) {
        snprintf(r->recorded_nonce, sizeof r->recorded_nonce, "%s", nonce);
        snprintf(r->client.nonce, sizeof r->client.nonce, "%s", member(&r->client, "nonce"));
    }
}

/* A session that the recording was in before it begins: attested with sample evidence. */
static void attest_before(struct replay *r, const struct clo_private_key *key)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = trustee_key(key, NULL);
    struct clo_digest digest;

    CHECK(trustee_auth(&r->client, "0.4.0", "sample") == 200, member(&r->client, "detail"));
    trustee_digest(r->client.nonce, jwk, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&r->client, jwk, trustee_sample(&digest), "", NULL) == 200,
          member(&r->client, "detail"));
}

static const char *first_cookie(const json_t *exchanges)
{
    return header(json_object_get(json_array_get(exchanges, 0), "request"), "cookie");
}

static void test_recorded(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *all = NULL;
    json_t *entry, *exchange;
    struct clo_error err;
    size_t i, k, tried = 0;

    (void)state;
    read_vector("trustee/wire/kbs.json", &text);
    must(clo_json_parse(clo_buffer_bytes(&text), &all, &err), &err);
    json_array_foreach (all, i, entry) {
        CLO_CLEANUP(free_client) struct client owner = { .clock = 1000 + (int64_t)i };
        struct replay r = { .client = owner };
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *exchanges = json_object_get(entry, "exchanges");
        const json_t *first = json_object_get(json_array_get(exchanges, 0), "request");
        if (is_left_out(name) || header(first, "authorization") != NULL)
            continue;
        /* The client library's evidence is a file: its platform's root is nobody's here, as at Trustee. */
        bool has_file = false;
        json_array_foreach (exchanges, k, exchange)
            has_file =
                    has_file ||
                    json_object_get(json_object_get(json_object_get(exchange, "request"), "body"),
                                    "file") != NULL;
        const char *cookie = first_cookie(exchanges);
        if (cookie != NULL && begins(cookie, "kbs-session-id=") &&
            !begins(name, "attest: unknown cookie")) {
            attest_before(&r, scene.transport);
            snprintf(r.recorded_cookie, sizeof r.recorded_cookie, "%s", cookie);
        }
        json_array_foreach (exchanges, k, exchange)
            if (!has_file || k == 0)
                replay_one(name, &r, exchange);
        tried++;
        free_client(&r.client);
    }
    CHECK(tried > 40, "as many as there are");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
    };

    return cmocka_run_group_tests(tests, set_up_wire, tear_down);
}
