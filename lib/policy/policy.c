#include "cloister/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/policy/ccel_rules.h"
#include "lib/policy/policy_internal.h"
#include "lib/policy/tee.h"

/* --- Reading --- */

/* What may be said, for a message: `"snp" nor "tdx"`. */
static const char *list_names(bool roots, const char *last, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; policy_tees[i] != NULL; i++) {
        const struct clo_tee_names *names = clo_tee_names(policy_tees[i]->tee);
        const char *between = i == 0 ? "" : policy_tees[i + 1] == NULL ? last : ", ";
        int more = snprintf(out + used, size - used, "%s\"%s\"", between,
                            roots ? names->roots : names->name);
        used += more > 0 && (size_t)more < size - used ? (size_t)more : 0;
    }
    return out;
}

static bool read_tee(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    char names[128];
    json_t *array;
    json_t *item;
    size_t i;

    if (!clo_json_get_array(json, "tee", &array, err))
        return false;
    json_array_foreach (array, i, item) {
        enum clo_tee tee;
        if (!json_is_string(item) || !clo_tee_from_name(json_string_value(item), &tee) ||
            (!clo_tee_has_maker(tee) && tee != CLO_TEE_SAMPLE))
            return clo_fail(err, CLO_ERR_FORMAT, "\"tee\": item %zu is neither %s", i,
                            list_names(false, " nor ", names, sizeof names));
        policy->tees |= 1U << tee;
    }
    return true;
}

/* Nobody signed sample evidence: a policy that takes it is for tests, and for nothing besides. */
static bool check_sample(const struct clo_policy *policy, struct clo_error *err)
{
    if (!clo_policy_allows(policy, CLO_TEE_SAMPLE))
        return true;
    if (policy->tees != 1U << CLO_TEE_SAMPLE)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"tee\": \"sample\" is for tests, and stands next to no other");
    return policy->accept_weak[0] != '\0' ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "\"tee\": \"sample\" proves nothing: \"accept_weak\" must say why it may be");
}

static bool add_root(struct clo_policy *policy, const struct clo_digest *root,
                     struct clo_error *err)
{
    if (policy->root_count == CLO_POLICY_LIST_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d", CLO_POLICY_LIST_MAX);
    policy->roots[policy->root_count++] = *root;
    return true;
}

/* "amd", "intel", the SHA-256 of a SubjectPublicKeyInfo, or a certificate in PEM. */
static bool read_root(const json_t *item, struct clo_policy *policy, struct clo_error *err)
{
    const char *text = json_string_value(item);
    struct clo_digest root = { 0 };
    char names[128];
    enum clo_tee tee;

    if (text == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no string");
    if (clo_tee_of_roots(text, &tee)) {
        policy->makers |= 1U << tee;
        return true;
    }
    if (strstr(text, "-----BEGIN") == NULL) {
        root.hash = CLO_HASH_SHA256;
        if (!policy_read_fixed(item, clo_hash_size(root.hash), root.bytes, err))
            return clo_wrap(err, "neither %s, a SHA-256 in hex, nor PEM",
                            list_names(true, ", ", names, sizeof names));
        return add_root(policy, &root, err);
    }
    size_t first = policy->root_certificates.count;
    if (!clo_snp_certificates_add(&policy->root_certificates, clo_bytes_text(text), err))
        return false;
    if (policy->root_certificates.count != first + 1)
        return clo_fail(err, CLO_ERR_FORMAT, "not exactly one new certificate");
    if (!clo_public_key_fingerprint(clo_certificate_key(policy->root_certificates.items[first]),
                                    &root, err))
        return false;
    return add_root(policy, &root, err);
}

static bool read_roots(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;

    if (!clo_json_get_array(json, "roots", &array, err))
        return false;
    json_array_foreach (array, i, item)
        if (!read_root(item, policy, err))
            return clo_wrap(err, "\"roots\": item %zu", i);
    if (policy->makers == 0 && policy->root_count == 0 &&
        !clo_policy_allows(policy, CLO_TEE_SAMPLE))
        return clo_fail(err, CLO_ERR_FORMAT, "\"roots\": is empty: nothing could ever be accepted");
    return true;
}

static bool read_pcrs(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    if (json_object_get(json, "pcrs") == NULL)
        return true;
    if (!policy_read_mask(json, "pcrs", CLO_PCR_COUNT - 1, &policy->pcrs, err))
        return false;
    if ((policy->pcrs >> CLO_IMA_PCR & 1) != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"pcrs\": PCR 10 (IMA) depends on what runs and is never predicted");
    policy->has_pcrs = true;
    return true;
}

/* PCRs are a TPM's: a policy that demands some and takes a bare report would not be held to them. */
static bool read_evidence(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    uint64_t kinds = 0;

    if (!policy_read_names(json, "evidence", policy_kinds, CLO_COUNT(policy_kinds), &kinds, err))
        return false;
    policy->has_evidence = json_object_get(json, "evidence") != NULL;
    policy->evidence = (uint32_t)kinds;
    if (policy->has_evidence && kinds == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"evidence\": is empty: nothing could be accepted");
    if ((kinds >> CLO_EVIDENCE_OF_BARE & 1) != 0 && policy_wants_tpm(policy))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"evidence\": \"bare\" has no TPM, and \"%s\" is a TPM's",
                        policy->has_pcrs ? "pcrs" : "phase");
    return true;
}

static bool read_secure_boot(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string_optional(json, "secure_boot", &text, err))
        return false;
    if (text != NULL && strcmp(text, "own-db") != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"secure_boot\" is not \"own-db\"");
    policy->has_own_db = text != NULL;
    return true;
}

