#include "guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/file.h"

/* What a driver says when the machine has nothing for it to drive, or has it already. */
static bool is_harmless(int error)
{
    return error == EEXIST || error == ENODEV || error == ENXIO || error == EOPNOTSUPP;
}

static bool load(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "module %s: %s", path, strerror(errno));
    if (syscall(SYS_finit_module, fd, "", 0) == 0 || is_harmless(errno))
        return true;
    return clo_fail(err, CLO_ERR_SYSTEM, "module %s: %s", path, strerror(errno));
}

bool clo_modules_load(const char *const *paths, size_t count, struct clo_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!load(paths[i], err))
            return false;
    return true;
}
