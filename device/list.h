/* What an option that may be repeated was given: texts that outlive the list. */
#ifndef CLOISTER_DEVICE_LIST_H
#define CLOISTER_DEVICE_LIST_H

#include <stddef.h>

#define CLO_LIST_MAX 64
struct clo_list {
    const char *items[CLO_LIST_MAX];
    size_t count;
};

#endif
