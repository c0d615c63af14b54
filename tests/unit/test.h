/* What every unit test shares: cmocka, CHECK with the case's name, and hex. */
#ifndef CLOISTER_TEST_H
#define CLOISTER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cloister/encoding.h"
#include "device/file.h"

/* Fails with the name of the case that is odd. */
#define CHECK(condition, name)                                  \
    do {                                                        \
        if (!(condition)) {                                     \
            print_error("%s: CHECK(%s)\n", (name), #condition); \
            fail();                                             \
        }                                                       \
    } while (0)

/* Hex with spaces allowed, into a buffer the caller frees. */
static inline struct clo_bytes from_hex(const char *hex, struct clo_buffer *out)
{
    struct clo_error err;
    char pair[2];
    size_t have = 0;

    for (; *hex != '\0'; hex++) {
        if (*hex == ' ' || *hex == '\n')
            continue;
        pair[have++] = *hex;
        if (have == 2) {
            if (!clo_hex_read(clo_bytes(pair, 2), out, &err))
                fail_msg("%s", err.text);
            have = 0;
        }
    }
    return clo_buffer_bytes(out);
}

/* A file of the shared vectors; skips the test where they are absent. */
static inline void read_vector(const char *name, struct clo_buffer *out)
{
    const char *folder = getenv("CLOISTER_VECTORS");
    struct clo_error err;
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder == NULL ? "../shared/vectors" : folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_message("SKIP: %s is absent\n", path);
        skip();
    }
    fclose(file);
    if (!clo_file_read(path, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
}

#endif
