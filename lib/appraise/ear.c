#include "cloister/ear.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"

#include "lib/appraise/tee.h"

#include "lib/appraise/ear_internal.h"
#include "lib/jose/key_id.h"

/* draft-ietf-rats-ar4si-09, section 2.3: trust tiers and the values that stand for them. */
#define AR4SI_AFFIRMING       2
#define AR4SI_WARNING         32
#define AR4SI_CONTRAINDICATED 96

static int value_of(enum clo_appraisal_status status)
{
    return status == CLO_AFFIRMING ? AR4SI_AFFIRMING
           : status == CLO_WARNING ? AR4SI_WARNING
                                   : AR4SI_CONTRAINDICATED;
}

static bool has_passed(const struct clo_appraisal *appraisal, const char *id)
{
    const struct clo_check *check = clo_checks_get(&appraisal->checks, id);

    return check != NULL && check->result == CLO_CHECK_PASS;
}

static bool meets_needs(const struct clo_appraisal *appraisal, const char *const *needs)
{
    bool is_met = false;

    if (needs == NULL)
        return false;
    for (; *needs != NULL; needs++) {
        if (strcmp(*needs, "|") != 0) {
            is_met = is_met || has_passed(appraisal, *needs);
            continue;
        }
        if (!is_met)
            return false;
        is_met = false;
    }
    return true;
}

static bool is_open(const struct clo_appraisal *appraisal, const char *aspect)
{
    if (strcmp(aspect, "freshness") == 0)
        return !appraisal->is_fresh;
    for (size_t i = 0; i < appraisal->open_count; i++)
        if (strcmp(appraisal->open[i].aspect, aspect) == 0)
            return true;
    return false;
}

static bool has_failed(const struct clo_appraisal *appraisal, const char *const *prefixes)
{
    for (size_t i = 0; i < appraisal->checks.count; i++) {
        const struct clo_check *check = &appraisal->checks.items[i];
        if (check->result != CLO_CHECK_FAIL)
            continue;
        for (size_t k = 0; prefixes != NULL && prefixes[k] != NULL; k++)
            if (strncmp(check->id, prefixes[k], strlen(prefixes[k])) == 0)
                return true;
    }
    return false;
}

/* What an affirming value rests on besides the checks of some kind of evidence. Less than that is not a claim at all. */
static const struct claim {
    const char *name;
    const char *concerns[3]; /* of every kind; ends in NULL */
    const char *
            must_hold[4]; /* aspects that nothing left open, "freshness" among them; ends in NULL */
    const char *warns[4]; /* aspects that the policy's grace has left open; ends in NULL */
} vector_claims[TEE_CLAIMS] = {
    [TEE_INSTANCE_IDENTITY] = { "instance-identity",
                                { "evidence.nonce", "policy.root" },
                                { "freshness" } },
    [TEE_CONFIGURATION] = { "configuration", { NULL }, { "command line", "debug" } },
    [TEE_EXECUTABLES] = { "executables", { NULL }, { "firmware", "program", "debug" } },
    [TEE_HARDWARE] = { "hardware", { NULL }, { NULL }, { "TCB", "collateral", "revocation" } },
    /* Nothing is claimed of these: no evidence that is read speaks of them. */
    [TEE_FILE_SYSTEM] = { "file-system", { NULL }, { NULL } },
    [TEE_RUNTIME_OPAQUE] = { "runtime-opaque", { NULL }, { "debug" } },
    [TEE_STORAGE_OPAQUE] = { "storage-opaque", { NULL }, { NULL } },
    [TEE_SOURCED_DATA] = { "sourced-data", { NULL }, { NULL } },
};

static int vector_value(const struct clo_appraisal *appraisal, enum tee_claim_name which)
{
    const struct claim *claim = &vector_claims[which];
    bool is_shown = false;

    if (has_failed(appraisal, claim->concerns))
        return AR4SI_CONTRAINDICATED;
    for (size_t i = 0; tees[i] != NULL; i++) {
        if (has_failed(appraisal, tees[i]->ear[which].concerns))
            return AR4SI_CONTRAINDICATED;
        is_shown = is_shown || meets_needs(appraisal, tees[i]->ear[which].shows);
    }
    for (size_t i = 0; claim->warns[i] != NULL; i++)
        if (is_open(appraisal, claim->warns[i]))
            return AR4SI_WARNING;
    if (!appraisal->has_policy || !is_shown)
        return 0;
    for (size_t i = 0; claim->must_hold[i] != NULL; i++)
        if (is_open(appraisal, claim->must_hold[i]))
            return 0;
    return AR4SI_AFFIRMING;
}

static json_t *vector(const struct clo_appraisal *appraisal)
{
    json_t *json = json_object();

    for (unsigned i = 0; i < TEE_CLAIMS; i++)
        if (json_object_set_new(json, vector_claims[i].name,
                                json_integer(vector_value(appraisal, (enum tee_claim_name)i))) !=
            0) {
            json_decref(json);
            return NULL;
        }
    return json;
}

