#include "image/in_place_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"

#define BLOCK CLO_IN_PLACE_BLOCK

void in_place_path(const struct clo_journal *journal, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", journal->folder, name);
}

bool in_place_read(int fd, uint64_t at, uint8_t *out, size_t size, struct clo_error *err)
{
    while (size > 0) {
        ssize_t got = pread(fd, out, size, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return clo_fail(err, CLO_ERR_FORMAT, "byte %llu: %s", (unsigned long long)at,
                            got == 0 ? "is not there any more" : strerror(errno));
        at += (uint64_t)got;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

static bool write_zeros(int fd, uint64_t at, uint64_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *zeros = calloc(1, IN_PLACE_PIECE);

    if (zeros == NULL)
        return clo_out_of_memory(err);
    for (uint64_t done = 0; done < size;) {
        size_t now = size - done < IN_PLACE_PIECE ? (size_t)(size - done) : IN_PLACE_PIECE;
        if (!clo_fd_write(fd, at + done, clo_bytes(zeros, now), err))
            return false;
        done += now;
    }
    return true;
}

bool in_place_clear(int fd, uint64_t at, uint64_t size, struct clo_error *err)
{
    if (size == 0 ||
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size) == 0)
        return true;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return write_zeros(fd, at, size, err);
    return clo_fail(err, CLO_ERR_SYSTEM, "byte %llu: %s", (unsigned long long)at, strerror(errno));
}

bool in_place_copy(int from, int to, uint64_t first, uint64_t end, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(IN_PLACE_PIECE);
    uint64_t zeros = first; /* from there on there was nothing else */

    if (piece == NULL)
        return clo_out_of_memory(err);
    for (uint64_t at = first; at < end;) {
        size_t now = end - at < IN_PLACE_PIECE ? (size_t)(end - at) : IN_PLACE_PIECE;
        struct clo_bytes bytes = clo_bytes(piece, now);
        if (!in_place_read(from, at, piece, now, err))
            return false;
        bool is_zero = clo_bytes_all(bytes, 0);
        if (!is_zero &&
            (!in_place_clear(to, zeros, at - zeros, err) || !clo_fd_write(to, at, bytes, err)))
            return false;
        at += now;
        if (!is_zero)
            zeros = at;
    }
    return in_place_clear(to, zeros, end - zeros, err);
}

/* Where it lies comes with it, so that nothing need be hashed of what is empty. */
static bool add(int fd, uint64_t first, uint64_t end, uint8_t *piece, struct clo_hasher *hasher,
                struct clo_error *err)
{
    uint8_t place[8];

    for (uint64_t at = first; at < end;) {
        size_t now = end - at < IN_PLACE_PIECE ? (size_t)(end - at) : IN_PLACE_PIECE;
        if (!in_place_read(fd, at, piece, now, err))
            return false;
        for (size_t i = 0; i < sizeof place; i++)
            place[i] = (uint8_t)(at >> 8 * i);
        struct clo_bytes bytes = clo_bytes(piece, now);
        if (!clo_bytes_all(bytes, 0)) {
            clo_hasher_add(hasher, clo_bytes(place, sizeof place));
            clo_hasher_add(hasher, bytes);
        }
        at += now;
    }
    return true;
}

bool in_place_made_digest(int made, const struct clo_in_place_plan *plan, uint8_t out[32],
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(IN_PLACE_PIECE);
    struct clo_digest digest;

    if (hasher == NULL || piece == NULL)
        return clo_out_of_memory(err);
    if (!add(made, 0, plan->to, piece, hasher, err))
        return false;
    for (uint64_t at = 0; at < plan->size; at += BLOCK)
        if (clo_in_place_bit(plan->changed, at / BLOCK) &&
            !add(made, plan->to + at, plan->to + at + BLOCK, piece, hasher, err))
            return false;
    if (!add(made, plan->to + plan->size, plan->new_size, piece, hasher, err))
        return false;
    clo_hasher_get(hasher, &digest);
    memcpy(out, digest.bytes, 32);
    return true;
}
