#include "cloister/base.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Each secret has pages of its own, so that locking and the core dump flag touch nothing else. */
struct clo_secret {
    uint8_t *data;
    size_t size;
    size_t mapped;
};

void clo_wipe(void *data, size_t size)
{
    explicit_bzero(data, size);
}

bool clo_secret_new(size_t size, struct clo_secret **out, struct clo_error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped;

    if (!clo_add(size == 0 ? 1 : size, page - 1, &mapped))
        return clo_fail(err, CLO_ERR_SYSTEM, "secret: too large");
    mapped -= mapped % page;
    struct clo_secret *secret = calloc(1, sizeof *secret);
    if (secret == NULL)
        return clo_out_of_memory(err);
    void *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        free(secret);
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory for a secret");
    }
    /* Best effort: RLIMIT_MEMLOCK may be small, and a wiped page that was swapped is no worse. */
    (void)mlock(data, mapped);
    (void)madvise(data, mapped, MADV_DONTDUMP);
    *secret = (struct clo_secret){ .data = data, .size = size, .mapped = mapped };
    *out = secret;
    return true;
}

bool clo_secret_copy(struct clo_bytes from, struct clo_secret **out, struct clo_error *err)
{
    struct clo_secret *secret;

    if (!clo_secret_new(from.size, &secret, err))
        return false;
    if (from.size != 0)
        memcpy(secret->data, from.data, from.size);
    *out = secret;
    return true;
}

uint8_t *clo_secret_data(struct clo_secret *secret)
{
    return secret->data;
}

size_t clo_secret_size(const struct clo_secret *secret)
{
    return secret->size;
}

struct clo_bytes clo_secret_bytes(const struct clo_secret *secret)
{
    return clo_bytes(secret->data, secret->size);
}

void clo_secret_free(struct clo_secret *secret)
{
    if (secret == NULL)
        return;
    clo_wipe(secret->data, secret->mapped);
    munmap(secret->data, secret->mapped);
    free(secret);
}

void clo_secret_freep(struct clo_secret **secret)
{
    clo_secret_free(*secret);
    *secret = NULL;
}
