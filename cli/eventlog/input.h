/* What the forms of `cloister eventlog` share: event logs in whatever form they come. */
#ifndef CLOISTER_CLI_EVENTLOG_H
#define CLOISTER_CLI_EVENTLOG_H

#include "cloister/eventlog.h"
#include "cloister/ima.h"
#include "cloister/userlog.h"

/* A firmware's log, or the kernel's IMA list: one of the two is NULL. Both are views into `file`. */
struct eventlog_input {
    struct clo_buffer file;
    struct clo_eventlog *log;
    struct clo_ima *ima;
};
void eventlog_input_free(struct eventlog_input *input); /* for CLO_CLEANUP */

/* Known by its content: a binary log, a canonical one, or an IMA list. Errors name the path. */
CLO_MUST_USE bool eventlog_open(const char *path, struct eventlog_input *out,
                                struct clo_error *err);
/* For showing: of a binary log that is cut or broken, what is whole, and in `cut` what is not. */
CLO_MUST_USE bool eventlog_open_start(const char *path, struct eventlog_input *out,
                                      struct clo_error *cut, struct clo_error *err);
/* The same where only a firmware's log will do. The log's events are views into `file`. */
CLO_MUST_USE bool eventlog_load(const char *path, struct clo_buffer *file,
                                struct clo_eventlog **out, struct clo_error *err);
CLO_MUST_USE bool userlog_load(const char *path, struct clo_userlog **out, struct clo_error *err);
CLO_MUST_USE bool ima_load(const char *path, struct clo_buffer *file, struct clo_ima **out,
                           struct clo_error *err);

json_t *eventlog_algorithms_json(const struct clo_eventlog *log);

int cmd_eventlog_convert(int argc, char **argv);
int cmd_eventlog_explain(int argc, char **argv);
int cmd_eventlog_replay(int argc, char **argv);
int cmd_eventlog_show(int argc, char **argv);

#endif
