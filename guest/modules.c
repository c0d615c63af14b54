#include "guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/module_devices.h"

/* What a driver says when the machine has nothing for it to drive. */
static bool is_for_other_machines(int error)
{
    return error == ENODEV || error == ENXIO || error == EOPNOTSUPP;
}

/* After one that was passed over, those that need it miss its symbols: ENOENT, of the kernel, not of
 * the file. */
static bool load(const char *path, bool *has_passed_over, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "module %s: %s", path, strerror(errno));
    if (syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST)
        return true;
    if (is_for_other_machines(errno) || (errno == ENOENT && *has_passed_over)) {
        *has_passed_over = true;
        return true;
    }
    return clo_fail(err, CLO_ERR_SYSTEM, "module %s: %s", path, strerror(errno));
}

static bool load_one(struct clo_module_loader *loader, size_t i, struct clo_error *err)
{
    if (loader->is_done[i])
        return true;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    loader->is_done[i] = true;
    bool ok = load(loader->config->modules[i], &loader->has_passed_over, err);
    clock_gettime(CLOCK_MONOTONIC, &to);
    loader->ms[i] =
            1e3 * (double)(to.tv_sec - from.tv_sec) + 1e-6 * (double)(to.tv_nsec - from.tv_nsec);
    return ok;
}

static const json_t *devices_of(const struct clo_module_loader *loader, size_t i)
{
    return json_object_get(loader->config->module_devices, loader->config->modules[i]);
}

/* Those that are always wanted go first: one of them may be a bus, whose devices are listed after that. What a module needs is for
 * the devices of all that need it, and comes before them. */
bool clo_modules_load(struct clo_module_loader *loader, const char *sys, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer devices = { 0 };
    size_t count = loader->config->module_count;

    for (size_t i = 0; i < count; i++)
        if (devices_of(loader, i) == NULL && !load_one(loader, i, err))
            return false;
    if (json_object_size(loader->config->module_devices) == 0)
        return true;
    clo_module_devices_read(sys, &devices);
    if (!clo_buffer_ok(&devices))
        return clo_out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        if (!loader->is_done[i] &&
            clo_module_devices_have(clo_buffer_bytes(&devices), devices_of(loader, i)) &&
            !load_one(loader, i, err))
            return false;
    return true;
}

bool clo_modules_load_rest(struct clo_module_loader *loader, struct clo_error *err)
{
    for (size_t i = 0; i < loader->config->module_count; i++)
        if (!load_one(loader, i, err))
            return false;
    return true;
}
