/* Companion files of a UKI (systemd-stub(7)): those named on the command line, and those that lie on a disk. */
#ifndef CLOISTER_CLI_COMPANIONS_H
#define CLOISTER_CLI_COMPANIONS_H

#include "cli/cli.h"
#include "lib/predict/boot_disk.h"

/* Files that will lie in UKI.extra.d/ (`beside`), and below loader/ (`loader`). */
CLO_MUST_USE bool cli_companions_read(const struct clo_list *beside, const struct clo_list *loader,
                                      struct clo_companion_set *out, struct clo_error *err);
/* Says on standard error which of them the stub starts and then ignores. */
CLO_MUST_USE bool cli_companions_warn(struct clo_bytes uki,
                                      const struct clo_companion_set *companions,
                                      struct clo_error *err);
/* clo_boot_disk_read(), whose remarks go to standard error. */
CLO_MUST_USE bool cli_disk_boot(struct clo_bytes disk, const char *load_options,
                                struct clo_boot_disk *out, struct clo_error *err);

#endif
