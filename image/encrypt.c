#include "image/encrypt.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include "device/file.h"
#include "image/overlay.h"
#include "image/sectors.h"
#include "lib/disk/integrity.h"

#define SECTOR            4096U /* a block of the file system; a sector of the volume, or eight */
#define CHUNK             ((size_t)CLO_ENCRYPT_STEP)
#define SECTORS_PER_CHUNK (CHUNK / SECTOR)
#define SECTORS_PER_PIECE ((size_t)32)
#define THREADS_MAX       20 /* with their buffers less than 64 MiB */
#define THREADS_PER_CORE  4  /* most of them wait for the disk */
#define SAVE_EVERY_MS     500
#define NO_CHUNK          UINT64_MAX

/* Bit n of `used`: sector n of the source is in use. */
struct map {
    uint8_t *used; /* NULL: all are */
    uint64_t sectors;
};

struct job {
    const struct clo_encrypt_spec *spec;
    const struct map *map;
    int source;
    int direct; /* the target opened past the page cache; -1: not possible */
    uint64_t source_size;
    uint64_t next_chunk;           /* under the lock, as the next three */
    uint64_t working[THREADS_MAX]; /* the chunk that each is at; NO_CHUNK: none */
    unsigned workers;
    bool is_saving;
    struct timespec saved;
    atomic_ullong encrypted;
    atomic_ullong done;
    atomic_bool failed;
    pthread_mutex_t lock; /* of `err` and of the callbacks, too */
    struct clo_error *err;
};

static bool is_used(const struct map *map, uint64_t sector)
{
    return map->used == NULL ||
           (sector < map->sectors && (map->used[sector / 8] >> (sector % 8) & 1) != 0);
}

static void set_used(uint8_t *used, uint64_t sector)
{
    used[sector / 8] = (uint8_t)(used[sector / 8] | 1U << sector % 8);
}

/* Which blocks does the file system use? Superblock copies, tables, journal and bitmaps are all
 * marked as used in its own bitmap. What is not an ext file system is used throughout. */
uint8_t *clo_encrypt_used(const struct clo_encrypt_spec *spec)
{
    uint64_t sectors = spec->size / SECTOR, before = spec->files_at / SECTOR;
    ext2_filsys fs = NULL;
    struct clo_error ignored;
    char offset[40];

    snprintf(offset, sizeof offset, "offset=%llu", (unsigned long long)spec->files_at);
    if (spec->overlay != NULL ? !clo_overlay_open_ext(spec->overlay, 0, &fs, &ignored)
                              : ext2fs_open2(spec->source, offset, EXT2_FLAG_64BITS, 0, 0,
                                             unix_io_manager, &fs) != 0)
        return NULL;
    uint64_t blocks = ext2fs_blocks_count(fs->super);
    uint8_t *used = NULL;
    if (fs->blocksize == SECTOR && before <= sectors && blocks <= sectors - before &&
        ext2fs_read_block_bitmap(fs) == 0)
        used = calloc(1, (size_t)(sectors / 8 + 1));
    for (uint64_t at = 0; used != NULL && at < before; at++)
        set_used(used, at);
    for (uint64_t block = 0; used != NULL && block < blocks; block++)
        if (block < fs->super->s_first_data_block + 1 ||
            ext2fs_test_block_bitmap2(fs->block_map, block))
            set_used(used, before + block);
    ext2fs_close_free(&fs);
    return used;
}

static void fail(struct job *job, enum clo_status status, const char *what, int number)
{
    pthread_mutex_lock(&job->lock);
    if (!atomic_exchange(&job->failed, true))
        clo_fail(job->err, status, "%s: %s", what, strerror(number));
    pthread_mutex_unlock(&job->lock);
}

static bool keep_error(struct job *job, const struct clo_error *err)
{
    pthread_mutex_lock(&job->lock);
    if (!atomic_exchange(&job->failed, true))
        *job->err = *err;
    pthread_mutex_unlock(&job->lock);
    return false;
}

