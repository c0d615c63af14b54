/* Files, as the program's outer rooms use them: read whole within a limit, written so that a reader
 * sees the old file or the new one and nothing between (temporary name, fsync, rename, fsync of the
 * folder). Descriptors are O_CLOEXEC. Errors name the path. */
#ifndef CLOISTER_DEVICE_FILE_H
#define CLOISTER_DEVICE_FILE_H

#include <sys/types.h>

#include "cloister/base.h"

#define CLO_FILE_LIMIT ((size_t)256 << 20) /* what a document, key, log or report may have */

/* Reads a regular file, pipe or device node to its end; "-" is standard input. A file that is
 * absent, unreadable, a folder or larger than `limit` is CLO_ERR_FORMAT. */
CLO_MUST_USE bool clo_file_read(const char *path, size_t limit, struct clo_buffer *out,
                                struct clo_error *err);
CLO_MUST_USE bool clo_file_read_at(int folder, const char *name, size_t limit,
                                   struct clo_buffer *out, struct clo_error *err);
CLO_MUST_USE bool clo_file_read_secret(const char *path, size_t limit, struct clo_secret **out,
                                       struct clo_error *err);
/* The file must end up whole or not at all. `mode` as for open(2). */
CLO_MUST_USE bool clo_file_write(const char *path, struct clo_bytes bytes, mode_t mode,
                                 struct clo_error *err);

/* A file that takes its final name only when it is complete: write to .fd, then commit. Freed
 * without a commit it leaves nothing behind. A device, a pipe or a descriptor (/dev/stdout) keeps its
 * name: it gets the bytes when they are complete. "-" is standard output. */
struct clo_new_file {
    int fd; /* -1: none */
    bool through;
    char *path;
    char *temporary;
};
CLO_MUST_USE bool clo_new_file_open(const char *path, mode_t mode, struct clo_new_file *out,
                                    struct clo_error *err);
CLO_MUST_USE bool clo_new_file_commit(struct clo_new_file *file, struct clo_error *err);
void clo_new_file_free(struct clo_new_file *file); /* for CLO_CLEANUP; removes the temporary */

/* Appends `size` bytes from `at` on; fewer are CLO_ERR_FORMAT. */
CLO_MUST_USE bool clo_fd_read(int fd, uint64_t at, size_t size, struct clo_buffer *out,
                              struct clo_error *err);
/* All of it, from `at` on; where the descriptor reads and writes otherwise stays as it is. */
CLO_MUST_USE bool clo_fd_write(int fd, uint64_t at, struct clo_bytes bytes, struct clo_error *err);
CLO_MUST_USE bool clo_write_all(int fd, struct clo_bytes bytes, struct clo_error *err);

/* flock(LOCK_EX), waited for at most this long: then it is CLO_ERR_UNAVAILABLE. */
CLO_MUST_USE bool clo_fd_lock(int fd, unsigned seconds, struct clo_error *err);

void clo_fd_close(int *fd); /* for CLO_CLEANUP */

/* A private folder for scratch files, below $TMPDIR or /tmp (or `near`, a folder); removed, with
 * what is in it, when freed. */
struct clo_scratch {
    char path[4096];
};
CLO_MUST_USE bool clo_scratch_new(const char *near, struct clo_scratch *out, struct clo_error *err);
void clo_scratch_free(struct clo_scratch *scratch);

/* From here on SIGINT, SIGTERM and SIGHUP remove all such files and folders before they end the program.
 * Call it before other threads are started: they must not take the signals. */
CLO_MUST_USE bool clo_remove_temporaries_on_signals(struct clo_error *err);

#endif
