/* The devices that the kernel has found, by the names that drivers are looked up with (modalias). */
#ifndef CLOISTER_GUEST_MODULE_DEVICES_H
#define CLOISTER_GUEST_MODULE_DEVICES_H

#include "cloister/json.h"

/* Appends the name of each, with a NUL after it. A device that cannot be read is none. */
void clo_module_devices_read(const char *sys, struct clo_buffer *out);

/* Is one of them of these patterns? `patterns` is an array of texts, as modules have them. */
bool clo_module_devices_have(struct clo_bytes devices, const json_t *patterns);

#endif
