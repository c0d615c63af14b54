/* The claims of an EAR by all their names (draft-ietf-rats-ear-03, sections 3.1 to 3.3; the earlier names:
 * draft-fv-rats-ear and Veraison's libraries). */
#include <string.h>

#include "lib/appraise/ear_internal.h"

const struct ear_claim ear_claims[] = {
    { 265, "eat_profile", NULL },
    { 6, "iat", NULL },
    { 4, "exp", NULL },
    { 5, "nbf", NULL },
    { 1, "iss", NULL },
    { 7, "jti", NULL },
    { 10, "eat_nonce", NULL },
    { 1004, "ear_verifier_id", "ear.verifier-id" },
    { 1002, "ear_raw_evidence", "ear.raw-evidence" },
    { 266, "submods", NULL },
};
const size_t ear_claim_count = CLO_COUNT(ear_claims);

const struct ear_claim ear_sub_claims[] = {
    { 1000, "ear_status", "ear.status" },
    { 1001, "ear_trustworthiness_vector", "ear.trustworthiness-vector" },
    { 1003, "ear_appraisal_policy_ids", "ear.appraisal-policy-id" },
};
const size_t ear_sub_claim_count = CLO_COUNT(ear_sub_claims);

const struct ear_claim ear_vector[] = {
    { 0, "instance-identity", NULL }, { 1, "configuration", NULL }, { 2, "executables", NULL },
    { 3, "file-system", NULL },       { 4, "hardware", NULL },      { 5, "runtime-opaque", NULL },
    { 6, "storage-opaque", NULL },    { 7, "sourced-data", NULL },
};
const size_t ear_vector_count = CLO_COUNT(ear_vector);

const char *ear_new_name(const struct ear_claim *claims, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (claims[i].old != NULL && strcmp(claims[i].old, name) == 0)
            return claims[i].name;
    return name;
}

static const char *old_name(const struct ear_claim *claims, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (claims[i].old != NULL && strcmp(claims[i].name, name) == 0)
            return claims[i].old;
    return name;
}

/* One policy's id where the new name has a list, a word where it has a number: what readers of the old names take. */
static json_t *old_value(const char *name, const json_t *value)
{
    if (strcmp(name, "ear_appraisal_policy_ids") == 0)
        return json_deep_copy(json_array_get(value, 0));
    if (strcmp(name, "ear_status") == 0 && json_is_integer(value))
        return json_string(ear_status_name(json_integer_value(value)));
    return json_deep_copy(value);
}

static json_t *old_submodule(const json_t *submodule)
{
    json_t *out = json_object();
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)submodule, name, value)
        json_object_set_new(out, old_name(ear_sub_claims, ear_sub_claim_count, name),
                            old_value(name, value));
    return out;
}

json_t *ear_old_names(const json_t *claims)
{
    json_t *out = json_object();
    json_t *submodules = json_object();
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)claims, name, value)
        if (strcmp(name, "submods") != 0)
            json_object_set_new(out, old_name(ear_claims, ear_claim_count, name),
                                json_deep_copy(value));
    json_object_foreach (json_object_get(claims, "submods"), name, value)
        json_object_set_new(submodules, name, old_submodule(value));
    json_object_set_new(out, "eat_profile", json_string(CLO_EAR_PROFILE_OLD));
    json_object_set_new(out, "submods", submodules);
    if (json_object_size(out) == json_object_size(claims))
        return out;
    json_decref(out);
    return NULL;
}