static bool read_ages(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = { "crl", "collateral", NULL };
    int64_t *const targets[] = { &policy->maximum_age.crl, &policy->maximum_age.collateral };
    json_t *ages;

    if (json_object_get(json, "maximum_age") == NULL)
        return true;
    if (!clo_json_get_object(json, "maximum_age", &ages, err))
        return false;
    if (!clo_json_only(ages, keys, err))
        return clo_wrap(err, "\"maximum_age\"");
    for (size_t i = 0; keys[i] != NULL; i++)
        if (!policy_read_age(ages, keys[i], targets[i], err))
            return clo_wrap(err, "\"maximum_age\"");
    return true;
}

static bool read_text(const json_t *json, const char *key, char *out, size_t size,
                      struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string_optional(json, key, &text, err))
        return false;
    if (text == NULL)
        return true;
    if (strlen(text) >= size)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": longer than %zu bytes", key, size - 1);
    snprintf(out, size, "%s", text);
    clo_sanitize(out);
    return true;
}

static bool new_policy(struct clo_policy **out, struct clo_error *err)
{
    struct clo_policy *policy = calloc(1, sizeof *policy);

    if (policy == NULL)
        return clo_out_of_memory(err);
    snprintf(policy->phase, sizeof policy->phase, "%s", POLICY_PHASE);
    for (size_t i = 0; policy_tees[i] != NULL; i++)
        policy_tees[i]->init(policy);
    *out = policy;
    return true;
}

