/* What the forms of `cloister eventlog` share. */
#ifndef CLOISTER_CLI_EVENTLOG_H
#define CLOISTER_CLI_EVENTLOG_H

#include "cloister/eventlog.h"
#include "cloister/userlog.h"

/* The log's events are views into `file`. Errors name the path. */
CLO_MUST_USE bool eventlog_load(const char *path, struct clo_buffer *file,
                                struct clo_eventlog **out, struct clo_error *err);
CLO_MUST_USE bool userlog_load(const char *path, struct clo_userlog **out, struct clo_error *err);

int cmd_eventlog_explain(int argc, char **argv);

#endif
