/* What every part of libcloister speaks: views of bytes, owned buffers, secrets, and errors.
 *
 * Nothing here trusts its input and nothing here prints, exits or reads the clock. */
#ifndef CLOISTER_BASE_H
#define CLOISTER_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLO_API                        __attribute__((visibility("default")))
#define CLO_MUST_USE                   __attribute__((warn_unused_result))
#define CLO_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define CLO_CLEANUP(function)          __attribute__((cleanup(function)))
#define CLO_COUNT(array)               (sizeof(array) / sizeof((array)[0]))
/* Moves ownership out of a CLO_CLEANUP local. */
#define CLO_TAKE(pointer)                           \
    __extension__({                                 \
        __typeof__(pointer) clo_taken_ = (pointer); \
        (pointer) = NULL;                           \
        clo_taken_;                                 \
    })

/* Around what a header declares, for programs in C++. */
#ifdef __cplusplus
#define CLO_BEGIN_C extern "C" {
#define CLO_END_C   }
#else
#define CLO_BEGIN_C
#define CLO_END_C
#endif

CLO_BEGIN_C

/* --- Errors ------------------------------------------------------------------------------- */

enum clo_status {
    CLO_OK = 0,
    CLO_ERR_REFUSED,     /* the answer is no: a signature, a digest, a policy */
    CLO_ERR_UNVERIFIED,  /* it could not be shown to be authentic */
    CLO_ERR_USAGE,       /* the caller asked for something that makes no sense */
    CLO_ERR_FORMAT,      /* an input is malformed or cannot be read */
    CLO_ERR_UNSUPPORTED, /* well formed, but of a kind we do not handle */
    CLO_ERR_SYSTEM,      /* memory, disk or the operating system failed */
    CLO_ERR_UNAVAILABLE, /* a device, tool or service is not there */
};

struct clo_error {
    enum clo_status status;
    char text[512];   /* for people; control characters already replaced */
    const char *file; /* the source file that said so: clo_error_code() */
};

/* What the next step of a walk over untrusted bytes found. Compare it: an end is not a failure, and neither is an item. */
enum clo_next {
    CLO_NEXT_FAILED = 0, /* and err says why; false, as clo_fail() returns it */
    CLO_NEXT_ITEM = 1,
    CLO_NEXT_END = 2, /* `out` and err are as they were */
};

/* Sets the error and returns false: clo_fail(err, status, format, ...). */
#define clo_fail(err, ...) clo_error_set(err, __FILE__, __VA_ARGS__)
CLO_API bool clo_error_set(struct clo_error *err, const char *file, enum clo_status status,
                           const char *format, ...) CLO_PRINTF(4, 5);
/* A word for the cause, which stays when the text changes: the part that failed (a folder of the source) and how,
 * like "disk.format"; docs/errors.md has a row for each. Empty for an error of a file without a folder. */
struct clo_error_code {
    char text[40];
};
CLO_API struct clo_error_code clo_error_code(const struct clo_error *err);
/* Sets the error that malloc and its kin end in, and returns false. */
CLO_API bool clo_out_of_memory(struct clo_error *err);
/* Puts "context: " before what the error already says and returns false. */
CLO_API bool clo_wrap(struct clo_error *err, const char *format, ...) CLO_PRINTF(2, 3);
/* Replaces what could move a cursor or forge a line: control characters and malformed UTF-8. */
CLO_API void clo_sanitize(char *text);
/* Whether a file's name ends so; as on FAT, case does not matter. */
CLO_API bool clo_ends_with(const char *name, const char *suffix);

/* --- Views and owned bytes ----------------------------------------------------------------- */

/* A borrowed view. How long it lives is for its maker to say. */
struct clo_bytes {
    const uint8_t *data;
    size_t size;
};

CLO_API struct clo_bytes clo_bytes(const void *data, size_t size);
CLO_API struct clo_bytes clo_bytes_text(const char *text); /* without the NUL */
CLO_API struct clo_bytes clo_bytes_slice(struct clo_bytes in, size_t at, size_t size); /* clamps */
CLO_API bool clo_bytes_equal(struct clo_bytes a, struct clo_bytes b);
CLO_API bool clo_bytes_all(struct clo_bytes in, uint8_t value); /* true for an empty view */
/* In constant time for equal sizes: for secrets, MACs and tokens. */
CLO_API bool clo_bytes_equal_secret(struct clo_bytes a, struct clo_bytes b);

/* Owns its bytes and grows up to `limit`; the first append that fails latches, and is asked about
 * once at the end, as with clo_reader. A zeroed struct is an empty buffer without a limit. */
struct clo_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t limit; /* 0: none */
    bool failed;
};

