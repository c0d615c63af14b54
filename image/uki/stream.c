/* Hashing and copying in pieces, for image/uki/file.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/uki/file.h"
#include "image/uki/parallel.h"
#include "lib/base/put.h"

#define PIECE ((size_t)128 << 10)
/* Below this a thread costs more than it saves. */
#define THREAD_WORTH ((uint64_t)1 << 20)

/* --- Reading pieces one after the other --- */

static const uint8_t zeros[1 << 12];

struct cursor {
    const struct clo_pieces *pieces;
    size_t index;
    uint64_t at; /* in the piece */
    uint8_t *room;
};

/* The next bytes, at most `limit`; an empty view at the end. */
static bool next_bytes(struct cursor *cursor, uint64_t limit, struct clo_bytes *out,
                       struct clo_error *err)
{
    *out = clo_bytes(NULL, 0);
    if (cursor->index == cursor->pieces->count || limit == 0)
        return true;
    const struct clo_piece *piece = &cursor->pieces->items[cursor->index];
    uint64_t left = piece->size - cursor->at;
    uint64_t size = left < limit ? left : limit;
    if (piece->bytes.data != NULL) {
        size = size < PIECE ? size : PIECE;
        *out = clo_bytes_slice(piece->bytes, (size_t)cursor->at, (size_t)size);
    } else if (piece->source != NULL) {
        size = size < PIECE ? size : PIECE;
        if (!uki_file_read(piece->source, piece->offset + cursor->at, cursor->room, (size_t)size,
                           err))
            return false;
        *out = clo_bytes(cursor->room, (size_t)size);
    } else {
        size = size < sizeof zeros ? size : sizeof zeros;
        *out = clo_bytes(zeros, (size_t)size);
    }
    cursor->at += size;
    if (cursor->at == piece->size) {
        cursor->index++;
        cursor->at = 0;
    }
    return true;
}

/* --- Hashing --- */

static bool run_job(const struct uki_hash_job *job, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *room = malloc(PIECE);
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(job->hash);
    CLO_CLEANUP(clo_hasher_freep)
    struct clo_hasher *second = job->hash2 == CLO_HASH_NONE ? NULL : clo_hasher_new(job->hash2);
    struct cursor cursor = { .pieces = job->pieces, .room = room };
    uint64_t left = job->size;
    struct clo_bytes bytes;

    if (room == NULL)
        return clo_out_of_memory(err);
    while (left > 0) {
        if (!next_bytes(&cursor, left, &bytes, err))
            return false;
        if (bytes.size == 0)
            bytes = clo_bytes(zeros, left < sizeof zeros ? (size_t)left : sizeof zeros);
        clo_hasher_add(hasher, bytes);
        if (second != NULL)
            clo_hasher_add(second, bytes);
        left -= bytes.size;
    }
    clo_hasher_get(hasher, job->out);
    if (second != NULL)
        clo_hasher_get(second, job->out2);
    return true;
}

struct hashing {
    struct uki_hash_job *jobs;
    pthread_mutex_t lock; /* for what follows */
    bool failed;
    struct clo_error err;
};

static void run_one(void *context, size_t index)
{
    struct hashing *hashing = context;
    struct clo_error err;

    if (run_job(&hashing->jobs[index], &err))
        return;
    pthread_mutex_lock(&hashing->lock);
    if (!hashing->failed)
        hashing->err = err;
    hashing->failed = true;
    pthread_mutex_unlock(&hashing->lock);
}

/* SHA-384 and SHA-512 take more than twice as long where the others have instructions of their own. */
static uint64_t cost_of(enum clo_hash hash, uint64_t size)
{
    if (hash == CLO_HASH_NONE)
        return 0;
    return hash == CLO_HASH_SHA384 || hash == CLO_HASH_SHA512 ? size * 9 / 4 : size;
}

static uint64_t cost(const struct uki_hash_job *job)
{
    return cost_of(job->hash, job->size) + cost_of(job->hash2, job->size);
}

static int by_cost(const void *a, const void *b)
{
    uint64_t first = cost(a);
    uint64_t second = cost(b);

    return first > second ? -1 : first < second;
}

