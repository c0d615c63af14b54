/* Is it a root that can be built from? A folder or an ext4 file system with a program to start; what else people give is
 * named, with the way out. */
#ifndef CLOISTER_IMAGE_ROOT_CHECK_H
#define CLOISTER_IMAGE_ROOT_CHECK_H

#include "cloister/base.h"

CLO_MUST_USE bool clo_root_check(const char *path, struct clo_error *err);
/* The places of an init, without the first slash; ends with NULL. */
extern const char *const clo_root_inits[];

#endif