static bool read_overlay(struct job *job, uint8_t *buffer, uint64_t at, size_t size)
{
    uint64_t left = at < job->source_size ? job->source_size - at : 0;
    size_t have = left < size ? (size_t)left : size;
    struct clo_error err;

    memset(buffer + have, 0, size - have);
    return clo_overlay_read(job->spec->overlay, at, buffer, have, &err) || keep_error(job, &err);
}

static bool read_source(struct job *job, uint8_t *buffer, uint64_t at, size_t size)
{
    size_t have = 0;

    if (job->spec->overlay != NULL)
        return read_overlay(job, buffer, at, size);

    while (have < size && at + have < job->source_size) {
        ssize_t got = pread(job->source, buffer + have, size - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fail(job, CLO_ERR_FORMAT, job->spec->source, errno);
            return false;
        }
        if (got == 0)
            break;
        have += (size_t)got;
    }
    memset(buffer + have, 0, size - have);
    return true;
}

static bool write_target(struct job *job, const uint8_t *buffer, uint64_t at, size_t size)
{
    bool is_direct = job->direct >= 0;

    while (size > 0) {
        ssize_t put = pwrite(is_direct ? job->direct : job->spec->target, buffer, size, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && is_direct && errno == EINVAL) {
            is_direct = false; /* the file system's alignment is larger than ours */
            continue;
        }
        if (put < 0) {
            fail(job, CLO_ERR_SYSTEM, "writing the image", errno);
            return false;
        }
        buffer += put;
        at += (uint64_t)put;
        size -= (size_t)put;
    }
    return true;
}

/* What a thread works with. */
struct worker {
    unsigned number;
    struct clo_sectors *sectors;
    uint8_t *buffer; /* a chunk */
    uint8_t *tags;   /* of it */
};

/* Where those of the chunk's bytes from `first` on go. */
static uint8_t *tags_of(const struct job *job, const struct worker *worker, uint64_t first)
{
    const struct clo_integrity *integrity = job->spec->integrity;

    if (integrity == NULL)
        return worker->tags;
    return worker->tags + first % CHUNK / integrity->block_size * integrity->tag_size;
}

/* Reads and encrypts, little enough at once that it is still in the cache. */
static bool fill(struct job *job, struct worker *worker, uint64_t first, size_t count)
{
    for (size_t done = 0; done < count; done += SECTORS_PER_PIECE) {
        size_t piece = count - done < SECTORS_PER_PIECE ? count - done : SECTORS_PER_PIECE;
        uint8_t *data = worker->buffer + done * SECTOR;
        uint64_t at = (first + done) * SECTOR;
        struct clo_error err;
        if (!read_source(job, data, at, piece * SECTOR))
            return false;
        if (!clo_sectors_encrypt(worker->sectors, data, at, piece * SECTOR,
                                 tags_of(job, worker, at), &err))
            return keep_error(job, &err);
    }
    return true;
}

/* A hole reads as zeros, and these are what its tag covers. */
static bool pass_over(struct job *job, struct worker *worker, uint64_t sector)
{
    uint64_t at = sector * SECTOR;
    struct clo_error err;

    return job->spec->integrity == NULL ||
           clo_sectors_tag_zeros(worker->sectors, at, SECTOR, tags_of(job, worker, at), &err) ||
           keep_error(job, &err);
}

static uint64_t place(const struct job *job, uint64_t at)
{
    const struct clo_integrity *integrity = job->spec->integrity;

    return job->spec->offset + (integrity == NULL ? at : clo_integrity_data_at(integrity, at));
}

