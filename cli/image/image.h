/* The forms of `cloister image`. */
#ifndef CLOISTER_CLI_IMAGE_H
#define CLOISTER_CLI_IMAGE_H

#include "cli/cli.h"

int cmd_image_build(int argc, char **argv);
int cmd_image_convert(int argc, char **argv);
int cmd_image_inspect(int argc, char **argv);
int cmd_image_seal(int argc, char **argv);
int cmd_image_update(int argc, char **argv);

/* A machine's memory, as --memory says it; NULL: the default. */
CLO_MUST_USE bool cli_boot_memory(const char *text, unsigned *mib, struct clo_error *err);

#endif
