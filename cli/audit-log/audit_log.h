/* The forms of `cloister audit-log`. */
#ifndef CLOISTER_CLI_AUDIT_LOG_H
#define CLOISTER_CLI_AUDIT_LOG_H

#include "cli/broker/state.h"

int cmd_audit_log_checkpoint(int argc, char **argv);
int cmd_audit_log_follow(int argc, char **argv);
int cmd_audit_log_prune(int argc, char **argv);
int cmd_audit_log_show(int argc, char **argv);
int cmd_audit_log_verify(int argc, char **argv);

#define AUDIT_LOG_PAGE 1000

/* Prints a page of rows after `last`, or adds them to `all` for JSON; `last` becomes that of the page. */
CLO_MUST_USE bool audit_log_print_page(struct clo_store *store, const char *resource, bool as_json,
                                       int64_t *last, size_t *count, json_t *all,
                                       struct clo_error *err);

#endif
