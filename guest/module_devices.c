#include "guest/module_devices.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "device/file.h"

#define NAME_LIMIT 4096

/* The buses that image/modules.c names devices of. */
static const char *const buses[] = { "pci", "virtio", "acpi", "platform" };

static void read_bus(const char *folder, struct clo_buffer *out)
{
    DIR *devices = opendir(folder);
    struct dirent *entry;

    while (devices != NULL && (entry = readdir(devices)) != NULL) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
        struct clo_error ignored;
        char path[600];
        snprintf(path, sizeof path, "%s/%.255s/modalias", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !clo_file_read(path, NAME_LIMIT, &name, &ignored) ||
            name.size == 0)
            continue;
        if (name.data[name.size - 1] == '\n')
            name.size--;
        clo_buffer_append(out, clo_buffer_bytes(&name));
        clo_buffer_u8(out, 0);
    }
    if (devices != NULL)
        closedir(devices);
}

void clo_module_devices_read(const char *sys, struct clo_buffer *out)
{
    for (size_t i = 0; i < CLO_COUNT(buses); i++) {
        char folder[300];
        snprintf(folder, sizeof folder, "%.250s/bus/%s/devices", sys, buses[i]);
        read_bus(folder, out);
    }
}

static bool have(struct clo_bytes devices, const char *pattern)
{
    const char *at = (const char *)devices.data;

    for (size_t left = devices.size; left > 0;) {
        if (fnmatch(pattern, at, 0) == 0)
            return true;
        size_t size = strlen(at) + 1;
        at += size;
        left -= size;
    }
    return false;
}

bool clo_module_devices_have(struct clo_bytes devices, const json_t *patterns)
{
    json_t *pattern;
    size_t i;

    json_array_foreach (patterns, i, pattern)
        if (json_is_string(pattern) && have(devices, json_string_value(pattern)))
            return true;
    return false;
}
