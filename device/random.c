#include "device/random.h"

#include <errno.h>
#include <sys/random.h>

static bool fill(void *context, void *out, size_t size)
{
    uint8_t *bytes = out;

    (void)context;
    for (size_t at = 0; at < size;) {
        ssize_t got = getrandom(bytes + at, size - at, 0);
        if (got < 0 && errno != EINTR)
            return false;
        at += got < 0 ? 0 : (size_t)got;
    }
    return true;
}

const struct clo_random clo_random_system = { .fill = fill, .context = NULL };
