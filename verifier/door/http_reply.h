/* An HTTP/1.1 answer in one piece, so that it leaves in one write. */
#ifndef CLOISTER_VERIFIER_HTTP_REPLY_H
#define CLOISTER_VERIFIER_HTTP_REPLY_H

#include "cloister/base.h"

#define CLO_HTTP_COOKIE_NAME "kbs-session-id="

struct clo_http_reply {
    unsigned status;
    const char *content_type;
    const char *cookie;         /* the session's, to be set; empty: none */
    const char *location;       /* of what was made; empty: none */
    const char *content_policy; /* of a page; NULL: it is not one */
    struct clo_bytes body;
    int64_t time; /* Unix */
    bool is_head; /* to a HEAD request: how long the body would be, without it */
    bool keeps_alive;
};

/* Appends it; false: out of memory. */
CLO_MUST_USE bool clo_http_reply_write(const struct clo_http_reply *reply, struct clo_buffer *out);

#endif
