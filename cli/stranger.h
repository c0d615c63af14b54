/* A file of another kind than was wanted. */
#ifndef CLOISTER_CLI_STRANGER_H
#define CLOISTER_CLI_STRANGER_H

#include "cloister/base.h"

/* After a file could not be read as `wanted` ("a policy"): where it is known to be something else, the error says what,
 * and which command takes it. `own` is what the recogniser calls the wanted kind, if it knows it: then what was said about
 * it stays. Returns false. */
bool cli_stranger(const char *path, const char *wanted, const char *own, struct clo_error *err);

#endif
