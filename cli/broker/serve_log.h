/* What `serve` says while it serves: lines for people, or JSON for machines, one value a line. */
#ifndef CLOISTER_CLI_SERVE_LOG_H
#define CLOISTER_CLI_SERVE_LOG_H

#include "verifier/kbs/broker.h"

/* For clo_broker_spec. Decisions go to standard output, failures to standard error; in JSON all of it to standard output. */
struct serve_log {
    void (*decision)(void *context, const struct clo_audit *decision);
    void (*failure)(void *context, const struct clo_error *err);
};
const struct serve_log *serve_log(bool as_json);
/* Takes the members over, and adds time and kind. */
void serve_log_json(const char *event, json_t *members);

#endif
