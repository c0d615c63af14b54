/* Keys and certificates from files, for the commands that are given them. Errors name the file. */
#ifndef CLOISTER_CLI_KEYS_H
#define CLOISTER_CLI_KEYS_H

#include "cli/cli.h"
#include "cloister/crypto.h"

#define CLI_IMAGE_LIMIT ((size_t)1 << 31) /* a PE file cannot be larger */

/* PEM, unencrypted. */
CLO_MUST_USE bool cli_read_private_key(const char *path, struct clo_private_key **out,
                                       struct clo_error *err);
/* One certificate, PEM or DER. */
CLO_MUST_USE bool cli_read_certificate(const char *path, struct clo_certificate **out,
                                       struct clo_error *err);

#endif
