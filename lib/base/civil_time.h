/* Times as certificates, collateral and people write them, in UTC, proleptic Gregorian calendar. */
#ifndef CLOISTER_LIB_CIVIL_TIME_H
#define CLOISTER_LIB_CIVIL_TIME_H

#include "cloister/base.h"

/* Seconds since 1970-01-01. False: there is no such time; a leap second counts as none. Years from 0 on. */
CLO_MUST_USE bool clo_civil_time(int year, int month, int day, int hour, int minute, int second,
                                 int64_t *out);
/* Date and time at the beginning of a text, as RFC 3339 writes them: 2026-01-31T12:00:00 (also with 't' or a
 * space). After them, where *rest will be, an offset has to follow: that is for the caller. */
CLO_MUST_USE bool clo_civil_time_read(const char *text, int64_t *out, const char **rest);

#endif
