/* A file's bytes, to look at: mapped if it is a regular file, read otherwise. */
#ifndef CLOISTER_CLI_VIEW_H
#define CLOISTER_CLI_VIEW_H

#include "cloister/base.h"

struct cli_view {
    struct clo_bytes bytes;
    void *mapping; /* NULL: the bytes are the buffer's */
    struct clo_buffer buffer;
};

/* Larger than `limit` is CLO_ERR_FORMAT, like what cannot be read. Empty files are fine. */
CLO_MUST_USE bool cli_view_open(const char *path, size_t limit, struct cli_view *out,
                                struct clo_error *err);
/* A disk's bytes, whatever container it is in. */
CLO_MUST_USE bool cli_view_open_disk(const char *path, struct cli_view *out, struct clo_error *err);
void cli_view_close(struct cli_view *view); /* for CLO_CLEANUP */

#endif
