#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "image/in_place.h"
#include "image/in_place_files.h"
#include "image/luks.h"
#include "image/sectors.h"

#define BLOCK CLO_IN_PLACE_BLOCK

struct mover {
    const struct clo_in_place_run *run;
    struct clo_buffer text; /* the plan's bytes */
    struct clo_in_place_plan plan;
    struct clo_digest key, id;
    struct clo_in_place_state state;
    bool has_state; /* something may have been changed */
    int made;
    struct clo_sectors *sectors;
    uint8_t *window; /* CLO_IN_PLACE_WINDOW bytes: blocks in use, one after another */
};

static void free_mover(struct mover *mover)
{
    clo_buffer_free(&mover->text);
    clo_fd_close(&mover->made);
    clo_sectors_free(mover->sectors);
    free(mover->window);
}

/* --- The journal's files --- */

static bool read_plan(struct mover *mover, struct clo_error *err)
{
    char path[4300];

    in_place_path(mover->run->journal, CLO_JOURNAL_PLAN, path, sizeof path);
    if (!clo_file_read(path, CLO_FILE_LIMIT, &mover->text, err))
        return false;
    if (!clo_in_place_plan_read(clo_buffer_bytes(&mover->text), &mover->key, &mover->plan,
                                &mover->id, err))
        return clo_wrap(err, "%s", path);
    return mover->plan.recovery == mover->run->recovery ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "--recovery-passphrase-file, --recovery-header: are not as when it was begun");
}

static bool read_state(struct mover *mover, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[4300];

    in_place_path(mover->run->journal, IN_PLACE_STATE, path, sizeof path);
    mover->has_state = access(path, F_OK) == 0;
    if (!mover->has_state)
        return true;
    return clo_file_read(path, CLO_IN_PLACE_STATE + 1, &text, err) &&
           (clo_in_place_state_read(clo_buffer_bytes(&text), &mover->plan, &mover->id, &mover->key,
                                    &mover->state, err) ||
            clo_wrap(err, "%s", path));
}

static bool save_state(struct mover *mover, const struct clo_in_place_state *state,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[4300];

    in_place_path(mover->run->journal, IN_PLACE_STATE, path, sizeof path);
    if (!clo_in_place_state_write(state, &mover->id, &mover->key, &text, err) ||
        !clo_file_write(path, clo_buffer_bytes(&text), 0600, err))
        return false;
    mover->state = *state;
    mover->has_state = true;
    return true;
}

