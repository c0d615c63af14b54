/* The system's randomness, for what lib/ asks its caller for. */
#ifndef CLOISTER_DEVICE_RANDOM_H
#define CLOISTER_DEVICE_RANDOM_H

#include "cloister/base.h"

extern const struct clo_random clo_random_system;

#endif
