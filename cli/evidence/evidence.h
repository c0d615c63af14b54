/* The forms of `cloister evidence`. */
#ifndef CLOISTER_CLI_EVIDENCE_FORMS_H
#define CLOISTER_CLI_EVIDENCE_FORMS_H

#include "cli/cli.h"

int cmd_evidence_activate(int argc, char **argv);
int cmd_evidence_challenge(int argc, char **argv);
int cmd_evidence_collect(int argc, char **argv);
int cmd_evidence_extend(int argc, char **argv);
int cmd_evidence_report(int argc, char **argv);
int cmd_evidence_show(int argc, char **argv);

#endif
