/* GET /healthz and /metrics. */
#include "broker_internal.h"

#include <string.h>

/* Between two looks at whether the disk takes anything; also where it does not: each look writes, and anybody may ask. */
#define PROBE_SECONDS      10
#define PROBE_SECONDS_FAIL 1

/* --- Metrics --- */

/* Those of one family follow each other. */
static const struct {
    const char *family, *labels, *help;
} counters[COUNTERS] = {
    [AUTH] = { "cloister_auth_total", "", "Nonces that were given out." },
    [ATTEST_AFFIRMING] = { "cloister_attest_total", "{result=\"affirming\"}",
                           "Attestations by their result." },
    [ATTEST_WARNING] = { "cloister_attest_total", "{result=\"warning\"}", "" },
    [ATTEST_REFUSED] = { "cloister_attest_total", "{result=\"refused\"}", "" },
    [ATTEST_MALFORMED] = { "cloister_attest_total", "{result=\"malformed\"}", "" },
    [RESOURCE_RELEASED] = { "cloister_resource_total", "{result=\"released\"}",
                            "Requests for resources by their result." },
    [RESOURCE_REFUSED] = { "cloister_resource_total", "{result=\"refused\"}", "" },
    [GENERATION_RAISED] = { "cloister_generation_total", "{result=\"raised\"}",
                            "Generations of disks that guests told, by the result." },
    [GENERATION_REFUSED] = { "cloister_generation_total", "{result=\"refused\"}", "" },
    [TAG_ERRORS_REPORTED] = { "cloister_tag_errors_total", "{result=\"reported\"}",
                              "Reports of guests that sectors of their disk were changed." },
    [TAG_ERRORS_REFUSED] = { "cloister_tag_errors_total", "{result=\"refused\"}", "" },
    [RESOURCE_FLAGGED] = { "cloister_resource_flagged_total", "",
                           "Releases to a second holder that were let through." },
    [FAILURES] = { "cloister_failures_total", "", "Failures of the broker itself." },
};

static void describe(struct clo_buffer *out, const char *name, const char *type, const char *help)
{
    clo_buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_counters(const struct clo_broker *broker, struct clo_buffer *out)
{
    for (size_t i = 0; i < COUNTERS; i++) {
        if (i == 0 || strcmp(counters[i].family, counters[i - 1].family) != 0)
            describe(out, counters[i].family, "counter", counters[i].help);
        clo_buffer_printf(out, "%s%s %llu\n", counters[i].family, counters[i].labels,
                          (unsigned long long)broker->counters[i]);
    }
    describe(out, "cloister_junk_total", "counter", "Requests that prove nothing.");
    for (int i = 0; i < CLO_JUNK_KINDS; i++)
        clo_buffer_printf(out, "cloister_junk_total{kind=\"%s\"} %llu\n",
                          clo_junk_kind_name((enum clo_junk_kind)i),
                          (unsigned long long)clo_junk_total(broker->junk, (enum clo_junk_kind)i));
}

bool broker_metrics(struct clo_broker *broker, const struct clo_broker_request *request,
                    struct clo_broker_answer *answer, struct clo_error *err)
{
    write_counters(broker, &answer->body);
    describe(&answer->body, "cloister_sessions_in_use", "gauge",
             "Sessions whose nonce was used and whose time is not over.");
    clo_buffer_printf(&answer->body, "cloister_sessions_in_use %zu\n",
                      clo_sessions_in_use(broker->sessions, request->clock));
    clo_endorser_metrics(broker->spec.endorser, request->time, &answer->body);
    answer->content_type = "text/plain; version=0.0.4";
    return clo_buffer_ok(&answer->body) || clo_out_of_memory(err);
}

/* --- Health --- */

/* A decision is written down before it is told: where nothing can be written, nothing can be decided. */
static bool probe(struct clo_broker *broker, int64_t clock)
{
    int64_t good_for = broker->is_writable ? PROBE_SECONDS : PROBE_SECONDS_FAIL;
    struct clo_error err;

    if (broker->is_probed && clock >= broker->probed && clock < broker->probed + good_for)
        return broker->is_writable;
    broker->is_probed = true;
    broker->probed = clock;
    broker->is_writable = clo_store_check_writable(broker->spec.store, &err);
    if (!broker->is_writable)
        broker_failed(broker, &err);
    return broker->is_writable;
}

/* A good answer counts for its second: anybody may ask. */
static bool check_terms(struct clo_broker *broker, int64_t clock, struct clo_error *err)
{
    struct clo_error why;

    if (broker->has_terms && broker->terms_asked == clock)
        return true;
    broker->has_terms = false;
    broker->terms_asked = clock;
    if (!clo_store_has_terms(broker->spec.store, &broker->has_terms, &why)) {
        broker_failed(broker, &why);
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "health: the store cannot be read");
    }
    return broker->has_terms || clo_fail(err, CLO_ERR_UNAVAILABLE, "health: no key is registered");
}

bool broker_check_health(struct clo_broker *broker, int64_t clock, struct clo_error *err)
{
    if (!check_terms(broker, clock, err))
        return false;
    return probe(broker, clock) ||
           clo_fail(err, CLO_ERR_UNAVAILABLE, "health: the store cannot be written");
}

bool broker_health(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    return broker_check_health(broker, request->clock, err) &&
           broker_json(answer, "application/json", json_pack("{s:s}", "status", "ok"), err);
}
