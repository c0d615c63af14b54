#include "image/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "device/file.h"
#include "image/uki/parallel.h"
#include "lib/crypto/openssl.h"

#define PIECE \
    ((size_t)CLO_VERITY_BLOCK * CLO_VERITY_PER_BLOCK) /* what one block of the tree stands for */

static bool read_at(int fd, uint8_t *out, size_t size, uint64_t at, struct clo_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, out + done, size - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
        if (got == 0) {
            memset(out + done, 0, size - done);
            break;
        }
        done += (size_t)got;
    }
    return true;
}

/* --- The data: what the file system uses, and zeros --- */

struct copy {
    const struct clo_verity_spec *spec;
    int from, to;
    uint64_t source_size;
    uint8_t *piece;
};

static bool copy_range(struct copy *copy, uint64_t at, uint64_t end, struct clo_error *err)
{
    if (end > copy->source_size)
        end = copy->source_size;
    for (; at < end; at += PIECE) {
        size_t size = end - at < PIECE ? (size_t)(end - at) : PIECE;
        bool ok = copy->spec->overlay != NULL
                          ? clo_overlay_read(copy->spec->overlay, at, copy->piece, size, err)
                          : read_at(copy->from, copy->piece, size, at, err);
        if (!ok)
            return false;
        if (!clo_bytes_all(clo_bytes(copy->piece, size), 0) &&
            !clo_fd_write(copy->to, at, clo_bytes(copy->piece, size), err))
            return false;
    }
    return true;
}

/* What lies in free blocks is nobody's; of what is not ext4, all is copied. */
static bool copy_used(struct copy *copy, ext2_filsys fs, struct clo_error *err)
{
    blk64_t end = ext2fs_blocks_count(fs->super), at = fs->super->s_first_data_block, stop;
    uint64_t block = fs->blocksize;

    if (!copy_range(copy, 0, (at + 1) * block, err))
        return false;
    while (ext2fs_find_first_set_block_bitmap2(fs->block_map, at, end - 1, &at) == 0) {
        if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &stop) != 0)
            stop = end;
        if (!copy_range(copy, at * block, stop * block, err))
            return false;
        if (stop >= end - 1)
            break;
        at = stop;
    }
    return true;
}

static bool copy_data(struct copy *copy, struct clo_error *err)
{
    ext2_filsys fs = NULL;
    struct clo_error ignored;

    bool is_ext = copy->spec->overlay != NULL
                          ? clo_overlay_open_ext(copy->spec->overlay, 0, &fs, &ignored)
                          : ext2fs_open(copy->spec->source, EXT2_FLAG_64BITS, 0, 0, unix_io_manager,
                                        &fs) == 0;
    is_ext = is_ext && ext2fs_read_block_bitmap(fs) == 0 &&
             ext2fs_blocks_count(fs->super) <= copy->source_size / fs->blocksize;
    bool ok = is_ext ? copy_used(copy, fs, err) : copy_range(copy, 0, copy->source_size, err);
    if (fs != NULL)
        ext2fs_free(fs);
    return ok;
}

