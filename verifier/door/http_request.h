/* HTTP/1.1 requests (RFC 9112), read strictly: what two readers could understand in two ways is refused, so that nobody
 * in front of the broker sees other requests than it does. Bytes in, views out; there is no socket in here. */
#ifndef CLOISTER_VERIFIER_HTTP_REQUEST_H
#define CLOISTER_VERIFIER_HTTP_REQUEST_H

#include "cloister/base.h"

#define CLO_HTTP_HEAD_MAX   16384
#define CLO_HTTP_FIELDS_MAX 64
#define CLO_HTTP_PATH_MAX   1024
#define CLO_HTTP_METHOD_MAX 16

enum clo_http_end {
    CLO_HTTP_MORE,      /* the head has not ended yet */
    CLO_HTTP_WHOLE,     /* it ends at *size */
    CLO_HTTP_MALFORMED, /* whatever follows */
};

/* Where the head of a request ends. `size` is how many bytes were looked at: zero at first, then what it was. */
enum clo_http_end clo_http_head_end(struct clo_bytes in, size_t *size);

/* All views lie in the head. */
struct clo_http_request {
    struct clo_bytes method;
    struct clo_bytes path;   /* from the first '/' up to a query; as it came, nothing is decoded */
    struct clo_bytes query;  /* after '?'; NULL: none */
    struct clo_bytes cookie; /* the header; NULL: none */
    struct clo_bytes authorization; /* the header; NULL: none */
    struct clo_bytes content_type;  /* the header; NULL: none */
    struct clo_bytes accept;        /* the header; NULL: none */
    uint64_t length;                /* of the body, unless it comes in chunks */
    bool has_length;
    bool is_chunked;
    bool keeps_alive;
    bool expects_continue;
};

/* Parses a whole head, as clo_http_head_end() found it. Otherwise `status` is what HTTP says to it. */
CLO_MUST_USE bool clo_http_request_parse(struct clo_bytes head, struct clo_http_request *out,
                                         unsigned *status, struct clo_error *err);

/* A body in chunks, as it comes. A zeroed struct is at its beginning. */
struct clo_http_chunks {
    unsigned state;
    uint64_t left;      /* of a chunk's data */
    unsigned line_size; /* of the line that says its size */
    bool is_whole;
};

/* Appends the data of `in` to `out`, up to its limit; `used` says how much of `in` was looked at. False: `status`, as above. */
CLO_MUST_USE bool clo_http_chunks_read(struct clo_http_chunks *chunks, struct clo_bytes in,
                                       size_t *used, struct clo_buffer *out, unsigned *status,
                                       struct clo_error *err);

#endif
