/* GET /healthz and /metrics. */
#include "broker_internal.h"

bool broker_metrics(struct clo_broker *broker, const struct clo_broker_request *request,
                    struct clo_broker_answer *answer, struct clo_error *err)
{
    static const char *const names[COUNTERS] = {
        [AUTH] = "cloister_auth_total",
        [ATTEST_AFFIRMING] = "cloister_attest_total{result=\"affirming\"}",
        [ATTEST_WARNING] = "cloister_attest_total{result=\"warning\"}",
        [ATTEST_REFUSED] = "cloister_attest_total{result=\"refused\"}",
        [ATTEST_MALFORMED] = "cloister_attest_total{result=\"malformed\"}",
        [RESOURCE_RELEASED] = "cloister_resource_total{result=\"released\"}",
        [RESOURCE_REFUSED] = "cloister_resource_total{result=\"refused\"}",
        [GENERATION_RAISED] = "cloister_generation_total{result=\"raised\"}",
        [GENERATION_REFUSED] = "cloister_generation_total{result=\"refused\"}",
        [RESOURCE_FLAGGED] = "cloister_resource_flagged_total",
        [FAILURES] = "cloister_failures_total",
    };

    for (size_t i = 0; i < COUNTERS; i++)
        clo_buffer_printf(&answer->body, "%s %llu\n", names[i],
                          (unsigned long long)broker->counters[i]);
    for (int i = 0; i < CLO_JUNK_KINDS; i++)
        clo_buffer_printf(&answer->body, "cloister_junk_total{kind=\"%s\"} %llu\n",
                          clo_junk_kind_name((enum clo_junk_kind)i),
                          (unsigned long long)clo_junk_total(broker->junk, (enum clo_junk_kind)i));
    clo_buffer_printf(&answer->body, "cloister_sessions_in_use %zu\n",
                      clo_sessions_in_use(broker->sessions, request->clock));
    clo_endorser_metrics(broker->spec.endorser, request->time, &answer->body);
    answer->content_type = "text/plain; version=0.0.4";
    return clo_buffer_ok(&answer->body) || clo_out_of_memory(err);
}

bool broker_health(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    uint64_t version;

    (void)request;
    /* Healthy is who can still read what it needs for a decision. */
    if (!clo_store_terms_version(broker->spec.store, &version, err))
        return false;
    return broker_json(answer, "application/json", json_pack("{s:s}", "status", "ok"), err);
}
