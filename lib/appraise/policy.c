#include "cloister/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#define VMPL_MAX      3
#define DEFAULT_PHASE "enter-initrd"
#define IMA_PCR       10

/* --- Reading --- */

static bool read_tee(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;

    if (!clo_json_get_array(json, "tee", &array, err))
        return false;
    json_array_foreach (array, i, item) {
        const char *name = json_string_value(item);
        if (name != NULL && strcmp(name, "snp") == 0)
            policy->tee_snp = true;
        else if (name != NULL && strcmp(name, "tdx") == 0)
            policy->tee_tdx = true;
        else
            return clo_fail(err, CLO_ERR_FORMAT, "\"tee\": item %zu is neither \"snp\" nor \"tdx\"",
                            i);
    }
    return true;
}

static bool read_digest(const json_t *item, enum clo_hash hash, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = CLO_HASH_SIZE_MAX };

    if (!json_is_string(item))
        return clo_fail(err, CLO_ERR_FORMAT, "no string");
    if (!clo_hex_read(clo_bytes(json_string_value(item), json_string_length(item)), &bytes, err))
        return false;
    if (bytes.size != clo_hash_size(hash))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %zu", bytes.size,
                        clo_hash_size(hash));
    out->hash = hash;
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

static bool add_root(struct clo_policy *policy, const struct clo_digest *root,
                     struct clo_error *err)
{
    if (policy->root_count == CLO_POLICY_LIST_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d", CLO_POLICY_LIST_MAX);
    policy->roots[policy->root_count++] = *root;
    return true;
}

/* "amd", the SHA-256 of a SubjectPublicKeyInfo, or a certificate in PEM. */
static bool read_root(const json_t *item, struct clo_policy *policy, struct clo_error *err)
{
    const char *text = json_string_value(item);
    struct clo_digest root = { 0 };

    if (text == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no string");
    if (strcmp(text, "amd") == 0) {
        policy->roots_amd = true;
        return true;
    }
    if (strstr(text, "-----BEGIN") == NULL) {
        if (!read_digest(item, CLO_HASH_SHA256, &root, err))
            return clo_wrap(err, "neither \"amd\", a SHA-256 in hex, nor PEM");
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
    if (!policy->roots_amd && policy->root_count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"roots\": is empty: nothing could ever be accepted");
    return true;
}

/* An array of whole numbers up to `last`, as a mask. */
static bool read_mask(const json_t *json, const char *key, unsigned last, uint32_t *out,
                      struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;
    uint32_t mask = 0;

    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > (json_int_t)last)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": item %zu is no number from 0 to %u", key,
                            i, last);
        mask |= 1U << json_integer_value(item);
    }
    *out = mask;
    return true;
}

static bool read_pcrs(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    if (json_object_get(json, "pcrs") == NULL)
        return true;
    if (!read_mask(json, "pcrs", CLO_PCR_COUNT - 1, &policy->pcrs, err))
        return false;
    if ((policy->pcrs >> IMA_PCR & 1) != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"pcrs\": PCR 10 (IMA) depends on what runs and is never predicted");
    policy->has_pcrs = true;
    return true;
}

static bool read_digests(const json_t *json, const char *key, enum clo_hash hash,
                         struct clo_policy_digests *out, struct clo_error *err)
{
    const json_t *value = json_object_get(json, key);
    json_t *array;
    json_t *item;
    size_t i;

    if (value == NULL)
        return true;
    if (json_is_string(value) && strcmp(json_string_value(value), "any") == 0) {
        out->any = true;
        return true;
    }
    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        if (out->count == CLO_POLICY_LIST_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": more than %d", key, CLO_POLICY_LIST_MAX);
        if (!read_digest(item, hash, &out->items[out->count++], err))
            return clo_wrap(err, "\"%s\": item %zu", key, i);
    }
    if (out->count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": is empty: leave it out instead", key);
    return true;
}

static bool read_tcb(const json_t *json, struct clo_snp_tcb_parts *out, struct clo_error *err)
{
    static const char *const keys[] = { "fmc", "bootloader", "tee", "snp", "microcode", NULL };
    int *const targets[] = { &out->fmc, &out->bootloader, &out->tee, &out->snp, &out->microcode };
    json_t *tcb;

    if (json_object_get(json, "minimum_tcb") == NULL)
        return true;
    if (!clo_json_get_object(json, "minimum_tcb", &tcb, err))
        return false;
    if (!clo_json_only(tcb, keys, err))
        return clo_wrap(err, "\"minimum_tcb\"");
    for (size_t i = 0; keys[i] != NULL; i++) {
        uint64_t value;
        if (json_object_get(tcb, keys[i]) == NULL)
            continue;
        if (!clo_json_get_u64(tcb, keys[i], &value, err))
            return clo_wrap(err, "\"minimum_tcb\"");
        if (value > 255)
            return clo_fail(err, CLO_ERR_FORMAT, "\"minimum_tcb\": \"%s\" is above 255", keys[i]);
        *targets[i] = (int)value;
    }
    return true;
}

