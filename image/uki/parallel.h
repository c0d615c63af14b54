/* Work that falls into parts, on as many threads as there are processors. */
#ifndef CLOISTER_IMAGE_UKI_PARALLEL_H
#define CLOISTER_IMAGE_UKI_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

/* Calls run(context, 0) to run(context, count - 1), begun in this order, and returns when all are done. All of them together
 * go over `bytes`: where those are few, or no thread can be had, they run here, one after the other. */
void uki_parallel(size_t count, uint64_t bytes, void (*run)(void *context, size_t index),
                  void *context);

#endif