static bool open_made(struct mover *mover, struct clo_error *err)
{
    const char *path = mover->run->journal->disk;
    uint8_t digest[32];

    mover->made = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (mover->made < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    if (!in_place_made_digest(mover->made, &mover->plan, digest, err))
        return clo_wrap(err, "%s", path);
    return memcmp(digest, mover->plan.made, sizeof digest) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: was changed", path);
}

static bool open_window(const struct mover *mover, uint64_t number, int flags, int *out, char *path,
                        size_t size, struct clo_error *err)
{
    char name[32];

    snprintf(name, sizeof name, IN_PLACE_WINDOW, (unsigned)(number % 2));
    in_place_path(mover->run->journal, name, path, size);
    *out = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *out >= 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool save_window(const struct mover *mover, const struct clo_in_place_state *state,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    char path[4300];

    if (!open_window(mover, state->number, O_WRONLY | O_CREAT, &fd, path, sizeof path, err))
        return false;
    if (!clo_fd_write(fd, 0, clo_bytes(mover->window, (size_t)state->bytes), err))
        return clo_wrap(err, "%s", path);
    return fsync(fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static void digest_window(const struct mover *mover, uint64_t bytes, uint8_t out[32])
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, clo_bytes(mover->window, (size_t)bytes), &digest);
    memcpy(out, digest.bytes, 32);
}

static bool load_window(struct mover *mover, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    uint8_t digest[32];
    char path[4300];

    if (!open_window(mover, mover->state.number, O_RDONLY, &fd, path, sizeof path, err))
        return false;
    if (!in_place_read(fd, 0, mover->window, (size_t)mover->state.bytes, err))
        return clo_wrap(err, "%s", path);
    digest_window(mover, mover->state.bytes, digest);
    return memcmp(digest, mover->state.window, sizeof digest) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: was changed", path);
}

/* --- Is it the image that the journal is of? --- */

static bool read_head(const struct mover *mover, uint8_t head[CLO_IN_PLACE_MARK],
                      struct clo_error *err)
{
    return in_place_read(mover->run->disk, 0, head, CLO_IN_PLACE_MARK, err);
}

/* One block of the old root as the window has it, before it is encrypted; zeros after its end. */
static bool read_old(const struct mover *mover, uint64_t at, uint8_t out[BLOCK],
                     struct clo_error *err)
{
    uint64_t left = at < mover->plan.source ? mover->plan.source - at : 0;
    size_t there = left < BLOCK ? (size_t)left : BLOCK;

    memset(out + there, 0, BLOCK - there);
    return in_place_read(mover->run->disk, mover->plan.from + at, out, there, err);
}

static bool check_content(const struct mover *mover, struct clo_error *err)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    struct clo_digest digest;
    uint8_t block[BLOCK];

    if (hasher == NULL)
        return clo_out_of_memory(err);
    for (uint64_t at = 0; at < mover->plan.size; at += BLOCK) {
        if (!clo_in_place_bit(mover->plan.used, at / BLOCK) ||
            clo_in_place_bit(mover->plan.changed, at / BLOCK))
            continue;
        if (!read_old(mover, at, block, err))
            return false;
        clo_hasher_add(hasher, clo_bytes(block, sizeof block));
    }
    clo_hasher_get(hasher, &digest);
    return memcmp(digest.bytes, mover->plan.content, 32) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "is not as it was when the conversion was planned, and nothing was moved yet: "
                    "remove %s to begin anew",
                    mover->run->journal->folder);
}

/* The header was synced before the mark went. */
static bool has_header(const struct mover *mover)
{
    uint64_t at = mover->plan.to - CLO_LUKS_PAYLOAD_OFFSET;
    uint8_t there[BLOCK], made[BLOCK];
    struct clo_error ignored;

    return in_place_read(mover->run->disk, at, there, sizeof there, &ignored) &&
           in_place_read(mover->made, at, made, sizeof made, &ignored) &&
           memcmp(there, made, sizeof there) == 0;
}

static bool fail_other(struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_REFUSED,
                    "is not the image that the journal is of, or an older copy of it");
}

static bool check_image(const struct mover *mover, struct clo_error *err)
{
    const struct clo_in_place_state *state = &mover->state;
    uint8_t head[CLO_IN_PLACE_MARK];
    uint64_t step;

    if (!read_head(mover, head, err))
        return false;
    struct clo_bytes bytes = clo_bytes(head, sizeof head);
    if (clo_in_place_mark_read(bytes, &mover->id, &step))
        return clo_in_place_fits(state, step) || fail_other(err);
    if (state->number == 0 && clo_in_place_mark_is_begun(bytes, &mover->plan, &mover->id))
        return check_content(mover, err);
    if (state->number == 0 && !clo_in_place_is_marked(bytes))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "is not as it was when the conversion was planned, and nothing was moved "
                        "yet: remove %s to begin anew",
                        mover->run->journal->folder);
    return (state->is_moved && has_header(mover)) || fail_other(err);
}

/* --- Room --- */

static bool allocate(int fd, uint64_t at, uint64_t size)
{
    return size == 0 || fallocate(fd, 0, (off_t)at, (off_t)size) == 0 || errno == EOPNOTSUPP ||
           errno == ENOSYS;
}

/* What is in use, where it will lie. */
static bool allocate_payload(const struct mover *mover)
{
    const struct clo_in_place_plan *plan = &mover->plan;
    uint64_t stop;

    for (uint64_t at = 0; at < plan->size; at = stop + BLOCK) {
        stop = at;
        while (stop < plan->size && clo_in_place_bit(plan->used, stop / BLOCK))
            stop += BLOCK;
        if (!allocate(mover->run->disk, plan->to + at, stop - at))
            return false;
    }
    return true;
}

