/* Other programs, started without a shell: an argument vector, a clean environment (PATH, LC_ALL=C
 * and what is passed), no inherited descriptors. They end when the program does. */
#ifndef CLOISTER_DEVICE_PROCESS_H
#define CLOISTER_DEVICE_PROCESS_H

#include <sys/types.h>

#include "cloister/base.h"

/* Runs argv[0], found in PATH and the sbin folders, to its end. Its standard output goes to `out`
 * when that is not NULL and is dropped otherwise; the last lines of its standard error go into the
 * error. A program that is not there is CLO_ERR_UNAVAILABLE, one that fails CLO_ERR_SYSTEM.
 * `environment` is a NULL-terminated list of NAME=value to add, or NULL. */
CLO_MUST_USE bool clo_process_run(const char *const *argv, const char *const *environment,
                                  struct clo_buffer *out, struct clo_error *err);

/* Starts it in the background; standard error and output go to the file descriptor `log_fd`. */
CLO_MUST_USE bool clo_process_start(const char *const *argv, int log_fd, pid_t *out,
                                    struct clo_error *err);
/* Ends it: SIGTERM, and SIGKILL after `grace_ms`. -1 is nobody. */
void clo_process_stop(pid_t pid, unsigned grace_ms);

#endif
