#include "device/tdx_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/file.h"

#define REPORT_DATA_SIZE 64

/* uapi/linux/tdx-guest.h, which Debian 12's headers do not have yet. */
struct report_request {
    uint8_t report_data[REPORT_DATA_SIZE];
    uint8_t td_report[CLO_TDX_GUEST_REPORT_SIZE];
};
#define GET_REPORT0 _IOWR('T', 1, struct report_request)

bool clo_tdx_guest_report_by(clo_tdx_guest_ioctl *call, void *context, struct clo_bytes report_data,
                             struct clo_buffer *out, struct clo_error *err)
{
    struct report_request request = { { 0 }, { 0 } };

    if (report_data.size != REPORT_DATA_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "report data: %zu bytes, 64 expected",
                        report_data.size);
    memcpy(request.report_data, report_data.data, REPORT_DATA_SIZE);
    int reason = call(context, GET_REPORT0, &request);
    if (reason == EIO)
        return clo_fail(err, CLO_ERR_SYSTEM, "tdx_guest: the TDX module refuses a report (EIO)");
    if (reason != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "tdx_guest: %s", strerror(reason));
    if (clo_bytes_all(clo_bytes(request.td_report, sizeof request.td_report), 0))
        return clo_fail(err, CLO_ERR_FORMAT, "tdx_guest: an empty report");
    clo_buffer_append(out, clo_bytes(request.td_report, sizeof request.td_report));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static int device_ioctl(void *context, unsigned long request, void *argument)
{
    return ioctl(*(const int *)context, request, argument) == 0 ? 0 : errno;
}

bool clo_tdx_guest_report(const char *device, struct clo_bytes report_data, struct clo_buffer *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, errno == EACCES ? CLO_ERR_SYSTEM : CLO_ERR_UNAVAILABLE,
                        "%s: %s (needs TDX, Linux 6.2 and the module tdx-guest)", device,
                        strerror(errno));
    return clo_tdx_guest_report_by(device_ioctl, &fd, report_data, out, err);
}

/* --- Registers --- */

static bool register_path(const char *folder, const char *name, char out[4200],
                          struct clo_error *err)
{
    if (strchr(name, '/') != NULL || (size_t)snprintf(out, 4200, "%s/%s", folder, name) >= 4200)
        return clo_fail(err, CLO_ERR_USAGE, "TDX register \"%.60s\": no such name", name);
    return true;
}

static bool missing(const char *path, struct clo_error *err)
{
    if (errno == EACCES || errno == EPERM)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s: only root may", path, strerror(errno));
    return clo_fail(err, CLO_ERR_UNAVAILABLE,
                    "%s: %s (needs a TDX guest with Linux 6.16 and CONFIG_TDX_GUEST_DRIVER)", path,
                    strerror(errno));
}

bool clo_tdx_guest_read(const char *folder, const char *name, uint8_t out[CLO_TDX_GUEST_MR_SIZE],
                        struct clo_error *err)
{
    uint8_t value[CLO_TDX_GUEST_MR_SIZE + 1];
    char path[4200];

    if (!register_path(folder, name, path, err))
        return false;
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return missing(path, err);
    ssize_t got = read(fd, value, sizeof value);
    if (got != CLO_TDX_GUEST_MR_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zd bytes, %d expected", path, got,
                        CLO_TDX_GUEST_MR_SIZE);
    memcpy(out, value, CLO_TDX_GUEST_MR_SIZE);
    return true;
}

bool clo_tdx_guest_extend(const char *folder, unsigned rtmr, struct clo_bytes digest,
                          struct clo_error *err)
{
    char name[32];
    char path[4200];

    if (rtmr >= CLO_TDX_GUEST_RTMRS)
        return clo_fail(err, CLO_ERR_USAGE, "RTMR %u: 0 to %d expected", rtmr,
                        CLO_TDX_GUEST_RTMRS - 1);
    if (digest.size != CLO_TDX_GUEST_MR_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "RTMR %u: a digest of %zu bytes, %d expected (SHA-384)",
                        rtmr, digest.size, CLO_TDX_GUEST_MR_SIZE);
    snprintf(name, sizeof name, "rtmr%u:sha384", rtmr);
    if (!register_path(folder, name, path, err))
        return false;
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return missing(path, err);
    /* One write(2) of the whole: the kernel takes nothing else. */
    ssize_t put = write(fd, digest.data, digest.size);
    if (put != (ssize_t)digest.size)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path,
                        put < 0 ? strerror(errno) : "short write");
    return true;
}