static bool fingerprint(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (!clo_json_write(json, &text, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &policy->fingerprint);
    return true;
}

static void set_trust(struct clo_policy *policy)
{
    uint8_t rules[4 + 8 + 8 + 1];
    struct clo_bytes parts[CLO_POLICY_LIST_MAX + CLO_SNP_CERTIFICATES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < 4; i++)
        rules[i] = (uint8_t)(policy->makers >> (8 * i));
    for (size_t i = 0; i < 8; i++) {
        rules[4 + i] = (uint8_t)((uint64_t)policy->grace.crl >> (8 * i));
        rules[12 + i] = (uint8_t)((uint64_t)policy->grace.collateral >> (8 * i));
    }
    rules[20] =
            (uint8_t)(policy->is_strict_builtin | clo_policy_allows(policy, CLO_TEE_SAMPLE) << 1);
    parts[count++] = clo_bytes(rules, sizeof rules);
    for (size_t i = 0; i < policy->root_count; i++)
        parts[count++] = clo_digest_bytes(&policy->roots[i]);
    for (size_t i = 0; i < policy->root_certificates.count; i++)
        parts[count++] = clo_certificate_der(policy->root_certificates.items[i]);
    clo_hash_many(CLO_HASH_SHA256, parts, count, &policy->trust);
}

/* The members that every policy may have, and those of the platforms. */
static bool check_members(const json_t *json, struct clo_error *err)
{
    static const char *const common[] = {
        "cloister_policy",
        "name",
        "version",
        "tee",
        "roots",
        "pcrs",
        "phase",
        "evidence",
        "require_freshness",
        "secure_boot",
        "maximum_age",
        "host_inputs",
        "grace",
        "accept_weak",
        "tpm",
        "endorsement",
    };
    const char *keys[CLO_COUNT(common) + CLO_TEE_COUNT + 1];
    size_t count = 0;

    for (size_t i = 0; i < CLO_COUNT(common); i++)
        keys[count++] = common[i];
    for (size_t i = 0; policy_tees[i] != NULL; i++)
        keys[count++] = clo_tee_names(policy_tees[i]->tee)->name;
    keys[count] = NULL;
    return clo_json_only(json, keys, err);
}

static bool read_platforms(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    for (size_t i = 0; policy_tees[i] != NULL; i++)
        if (!policy_tees[i]->read(json, policy, err))
            return false;
    return true;
}

/* It counts the policies of a name, and so needs one. */
static bool read_version(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    return clo_json_get_version(json, "version", &policy->version, err) &&
           (policy->version == 0 || policy->name[0] != '\0' ||
            clo_fail(err, CLO_ERR_FORMAT, "\"version\" of a policy without a \"name\""));
}

bool clo_policy_parse(struct clo_bytes text, struct clo_policy **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    uint64_t version;

    if (!clo_json_parse(text, &json, err) ||
        !clo_json_get_u64(json, "cloister_policy", &version, err))
        return clo_wrap(err, "policy");
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "policy: version %llu, expected 1",
                        (unsigned long long)version);
    if (!new_policy(&policy, err) || !check_members(json, err) ||
        !read_text(json, "name", policy->name, sizeof policy->name, err) ||
        !read_version(json, policy, err) ||
        !read_text(json, "phase", policy->phase, sizeof policy->phase, err) ||
        !read_tee(json, policy, err) || !read_roots(json, policy, err) ||
        !read_pcrs(json, policy, err) || !read_evidence(json, policy, err) ||
        !clo_json_get_bool_optional(json, "require_freshness", false, &policy->require_freshness,
                                    err) ||
        !read_secure_boot(json, policy, err) || !read_ages(json, policy, err) ||
        !policy_read_host(json, policy, err) || !policy_read_grace(json, policy, err) ||
        !read_text(json, "accept_weak", policy->accept_weak, sizeof policy->accept_weak, err) ||
        !check_sample(policy, err) || !policy_read_tpm(json, policy, err) ||
        !policy_read_endorsement(json, &policy->endorsement, err) ||
        !read_platforms(json, policy, err) || !fingerprint(json, policy, err))
        return clo_wrap(err, "policy");
    set_trust(policy);
    *out = CLO_TAKE(policy);
    return true;
}

bool clo_policy_strict(struct clo_policy **out, struct clo_error *err)
{
    struct clo_policy *policy;

    if (!new_policy(&policy, err))
        return false;
    snprintf(policy->name, sizeof policy->name, "strict");
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("strict"), &policy->fingerprint);
    policy->is_strict_builtin = true;
    for (size_t i = 0; policy_tees[i] != NULL; i++) {
        policy->tees |= 1U << policy_tees[i]->tee;
        policy->makers |= 1U << policy_tees[i]->tee;
        policy_tees[i]->strict(policy);
    }
    set_trust(policy);
    *out = policy;
    return true;
}

void clo_policy_free(struct clo_policy *policy)
{
    if (policy == NULL)
        return;
    clo_snp_certificates_free(&policy->root_certificates);
    for (size_t i = 0; policy_tees[i] != NULL; i++)
        if (policy_tees[i]->free != NULL)
            policy_tees[i]->free(policy);
    free(policy);
}

void clo_policy_freep(struct clo_policy **policy)
{
    clo_policy_free(*policy);
    *policy = NULL;
}

const char *clo_policy_name(const struct clo_policy *policy)
{
    return policy->name;
}

const struct clo_digest *clo_policy_fingerprint(const struct clo_policy *policy)
{
    return &policy->fingerprint;
}

uint64_t clo_policy_version(const struct clo_policy *policy)
{
    return policy->version;
}

const char *clo_policy_accept_weak(const struct clo_policy *policy)
{
    return policy->accept_weak;
}
