/* The forms of `cloister key`. */
#ifndef CLOISTER_CLI_KEY_H
#define CLOISTER_CLI_KEY_H

#include "cli/cli.h"

int cmd_key_backup(int argc, char **argv);
int cmd_key_derive(int argc, char **argv);
int cmd_key_lease(int argc, char **argv);
int cmd_key_list(int argc, char **argv);
int cmd_key_master(int argc, char **argv);
int cmd_key_put(int argc, char **argv);
int cmd_key_remove(int argc, char **argv);
int cmd_key_restore(int argc, char **argv);
int cmd_key_revoke(int argc, char **argv);
int cmd_key_terms(int argc, char **argv);

#endif
