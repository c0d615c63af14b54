/* What the commands about policies share. */
#ifndef CLOISTER_CLI_POLICY_H
#define CLOISTER_CLI_POLICY_H

#include "cli/inputs.h"
#include "cloister/policy_pins.h"

/* A file, or the built-in one's name. */
CLO_MUST_USE bool policy_load(const char *name, struct clo_policy **out, struct clo_error *err);

/* "program, debug": the aspects of at least this weight that are open. */
void policy_name_open(const struct clo_pins *pins, enum clo_pin_weight weight,
                      struct clo_buffer *out);
/* A line for each aspect that is open, or that is partly so, after `prefix`. */
void policy_print_left(FILE *out, const char *prefix, const struct clo_pins *pins);

int cmd_policy_check(int argc, char **argv);
int cmd_policy_init(int argc, char **argv);
int cmd_policy_test(int argc, char **argv);

#endif