CLO_API void clo_buffer_free(struct clo_buffer *buffer); /* for CLO_CLEANUP: leaves it empty */
/* Makes room for `more` bytes at once, so that appending them copies nothing. */
CLO_API void clo_buffer_reserve(struct clo_buffer *buffer, size_t more);
CLO_API bool clo_buffer_ok(const struct clo_buffer *buffer);
CLO_API void clo_buffer_append(struct clo_buffer *buffer, struct clo_bytes bytes);
CLO_API void clo_buffer_text(struct clo_buffer *buffer, const char *text);
CLO_API void clo_buffer_printf(struct clo_buffer *buffer, const char *format, ...) CLO_PRINTF(2, 3);
CLO_API void clo_buffer_u8(struct clo_buffer *buffer, uint8_t value);
CLO_API void clo_buffer_le16(struct clo_buffer *buffer, uint16_t value);
CLO_API void clo_buffer_le32(struct clo_buffer *buffer, uint32_t value);
CLO_API void clo_buffer_le64(struct clo_buffer *buffer, uint64_t value);
CLO_API void clo_buffer_be16(struct clo_buffer *buffer, uint16_t value);
CLO_API void clo_buffer_be32(struct clo_buffer *buffer, uint32_t value);
CLO_API void clo_buffer_be64(struct clo_buffer *buffer, uint64_t value);
CLO_API void clo_buffer_zero(struct clo_buffer *buffer, size_t count);
CLO_API void clo_buffer_align(struct clo_buffer *buffer, size_t alignment); /* zero padding */
CLO_API struct clo_bytes clo_buffer_bytes(const struct clo_buffer *buffer);
/* The text in the buffer, NUL-terminated; "" if there is none, NULL once it has failed. */
CLO_API const char *clo_buffer_string(struct clo_buffer *buffer);

/* --- The reader ---------------------------------------------------------------------------- */

/* Walks a view. The first short read latches: it and all later ones give zero or an empty view,
 * so a record reads like its table in the specification and is asked about once, at the end. */
struct clo_reader {
    struct clo_bytes in;
    size_t at;
    bool failed;
};

CLO_API struct clo_reader clo_reader(struct clo_bytes in);
CLO_API bool clo_reader_ok(const struct clo_reader *r);
CLO_API size_t clo_reader_left(const struct clo_reader *r);
CLO_API uint8_t clo_read_u8(struct clo_reader *r);
CLO_API uint16_t clo_read_le16(struct clo_reader *r);
CLO_API uint32_t clo_read_le32(struct clo_reader *r);
CLO_API uint64_t clo_read_le64(struct clo_reader *r);
CLO_API uint16_t clo_read_be16(struct clo_reader *r);
CLO_API uint32_t clo_read_be32(struct clo_reader *r);
CLO_API uint64_t clo_read_be64(struct clo_reader *r);
CLO_API struct clo_bytes clo_read_bytes(struct clo_reader *r, size_t size);
CLO_API void clo_read_skip(struct clo_reader *r, size_t size);

/* Sums and products of input: false on overflow, *out then untouched. */
CLO_API CLO_MUST_USE bool clo_add(size_t a, size_t b, size_t *out);
CLO_API CLO_MUST_USE bool clo_mul(size_t a, size_t b, size_t *out);

/* CRC-32 as UEFI and IGVM have it; `before` is that of the bytes before these, 0 for none. */
CLO_API uint32_t clo_crc32(uint32_t before, struct clo_bytes in);

/* --- Secrets ------------------------------------------------------------------------------- */

/* Keys and passphrases: locked in memory where the system allows, left out of core dumps, wiped
 * when freed. There is no function that prints one. */
struct clo_secret;

CLO_API CLO_MUST_USE bool clo_secret_new(size_t size, struct clo_secret **out,
                                         struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_secret_copy(struct clo_bytes from, struct clo_secret **out,
                                          struct clo_error *err);
CLO_API uint8_t *clo_secret_data(struct clo_secret *secret);
CLO_API size_t clo_secret_size(const struct clo_secret *secret);
CLO_API struct clo_bytes clo_secret_bytes(const struct clo_secret *secret);
CLO_API void clo_secret_free(struct clo_secret *secret);
CLO_API void clo_secret_freep(struct clo_secret **secret);
CLO_API void clo_wipe(void *data, size_t size);

/* For CLO_CLEANUP on anything from malloc: `CLO_CLEANUP(clo_freep) char *text = NULL;` */
CLO_API void clo_freep(void *pointer_to_pointer);

/* What lib/ takes from its caller instead of asking the system. `fill` writes `size` bytes. */
struct clo_random {
    bool (*fill)(void *context, void *out, size_t size);
    void *context;
};

CLO_END_C

#endif