bool uki_hash_all(struct uki_hash_job *jobs, size_t count, struct clo_error *err)
{
    struct hashing hashing = { .jobs = jobs, .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t total = 0;

    qsort(jobs, count, sizeof *jobs, by_cost);
    for (size_t i = 0; i < count; i++)
        total += jobs[i].size;
    uki_parallel(count, total, run_one, &hashing);
    pthread_mutex_destroy(&hashing.lock);
    if (hashing.failed)
        *err = hashing.err;
    return !hashing.failed;
}

static bool hash_ranges(const struct uki_image *image, const struct clo_authenticode_ranges *ranges,
                        unsigned hashes, struct clo_digest digests[CLO_HASH_COUNT],
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    struct uki_hash_job jobs[CLO_HASH_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < ranges->count; i++)
        clo_pieces_source(&pieces, (void *)(uintptr_t)&image->file, ranges->items[i].offset,
                          ranges->items[i].size);
    clo_pieces_zero(&pieces, ranges->padding);
    if (pieces.failed)
        return clo_out_of_memory(err);
    for (unsigned hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++) {
        digests[hash] = (struct clo_digest){ 0 };
        if ((hashes & 1U << hash) != 0)
            jobs[count++] = (struct uki_hash_job){ .pieces = &pieces,
                                                   .size = pieces.size,
                                                   .hash = (enum clo_hash)hash,
                                                   .out = &digests[hash] };
    }
    return uki_hash_all(jobs, count, err);
}

bool uki_image_digests(const struct uki_image *image, unsigned hashes,
                       struct clo_digest digests[CLO_HASH_COUNT], struct clo_error *err)
{
    struct clo_authenticode_ranges ranges;

    clo_authenticode_ranges(&image->uki.pe, &ranges);
    return hash_ranges(image, &ranges, hashes, digests, err);
}

bool uki_image_digests_to_sign(const struct uki_image *image, unsigned hashes,
                               struct clo_digest digests[CLO_HASH_COUNT], struct clo_error *err)
{
    struct clo_authenticode_ranges ranges;

    return (clo_authenticode_ranges_to_sign(&image->uki.pe, &ranges, err) ||
            clo_wrap(err, "%s", image->file.path)) &&
           hash_ranges(image, &ranges, hashes, digests, err);
}

/* --- Writing --- */

static void hash_and_sum(struct uki_writer *writer, uint64_t at, struct clo_bytes bytes)
{
    for (size_t i = 0; i < CLO_HASH_COUNT; i++)
        if (writer->hashers[i] != NULL)
            clo_hasher_add(writer->hashers[i], bytes);
    if (writer->is_summed)
        clo_pe_checksum_add(&writer->sum, at, bytes);
}

/* Leaves out CheckSum and the certificate table's entry. */
static void note(struct uki_writer *writer, uint64_t at, struct clo_bytes bytes)
{
    const struct {
        uint64_t at, size;
    } fields[] = { { writer->checksum_offset, 4 }, { writer->certificate_entry_offset, 8 } };

    for (size_t i = 0; i < CLO_COUNT(fields); i++) {
        if (at >= fields[i].at + fields[i].size || at + bytes.size <= fields[i].at)
            continue;
        size_t before = at < fields[i].at ? (size_t)(fields[i].at - at) : 0;
        size_t after = (size_t)(fields[i].at + fields[i].size - at);
        hash_and_sum(writer, at, clo_bytes_slice(bytes, 0, before));
        bytes = clo_bytes_slice(bytes, after, bytes.size);
        at += after;
    }
    hash_and_sum(writer, at, bytes);
}

static bool is_hashing(const struct uki_writer *writer)
{
    for (size_t i = 0; i < CLO_HASH_COUNT; i++)
        if (writer->hashers[i] != NULL)
            return true;
    return writer->is_summed;
}

/* All pieces hashed and summed: what runs next to the copying. */
struct noting {
    struct uki_writer *writer;
    const struct clo_pieces *pieces;
    bool ok;
    struct clo_error err;
};

static void *note_all(void *context)
{
    struct noting *noting = context;
    CLO_CLEANUP(clo_freep) uint8_t *room = malloc(PIECE);
    struct cursor cursor = { .pieces = noting->pieces, .room = room };
    struct clo_bytes bytes;

    if (room == NULL) {
        noting->ok = clo_out_of_memory(&noting->err);
        return NULL;
    }
    for (uint64_t at = 0; at < noting->pieces->size; at += bytes.size) {
        noting->ok = next_bytes(&cursor, noting->pieces->size - at, &bytes, &noting->err);
        if (!noting->ok)
            return NULL;
        note(noting->writer, at, bytes);
    }
    noting->ok = true;
    return NULL;
}

static bool put(struct uki_writer *writer, struct clo_bytes bytes, struct clo_error *err)
{
    writer->at += bytes.size;
    return clo_write_all(writer->fd, bytes, err) || clo_wrap(err, "%s", writer->path);
}

/* From file to file within the kernel, as far as it can. */
static bool copy_range(struct uki_writer *writer, struct clo_piece *piece, struct clo_error *err)
{
    const struct uki_file *file = piece->source;

    while (piece->size > 0) {
        off_t from = (off_t)piece->offset;
        ssize_t put_size = copy_file_range(file->fd, &from, writer->fd, NULL, piece->size, 0);
        if (put_size < 0 && errno == EINTR)
            continue;
        if (put_size < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP ||
                             errno == ENOSYS || errno == EBADF))
            return true; /* what is left is read and written */
        if (put_size < 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", writer->path, strerror(errno));
        if (put_size == 0)
            return true;
        writer->at += (uint64_t)put_size;
        piece->offset += (uint64_t)put_size;
        piece->size -= (uint64_t)put_size;
    }
    return true;
}

static bool copy_all(struct uki_writer *writer, const struct clo_pieces *pieces,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *room = malloc(PIECE);

    if (room == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < pieces->count; i++) {
        struct clo_piece piece = pieces->items[i];
        if (piece.source != NULL && !copy_range(writer, &piece, err))
            return false;
        struct clo_pieces one = { .items = &piece, .count = piece.size > 0, .size = piece.size };
        struct cursor cursor = { .pieces = &one, .room = room };
        for (uint64_t left = piece.size; left > 0;) {
            struct clo_bytes bytes;
            if (!next_bytes(&cursor, left, &bytes, err) || !put(writer, bytes, err))
                return false;
            left -= bytes.size;
        }
    }
    return true;
}

bool uki_write(struct uki_writer *writer, const struct clo_pieces *pieces, struct clo_error *err)
{
    struct noting noting = { .writer = writer, .pieces = pieces, .ok = true };
    pthread_t thread;

    if (pieces->failed)
        return clo_out_of_memory(err);
    bool is_noted = is_hashing(writer);
    bool has_thread = is_noted && pieces->size >= THREAD_WORTH &&
                      pthread_create(&thread, NULL, note_all, &noting) == 0;
    if (is_noted && !has_thread)
        note_all(&noting);
    bool ok = copy_all(writer, pieces, err);
    if (has_thread)
        pthread_join(thread, NULL);
    if (ok && !noting.ok)
        *err = noting.err;
    return ok && noting.ok;
}

static bool put_at(struct uki_writer *writer, size_t at, const uint8_t *bytes, size_t size,
                   struct clo_error *err)
{
    ssize_t got = pwrite(writer->fd, bytes, size, (off_t)at);

    return (got >= 0 && (size_t)got == size) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", writer->path, strerror(errno));
}

bool uki_write_table(struct uki_writer *writer, struct clo_bytes table, struct clo_error *err)
{
    uint8_t entry[8];
    uint8_t checksum[4];

    if (writer->at > UINT32_MAX - 8 || table.size > UINT32_MAX - 8 - writer->at)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: the image is too large", writer->path);
    clo_put_le32(entry, (uint32_t)writer->at);
    clo_put_le32(entry + 4, (uint32_t)table.size);
    clo_pe_checksum_add(&writer->sum, writer->at, table);
    if (!put(writer, table, err))
        return false;
    clo_pe_checksum_add(&writer->sum, writer->certificate_entry_offset, clo_bytes(entry, 8));
    clo_put_le32(checksum, clo_pe_checksum_get(writer->sum, writer->at));
    return put_at(writer, writer->certificate_entry_offset, entry, sizeof entry, err) &&
           put_at(writer, writer->checksum_offset, checksum, sizeof checksum, err);
}

void uki_writer_free(struct uki_writer *writer)
{
    for (size_t i = 0; i < CLO_HASH_COUNT; i++)
        clo_hasher_freep(&writer->hashers[i]);
}