static bool write_data(const struct clo_verity_spec *spec, int to, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int from = -1;
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    struct copy copy = { .spec = spec, .from = -1, .to = to, .piece = piece };
    struct stat status;

    if (piece == NULL)
        return clo_out_of_memory(err);
    if (spec->overlay != NULL) {
        copy.source_size = clo_overlay_size(spec->overlay);
        return copy_data(&copy, err);
    }
    copy.from = from = open(spec->source, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", spec->source, strerror(errno));
    copy.source_size = (uint64_t)status.st_size;
    return copy_data(&copy, err);
}

/* --- The tree --- */

/* A level: each of its blocks has the digests of 128 blocks of what lies below. */
struct level {
    const struct clo_verity *verity;
    int fd;
    uint64_t from, from_blocks, to; /* the first two of what lies below; bytes, blocks, bytes */
    uint8_t of_zeros[CLO_VERITY_DIGEST];
    atomic_bool failed;
    struct clo_error err; /* of the one that failed first */
};

static bool hash_block(struct level *level, size_t index, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *piece = malloc(PIECE);
    uint8_t out[CLO_VERITY_BLOCK] = { 0 };
    uint64_t first = (uint64_t)index * CLO_VERITY_PER_BLOCK;
    uint64_t left = level->from_blocks - first;
    size_t count = left < CLO_VERITY_PER_BLOCK ? (size_t)left : CLO_VERITY_PER_BLOCK;

    if (piece == NULL)
        return clo_out_of_memory(err);
    if (!read_at(level->fd, piece, count * CLO_VERITY_BLOCK, level->from + first * CLO_VERITY_BLOCK,
                 err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct clo_bytes block = clo_bytes(piece + i * CLO_VERITY_BLOCK, CLO_VERITY_BLOCK);
        if (clo_bytes_all(block, 0))
            memcpy(out + i * CLO_VERITY_DIGEST, level->of_zeros, CLO_VERITY_DIGEST);
        else
            clo_verity_digest(level->verity, block, out + i * CLO_VERITY_DIGEST);
    }
    return clo_fd_write(level->fd, level->to + (uint64_t)index * CLO_VERITY_BLOCK,
                        clo_bytes(out, sizeof out), err);
}

static void hash_one(void *context, size_t index)
{
    struct level *level = context;
    struct clo_error err;

    if (!atomic_load(&level->failed) && !hash_block(level, index, &err) &&
        !atomic_exchange(&level->failed, true))
        level->err = err;
}

static bool write_tree(const struct clo_verity *verity, int fd,
                       uint8_t root_hash[CLO_VERITY_DIGEST], struct clo_error *err)
{
    static const uint8_t zeros[CLO_VERITY_BLOCK];
    uint8_t top[CLO_VERITY_BLOCK];
    uint64_t tree = verity->data_blocks * CLO_VERITY_BLOCK;
    struct level level = { .verity = verity, .fd = fd, .from_blocks = verity->data_blocks };

    clo_verity_digest(verity, clo_bytes(zeros, sizeof zeros), level.of_zeros);
    for (unsigned i = 0; i < verity->level_count; i++) {
        level.to = tree + verity->first[i] * CLO_VERITY_BLOCK;
        uki_parallel((size_t)verity->blocks[i], level.from_blocks * CLO_VERITY_BLOCK, hash_one,
                     &level);
        if (atomic_load(&level.failed)) {
            *err = level.err;
            return false;
        }
        level.from = level.to;
        level.from_blocks = verity->blocks[i];
    }
    if (!read_at(fd, top, sizeof top, level.from, err))
        return false;
    clo_verity_digest(verity, clo_bytes(top, sizeof top), root_hash);
    return true;
}

bool clo_verity_make(const struct clo_verity_spec *spec, struct clo_verity *out,
                     uint8_t root_hash[CLO_VERITY_DIGEST], struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = open(spec->output, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    struct clo_verity verity;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", spec->output, strerror(errno));
    if (!clo_verity_plan(spec->size / CLO_VERITY_BLOCK, spec->salt, &verity, err))
        return false;
    uint64_t total = (verity.data_blocks + verity.tree_blocks) * CLO_VERITY_BLOCK;
    clo_verity_superblock(&verity, &spec->uuid, &superblock);
    if (!clo_buffer_ok(&superblock))
        return clo_out_of_memory(err);
    if (ftruncate(fd, (off_t)total) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", spec->output, strerror(errno));
    if (!write_data(spec, fd, err) ||
        !clo_fd_write(fd, spec->size, clo_buffer_bytes(&superblock), err) ||
        !write_tree(&verity, fd, root_hash, err))
        return clo_wrap(err, "hash tree");
    *out = verity;
    return true;
}

/* --- Its signature --- */

static void free_pkcs7(PKCS7 **p7)
{
    PKCS7_free(*p7);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

bool clo_verity_sign(const char *root_hash, const struct clo_private_key *key,
                     const struct clo_certificate *certificate, struct clo_buffer *out,
                     struct clo_error *err)
{
    const int flags =
            PKCS7_BINARY | PKCS7_DETACHED | PKCS7_NOATTR | PKCS7_NOSMIMECAP | PKCS7_NOCERTS;
    CLO_CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(root_hash, -1);
    CLO_CLEANUP(free_pkcs7)
    PKCS7 *p7 = bio == NULL ? NULL
                            : PKCS7_sign(clo_certificate_x509(certificate),
                                         clo_private_key_evp(key), NULL, bio, flags);
    unsigned char *der = NULL;
    int size = p7 == NULL ? -1 : i2d_PKCS7(p7, &der);

    ERR_clear_error();
    if (size <= 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "root hash: cannot be signed: is it the certificate's key?");
    clo_buffer_append(out, clo_bytes(der, (size_t)size));
    OPENSSL_free(der);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
