#include "guest/trial.h"

#include <stdio.h>

#include "device/file.h"

#define GLOBAL      "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* UEFI 2.10, section 3.3 */
#define ATTRIBUTES  4
#define VALUE_LIMIT 65536

static bool read_variable(const char *efivars, const char *name, struct clo_buffer *out)
{
    struct clo_error ignored;
    char path[4200];

    snprintf(path, sizeof path, "%s/%s-" GLOBAL, efivars, name);
    return clo_file_read(path, VALUE_LIMIT, out, &ignored) && out->size >= ATTRIBUTES;
}

bool clo_boot_is_trial(const char *efivars)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer current = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer order = { 0 };

    if (!read_variable(efivars, "BootCurrent", &current) || current.size != ATTRIBUTES + 2 ||
        !read_variable(efivars, "BootOrder", &order))
        return false;
    for (size_t at = ATTRIBUTES; at + 2 <= order.size; at += 2)
        if (order.data[at] == current.data[ATTRIBUTES] &&
            order.data[at + 1] == current.data[ATTRIBUTES + 1])
            return false;
    return true;
}
