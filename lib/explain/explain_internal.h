/* What usually moves a register: for people who know their image but not the profile. */
#ifndef CLOISTER_LIB_EXPLAIN_INTERNAL_H
#define CLOISTER_LIB_EXPLAIN_INTERNAL_H

#include "cloister/base.h"

/* Type ("EV_IPL") and name ("SbatLevel: …") are those of the event that differs; NULL: not known. NULL if
 * there is no usual one. */
const char *explain_cause(unsigned reg, const char *type, const char *name);
/* Appends how two partition tables differ, each as a log's event is described; false: they are none. */
bool explain_table(const char *expected, const char *logged, struct clo_buffer *out);
/* The same of two variables with signature lists ("dbx: 3 entries, 172 bytes"). */
bool explain_lists(const char *expected, const char *logged, struct clo_buffer *out);

#endif
