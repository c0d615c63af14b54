/* JSON as it is hashed by those who follow RFC 8785 (JSON Canonicalization Scheme): members in the order of their names'
 * UTF-16 units, numbers as ECMAScript writes them, the fewest escapes. clo_json_write() is the form of our own files. */
#ifndef CLOISTER_LIB_BASE_JCS_H
#define CLOISTER_LIB_BASE_JCS_H

#include "cloister/json.h"

/* Appends. Whole numbers beyond 2^53 are rounded as every number there is: to a double. */
CLO_MUST_USE bool clo_jcs_write(const json_t *json, struct clo_buffer *out, struct clo_error *err);
/* Section 3.2.2.3, ECMAScript's Number::toString; `value` is finite. Appends. */
void clo_jcs_write_number(double value, struct clo_buffer *out);

#endif
