#include "net/http_answer.h"

#include <event2/buffer.h>

bool http_read_body(struct evhttp_request *request, struct clo_buffer *out)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    size_t size = evbuffer_get_length(body);
    const void *data = size == 0 ? NULL : evbuffer_pullup(body, -1);

    if (size > 0 && data == NULL)
        return false;
    clo_buffer_append(out, clo_bytes(data, size));
    return clo_buffer_ok(out);
}

bool http_check_failure(int failure, bool is_done, struct clo_error *err)
{
    if (failure == EVREQ_HTTP_DATA_TOO_LONG)
        return clo_fail(err, CLO_ERR_FORMAT, "the answer is too large");
    if (failure == EVREQ_HTTP_INVALID_HEADER)
        return clo_fail(err, CLO_ERR_FORMAT, "the answer is not HTTP");
    return (is_done && failure != EVREQ_HTTP_TIMEOUT) ||
           clo_fail(err, CLO_ERR_UNAVAILABLE, "no answer in time");
}

void http_end(struct evhttp_connection *connection, struct event_base *base)
{
    if (connection != NULL)
        evhttp_connection_free(connection);
    if (base == NULL)
        return;
    event_base_loop(base, EVLOOP_NONBLOCK); /* what was put off is freed here */
    event_base_free(base);
}
