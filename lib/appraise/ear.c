#include "cloister/ear.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"

#include "appraise_internal.h"

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

/* What an affirming value of a claim rests on: groups of ids, of each of which one passed, and aspects that
 * nothing left open. Less than that is no claim at all. */
struct claim {
    const char *name;
    const char *const *prefixes;  /* of the checks it concerns: one that failed contraindicates */
    const char *const *needs;     /* groups end in "|", the list in NULL */
    const char *const *must_hold; /* aspects, "freshness" among them */
    const char *const *warns;     /* aspects that the policy's grace has left open */
};

static bool has_passed(const struct clo_appraisal *appraisal, const char *id)
{
    const struct clo_check *check = clo_checks_get(&appraisal->checks, id);

    return check != NULL && check->result == CLO_CHECK_PASS;
}

static bool meets_needs(const struct clo_appraisal *appraisal, const char *const *needs)
{
    bool is_met = false;

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
        for (size_t k = 0; prefixes[k] != NULL; k++)
            if (strncmp(check->id, prefixes[k], strlen(prefixes[k])) == 0)
                return true;
    }
    return false;
}

static int vector_value(const struct clo_appraisal *appraisal, const struct claim *claim)
{
    if (has_failed(appraisal, claim->prefixes))
        return AR4SI_CONTRAINDICATED;
    for (size_t i = 0; claim->warns[i] != NULL; i++)
        if (is_open(appraisal, claim->warns[i]))
            return AR4SI_WARNING;
    if (!appraisal->has_policy || !meets_needs(appraisal, claim->needs))
        return 0;
    for (size_t i = 0; claim->must_hold[i] != NULL; i++)
        if (is_open(appraisal, claim->must_hold[i]))
            return 0;
    return AR4SI_AFFIRMING;
}

static json_t *vector(const struct clo_appraisal *appraisal)
{
    static const char *const identity[] = {
        "snp.root",
        "snp.chain",
        "snp.signature",
        "snp.chip",
        "hcl.",
        "tpm.quote",
        "tdx.root",
        "tdx.pck_chain",
        "tdx.qe_report",
        "tdx.qe_binding",
        "tdx.qe",
        "tdx.quote_signature",
        "evidence.nonce",
        "policy.root",
        "policy.signing_key",
        "policy.csp_id",
        NULL,
    };
    static const char *const configuration[] = {
        "policy.debug",
        "policy.migration",
        "policy.cxl",
        "policy.vmpl",
        "policy.reserved",
        "policy.guest_policy",
        "policy.migratable",
        "policy.sept_ve_disable",
        "policy.xfam",
        "policy.td_attributes",
        "pcr.7",
        "pcr.12",
        NULL,
    };
    static const char *const executables[] = {
        "pcr.0",         "pcr.4",
        "pcr.11",        "policy.measurement",
        "policy.id_key", "policy.author_key",
        "id_block.",     "policy.guest_svn",
        "eventlog.",     "policy.mr_td",
        "policy.rtmr",   "policy.mr_config_id",
        "ccel.",         NULL,
    };
    static const char *const hardware[] = {
        "snp.tcb",
        "snp.revocation",
        "snp.product",
        "policy.tcb",
        "policy.provisional",
        "policy.current_",
        "policy.committed_",
        "policy.launch_",
        "policy.platform_",
        "policy.alias_check",
        "policy.tio",
        "tdx.tcb",
        "tdx.revocation",
        "tdx.freshness",
        "tdx.module",
        "policy.advisories",
        "policy.evaluation_number",
        "policy.tee_tcb_svn",
        "policy.tcb_date",
        "policy.crl_age",
        "policy.collateral_age",
        "policy.mr_seam",
        "policy.mr_signer_seam",
        NULL,
    };
    static const char *const who[] = {
        "snp.root", "tdx.root", "|", "snp.signature", "tdx.quote_signature", "|", NULL,
    };
    static const char *const how[] = { "policy.debug", "|", NULL };
    /* The TCB against a minimum (or Intel's word), and a list of what is revoked. */
    static const char *const where[] = {
        "policy.tcb", "policy.tcb_status", "|", "snp.revocation", "tdx.revocation", "|", NULL,
    };
    static const char *const what[] = {
        "pcr.4",
        "pcr.11",
        "policy.measurement",
        "policy.id_key",
        "policy.author_key",
        "id_block.fields",
        "policy.rtmr1",
        "rtmr.1",
        "policy.ccel.rtmr1",
        "expect.measurement",
        "expect.rtmr1",
        "|",
        NULL,
    };
    static const char *const fresh[] = { "freshness", NULL };
    static const char *const configured[] = { "command line", "debug", NULL };
    static const char *const started[] = { "firmware", "program", "debug", NULL };
    static const char *const nothing[] = { NULL };
    static const char *const graced[] = { "TCB", "collateral", "revocation", NULL };
    static const struct claim claims[] = {
        { "instance-identity", identity, who, fresh, nothing },
        { "configuration", configuration, how, configured, nothing },
        { "executables", executables, what, started, nothing },
        { "hardware", hardware, where, nothing, graced },
    };
    json_t *json = json_object();

    for (size_t i = 0; i < CLO_COUNT(claims); i++)
        if (json_object_set_new(json, claims[i].name,
                                json_integer(vector_value(appraisal, &claims[i]))) != 0) {
            json_decref(json);
            return NULL;
        }
    return json;
}

static json_t *submodule(const struct clo_appraisal *appraisal)
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
    ok = json_object_set_new(json, "cloister.claims", json_deep_copy(appraisal->claims)) == 0 && ok;
    return ok ? CLO_TAKE(json) : NULL;
}

bool clo_ear_claims(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                    json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    bool ok = json_object_set_new(json, "eat_profile", json_string(CLO_EAR_PROFILE)) == 0;

    ok = json_object_set_new(json, "iat", json_integer((json_int_t)spec->issued)) == 0 && ok;
    if (spec->expires != 0)
        ok = json_object_set_new(json, "exp", json_integer((json_int_t)spec->expires)) == 0 && ok;
    if (spec->nonce != NULL)
        ok = json_object_set_new(json, "eat_nonce", json_string(spec->nonce)) == 0 && ok;
    ok = json_object_set_new(
                 json, "ear_verifier_id",
                 json_pack("{s:s,s:s}", "developer", spec->developer, "build", spec->build)) == 0 &&
         ok;
    ok = json_object_set_new(json, "submods", json_pack("{s:o}", "cpu0", submodule(appraisal))) ==
                 0 &&
         ok;
    if (!ok)
        return clo_fail(err, CLO_ERR_SYSTEM, "EAR: out of memory");
    *out = CLO_TAKE(json);
    return true;
}

bool clo_ear_sign(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                  const struct clo_private_key *key, struct clo_buffer *token,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;

    if (clo_private_key_kind(key) != CLO_KEY_P384)
        return clo_fail(err, CLO_ERR_USAGE, "EAR: signed with a P-384 key only");
    return clo_ear_claims(appraisal, spec, &claims, err) && clo_jws_sign(key, claims, token, err);
}
