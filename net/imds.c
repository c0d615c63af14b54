#include "net/imds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

#include "net/http_answer.h"
#include "net/https.h"

#define SCHEME      "http://"
#define HEADERS_MAX 8192

struct exchange {
    struct event_base *base;
    struct evhttp_connection *connection;
    bool is_done;
    int status;  /* 0: no answer */
    int failure; /* enum evhttp_request_error, or -1 */
    struct clo_buffer body;
};

static void on_error(enum evhttp_request_error failure, void *context)
{
    ((struct exchange *)context)->failure = (int)failure;
}

static void on_answer(struct evhttp_request *request, void *context)
{
    struct exchange *exchange = context;

    exchange->is_done = true;
    event_base_loopbreak(exchange->base);
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);
    if (status <= 0)
        return;
    exchange->status = http_read_body(request, &exchange->body) ? status : 0;
}

/* The form of our other client's URLs with another scheme, and an address for a host. */
static bool read_url(const char *url, struct clo_https_url *out, struct clo_error *err)
{
    char as_https[300];
    struct in_addr v4;

    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0 ||
        snprintf(as_https, sizeof as_https, "https://%s", url + strlen(SCHEME)) >=
                (int)sizeof as_https)
        return clo_fail(err, CLO_ERR_USAGE, "URL \"%.100s\": does not begin with " SCHEME, url);
    if (!clo_https_url_parse(as_https, out, err))
        return false;
    if (!out->is_ipv6 && inet_pton(AF_INET, out->host, &v4) != 1)
        return clo_fail(err, CLO_ERR_USAGE, "URL \"%.100s\": no address", url);
    if (strchr(url + strlen(SCHEME), ':') == NULL)
        out->port = 80;
    return true;
}

static bool add_headers(const struct clo_https_url *url, bool is_post, struct evkeyvalq *headers)
{
    return evhttp_add_header(headers, "Host", url->host) == 0 &&
           evhttp_add_header(headers, "Connection", "close") == 0 &&
           evhttp_add_header(headers, "Metadata", "true") == 0 &&
           evhttp_add_header(headers, "Accept", "application/json") == 0 &&
           (!is_post || evhttp_add_header(headers, "Content-Type", "application/json") == 0);
}

static bool send_request(struct exchange *exchange, const struct clo_https_url *url,
                         const struct clo_imds_request *request, struct clo_error *err)
{
    bool is_post = request->body.data != NULL;
    struct timeval deadline = { .tv_sec = request->timeout_ms / 1000,
                                .tv_usec = request->timeout_ms % 1000 * 1000 };

    exchange->base = event_base_new();
    if (exchange->base == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "no event loop");
    exchange->connection = evhttp_connection_base_new(exchange->base, NULL, url->host, url->port);
    struct evhttp_request *message = evhttp_request_new(on_answer, exchange);
    if (exchange->connection == NULL || message == NULL ||
        !add_headers(url, is_post, evhttp_request_get_output_headers(message)) ||
        (is_post && evbuffer_add(evhttp_request_get_output_buffer(message), request->body.data,
                                 request->body.size) != 0)) {
        if (message != NULL)
            evhttp_request_free(message);
        return clo_fail(err, CLO_ERR_SYSTEM, "the request cannot be made");
    }
    evhttp_connection_set_retries(exchange->connection, 0);
    evhttp_connection_set_max_headers_size(exchange->connection, HEADERS_MAX);
    evhttp_connection_set_max_body_size(exchange->connection, (ev_ssize_t)request->limit);
    evhttp_connection_set_timeout_tv(exchange->connection, &deadline);
    evhttp_request_set_error_cb(message, on_error);
    /* The connection owns the request from here on, also when this fails. */
    if (evhttp_make_request(exchange->connection, message,
                            is_post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, request->path) != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "cannot connect");
    event_base_loopexit(exchange->base, &deadline);
    event_base_dispatch(exchange->base);
    return true;
}

static bool judge(const struct exchange *exchange, struct clo_error *err)
{
    if (!http_check_failure(exchange->failure, exchange->is_done, err))
        return false;
    if (exchange->status == 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "cannot be reached, or breaks off");
    return exchange->status == 200 ||
           clo_fail(err, CLO_ERR_UNAVAILABLE, "status %d", exchange->status);
}

static void end(struct exchange *exchange)
{
    http_end(exchange->connection, exchange->base);
    clo_buffer_free(&exchange->body);
}

bool clo_imds_get(const struct clo_imds_request *request, struct clo_buffer *out,
                  struct clo_error *err)
{
    struct exchange exchange = { .failure = -1, .body.limit = request->limit };
    struct clo_https_url url;

    if (!read_url(request->url, &url, err))
        return clo_wrap(err, "IMDS");
    bool ok = send_request(&exchange, &url, request, err) && judge(&exchange, err);
    if (ok) {
        clo_buffer_append(out, clo_buffer_bytes(&exchange.body));
        ok = clo_buffer_ok(out) || clo_out_of_memory(err);
    }
    end(&exchange);
    return ok || clo_wrap(err, "IMDS: %s%s", request->url, request->path);
}
