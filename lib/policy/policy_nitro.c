/* The policy's member "nitro": reading it, and holding a verified attestation document against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/policy/policy_internal.h"

#define PCR_SIZE 48

void policy_init_nitro(struct clo_policy *policy)
{
    policy->nitro = (struct clo_policy_nitro){ .count = 0 };
}

/* Leaves to the caller which guest it is. */
void policy_strict_nitro(struct clo_policy *policy)
{
    policy->nitro.any = UINT32_MAX;
}

/* --- Reading --- */

static bool read_values(const json_t *values, unsigned pcr, struct clo_policy_nitro *out,
                        struct clo_error *err)
{
    json_t *item;
    size_t i;

    if (json_is_string(values) && strcmp(json_string_value(values), "any") == 0) {
        out->any |= 1U << pcr;
        return true;
    }
    if (!json_is_array(values) || json_array_size(values) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "neither \"any\" nor a list of values");
    json_array_foreach ((json_t *)(uintptr_t)values, i, item) {
        if (out->count == CLO_POLICY_LIST_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d values", CLO_POLICY_LIST_MAX);
        struct clo_policy_nitro_pcr *value = &out->items[out->count];
        value->pcr = pcr;
        if (!policy_read_fixed(item, PCR_SIZE, value->bytes, err))
            return clo_wrap(err, "item %zu", i);
        out->count++;
    }
    out->said |= 1U << pcr;
    return true;
}

static bool read_pcrs(const json_t *json, struct clo_policy_nitro *out, struct clo_error *err)
{
    json_t *pcrs = json_object_get(json, "pcrs");
    const char *key;
    json_t *value;

    if (pcrs == NULL)
        return true;
    if (!json_is_object(pcrs))
        return clo_fail(err, CLO_ERR_FORMAT, "\"pcrs\": not an object");
    json_object_foreach (pcrs, key, value) {
        char canonical[8];
        unsigned long pcr = strtoul(key, NULL, 10);
        snprintf(canonical, sizeof canonical, "%lu", pcr < CLO_NITRO_PCRS ? pcr : 0);
        if (pcr >= CLO_NITRO_PCRS || strcmp(canonical, key) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "\"pcrs\": \"%.20s\" is not a PCR", key);
        if (!read_values(value, (unsigned)pcr, out, err))
            return clo_wrap(err, "\"pcrs\": %lu", pcr);
    }
    return true;
}

bool policy_read_nitro(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = { "pcrs", "allow_debug", NULL };

    const json_t *member = json_object_get(json, "nitro");

    return member == NULL ||
           (clo_json_only(member, keys, err) &&
            clo_json_get_bool_optional(member, "allow_debug", false, &policy->nitro.allow_debug,
                                       err) &&
            read_pcrs(member, &policy->nitro, err)) ||
           clo_wrap(err, "\"nitro\"");
}

/* --- Appraising --- */

static bool names(const struct clo_policy_nitro *nitro, unsigned pcr,
                  const struct clo_digest *value)
{
    for (size_t i = 0; i < nitro->count; i++)
        if (nitro->items[i].pcr == pcr &&
            memcmp(nitro->items[i].bytes, value->bytes, PCR_SIZE) == 0)
            return true;
    return false;
}

/* An enclave's PCR 0 is all of its image: a policy that does not say what it may be would take any. */
static void check_pcr(const struct clo_policy_nitro *nitro,
                      const struct clo_nitro_document *document, unsigned pcr,
                      struct clo_checks *checks)
{
    bool is_said = (nitro->said >> pcr & 1) != 0;
    bool is_any = (nitro->any >> pcr & 1) != 0;
    bool is_there = (document->pcr_mask >> pcr & 1) != 0;
    char id[32];

    if (is_any || (!is_said && (pcr != 0 || document->is_tpm)))
        return;
    snprintf(id, sizeof id, "policy.nitro.pcr%u", pcr);
    bool holds = is_there && names(nitro, pcr, &document->pcrs[pcr]);
    clo_check_that(checks, id, holds, "PCR %u %s", pcr,
                   !is_there  ? "is not in the document"
                   : !is_said ? "may be anything, since the policy names no value for it: any "
                                "enclave would do"
                   : holds    ? "is one that the policy names"
                              : "is not one that the policy names");
}

void policy_appraise_nitro(const struct clo_policy *policy,
                           const struct clo_nitro_document *document,
                           const struct clo_nitro_verified *verified, struct clo_checks *checks)
{
    bool is_debug = clo_nitro_is_debug(document);

    policy_check_tee(policy, CLO_TEE_NITRO, verified->is_aws, &verified->root, checks);
    clo_check_that(checks, "policy.debug", !is_debug || policy->nitro.allow_debug, "%s",
                   is_debug ? "the enclave runs in debug mode: its parent reads its console, and "
                              "PCRs 0 to 2 say nothing"
                            : "debugging is off");
    for (unsigned pcr = 0; pcr < CLO_NITRO_PCRS; pcr++)
        check_pcr(&policy->nitro, document, pcr, checks);
}