/* A copy, unless what is made of it is only read before the appraisal goes. */
static json_t *part_of(json_t *json, bool is_lent)
{
    return is_lent ? json_incref(json) : json_deep_copy(json);
}

static json_t *submodule(const struct clo_appraisal *appraisal, bool is_lent)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    const struct clo_digest *fingerprint = clo_appraisal_policy_fingerprint(appraisal);
    char policy[16 + 2 * 32 + 1];
    char hex[2 * 32 + 1];
    bool ok =
            json_object_set_new(json, "ear_status", json_integer(value_of(appraisal->status))) == 0;

    ok = json_object_set_new(json, "ear_trustworthiness_vector", vector(appraisal)) == 0 && ok;
    if (fingerprint != NULL) {
        snprintf(policy, sizeof policy, "sha256:%s",
                 clo_hex_text(clo_digest_bytes(fingerprint), hex));
        ok = json_object_set_new(json, "ear_appraisal_policy_ids", json_pack("[s]", policy)) == 0 &&
             ok;
    }
    ok = json_object_set_new(json, "cloister.tee", json_string(appraisal->tee)) == 0 && ok;
    ok = json_object_set_new(json, "cloister.summary", json_string(appraisal->summary)) == 0 && ok;
    ok = json_object_set_new(json, "cloister.claims", part_of(appraisal->claims, is_lent)) == 0 &&
         ok;
    return ok ? CLO_TAKE(json) : NULL;
}

static bool make_claims(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                        bool is_lent, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    bool ok = json_object_set_new(json, "eat_profile", json_string(CLO_EAR_PROFILE)) == 0;

    ok = json_object_set_new(json, "iat", json_integer((json_int_t)spec->issued)) == 0 && ok;
    if (spec->issuer != NULL)
        ok = json_object_set_new(json, "iss", json_string(spec->issuer)) == 0 && ok;
    if (spec->id != NULL)
        ok = json_object_set_new(json, "jti", json_string(spec->id)) == 0 &&
             json_object_set_new(json, "nbf", json_integer((json_int_t)spec->issued)) == 0 && ok;
    if (clo_appraisal_tee_pubkey(appraisal) != NULL)
        ok = json_object_set_new(json, "tee-pubkey",
                                 json_deep_copy(clo_appraisal_tee_pubkey(appraisal))) == 0 &&
             ok;
    if (spec->expires != 0)
        ok = json_object_set_new(json, "exp", json_integer((json_int_t)spec->expires)) == 0 && ok;
    if (spec->nonce != NULL)
        ok = json_object_set_new(json, "eat_nonce", json_string(spec->nonce)) == 0 && ok;
    ok = json_object_set_new(
                 json, "ear_verifier_id",
                 json_pack("{s:s,s:s}", "developer", spec->developer, "build", spec->build)) == 0 &&
         ok;
    ok = json_object_set_new(json, "submods",
                             json_pack("{s:o}", "cpu0", submodule(appraisal, is_lent))) == 0 &&
         ok;
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "EAR: out of memory");
    *out = CLO_TAKE(json);
    return true;
}

bool clo_ear_claims(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                    json_t **out, struct clo_error *err)
{
    return make_claims(appraisal, spec, false, out, err);
}

/* An earlier draft's names, which Trustee and Veraison's libraries of before read. */
static bool rename_old(json_t **claims, struct clo_error *err)
{
    json_t *old = ear_old_names(*claims);

    if (old == NULL)
        return clo_out_of_memory(err);
    json_decref(*claims);
    *claims = old;
    return true;
}

/* As Trustee's relying parties look for them (attestation-service/docs/attestation_token.md). */
static bool annotate(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                     json_t *claims, struct clo_error *err)
{
    json_t *submodule = json_object_get(json_object_get(claims, "submods"), "cpu0");
    const json_t *key = clo_appraisal_tee_pubkey(appraisal);

    if (spec->evidence_name == NULL)
        return true;
    json_t *evidence = json_pack("{s:{s:s*, s:O*}, s:o*, s:o}", "runtime_data_claims", "nonce",
                                 spec->nonce, "tee-pubkey", key, "init_data",
                                 json_deep_copy(json_object_get(appraisal->claims, "init_data")),
                                 spec->evidence_name, json_deep_copy(appraisal->claims));
    return json_object_set_new(submodule, "ear.veraison.annotated-evidence", evidence) == 0 ||
           clo_out_of_memory(err);
}

bool clo_ear_sign(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                  const struct clo_private_key *key, struct clo_buffer *token,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;

    if (clo_private_key_kind(key) != CLO_KEY_P384 && clo_private_key_kind(key) != CLO_KEY_P256)
        return clo_fail(err, CLO_ERR_USAGE, "EAR: signed with a P-256 or P-384 key only");
    return make_claims(appraisal, spec, true, &claims, err) &&
           (!spec->has_old_names ||
            (rename_old(&claims, err) && annotate(appraisal, spec, claims, err))) &&
           clo_jws_sign_kid(key, spec->key_id, claims, token, err);
}
