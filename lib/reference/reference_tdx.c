/* TDX's registers in a file of reference values: MRTD, which has a value for each page order, and RTMR
 * 0 to 3, whose events are listed next to those of the PCRs. */
#include <stdio.h>
#include <string.h>

#include "reference_internal.h"

static const char *const orders[] = { "single-pass", "two-pass" };

static bool check_mr_td(const json_t *values, struct clo_error *err)
{
    struct clo_digest ignored;
    const char *key;
    json_t *value;

    if (values == NULL)
        return true;
    if (!json_is_object(values) || json_object_size(values) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"mr_td\" names no page order");
    json_object_foreach ((json_t *)(uintptr_t)values, key, value) {
        if (strcmp(key, orders[0]) != 0 && strcmp(key, orders[1]) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "\"mr_td\": \"%.20s\" is not a page order", key);
        if (!reference_read_digest(value, CLO_HASH_SHA384, &ignored))
            return clo_fail(err, CLO_ERR_FORMAT, "\"mr_td\": \"%.20s\" is not a SHA-384 digest",
                            key);
    }
    return true;
}

/* Do the listed events lead to the value? Walked once: a log that was taken over can be long. */
static bool check_rtmr(const struct clo_reference *reference, unsigned n, struct clo_error *err)
{
    unsigned reg = CLO_REGISTER_RTMR(n);
    struct clo_digest expected;
    struct clo_digest digest;
    struct clo_pcr_bank bank;
    char key[REFERENCE_KEY];
    json_t *event;
    size_t i;

    reference_key(reg, key);
    const json_t *list = json_object_get(reference->events, key);
    if (list == NULL || !clo_reference_value(reference, CLO_HASH_SHA384, reg, "", &expected))
        return true;
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    json_array_foreach (list, i, event) {
        const json_t *digests = json_object_get(event, "digests");
        if (json_object_get(event, "from") != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "events: rtmr%u, event %zu: has a phase", n, i);
        if (json_object_size(digests) != 1 ||
            !reference_read_digest(json_object_get(digests, "sha384"), CLO_HASH_SHA384, &digest))
            return clo_fail(err, CLO_ERR_FORMAT, "events: rtmr%u, event %zu: no sha384 digest", n,
                            i);
        clo_pcr_extend(&bank, 0, &digest);
    }
    return clo_digest_equal(&bank.values[0], &expected) ||
           clo_fail(err, CLO_ERR_FORMAT, "RTMR %u: its events do not lead to its value", n);
}

static bool check_reasons(const json_t *reasons, struct clo_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)reasons, key, value) {
        if (!json_is_string(value) || (!reference_is_rtmr_key(key) && strcmp(key, "mr_td") != 0))
            return clo_fail(err, CLO_ERR_FORMAT, "\"not_predicted\": \"%.20s\" is not a reason",
                            key);
    }
    return true;
}

bool reference_check_tdx(const struct clo_reference *reference, struct clo_error *err)
{
    static const char *const members[] = { "mr_td", "rtmr0",         "rtmr1", "rtmr2",
                                           "rtmr3", "not_predicted", NULL };
    struct clo_digest ignored;

    if (reference->tdx == NULL)
        return true;
    if (!json_is_object(reference->tdx))
        return clo_fail(err, CLO_ERR_FORMAT, "\"tdx\" is not an object");
    if (!clo_json_only(reference->tdx, members, err) ||
        !check_mr_td(json_object_get(reference->tdx, "mr_td"), err) ||
        !check_reasons(json_object_get(reference->tdx, "not_predicted"), err))
        return clo_wrap(err, "tdx");
    for (unsigned n = 0; n < CLO_RTMR_COUNT; n++) {
        char key[REFERENCE_KEY];
        reference_key(CLO_REGISTER_RTMR(n), key);
        const json_t *value = json_object_get(reference->tdx, key);
        if (value != NULL && !reference_read_digest(value, CLO_HASH_SHA384, &ignored))
            return clo_fail(err, CLO_ERR_FORMAT, "tdx: \"rtmr%u\" is not a SHA-384 digest", n);
        if (!check_rtmr(reference, n, err))
            return false;
    }
    return true;
}

bool clo_reference_mr_td(const struct clo_reference *reference, size_t index,
                         struct clo_digest *out)
{
    const json_t *values = json_object_get(reference->tdx, "mr_td");

    for (size_t i = 0; i < CLO_COUNT(orders); i++)
        if (reference_read_digest(json_object_get(values, orders[i]), CLO_HASH_SHA384, out) &&
            index-- == 0)
            return true;
    return false;
}
