#include "guest/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/file.h"

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

bool clo_modules_load(const char *const *paths, size_t count, struct clo_error *err)
{
    bool has_passed_over = false;

    for (size_t i = 0; i < count; i++)
        if (!load(paths[i], &has_passed_over, err))
            return false;
    return true;
}
