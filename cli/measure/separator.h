/* What systemd in a UKI's initrd measures besides the phases. */
#ifndef CLOISTER_CLI_MEASURE_SEPARATOR_H
#define CLOISTER_CLI_MEASURE_SEPARATOR_H

#include "cloister/base.h"

/* One line on standard error where the initrd carries what moves the registers that were predicted, before the disk is opened. */
void measure_note_initrd(struct clo_bytes uki);

#endif