static bool read_snp(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = {
        "allow_debug", "allow_migration",     "vmpl",
        "minimum_tcb", "require_alias_check", "minimum_guest_svn",
        "measurement", "id_key_digest",       "host_data",
        NULL,
    };
    json_t *snp;

    if (json_object_get(json, "snp") == NULL)
        return true;
    if (!clo_json_get_object(json, "snp", &snp, err) || !clo_json_only(snp, keys, err) ||
        !clo_json_get_bool_optional(snp, "allow_debug", false, &policy->snp.allow_debug, err) ||
        !clo_json_get_bool_optional(snp, "allow_migration", false, &policy->snp.allow_migration,
                                    err) ||
        !clo_json_get_bool_optional(snp, "require_alias_check", false,
                                    &policy->snp.require_alias_check, err) ||
        !read_tcb(snp, &policy->snp.minimum_tcb, err) ||
        !read_digests(snp, "measurement", CLO_HASH_SHA384, &policy->snp.measurement, err) ||
        !read_digests(snp, "id_key_digest", CLO_HASH_SHA384, &policy->snp.id_key_digest, err) ||
        !read_digests(snp, "host_data", CLO_HASH_SHA256, &policy->snp.host_data, err))
        return false;
    if (json_object_get(snp, "vmpl") != NULL &&
        !read_mask(snp, "vmpl", VMPL_MAX, &policy->snp.vmpl, err))
        return false;
    return json_object_get(snp, "minimum_guest_svn") == NULL ||
           clo_json_get_u64(snp, "minimum_guest_svn", &policy->snp.minimum_guest_svn, err);
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
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    snprintf(policy->phase, sizeof policy->phase, "%s", DEFAULT_PHASE);
    policy->snp.vmpl = 1;
    policy->snp.minimum_tcb = (struct clo_snp_tcb_parts){ -1, -1, -1, -1, -1 };
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

bool clo_policy_parse(struct clo_bytes text, struct clo_policy **out, struct clo_error *err)
{
    static const char *const keys[] = { "cloister_policy", "name", "tee", "roots", "pcrs",
                                        "phase",           "snp",  NULL };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    uint64_t version;

    if (!clo_json_parse(text, &json, err) ||
        !clo_json_get_u64(json, "cloister_policy", &version, err))
        return clo_wrap(err, "policy");
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "policy: version %llu, expected 1",
                        (unsigned long long)version);
    if (!new_policy(&policy, err) || !clo_json_only(json, keys, err) ||
        !read_text(json, "name", policy->name, sizeof policy->name, err) ||
        !read_text(json, "phase", policy->phase, sizeof policy->phase, err) ||
        !read_tee(json, policy, err) || !read_roots(json, policy, err) ||
        !read_pcrs(json, policy, err) || !read_snp(json, policy, err) ||
        !fingerprint(json, policy, err))
        return clo_wrap(err, "policy");
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
    policy->tee_snp = true;
    policy->tee_tdx = true;
    policy->roots_amd = true;
    policy->snp.vmpl = 0xf;
    policy->snp.measurement.any = true;
    *out = policy;
    return true;
}

void clo_policy_free(struct clo_policy *policy)
{
    if (policy == NULL)
        return;
    clo_snp_certificates_free(&policy->root_certificates);
    free(policy);
}

void clo_policy_freep(struct clo_policy **policy)
{
    clo_policy_free(*policy);
    *policy = NULL;
}

/* --- Appraising a report --- */

static bool names(const struct clo_policy_digests *list, struct clo_bytes value)
{
    for (size_t i = 0; i < list->count; i++)
        if (clo_bytes_equal(clo_digest_bytes(&list->items[i]), value))
            return true;
    return list->any;
}

static bool is_said(const struct clo_policy_digests *list)
{
    return list->any || list->count > 0;
}

static void check_root(const struct clo_policy *policy, const struct clo_snp_verified *verified,
                       struct clo_checks *checks)
{
    static const char id[] = "policy.root";
    bool holds = policy->roots_amd && verified->is_amd;

    /* The built-in policy leaves the roots to the caller: verification has held it to them. */
    if (policy->is_strict_builtin) {
        clo_check_skip(checks, id, "the built-in policy leaves the roots to the caller");
        return;
    }
    for (size_t i = 0; i < policy->root_count; i++)
        holds = holds || clo_digest_equal(&policy->roots[i], &verified->root);
    clo_check_that(checks, id, holds, "the policy %s the root of this platform",
                   holds ? "names" : "does not name");
}

/* Each of the four must reach the minimum: REPORTED_TCB alone may be set back by the host. */
static void check_tcb(const struct clo_policy *policy, const struct clo_snp_verified *verified,
                      struct clo_checks *checks)
{
    static const char id[] = "policy.tcb";
    const struct clo_snp_report *report = &verified->report;
    const struct {
        const char *name;
        const struct clo_snp_tcb *tcb;
    } tcbs[] = {
        { "REPORTED_TCB", &report->reported_tcb },
        { "COMMITTED_TCB", &report->committed_tcb },
        { "CURRENT_TCB", &report->current_tcb },
        { "LAUNCH_TCB", &report->launch_tcb },
    };
    const struct clo_snp_tcb_parts *minimum = &policy->snp.minimum_tcb;
    bool said = false;

