/* Digits in text that must be nothing else. */
#ifndef CLOISTER_LIB_BASE_DIGITS_H
#define CLOISTER_LIB_BASE_DIGITS_H

#include <stdbool.h>
#include <stdint.h>

int clo_hex_digit(uint8_t digit); /* -1: it is not one */
/* Decimal digits alone, at least one, that fit; otherwise `out` stays as it is. */
bool clo_decimal_read(const char *text, uint64_t *out);

#endif
