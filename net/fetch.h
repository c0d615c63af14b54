/* What operators fetch from the makers: one HTTP GET, and what is polite about it.
 *
 * Everything that comes this way is signed by its maker and verified elsewhere: a server in between
 * can withhold it, not forge it. Never linked into what the guest runs. */
#ifndef CLOISTER_NET_FETCH_H
#define CLOISTER_NET_FETCH_H

#include "cloister/base.h"

#define CLO_FETCH_HEADERS_MAX ((size_t)64 << 10)
#define CLO_FETCH_URL_MAX     2048
/* How often we ask at most, and how long we wait in all, when a server says that it is busy. */
#define CLO_FETCH_TRIES    6
#define CLO_FETCH_WAIT_MAX 120 /* seconds */

struct clo_fetched {
    unsigned status;
    struct clo_buffer headers; /* "Name: value\r\n" lines as they came, without the status line */
    struct clo_buffer body;
};
void clo_fetched_free(struct clo_fetched *fetched); /* for CLO_CLEANUP: leaves it empty */

/* What a fetch needs of the world. `get` makes one exchange and follows no redirect: true when an
 * answer came back whole, whatever its status; a server that cannot be reached or breaks off is
 * CLO_ERR_UNAVAILABLE, one whose certificate is not good CLO_ERR_UNVERIFIED, a body larger than
 * `limit` CLO_ERR_FORMAT. */
struct clo_transport {
    bool (*get)(void *context, const char *url, size_t limit, struct clo_fetched *out,
                struct clo_error *err);
    int64_t (*now)(void *context); /* Unix time */
    void (*sleep)(void *context, unsigned seconds);
    void *context;
};

/* libcurl, loaded at the first use and not before: few runs of the program need it. */
struct clo_curl;
struct clo_curl_options {
    const char *ca_file; /* PEM; trust these for TLS instead of the system's; NULL */
    unsigned timeout_ms; /* for one exchange; 0: a minute */
    /* Asked about once a second: is nobody waiting for the answer any more? NULL: always waited for. */
    bool (*is_over)(void *context);
    void *context;
};
/* `options` is borrowed. CLO_ERR_UNAVAILABLE: there is no libcurl. */
CLO_MUST_USE bool clo_curl_new(const struct clo_curl_options *options, struct clo_curl **out,
                               struct clo_error *err);
struct clo_transport clo_curl_transport(struct clo_curl *curl);
void clo_curl_free(struct clo_curl *curl);
void clo_curl_freep(struct clo_curl **curl);

/* One GET, asked again while the server answers 429 or 503: after the Retry-After it names, else
 * after 1, 2, 4… seconds. A server that is still busy then is CLO_ERR_UNAVAILABLE. Another status
 * than 200 is for the caller to judge, but a redirect is refused. */
CLO_MUST_USE bool clo_fetch(const struct clo_transport *transport, const char *url, size_t limit,
                            struct clo_fetched *out, struct clo_error *err);

/* The first header of this name (any case), without the spaces around it; false: there is none. */
CLO_MUST_USE bool clo_fetch_header(struct clo_bytes headers, const char *name,
                                   struct clo_bytes *out);
/* Retry-After (RFC 9110, section 10.2.3): seconds, or an HTTP date held against `now`. -1: neither. */
int64_t clo_retry_after(struct clo_bytes value, int64_t now);

/* A service's base, "https://HOST[:PORT][/PREFIX]" (or http:// for a mirror of one's own: what it
 * serves is signed), with `path` after it. CLO_ERR_USAGE if the base is not of this form. */
CLO_MUST_USE bool clo_fetch_url(const char *base, const char *path, char out[CLO_FETCH_URL_MAX],
                                struct clo_error *err);

#endif
