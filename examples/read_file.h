/* libcloister opens no files: this is how a program of a few lines does. */
#ifndef EXAMPLE_READ_FILE_H
#define EXAMPLE_READ_FILE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloister/base.h>

static inline bool read_file(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    static uint8_t piece[65536];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        clo_buffer_append(out, clo_bytes(piece, size));
    bool is_read = !ferror(file);
    fclose(file);
    return (is_read && clo_buffer_ok(out)) ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: cannot be read", path);
}

#endif
