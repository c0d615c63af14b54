/* UTF-8 (RFC 3629), one code point after the other. */
#ifndef CLOISTER_LIB_UTF8_H
#define CLOISTER_LIB_UTF8_H

#include "cloister/base.h"

#define CLO_UTF8_MALFORMED UINT32_MAX

/* A Unicode scalar value? Surrogates are none. */
bool clo_utf8_is_scalar(uint32_t value);
/* Reads one; CLO_UTF8_MALFORMED for overlong forms, surrogates, and what is cut short. */
uint32_t clo_utf8_next(struct clo_reader *r);

#endif
