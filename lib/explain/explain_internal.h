/* What usually moves a register: for people who know their image but not the profile. */
#ifndef CLOISTER_LIB_EXPLAIN_INTERNAL_H
#define CLOISTER_LIB_EXPLAIN_INTERNAL_H

#include "cloister/reference.h"

/* Type ("EV_IPL") and name ("SbatLevel") are those of the event that differs; NULL: not known. NULL if
 * there is no usual one. */
const char *explain_cause(unsigned reg, const char *type, const char *name);

/* What is compared of an event that is expected (lib/tcg/event_facts.h); NULL: nothing, or no memory. */
json_t *explain_facts(const struct clo_reference_event *event);
bool explain_is_variable(const char *type);
/* Two events by their facts, either of which may be NULL. */
bool explain_is_same_variable(const json_t *a, const json_t *b);
/* Appends how two partition tables differ; false: they are none. `is_same_text`: as far as words tell. */
bool explain_table(const json_t *was, const json_t *is, bool is_same_text, struct clo_buffer *out);
/* The same of two variables with signature lists. */
bool explain_lists(const json_t *was, const json_t *is, struct clo_buffer *out);

#endif
