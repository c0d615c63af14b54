/* EFI images larger than we want in memory: their heads and small sections are read, the rest is hashed
 * and copied in pieces. */
#ifndef CLOISTER_IMAGE_UKI_FILE_H
#define CLOISTER_IMAGE_UKI_FILE_H

#include "cloister/authenticode.h"
#include "cloister/uki.h"
#include "device/file.h"

/* A file that pieces are read from: their `source`. */
struct uki_file {
    const char *path;
    int fd;
    uint64_t size;
};
/* What is not a regular file (a pipe, "-") is read into memory that is a file. */
CLO_MUST_USE bool uki_file_open(const char *path, struct uki_file *out, struct clo_error *err);
void uki_file_close(struct uki_file *file); /* for CLO_CLEANUP */
/* Exactly `size` bytes at `at`. */
CLO_MUST_USE bool uki_file_read(const struct uki_file *file, uint64_t at, void *out, size_t size,
                                struct clo_error *err);

/* An EFI image: `uki.pe` with the views of its certificate table and of small sections filled in. */
struct uki_image {
    struct uki_file file;
    struct clo_buffer head;
    struct clo_buffer loaded[CLO_PE_SECTIONS_MAX + 1];
    size_t loaded_count;
    struct clo_uki uki;
    bool is_uki; /* else an EFI image, perhaps a stub or an add-on */
};
/* On the heap: it is large. False with an error if it is not an EFI image. */
CLO_MUST_USE bool uki_image_open(const char *path, struct uki_image **out, struct clo_error *err);
void uki_image_freep(struct uki_image **image);
/* --- Hashing --- */

/* The first `size` bytes of the pieces; zeros where they end before. A second hash shares the reading. */
struct uki_hash_job {
    const struct clo_pieces *pieces;
    uint64_t size;
    enum clo_hash hash;
    struct clo_digest *out;
    enum clo_hash hash2; /* CLO_HASH_NONE: there is no second */
    struct clo_digest *out2;
};
#define UKI_HASH_JOBS_MAX 512
/* On as many threads as there are processors, the longest first. */
CLO_MUST_USE bool uki_hash_all(struct uki_hash_job *jobs, size_t count, struct clo_error *err);
/* Bits (1 << hash) of `hashes`: the Authenticode digests of the image as it is, and of what a signature
 * will cover (clo_authenticode_digest_to_sign). */
CLO_MUST_USE bool uki_image_digests(const struct uki_image *image, unsigned hashes,
                                    struct clo_digest digests[CLO_HASH_COUNT],
                                    struct clo_error *err);
CLO_MUST_USE bool uki_image_digests_to_sign(const struct uki_image *image, unsigned hashes,
                                            struct clo_digest digests[CLO_HASH_COUNT],
                                            struct clo_error *err);

/* --- Writing --- */

/* Copies pieces to a new file; what Authenticode hashes, and CheckSum sums, is read next to it on a thread
 * of its own. */
struct uki_writer {
    int fd;
    const char *path;
    uint64_t at;
    size_t checksum_offset; /* in the head: neither hashed nor summed */
    size_t certificate_entry_offset;
    struct clo_hasher *hashers[CLO_HASH_COUNT]; /* by hash; NULL: not wanted */
    bool is_summed;
    uint64_t sum;
};
CLO_MUST_USE bool uki_write(struct uki_writer *writer, const struct clo_pieces *pieces,
                            struct clo_error *err);
/* Appends the certificate table and fills in what of the head tells of it. */
CLO_MUST_USE bool uki_write_table(struct uki_writer *writer, struct clo_bytes table,
                                  struct clo_error *err);
void uki_writer_free(struct uki_writer *writer); /* for CLO_CLEANUP; leaves fd alone */

#endif
