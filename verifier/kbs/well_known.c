/* What relying parties need to take tokens: the public key, by its name, and documents that say where it is.
 *
 *   GET /.well-known/jwks.json             RFC 7517
 *   GET /.well-known/openid-configuration  OpenID Connect Discovery, section 3: issuer and jwks_uri
 *   GET /.well-known/veraison/verification Veraison's services (docs/api), with the key itself
 *
 * An issuer's name is a URL: the one that the owner says (--public-url), else none is given. */
#include "broker_internal.h"

#include <string.h>

static bool make_jwk(const struct clo_broker *broker, json_t **out, struct clo_error *err)
{
    const struct clo_public_key *key = broker->token_public;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    const char *algorithm;

    if (!clo_jws_algorithm(clo_public_key_kind(key), &algorithm, err) ||
        !clo_jwk_from_public_key(key, &jwk, err))
        return false;
    if (json_object_set_new(jwk, "alg", json_string(algorithm)) != 0 ||
        json_object_set_new(jwk, "use", json_string("sig")) != 0 ||
        json_object_set_new(jwk, "kid", json_string(broker->token_key_id)) != 0)
        return clo_out_of_memory(err);
    *out = CLO_TAKE(jwk);
    return true;
}

bool broker_jwks(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;

    (void)request;
    return make_jwk(broker, &jwk, err) &&
           broker_json(answer, "application/json", json_pack("{s:[O]}", "keys", jwk), err);
}

bool broker_openid(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    const char *url = broker->spec.public_url;
    const char *algorithm;

    (void)request;
    if (url == NULL) {
        broker_refuse(answer, 404, BROKER_ERROR_PATH);
        return clo_fail(err, CLO_ERR_REFUSED, "this broker was not told its URL (--public-url)");
    }
    return clo_jws_algorithm(clo_private_key_kind(broker->token_key), &algorithm, err) &&
           broker_json(answer, "application/json",
                       json_pack("{s:s, s:s+, s:[s], s:[s], s:[s]}", "issuer", url, "jwks_uri", url,
                                 BROKER_JWKS_PATH, "id_token_signing_alg_values_supported",
                                 algorithm, "response_types_supported", "id_token",
                                 "subject_types_supported", "public"),
                       err);
}

bool broker_veraison(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;

    (void)request;
    return make_jwk(broker, &jwk, err) &&
           broker_json(answer, "application/vnd.veraison.discovery+json",
                       json_pack("{s:O, s:o, s:s, s:s, s:s, s:{s:s}}", "ear-verification-key", jwk,
                                 "media-types", broker_challenge_types(), "version",
                                 CLOISTER_VERSION, "service-state", "READY", "state", "READY",
                                 "api-endpoints", "newChallengeResponseSession",
                                 BROKER_CHALLENGE_NEW),
                       err);
}
