/* What every part of an appraisal says and asks: warnings, claims, what is open, what entries keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/appraise/tee.h"
#include "lib/policy/policy.h"

void appraise_warn(struct work *w, const char *format, ...)
{
    struct clo_appraisal *appraisal = w->appraisal;
    va_list args;

    if (appraisal->warning_count == APPRAISE_WARNINGS_MAX)
        return;
    char *text = appraisal->warnings[appraisal->warning_count++];
    va_start(args, format);
    vsnprintf(text, sizeof appraisal->warnings[0], format, args);
    va_end(args);
    clo_sanitize(text);
}

bool appraise_claim(struct work *w, const char *name, json_t *value, struct clo_error *err)
{
    return json_object_set_new(w->appraisal->claims, name, value) == 0 || clo_out_of_memory(err);
}

bool appraise_claims(struct work *w, json_t *claims, struct clo_error *err)
{
    bool ok = claims != NULL && json_object_update(w->appraisal->claims, claims) == 0;

    json_decref(claims);
    return ok || clo_out_of_memory(err);
}

void appraise_leave_open(struct work *w, const char *aspect, const char *format, ...)
{
    struct clo_appraisal *appraisal = w->appraisal;
    va_list args;

    if (appraisal->open_count == APPRAISE_OPEN_MAX)
        return;
    struct appraise_open *open = &appraisal->open[appraisal->open_count++];
    open->aspect = aspect;
    va_start(args, format);
    vsnprintf(open->why, sizeof open->why, format, args);
    va_end(args);
}

bool appraise_expects(const struct work *w, const char *claim)
{
    for (size_t i = 0; i < w->inputs->expectation_count; i++)
        if (strcmp(w->inputs->expectations[i].name, claim) == 0)
            return true;
    return false;
}

long long appraise_days(int64_t seconds)
{
    return (long long)((seconds + 86399) / 86400);
}

void appraise_expires(struct work *w, int64_t at, const char *what)
{
    if (w->expires_what != NULL && w->expires <= at)
        return;
    w->expires = at;
    w->expires_what = what;
}

bool appraise_binds(const struct work *w, enum clo_hash hash, struct clo_bytes field)
{
    struct clo_bytes expected = w->inputs->runtime_digest;
    struct clo_digest digest;

    if (expected.data == NULL) {
        clo_hash(hash, w->runtime_data, &digest);
        return clo_bytes_equal(field, clo_digest_bytes(&digest));
    }
    return expected.size > 0 && expected.size <= field.size &&
           clo_bytes_equal(clo_bytes_slice(field, 0, expected.size), expected) &&
           clo_bytes_all(clo_bytes_slice(field, expected.size, field.size), 0);
}

void appraise_report_data(struct work *w, const char *id, const char *name, struct clo_bytes field)
{
    struct clo_bytes qualifying = w->inputs->expected_qualifying;

    if (w->runtime_data.data != NULL) {
        bool binds = appraise_binds(w, CLO_HASH_SHA512, field);
        clo_check_that(w->checks, id, binds, "%s %s the %s digest of the runtime data%s", name,
                       binds ? "is" : "is not",
                       w->inputs->runtime_digest.data == NULL ? "SHA-512" : "protocol's",
                       binds ? "" : ": it was made for another nonce or key");
        w->appraisal->binds_pubkey = binds && w->hardware != NULL;
        w->binds_runtime_data = w->appraisal->binds_pubkey;
    } else if (qualifying.data != NULL) {
        size_t size = qualifying.size;
        bool same = clo_check_that(
                w->checks, id,
                size > 0 && size <= field.size &&
                        clo_bytes_equal(clo_bytes_slice(field, 0, size), qualifying) &&
                        clo_bytes_all(clo_bytes_slice(field, size, 64), 0),
                "%s and the nonce that was given", name);
        w->matches_qualifying = same && w->hardware != NULL;
    } else if (clo_evidence_has(w->evidence, CLO_EVIDENCE_SYSTEMD_REPORT)) {
        bool binds = appraise_binds_report(w, field);
        clo_check_that(w->checks, id, binds, "%s %s the digest of systemd's report", name,
                       binds ? "is" : "is not");
        w->binds_report = binds && w->hardware != NULL;
    } else {
        clo_check_skip(w->checks, id, "no runtime data and no nonce to hold %s against", name);
    }
}

/* --- What entries keep --- */

void *tee_keep(struct work *w, const struct tee *entry, size_t size, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(w->kept); i++) {
        if (w->kept[i].entry != NULL)
            continue;
        w->kept[i].state = calloc(1, size);
        if (w->kept[i].state == NULL)
            break;
        w->kept[i].entry = entry;
        return w->kept[i].state;
    }
    clo_out_of_memory(err);
    return NULL;
}

void *tee_kept(const struct work *w, const struct tee *entry)
{
    for (size_t i = 0; i < CLO_COUNT(w->kept); i++)
        if (w->kept[i].entry == entry)
            return w->kept[i].state;
    return NULL;
}

bool appraise_roots(const struct work *w, struct clo_digest **out, size_t *count,
                    struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    size_t of_policy = policy == NULL ? 0 : policy->root_count;

    *out = calloc(inputs->root_count + of_policy + 1, sizeof **out);
    if (*out == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < inputs->root_count; i++)
        (*out)[i] = inputs->roots[i];
    for (size_t i = 0; i < of_policy; i++)
        (*out)[inputs->root_count + i] = policy->roots[i];
    *count = inputs->root_count + of_policy;
    return true;
}
