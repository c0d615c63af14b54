/* The forms of `cloister uki`. */
#ifndef CLOISTER_CLI_UKI_H
#define CLOISTER_CLI_UKI_H

#include "cli/cli.h"

int cmd_uki_build(int argc, char **argv);
int cmd_uki_edit(int argc, char **argv);
int cmd_uki_inspect(int argc, char **argv);
int cmd_uki_policy(int argc, char **argv);
int cmd_uki_sign(int argc, char **argv);
int cmd_uki_verify(int argc, char **argv);

#endif