/* Of the folder, too. */
static bool allocate_windows(const struct mover *mover)
{
    for (uint64_t number = 0; number < 2; number++) {
        CLO_CLEANUP(clo_fd_close) int fd = -1;
        struct clo_error ignored;
        char path[4300];
        if (!open_window(mover, number, O_WRONLY | O_CREAT, &fd, path, sizeof path, &ignored) ||
            !allocate(fd, 0, CLO_IN_PLACE_WINDOW))
            return false;
    }
    return true;
}

/* A disk without room is found while the image is as it was: it gets its old size back. */
static bool reserve(const struct mover *mover, struct clo_error *err)
{
    const struct clo_in_place_plan *plan = &mover->plan;
    int fd = mover->run->disk;

    bool ok = (plan->new_size <= plan->old_size || ftruncate(fd, (off_t)plan->new_size) == 0) &&
              allocate(fd, 0, plan->to) && allocate_payload(mover) && allocate_windows(mover) &&
              fsync(fd) == 0;
    if (ok)
        return true;
    clo_fail(err, CLO_ERR_SYSTEM, "room for %llu MiB: %s; nothing was moved yet",
             (unsigned long long)(plan->new_size >> 20), strerror(errno));
    /* Larger it does no harm, if that fails, too. */
    (void)!ftruncate(fd, (off_t)plan->old_size);
    return false;
}

static bool mark(const struct mover *mover, uint64_t step, struct clo_error *err)
{
    uint8_t sector[CLO_IN_PLACE_MARK];

    clo_in_place_mark(&mover->id, step, sector);
    return clo_fd_write(mover->run->disk, 0, clo_bytes(sector, sizeof sector), err);
}

static bool sync_disk(const struct mover *mover, struct clo_error *err)
{
    return fsync(mover->run->disk) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
}

/* --- Moving --- */

/* Encrypted as the new disk has it. */
static bool fill_block(struct mover *mover, uint64_t at, uint8_t out[BLOCK], struct clo_error *err)
{
    uint8_t no_tags[1];

    if (clo_in_place_bit(mover->plan.changed, at / BLOCK))
        return in_place_read(mover->made, mover->plan.to + at, out, BLOCK, err);
    return read_old(mover, at, out, err) &&
           clo_sectors_encrypt(mover->sectors, out, at, BLOCK, no_tags, err);
}

/* Taken from the old disk, one after another: read at once. */
static uint64_t old_run(const struct mover *mover, uint64_t at, uint64_t end)
{
    uint64_t stop = at;

    while (stop < end && stop + BLOCK <= mover->plan.source &&
           clo_in_place_bit(mover->plan.used, stop / BLOCK) &&
           !clo_in_place_bit(mover->plan.changed, stop / BLOCK))
        stop += BLOCK;
    return stop;
}

static bool fill_window(struct mover *mover, const struct clo_in_place_state *state,
                        struct clo_error *err)
{
    uint8_t *out = mover->window;
    uint8_t no_tags[1];

    for (uint64_t at = state->first; at < state->end;) {
        size_t size = (size_t)(old_run(mover, at, state->end) - at);
        if (size > 0) {
            if (!in_place_read(mover->run->disk, mover->plan.from + at, out, size, err) ||
                !clo_sectors_encrypt(mover->sectors, out, at, size, no_tags, err))
                return false;
        } else {
            size = clo_in_place_bit(mover->plan.used, at / BLOCK) ? BLOCK : 0;
            if (size > 0 && !fill_block(mover, at, out, err))
                return false;
        }
        out += size;
        at += size > 0 ? size : BLOCK;
    }
    return true;
}

/* As often as it may take: the window lies in the folder. What is free is cleared, so that nothing of the old disk is left there. */
static bool put_window(const struct mover *mover, struct clo_error *err)
{
    const struct clo_in_place_plan *plan = &mover->plan;
    const uint8_t *from = mover->window;
    uint64_t stop;

    if (!mark(mover, clo_in_place_step(&mover->state), err) || !sync_disk(mover, err))
        return false;
    for (uint64_t at = mover->state.first; at < mover->state.end; at = stop) {
        bool is_used = clo_in_place_bit(plan->used, at / BLOCK);
        stop = at;
        while (stop < mover->state.end && clo_in_place_bit(plan->used, stop / BLOCK) == is_used)
            stop += BLOCK;
        size_t size = is_used ? (size_t)(stop - at) : 0;
        if (!(is_used ? clo_fd_write(mover->run->disk, plan->to + at, clo_bytes(from, size), err)
                      : in_place_clear(mover->run->disk, plan->to + at, stop - at, err)))
            return false;
        from += size;
    }
    return sync_disk(mover, err) && mark(mover, clo_in_place_step(&mover->state) + 1, err) &&
           sync_disk(mover, err);
}

