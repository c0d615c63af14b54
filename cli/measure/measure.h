/* The forms of `cloister measure`. */
#ifndef CLOISTER_CLI_MEASURE_H
#define CLOISTER_CLI_MEASURE_H

#include "cli/cli.h"

int cmd_measure_convert(int argc, char **argv);
int cmd_measure_image(int argc, char **argv);
int cmd_measure_policy(int argc, char **argv);
int cmd_measure_snp(int argc, char **argv);
int cmd_measure_tdx(int argc, char **argv);
int cmd_measure_uki(int argc, char **argv);

#endif
