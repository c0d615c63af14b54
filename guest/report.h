/* What the guest says: a line on the console, and, where the host offers a virtio port for it, JSON
 * lines for those who build or test an image. Neither carries a secret; the host reads both.
 *
 *   {"kind":"eventlog","data":base64,"pcrs":{"sha256":{…}}}   the firmware's log, before anything else
 *   {"kind":"step","name":…,"ms":…}                            how long a step took
 *   {"kind":"evidence","phase":…,"bundle":{…}}                 what was, or could have been, sent
 *   {"kind":"tag_errors","count":…,"first":…}                  sectors that were changed, and the first one's number
 *   {"kind":"refused","reason":…}
 *   {"kind":"switch_root","total_ms":…}                        */
#ifndef CLOISTER_GUEST_REPORT_H
#define CLOISTER_GUEST_REPORT_H

#include "cloister/json.h"

#define CLO_REPORT_PORT "cloister.report"

struct clo_report {
    int console; /* -1: none */
    int port;    /* -1: none */
    int64_t started_us;
    int64_t step_us; /* when the current step began */
};

/* Starts the clocks; opens the console, which may be NULL. */
void clo_report_begin(struct clo_report *report, const char *console);
/* Looks for the host's port; there need not be one. */
void clo_report_find_port(struct clo_report *report);
/* "cloister: …" as one line on the console. */
void clo_report_say(const struct clo_report *report, const char *format, ...) CLO_PRINTF(2, 3);
/* The step that ends here was called `name`. */
void clo_report_step(struct clo_report *report, const char *name);
/* Takes the reference; NULL is passed over. */
void clo_report_send(const struct clo_report *report, json_t *line);
unsigned clo_report_elapsed_ms(const struct clo_report *report);

#endif