/* Runs of used sectors inside one chunk. */
static bool do_runs(struct job *job, struct worker *worker, uint64_t first, uint64_t end)
{
    for (uint64_t at = first; at < end;) {
        uint64_t stop = at;
        while (stop < end && is_used(job->map, stop))
            stop++;
        if (stop == at) {
            if (!pass_over(job, worker, at++))
                return false;
            continue;
        }
        size_t size = (size_t)(stop - at) * SECTOR;
        if (!fill(job, worker, at, (size_t)(stop - at)) ||
            !write_target(job, worker->buffer, place(job, at * SECTOR), size))
            return false;
        atomic_fetch_add(&job->encrypted, size);
        at = stop;
    }
    return true;
}

/* A chunk lies in one area: its tags lie together. */
static bool write_tags(struct job *job, const struct worker *worker, uint64_t first, uint64_t end)
{
    const struct clo_integrity *integrity = job->spec->integrity;

    if (integrity == NULL)
        return true;
    size_t size = (size_t)((end - first) * SECTOR / integrity->block_size * integrity->tag_size);
    return write_target(job, worker->tags,
                        job->spec->offset + clo_integrity_tag_at(integrity, first * SECTOR), size);
}

static bool do_chunk(struct job *job, struct worker *worker, uint64_t chunk)
{
    uint64_t first = chunk * SECTORS_PER_CHUNK;
    uint64_t end = first + SECTORS_PER_CHUNK;
    uint64_t total = job->spec->size / SECTOR;

    if (end > total)
        end = total;
    if (!do_runs(job, worker, first, end) || !write_tags(job, worker, first, end))
        return false;
    uint64_t done = atomic_fetch_add(&job->done, (end - first) * SECTOR) + (end - first) * SECTOR;
    if (job->spec->progress != NULL) {
        pthread_mutex_lock(&job->lock);
        job->spec->progress(job->spec->context, done, job->spec->size);
        pthread_mutex_unlock(&job->lock);
    }
    return true;
}

static bool take_chunk(struct job *job, unsigned worker, uint64_t *chunk)
{
    uint64_t chunks = (job->spec->size + CHUNK - 1) / CHUNK;

    pthread_mutex_lock(&job->lock);
    bool has = job->next_chunk < chunks;
    *chunk = job->next_chunk;
    job->working[worker] = has ? job->next_chunk++ : NO_CHUNK;
    pthread_mutex_unlock(&job->lock);
    return has;
}

/* Is it time? Then all before this chunk is written. The lock is held. */
static bool wants_save(struct job *job, uint64_t *before)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long passed =
            (now.tv_sec - job->saved.tv_sec) * 1000 + (now.tv_nsec - job->saved.tv_nsec) / 1000000;
    if (job->spec->save == NULL || job->is_saving || passed < SAVE_EVERY_MS)
        return false;
    *before = job->next_chunk;
    for (unsigned i = 0; i < job->workers; i++)
        if (job->working[i] < *before)
            *before = job->working[i];
    return true;
}

/* Others go on meanwhile: what they write is not counted. */
static void leave_chunk(struct job *job, unsigned worker)
{
    uint64_t before;
    struct clo_error err;

    pthread_mutex_lock(&job->lock);
    job->working[worker] = NO_CHUNK;
    bool saves = wants_save(job, &before);
    job->is_saving = job->is_saving || saves;
    pthread_mutex_unlock(&job->lock);
    if (!saves)
        return;
    bool ok = job->spec->save(job->spec->context, before * CHUNK, &err);
    pthread_mutex_lock(&job->lock);
    job->is_saving = false;
    clock_gettime(CLOCK_MONOTONIC, &job->saved);
    if (!ok && !atomic_exchange(&job->failed, true))
        *job->err = err;
    pthread_mutex_unlock(&job->lock);
}

static unsigned register_worker(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    unsigned worker = job->workers++;
    job->working[worker] = NO_CHUNK;
    pthread_mutex_unlock(&job->lock);
    return worker;
}

static unsigned sector_size(const struct clo_encrypt_spec *spec)
{
    return spec->sector_size == 0 ? SECTOR : spec->sector_size;
}