    for (size_t i = 0; i < CLO_COUNT(tcbs); i++) {
        struct clo_snp_tcb_parts parts = clo_snp_tcb_parts(tcbs[i].tcb, verified->product);
        const struct {
            const char *name;
            int has, minimum;
        } pairs[] = {
            { "fmc", parts.fmc, minimum->fmc },
            { "bootloader", parts.bootloader, minimum->bootloader },
            { "tee", parts.tee, minimum->tee },
            { "snp", parts.snp, minimum->snp },
            { "microcode", parts.microcode, minimum->microcode },
        };
        for (size_t k = 0; k < CLO_COUNT(pairs); k++) {
            said = said || pairs[k].minimum >= 0;
            if (pairs[k].has < pairs[k].minimum) {
                clo_check_that(checks, id, false, "%s has %s %d, the policy demands %d",
                               tcbs[i].name, pairs[k].name, pairs[k].has, pairs[k].minimum);
                return;
            }
        }
    }
    if (said)
        clo_check_that(checks, id, true,
                       "reported, committed, current and launch TCB reach the "
                       "policy's minimum");
    else
        clo_check_skip(checks, id, "the policy names no minimum");
}

static void check_identity(const struct clo_policy *policy, const struct clo_snp_report *report,
                           struct clo_checks *checks)
{
    static const char id[] = "policy.measurement";
    const struct clo_policy_digests *measurement = &policy->snp.measurement;
    const struct clo_policy_digests *id_key = &policy->snp.id_key_digest;
    char hex[2 * 48 + 1];

    if (!is_said(measurement) && !is_said(id_key))
        clo_check_that(checks, id, false,
                       "the policy names no launch measurement (\"snp\": {\"measurement\": "
                       "[\"%s\"]}) and no ID key: any guest of a genuine machine could be behind "
                       "this evidence",
                       clo_hex_text(report->measurement, hex));
    else if (is_said(measurement) && !names(measurement, report->measurement))
        clo_check_that(checks, id, false, "launch measurement %s is not one that the policy names",
                       clo_hex_text(report->measurement, hex));
    else if (is_said(id_key) && !names(id_key, report->id_key_digest))
        clo_check_that(checks, id, false, "ID key %s is not one that the policy names",
                       clo_hex_text(report->id_key_digest, hex));
    else
        clo_check_that(checks, id, true, "%s",
                       measurement->count > 0 ? "launch measurement as the policy names it"
                       : id_key->count > 0    ? "ID key as the policy names it"
                                              : "the policy allows any launch measurement");
    if (is_said(&policy->snp.host_data))
        clo_check_that(checks, "policy.host_data", names(&policy->snp.host_data, report->host_data),
                       "HOST_DATA %s", clo_hex_text(report->host_data, hex));
}

void clo_policy_appraise_snp(const struct clo_policy *policy,
                             const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    const struct clo_snp_report *report = &verified->report;
    bool debug = (report->policy & CLO_SNP_POLICY_DEBUG) != 0;
    bool migrate = (report->policy & CLO_SNP_POLICY_MIGRATE) != 0;
    uint64_t reserved = report->policy & ~CLO_SNP_POLICY_KNOWN;

    clo_check_that(checks, "policy.tee", policy->tee_snp, "the policy %s SEV-SNP",
                   policy->tee_snp ? "allows" : "does not allow");
    check_root(policy, verified, checks);
    clo_check_that(checks, "policy.debug", !debug || policy->snp.allow_debug,
                   "the guest policy %s debugging", debug ? "allows" : "forbids");
    clo_check_that(checks, "policy.migration", !migrate || policy->snp.allow_migration,
                   "the guest policy %s a migration agent", migrate ? "allows" : "forbids");
    clo_check_that(checks, "policy.reserved",
                   reserved == 0 && (report->policy & CLO_SNP_POLICY_MBO) != 0,
                   "guest policy 0x%016llx: reserved bits", (unsigned long long)report->policy);
    clo_check_that(checks, "policy.vmpl",
                   report->vmpl <= VMPL_MAX && (policy->snp.vmpl >> report->vmpl & 1) != 0,
                   "asked for by VMPL %u", report->vmpl);
    check_tcb(policy, verified, checks);
    if (policy->snp.minimum_guest_svn > 0)
        clo_check_that(checks, "policy.guest_svn",
                       report->guest_svn >= policy->snp.minimum_guest_svn,
                       "guest SVN %u, the policy demands %llu", report->guest_svn,
                       (unsigned long long)policy->snp.minimum_guest_svn);
    if (policy->snp.require_alias_check)
        clo_check_that(checks, "policy.alias_check",
                       (report->platform_info & CLO_SNP_PLATFORM_ALIASES) != 0,
                       "the platform has %schecked its memory for aliases",
                       (report->platform_info & CLO_SNP_PLATFORM_ALIASES) != 0 ? "" : "not ");
    check_identity(policy, report, checks);
}
