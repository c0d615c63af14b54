/* Reading an EAR: statuses in words and numbers, by names of every draft (draft-ietf-rats-ear-03, sections 3.1 to 3.3). */
#include <stdlib.h>
#include <string.h>

#include "cloister/cose.h"
#include "cloister/encoding.h"
#include "cloister/jose.h"

#include "lib/appraise/ear_internal.h"

/* --- What a result must be --- */

static const struct {
    const char *name;
    int64_t least; /* of the tier */
} tiers[] = { { "none", 0 }, { "affirming", 2 }, { "warning", 32 }, { "contraindicated", 96 } };

/* AR4SI's tiers (draft-ietf-rats-ar4si-09, section 2.3.2): -1 to 1 say nothing, and so do those below them. */
static size_t tier_of(int64_t value)
{
    return value >= 96 || value <= -97   ? 3
           : value >= 32 || value <= -33 ? 2
           : value >= 2 || value <= -2   ? 1
                                         : 0;
}

const char *ear_status_name(int64_t value)
{
    return tiers[tier_of(value)].name;
}

static bool read_status(const json_t *value, size_t *out, struct clo_error *err)
{
    const char *name = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= -128 &&
        json_integer_value(value) <= 127) {
        *out = tier_of(json_integer_value(value));
        return json_integer_value(value) == tiers[*out].least ||
               clo_fail(err, CLO_ERR_FORMAT, "status %lld is none of a tier",
                        (long long)json_integer_value(value));
    }
    for (size_t i = 0; name != NULL && i < CLO_COUNT(tiers); i++)
        if (strcmp(name, tiers[i].name) == 0) {
            *out = i;
            return true;
        }
    return clo_fail(err, CLO_ERR_FORMAT, "no status, or one that is not known");
}

/* The status is the worst of the vector, or worse: one that is better contradicts itself. */
static bool check_vector(const json_t *vector, size_t status, struct clo_error *err)
{
    const char *name;
    json_t *value;

    if (vector == NULL)
        return true;
    if (!json_is_object(vector) || json_object_size(vector) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "trustworthiness vector: not an object of some");
    json_object_foreach ((json_t *)(uintptr_t)vector, name, value) {
        if (!json_is_integer(value) || json_integer_value(value) < -128 ||
            json_integer_value(value) > 127)
            return clo_fail(err, CLO_ERR_FORMAT, "trustworthiness vector: \"%.40s\"", name);
        size_t tier = tier_of(json_integer_value(value));
        /* "None" says that nobody concluded anything: it promises nothing. */
        if (status > 0 && tier > status)
            return clo_fail(err, CLO_ERR_REFUSED, "status \"%s\", and %.40s is %s",
                            tiers[status].name, name, tiers[tier].name);
    }
    return true;
}

static bool read_submodule(const json_t *from, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    const char *name;
    json_t *value;
    size_t status;

    if (!json_is_object(from))
        return clo_fail(err, CLO_ERR_FORMAT, "not an object");
    json_object_foreach ((json_t *)(uintptr_t)from, name, value) {
        const char *renamed = ear_new_name(ear_sub_claims, ear_sub_claim_count, name);
        json_t *copy = strcmp(renamed, "ear_appraisal_policy_ids") == 0 && json_is_string(value)
                               ? json_pack("[O]", value)
                               : json_deep_copy(value);
        if (json_object_get(json, renamed) != NULL) {
            json_decref(copy);
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" by its old name and its new one", renamed);
        }
        if (json_object_set_new(json, renamed, copy) != 0)
            return clo_out_of_memory(err);
    }
    if (!read_status(json_object_get(json, "ear_status"), &status, err) ||
        !check_vector(json_object_get(json, "ear_trustworthiness_vector"), status, err))
        return false;
    if (json_object_set_new(json, "ear_status", json_string(tiers[status].name)) != 0)
        return clo_out_of_memory(err);
    *out = CLO_TAKE(json);
    return true;
}

