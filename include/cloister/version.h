/* Which libcloister a program is compiled for, and which it runs with. */
#ifndef CLOISTER_VERSION_H
#define CLOISTER_VERSION_H

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_VERSION_MAJOR 0
#define CLO_VERSION_MINOR 1
#define CLO_VERSION_PATCH 0
#define CLO_VERSION       "0.1.0"

/* CLO_VERSION of the library that is loaded. */
CLO_API const char *clo_version(void);

CLO_END_C

#endif
