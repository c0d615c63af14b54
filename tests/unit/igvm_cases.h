/* IGVM files of tests/vectors/igvm, and what a test changes in them. */
#ifndef CLOISTER_TEST_IGVM_CASES_H
#define CLOISTER_TEST_IGVM_CASES_H

#include "cloister/igvm.h"
#include "lib/base/put.h"
#include "test.h"

static inline void read_igvm_file(const char *name, struct clo_buffer *out)
{
    const char *tests = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char path[4096];

    snprintf(path, sizeof path, "%s/vectors/igvm/%s", tests == NULL ? "tests" : tests, name);
    if (!clo_file_read(path, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
}

static inline uint32_t igvm_u32(const struct clo_buffer *file, size_t at)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(clo_buffer_bytes(file), at, 4));

    return clo_read_le32(&r);
}

/* The file's checksum, made right again. */
static inline void seal_igvm(struct clo_buffer *file)
{
    size_t fixed = igvm_u32(file, 4) == 2 ? 32 : 24;

    clo_put_le32(file->data + 20, 0);
    uint32_t crc = clo_crc32(0, clo_bytes(file->data, fixed));
    struct clo_bytes headers =
            clo_bytes_slice(clo_buffer_bytes(file), igvm_u32(file, 8), igvm_u32(file, 12));
    clo_put_le32(file->data + 20, clo_crc32(crc, headers));
}

/* Where the data of the n-th header of this type lies. */
static inline size_t find_igvm_header(const struct clo_buffer *file, uint32_t type, size_t n)
{
    size_t at = igvm_u32(file, 8);
    size_t end = at + igvm_u32(file, 12);

    while (at < end) {
        if (igvm_u32(file, at) == type && n-- == 0)
            return at + 8;
        at += 8 + (igvm_u32(file, at + 4) + 7) / 8 * 8;
    }
    fail_msg("no header 0x%x", type);
    return 0;
}

#endif
