#include "cli/broker/remote.h"

#include <string.h>
#include <time.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "device/file.h"
#include "device/key_file.h"
#include "net/kbs_admin.h"
#include "verifier/kbs/admin.h"

#define TIMEOUT_MS    30000
#define TOKEN_SECONDS 60
#define TOKEN_LIMIT   16384

bool cli_remote_check(const struct cli_remote *remote, const char *state, const char **why)
{
    bool has_more = remote->pin != NULL || remote->key != NULL || remote->certificate != NULL ||
                    remote->token != NULL || remote->role != NULL;

    *why = NULL;
    if ((state == NULL) == (remote->url == NULL))
        *why = state == NULL ? "--state or --broker is needed"
                             : "--state and --broker: one of them";
    else if (remote->url == NULL && has_more)
        *why = "--broker-key and --admin-… are for --broker";
    else if (remote->url != NULL && remote->pin == NULL)
        *why = "--broker-key is needed: what the broker is known by";
    else if (remote->url != NULL && (remote->key == NULL) == (remote->token == NULL))
        *why = "--admin-key or --admin-token is needed, and one of them";
    else if (remote->certificate != NULL && remote->key == NULL)
        *why = "--admin-cert goes with --admin-key";
    else if (remote->role != NULL && (remote->certificate != NULL || remote->token != NULL))
        *why = "--admin-role is for a token that --admin-key signs";
    return *why == NULL;
}

/* For the broker that is meant and no other: one that it is sent to cannot send it on. */
static bool sign_token(const struct cli_remote *remote, const struct clo_private_key *key,
                       struct clo_bytes spki, struct clo_buffer *out, struct clo_error *err)
{
    int64_t now = (int64_t)time(NULL);
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, spki, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    CLO_CLEANUP(clo_json_freep)
    json_t *claims =
            json_pack("{s:s, s:s+, s:I, s:I}", "role",
                      remote->role == NULL ? "admin" : remote->role, "aud", CLO_ADMIN_BROKER, hex,
                      "iat", (json_int_t)now, "exp", (json_int_t)(now + TOKEN_SECONDS));

    if (claims == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--admin-role: not text");
    return clo_jws_sign(key, claims, out, err) || clo_wrap(err, "%s", remote->key);
}

static bool read_token(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    if (!clo_file_read(path, TOKEN_LIMIT, out, err))
        return false;
    while (out->size > 0 && strchr(" \r\n", out->data[out->size - 1]) != NULL)
        out->size--;
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] <= ' ' || out->data[i] >= 0x7f)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: not a token", path);
    return out->size > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path);
}

/* What shows who asks: a token, or a key with its certificate. */
struct identity {
    struct clo_buffer spki, token;
    struct clo_private_key *key;
};

static void free_identity(struct identity *identity)
{
    clo_buffer_free(&identity->spki);
    clo_buffer_free(&identity->token);
    clo_private_key_free(identity->key);
}

static bool read_identity(const struct cli_remote *remote, struct identity *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *pin = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (!clo_key_file_public(remote->pin, &pin, &pem, err) ||
        !clo_public_key_spki(pin, &out->spki, err))
        return false;
    if (remote->token != NULL)
        return read_token(remote->token, &out->token, err);
    return clo_key_file_private(remote->key, NULL, &out->key, err) &&
           (remote->certificate != NULL ||
            sign_token(remote, out->key, clo_buffer_bytes(&out->spki), &out->token, err));
}

bool cli_remote_ask(const struct cli_remote *remote, const char *word, const char *name,
                    json_t *body, json_t **answer, struct clo_error *err)
{
    CLO_CLEANUP(free_identity) struct identity identity = { .key = NULL };
    CLO_CLEANUP(clo_json_freep) json_t *owned = body;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    clo_buffer_printf(&path, "%s%s%s", word, name[0] == '\0' ? "" : "/", name);
    const char *path_text = clo_buffer_string(&path);
    if (owned == NULL || path_text == NULL)
        return clo_out_of_memory(err);
    if (!read_identity(remote, &identity, err))
        return false;
    const char *token = clo_buffer_string(&identity.token);
    if (token == NULL)
        return clo_out_of_memory(err);
    bool by_certificate = remote->certificate != NULL;
    const struct clo_kbs_admin admin = {
        .peer = { .url = remote->url,
                  .spki = clo_buffer_bytes(&identity.spki),
                  .key = by_certificate ? identity.key : NULL,
                  .certificate_file = remote->certificate },
        .token = by_certificate ? NULL : token,
        .timeout_ms = TIMEOUT_MS,
    };
    return clo_kbs_admin_ask(&admin, path_text, owned, answer, err);
}
