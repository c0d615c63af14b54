#include "device/dm_linear.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/dm-ioctl.h>

#include "device/file.h"

#define CONTROL      "/dev/mapper/control"
#define REQUEST_SIZE 1024

/* What the kernel is asked (linux/dm-ioctl.h): a head, and for a table one target with its words. */
union request {
    struct dm_ioctl head;
    char bytes[REQUEST_SIZE];
};

static bool ask(int control, unsigned long command, const char *name, union request *request,
                struct clo_error *err)
{
    request->head.version[0] = 4;
    request->head.data_size = sizeof *request;
    request->head.data_start = sizeof request->head;
    snprintf(request->head.name, sizeof request->head.name, "%s", name);
    return ioctl(control, command, request) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "/dev/mapper/%s: %s", name, strerror(errno));
}

/* "MAJOR:MINOR FIRST" (Documentation/admin-guide/device-mapper/linear.rst). */
static bool load(int control, const char *name, dev_t device, uint64_t first, uint64_t sectors,
                 struct clo_error *err)
{
    union request request = { .head = { .target_count = 1 } };
    struct dm_target_spec target = { .length = sectors, .target_type = "linear" };
    char *at = request.bytes + sizeof request.head;

    memcpy(at, &target, sizeof target);
    snprintf(at + sizeof target, sizeof request - sizeof request.head - sizeof target, "%u:%u %llu",
             major(device), minor(device), (unsigned long long)first);
    return ask(control, DM_TABLE_LOAD, name, &request, err);
}

bool clo_dm_linear_open(const char *device, uint64_t first, uint64_t sectors, const char *name,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int control = open(CONTROL, O_RDWR | O_CLOEXEC);
    union request created = { .head = { .flags = 0 } }, resumed = { .head = { .flags = 0 } };
    struct stat status;
    char path[300];

    if (control < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, CONTROL ": %s", strerror(errno));
    if (stat(device, &status) != 0 || !S_ISBLK(status.st_mode))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: is not a block device", device);
    if (!ask(control, DM_DEV_CREATE, name, &created, err) ||
        !load(control, name, status.st_rdev, first, sectors, err) ||
        !ask(control, DM_DEV_SUSPEND, name, &resumed, err)) /* without its flag: go on */
        return false;
    /* There is no udev to make it. */
    snprintf(path, sizeof path, "/dev/mapper/%s", name);
    return mknod(path, S_IFBLK | 0600, (dev_t)created.head.dev) == 0 || errno == EEXIST ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}
