#include "cli/broker/serve_log.h"

#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "cloister/json.h"

static void print_time(int64_t unix_time)
{
    CLO_CLEANUP(clo_json_freep) json_t *text = clo_json_time(unix_time);

    printf("%s ", text == NULL ? "-" : json_string_value(text));
}

/* The audit trail's line, on the terminal. */
static void tell_decision(void *context, const struct clo_audit *decision)
{
    (void)context;
    flockfile(stdout);
    print_time(decision->time);
    printf("%s %s %.8s%s%s%s%s\n", decision->action, decision->verdict, decision->session,
           decision->resource == NULL ? "" : " ",
           decision->resource == NULL ? "" : decision->resource,
           decision->detail[0] == '\0' ? "" : ": ", decision->detail);
    fflush(stdout);
    funlockfile(stdout);
}

static void tell_failure(void *context, const struct clo_error *err)
{
    (void)context;
    cli_print_error("serve: ", err);
}

void serve_log_json(const char *event, json_t *members)
{
    CLO_CLEANUP(clo_json_freep) json_t *line = members;

    if (line == NULL ||
        json_object_set_new(line, "time", clo_json_time((int64_t)time(NULL))) != 0 ||
        json_object_set_new(line, "event", json_string(event)) != 0)
        return;
    flockfile(stdout);
    json_dumpf(line, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
    fflush(stdout);
    funlockfile(stdout);
}

static void tell_decision_json(void *context, const struct clo_audit *decision)
{
    (void)context;
    serve_log_json("decision", json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s}", "action",
                                         decision->action, "verdict", decision->verdict, "session",
                                         decision->session, "tee", decision->tee, "resource",
                                         decision->resource, "detail", decision->detail));
}

static void tell_failure_json(void *context, const struct clo_error *err)
{
    (void)context;
    serve_log_json("failure", json_pack("{s:s}", "detail", err->text));
}

const struct serve_log *serve_log(bool as_json)
{
    static const struct serve_log text = { tell_decision, tell_failure };
    static const struct serve_log json = { tell_decision_json, tell_failure_json };

    return as_json ? &json : &text;
}
