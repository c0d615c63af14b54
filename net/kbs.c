#include "net/kbs.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/jose.h"
#include "net/https.h"
#include "net/kbs_problem.h"

#define NONCE_TEXT_MAX 512
#define SESSION_COOKIE "kbs-session-id="

struct clo_kbs_client {
    struct clo_https_connection *connection; /* one for all requests of a boot */
    struct clo_buffer spki;
    unsigned timeout_ms;
    char cookie[256];
    struct clo_buffer token;
};

bool clo_kbs_new(const char *url, struct clo_bytes spki, unsigned timeout_ms,
                 struct clo_kbs_client **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_kbs_freep) struct clo_kbs_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return clo_out_of_memory(err);
    clo_buffer_append(&client->spki, spki);
    if (!clo_buffer_ok(&client->spki))
        return clo_out_of_memory(err);
    const struct clo_https_peer peer = { url, clo_buffer_bytes(&client->spki) };
    if (!clo_https_open(&peer, &client->connection, err))
        return false;
    client->timeout_ms = timeout_ms;
    *out = CLO_TAKE(client);
    return true;
}

void clo_kbs_free(struct clo_kbs_client *client)
{
    if (client == NULL)
        return;
    clo_https_close(client->connection);
    clo_buffer_free(&client->spki);
    clo_buffer_free(&client->token);
    free(client);
}

void clo_kbs_freep(struct clo_kbs_client **client)
{
    clo_kbs_free(*client);
    *client = NULL;
}

static bool ask(struct clo_kbs_client *client, const char *method, const char *path,
                const json_t *body, struct clo_https_response *response, json_t **answer,
                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *bearer = clo_buffer_string(&client->token);
    struct clo_https_request request = {
        .method = method,
        .path = path,
        .content_type = body == NULL ? NULL : "application/json",
        .cookie = client->cookie[0] == '\0' ? NULL : client->cookie,
        .bearer = bearer == NULL || bearer[0] == '\0' ? NULL : bearer,
        .timeout_ms = client->timeout_ms,
    };

    if (body != NULL && !clo_json_write(body, &text, err))
        return false;
    request.body = clo_buffer_bytes(&text);
    if (!clo_https_ask(client->connection, &request, response, err))
        return false;
    if (response->status != 200)
        return kbs_explain(response, err);
    if (!clo_json_parse(clo_buffer_bytes(&response->body), answer, err))
        return clo_wrap(err, "the broker's answer");
    return true;
}

static bool auth(struct clo_kbs_client *client, const char *tee, struct clo_buffer *nonce_text,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    CLO_CLEANUP(clo_json_freep)
    json_t *body =
            json_pack("{s:s, s:s, s:{}}", "version", CLO_KBS_VERSION, "tee", tee, "extra-params");
    const char *nonce;

    if (body == NULL)
        return clo_out_of_memory(err);
    client->cookie[0] = '\0';
    clo_buffer_free(&client->token);
    if (!ask(client, "POST", "/kbs/v0/auth", body, &response, &answer, err))
        return false;
    if (!clo_json_get_string(answer, "nonce", &nonce, err))
        return clo_wrap(err, "the broker's answer");
    if (nonce[0] == '\0' || strlen(nonce) > NONCE_TEXT_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "the broker's answer: a nonce of %zu characters",
                        strlen(nonce));
    if (strncmp(response.cookie, SESSION_COOKIE, strlen(SESSION_COOKIE)) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "the broker's answer: no session cookie");
    memcpy(client->cookie, response.cookie, sizeof client->cookie);
    clo_buffer_text(nonce_text, nonce);
    return clo_buffer_ok(nonce_text) || clo_out_of_memory(err);
}

static bool attest(struct clo_kbs_client *client, const json_t *runtime_data,
                   const json_t *evidence_bundle, struct clo_buffer *token,
                   struct clo_buffer *resource, struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *runtime = json_deep_copy(runtime_data);
    CLO_CLEANUP(clo_json_freep) json_t *evidence = json_deep_copy(evidence_bundle);
    const char *result, *name;

    if (client->cookie[0] == '\0')
        return clo_fail(err, CLO_ERR_USAGE, "no session was begun");
    CLO_CLEANUP(clo_json_freep)
    json_t *body = json_pack("{s:O, s:{s:O, s:s}}", "runtime-data", runtime, "tee-evidence",
                             "primary_evidence", evidence, "additional_evidence", "");
    if (body == NULL)
        return clo_out_of_memory(err);
    if (!ask(client, "POST", "/kbs/v0/attest", body, &response, &answer, err))
        return false;
    if (!clo_json_get_string(answer, "token", &result, err) ||
        !clo_json_get_string_optional(answer, "resource", &name, err))
        return clo_wrap(err, "the broker's answer");
    clo_buffer_text(&client->token, result);
    clo_buffer_text(token, result);
    if (name != NULL)
        clo_buffer_text(resource, name);
    return (clo_buffer_ok(token) && clo_buffer_ok(&client->token) && clo_buffer_ok(resource)) ||
           clo_out_of_memory(err);
}

static bool resource(struct clo_kbs_client *client, const char *path, json_t **jwe,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer target = { 0 };

    if (client->token.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "nothing was attested");
    clo_buffer_printf(&target, "/kbs/v0/resource/%s", path);
    const char *text = clo_buffer_string(&target);
    if (text == NULL)
        return clo_out_of_memory(err);
    return ask(client, "GET", text, NULL, &response, jwe, err);
}

bool clo_kbs_auth(struct clo_kbs_client *client, const char *tee, struct clo_buffer *nonce_text,
                  struct clo_error *err)
{
    return auth(client, tee, nonce_text, err) || clo_wrap(err, "key broker: auth");
}

bool clo_kbs_attest(struct clo_kbs_client *client, const json_t *runtime_data,
                    const json_t *evidence_bundle, struct clo_buffer *token,
                    struct clo_buffer *resource, struct clo_error *err)
{
    return attest(client, runtime_data, evidence_bundle, token, resource, err) ||
           clo_wrap(err, "key broker: attest");
}

bool clo_kbs_resource(struct clo_kbs_client *client, const char *path, json_t **jwe,
                      struct clo_error *err)
{
    return resource(client, path, jwe, err) || clo_wrap(err, "key broker: resource %s", path);
}

/* What is told of a disk whose key was given: by who has attested. Takes `body` over. */
static bool tell(struct clo_kbs_client *client, struct clo_buffer *target, json_t *body,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *owned = body;
    const char *text = clo_buffer_string(target);

    if (client->token.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "nothing was attested");
    if (text == NULL || body == NULL)
        return clo_out_of_memory(err);
    return ask(client, "POST", text, owned, &response, &answer, err);
}

bool clo_kbs_generation(struct clo_kbs_client *client, const char *path, uint64_t generation,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer target = { 0 };

    clo_buffer_printf(&target, "/cloister/v0/generation/%s/%llu", path,
                      (unsigned long long)generation);
    return tell(client, &target, json_object(), err) ||
           clo_wrap(err, "key broker: generation %llu", (unsigned long long)generation);
}

bool clo_kbs_tag_errors(struct clo_kbs_client *client, const char *path, uint64_t count,
                        uint64_t first, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer target = { 0 };

    clo_buffer_printf(&target, "/cloister/v0/tag-errors/%s", path);
    return tell(client, &target,
                json_pack("{s:I, s:I}", "count", (json_int_t)count, "first", (json_int_t)first),
                err) ||
           clo_wrap(err, "key broker: tag errors");
}
