/* A recovery key as a QR code on a terminal, by libqrencode, which is loaded when it is first used. */
#ifndef CLOISTER_CLI_QR_H
#define CLOISTER_CLI_QR_H

#include "cli/cli.h"

/* Before a key is made: one that could not be shown as asked is not made. */
CLO_MUST_USE bool cli_qr_check(bool is_wanted, bool makes_recovery, struct clo_error *err);
CLO_MUST_USE bool cli_qr_print(const struct clo_secret *text, struct clo_error *err);

#endif