static void tell(const struct mover *mover)
{
    const struct clo_in_place_run *run = mover->run;
    const struct clo_in_place_state *state = &mover->state;
    bool is_upward = mover->plan.to >= mover->plan.from;

    if (run->progress != NULL)
        run->progress(run->context, is_upward ? mover->plan.size - state->first : state->end,
                      mover->plan.size);
}

static bool move_all(struct mover *mover, struct clo_error *err)
{
    struct clo_in_place_state next;

    /* What was being written when it ended; the windows after it are not in the folder yet. */
    if (mover->state.number > 0 && (!load_window(mover, err) || !put_window(mover, err)))
        return false;
    while (clo_in_place_next(&mover->plan, &mover->state, &next)) {
        if (!fill_window(mover, &next, err))
            return false;
        digest_window(mover, next.bytes, next.window);
        if (!save_window(mover, &next, err) || !save_state(mover, &next, err) ||
            !put_window(mover, err))
            return false;
        tell(mover);
    }
    next = mover->state;
    next.is_moved = true;
    return save_state(mover, &next, err);
}

/* All but the payload; what makes a disk of it comes last. */
static bool put_rest(const struct mover *mover, struct clo_error *err)
{
    const struct clo_in_place_plan *plan = &mover->plan;
    int disk = mover->run->disk;

    if (!in_place_copy(mover->made, disk, BLOCK, plan->to, err) ||
        !in_place_copy(mover->made, disk, plan->to + plan->size, plan->new_size, err))
        return false;
    if (ftruncate(disk, (off_t)plan->new_size) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return sync_disk(mover, err) && in_place_copy(mover->made, disk, 0, BLOCK, err) &&
           sync_disk(mover, err);
}

static bool begin(struct mover *mover, struct clo_error *err)
{
    const struct clo_in_place_state none = { 0 };

    if (!mover->has_state && (!reserve(mover, err) || !save_state(mover, &none, err)))
        return false;
    return mover->state.number > 0 || (mark(mover, 0, err) && sync_disk(mover, err));
}

static bool open_mover(struct mover *mover, struct clo_error *err)
{
    mover->window = malloc(CLO_IN_PLACE_WINDOW);
    if (mover->window == NULL)
        return clo_out_of_memory(err);
    clo_in_place_key(clo_secret_bytes(mover->run->volume_key), &mover->key);
    return read_plan(mover, err) && read_state(mover, err) && open_made(mover, err) &&
           clo_sectors_new(mover->run->volume_key, BLOCK, &mover->sectors, err);
}

static void fill_result(const struct mover *mover, struct clo_image_result *out)
{
    const struct clo_in_place_plan *plan = &mover->plan;

    *out = (struct clo_image_result){ .disk_size = plan->new_size,
                                      .uki_size = plan->uki_size,
                                      .initrd_size = plan->initrd_size,
                                      .profile_count = plan->profiles };
    for (uint64_t at = 0; at < plan->size; at += BLOCK)
        out->encrypted += clo_in_place_bit(plan->used, at / BLOCK) ? BLOCK : 0;
    out->skipped = plan->size - out->encrypted;
    memcpy(out->luks_uuid, plan->uuid, sizeof out->luks_uuid);
    memcpy(out->release, plan->release, sizeof out->release);
}

bool clo_in_place_run(const struct clo_in_place_run *run, struct clo_image_result *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(free_mover) struct mover mover = { .run = run, .made = -1 };

    if (!open_mover(&mover, err) || (run->is_resumed && !check_image(&mover, err)) ||
        !(mover.state.is_moved || (begin(&mover, err) && move_all(&mover, err))) ||
        !put_rest(&mover, err))
        return false;
    fill_result(&mover, out);
    return true;
}
