/* A cloud's metadata service: plain HTTP to a link-local address that the host answers at.
 *
 * No name is looked up, no redirect followed, and an answer has bounds in size and time. The host writes it:
 * what it says is as good as the signatures in it. Small on purpose: the guest runs it. */
#ifndef CLOISTER_NET_IMDS_H
#define CLOISTER_NET_IMDS_H

#include "cloister/base.h"

#define CLO_IMDS_URL "http://169.254.169.254"

struct clo_imds_request {
    const char *url;       /* "http://ADDRESS[:PORT]": CLO_IMDS_URL, or a test's */
    const char *path;      /* "/metadata/THIM/amd/certification" */
    struct clo_bytes body; /* JSON, sent by POST; data NULL: GET */
    unsigned timeout_ms;   /* for all of it */
    size_t limit;          /* of the answer's body */
};

/* Appends the body of a 200. Nobody there, another status, or no answer in time is CLO_ERR_UNAVAILABLE; an
 * answer that is too large, or not HTTP, CLO_ERR_FORMAT; another form of URL CLO_ERR_USAGE. */
CLO_MUST_USE bool clo_imds_get(const struct clo_imds_request *request, struct clo_buffer *out,
                               struct clo_error *err);

#endif
