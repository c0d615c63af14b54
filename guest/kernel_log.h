/* The kernel's log, a record at a time. */
#ifndef CLOISTER_GUEST_KERNEL_LOG_H
#define CLOISTER_GUEST_KERNEL_LOG_H

#include <stdbool.h>

#define CLO_KERNEL_LOG "/dev/kmsg"

/* Each line that the log still has, until `take` wants no more; one that cannot be read has none. */
void clo_kernel_log_each(const char *path, bool (*take)(void *context, const char *line),
                         void *context);

#endif
