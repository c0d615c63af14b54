/* Reading what almost all JSON is, in one pass: strings of ASCII without escapes, whole numbers of up to 18 digits, no key twice. */
#ifndef CLOISTER_LIB_BASE_JSON_READ_H
#define CLOISTER_LIB_BASE_JSON_READ_H

#include "cloister/json.h"

/* What jansson would make of it; NULL: it is something else, has more values or is deeper than it may be, or memory is short, and jansson
 * says what it is. */
json_t *json_read_plain(struct clo_bytes text, size_t values_max);

/* Fails where jansson would make more than `values_max` values and names of it, or go too deep. Of several texts, one after the other, it
 * counts the values of all. */
bool json_is_bounded(struct clo_bytes text, size_t values_max, struct clo_error *err);

#endif