static bool check_profile(const json_t *claims, struct clo_error *err)
{
    static const char *const known[] = {
        "tag:ietf.org,2026:rats/ear#",
        "tag:github.com,2022:veraison/ear",
        CLO_EAR_PROFILE_OLD,
        "tag:github.com,2024:confidential-containers/Trustee",
    };
    const char *profile;

    if (json_object_get(claims, "eat_profile") == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "no \"eat_profile\": not an EAR%s",
                        json_object_get(claims, "x-ms-ver") == NULL
                                ? ""
                                : " but a token of Microsoft Azure Attestation");
    if (!clo_json_get_string(claims, "eat_profile", &profile, err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (strncmp(profile, known[i], strlen(known[i])) == 0)
            return true;
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "profile \"%.80s\"", profile);
}

static bool read_submodules(const json_t *from, json_t *out, struct clo_error *err)
{
    json_t *submodules = json_object();
    const char *name;
    json_t *value;

    if (json_object_set_new(out, "submods", submodules) != 0)
        return clo_out_of_memory(err);
    if (!json_is_object(from) || json_object_size(from) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no \"submods\"");
    json_object_foreach ((json_t *)(uintptr_t)from, name, value) {
        json_t *made;
        if (!read_submodule(value, &made, err))
            return clo_wrap(err, "submodule \"%.40s\"", name);
        if (json_object_set_new(submodules, name, made) != 0)
            return clo_out_of_memory(err);
    }
    return true;
}

bool ear_normalize(const json_t *claims, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    const char *name;
    json_t *value;

    if (!json_is_object(claims))
        return clo_fail(err, CLO_ERR_FORMAT, "not an object");
    if (!check_profile(claims, err))
        return false;
    if (!json_is_number(json_object_get(claims, "iat")))
        return clo_fail(err, CLO_ERR_FORMAT, "no \"iat\"");
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value) {
        const char *renamed = ear_new_name(ear_claims, ear_claim_count, name);
        if (json_object_get(json, renamed) != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" by its old name and its new one", renamed);
        if (json_object_set_new(json, renamed, json_deep_copy(value)) != 0)
            return clo_out_of_memory(err);
    }
    if (!read_submodules(json_object_get(claims, "submods"), json, err))
        return false;
    *out = CLO_TAKE(json);
    return true;
}

bool clo_ear_claims_read(struct clo_bytes claims, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    bool is_cbor = claims.size > 0 && claims.data[0] >= 0xa0 && claims.data[0] < 0xc0;

    if (!(is_cbor ? ear_from_cbor(claims, &json, err) : clo_json_parse(claims, &json, err)) ||
        !ear_normalize(json, out, err))
        return clo_wrap(err, "EAR");
    return true;
}

bool clo_ear_read(struct clo_bytes token, const struct clo_public_key *key, json_t **out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    bool is_cwt = clo_cose_is_sign1(token);

    if (!(is_cwt ? clo_cose_verify(token, key, &payload, err) &&
                           ear_from_cbor(clo_buffer_bytes(&payload), &json, err)
                 : clo_jws_verify(token, key, &json, err)) ||
        !ear_normalize(json, out, err))
        return clo_wrap(err, "EAR");
    return true;
}

/* --- Nonces --- */

bool ear_nonce_bytes(const char *nonce, struct clo_buffer *out, struct clo_error *err)
{
    struct clo_bytes text = clo_bytes_text(nonce);
    struct clo_error ignored;

    if (clo_base64_read(text, out, &ignored))
        return true;
    clo_buffer_free(out);
    if (clo_base64url_read(text, out, &ignored))
        return true;
    clo_buffer_free(out);
    clo_buffer_append(out, text);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_ear_nonce_is(const json_t *claims, const char *nonce)
{
    const char *said = json_string_value(json_object_get(claims, "eat_nonce"));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer shown = { 0 };
    struct clo_error ignored;

    if (said == NULL)
        return false;
    return strcmp(said, nonce) == 0 ||
           (clo_base64url_read(clo_bytes_text(said), &shown, &ignored) &&
            ear_nonce_bytes(nonce, &expected, &ignored) &&
            clo_bytes_equal(clo_buffer_bytes(&shown), clo_buffer_bytes(&expected)));
}