static bool open_worker(struct job *job, struct worker *out)
{
    const struct clo_integrity *integrity = job->spec->integrity;
    size_t tags = integrity == NULL ? SECTOR : CHUNK / integrity->block_size * integrity->tag_size;
    struct clo_error err;

    out->number = register_worker(job);
    out->buffer = aligned_alloc(SECTOR, CHUNK);
    out->tags = aligned_alloc(SECTOR, (tags + SECTOR - 1) / SECTOR * SECTOR);
    if (out->buffer == NULL || out->tags == NULL) {
        (void)clo_out_of_memory(&err);
        return keep_error(job, &err);
    }
    return clo_sectors_new(job->spec->volume_key, sector_size(job->spec), &out->sectors, &err) ||
           keep_error(job, &err);
}

static void close_worker(struct worker *worker)
{
    if (worker->buffer != NULL)
        clo_wipe(worker->buffer, CHUNK);
    free(worker->buffer);
    free(worker->tags);
    clo_sectors_free(worker->sectors);
}

static void *work(void *argument)
{
    struct job *job = argument;
    struct worker worker = { .buffer = NULL };
    uint64_t chunk;

    if (open_worker(job, &worker))
        while (!atomic_load(&job->failed) && take_chunk(job, worker.number, &chunk) &&
               do_chunk(job, &worker, chunk))
            leave_chunk(job, worker.number);
    close_worker(&worker);
    return NULL;
}

/* The same file by another description, so that O_DIRECT does not change the caller's. */
static int open_direct(int target, uint64_t offset)
{
    char path[64];

    if (offset % SECTOR != 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", target);
    return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

static bool open_source(const struct clo_encrypt_spec *spec, int *fd, uint64_t *size,
                        struct clo_error *err)
{
    struct stat status;

    if (spec->overlay != NULL) {
        *size = clo_overlay_size(spec->overlay);
        return true;
    }
    *fd = open(spec->source, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", spec->source, strerror(errno));
    *size = (uint64_t)status.st_size;
    return true;
}

bool clo_encrypt(const struct clo_encrypt_spec *spec, struct clo_encrypt_result *out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int source = -1;
    CLO_CLEANUP(clo_fd_close) int direct = -1;
    pthread_t threads[THREADS_MAX];
    struct map map = { .sectors = spec->size / SECTOR };
    uint64_t source_size;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (!open_source(spec, &source, &source_size, err))
        return false;
    if ((clo_secret_size(spec->volume_key) != 64) != (spec->integrity != NULL) ||
        spec->size % SECTOR != 0 || source_size > spec->size)
        return clo_fail(err, CLO_ERR_USAGE, "%s: %llu bytes do not fit a payload of %llu",
                        spec->source, (unsigned long long)source_size,
                        (unsigned long long)spec->size);
    if (!spec->all)
        map.used = clo_encrypt_used(spec);
    direct = open_direct(spec->target, spec->offset);
    struct job job = { .spec = spec,
                       .map = &map,
                       .source = source,
                       .direct = direct,
                       .source_size = source_size,
                       .next_chunk = spec->start / CHUNK,
                       .done = spec->start,
                       .err = err };
    clock_gettime(CLOCK_MONOTONIC, &job.saved);
    pthread_mutex_init(&job.lock, NULL);
    unsigned wanted = spec->threads != 0 ? spec->threads
                      : cores > 0        ? THREADS_PER_CORE * (unsigned)cores
                                         : 1;
    unsigned started = 0;
    /* The caller's thread works too. */
    while (started + 1 < wanted && started + 1 < THREADS_MAX &&
           pthread_create(&threads[started], NULL, work, &job) == 0)
        started++;
    work(&job);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&job.lock);
    free(map.used);
    if (atomic_load(&job.failed))
        return false;
    *out = (struct clo_encrypt_result){ .encrypted = atomic_load(&job.encrypted) };
    out->skipped = spec->size - spec->start - out->encrypted;
    return true;
}
