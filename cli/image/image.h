/* The forms of `cloister image`. */
#ifndef CLOISTER_CLI_IMAGE_H
#define CLOISTER_CLI_IMAGE_H

#include "cli/cli.h"

int cmd_image_build(int argc, char **argv);
int cmd_image_convert(int argc, char **argv);
int cmd_image_inspect(int argc, char **argv);
int cmd_image_seal(int argc, char **argv);

#endif
