/* Companion files of a UKI (systemd-stub(7)): those named on the command line, and those that lie on an
 * ESP. */
#ifndef CLOISTER_CLI_COMPANIONS_H
#define CLOISTER_CLI_COMPANIONS_H

#include "cli/cli.h"
#include "cloister/reference.h"

#define CLI_COMPANIONS_MAX 128

struct cli_companions {
    struct clo_companion items[CLI_COMPANIONS_MAX];
    size_t count;
    struct clo_buffer files[CLI_COMPANIONS_MAX];
    char names[CLI_COMPANIONS_MAX][256];
};
void cli_companions_free(struct cli_companions *companions); /* for CLO_CLEANUP */

/* Files that will lie in UKI.extra.d/ (`beside`), and below loader/ (`loader`). */
CLO_MUST_USE bool cli_companions_read(const struct cli_list *beside, const struct cli_list *loader,
                                      struct cli_companions *out, struct clo_error *err);
/* Takes out what the UKI's stub does not look at, and says so on standard error. */
CLO_MUST_USE bool cli_companions_pass_over(struct clo_bytes uki, struct cli_companions *companions,
                                           struct clo_error *err);
/* Says on standard error which of them the stub starts and then ignores. */
CLO_MUST_USE bool cli_companions_warn(struct clo_bytes uki, const struct cli_companions *companions,
                                      struct clo_error *err);
/* What lies on an ESP beside the UKI at `path`, and below loader/. */
CLO_MUST_USE bool cli_companions_find(struct clo_bytes esp, const char *path,
                                      struct cli_companions *out, struct clo_error *err);

#endif
