#include "verifier/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define HEADERS_MAX 16384
#define TIMEOUT_S   30
#define BACKLOG     512
#define TICK_S      10
#define COOKIE_NAME "kbs-session-id="

struct clo_server {
    struct clo_broker *broker;
    struct ssl_ctx_st *tls;
    struct event_base *base;
    struct evhttp *http;
    struct event *stops[2];
    struct event *tick;
    uint16_t port;
};

/* --- TLS --- */

static struct bufferevent *new_stream(struct event_base *base, void *context)
{
    struct clo_server *server = context;
    SSL *tls = SSL_new(server->tls);

    if (tls == NULL)
        return NULL;
    struct bufferevent *stream = bufferevent_openssl_socket_new(
            base, -1, tls, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (stream == NULL)
        SSL_free(tls);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1); /* HTTP has lengths of its own */
    return stream;
}

/* --- Requests --- */

/* The value of our cookie among others. */
static bool find_cookie(const char *header, char *out, size_t room)
{
    const char *at = header;

    while (at != NULL && *at != '\0') {
        at += strspn(at, " ;");
        size_t size = strcspn(at, ";");
        if (strncmp(at, COOKIE_NAME, strlen(COOKIE_NAME)) == 0) {
            const char *value = at + strlen(COOKIE_NAME);
            size_t value_size = strcspn(value, "; ");
            if (value_size >= room)
                return false;
            memcpy(out, value, value_size);
            out[value_size] = '\0';
            return true;
        }
        at += size;
    }
    return false;
}

static int64_t seconds_on(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec;
}

static const char *method_name(struct evhttp_request *message)
{
    switch (evhttp_request_get_command(message)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    default:
        return "";
    }
}

static void send_answer(struct evhttp_request *message, const struct clo_broker_answer *answer)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(message);
    struct evbuffer *body = evbuffer_new();
    char cookie[CLO_SESSION_COOKIE + 64];

    snprintf(cookie, sizeof cookie, COOKIE_NAME "%s; Path=/; Secure; HttpOnly; SameSite=Strict",
             answer->cookie);
    bool ok =
            body != NULL && evhttp_add_header(headers, "Content-Type", answer->content_type) == 0 &&
            evhttp_add_header(headers, "Cache-Control", "no-store") == 0 &&
            (answer->cookie[0] == '\0' || evhttp_add_header(headers, "Set-Cookie", cookie) == 0) &&
            evbuffer_add(body, answer->body.data, answer->body.size) == 0;
    if (ok)
        evhttp_send_reply(message, (int)answer->status, NULL, body);
    else
        evhttp_send_error(message, 500, NULL);
    if (body != NULL)
        evbuffer_free(body);
}

static void on_request(struct evhttp_request *message, void *context)
{
    struct clo_server *server = context;
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    struct evkeyvalq *headers = evhttp_request_get_input_headers(message);
    struct evbuffer *input = evhttp_request_get_input_buffer(message);
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(message));
    size_t size = evbuffer_get_length(input);
    const void *data = size == 0 ? NULL : evbuffer_pullup(input, -1);
    char cookie[CLO_SESSION_COOKIE];
    char *peer = NULL;
    ev_uint16_t port;

    evhttp_connection_get_peer(evhttp_request_get_connection(message), &peer, &port);
    if (path == NULL || (size > 0 && data == NULL)) {
        evhttp_send_error(message, path == NULL ? 400 : 500, NULL);
        return;
    }
    const struct clo_broker_request request = {
        .method = method_name(message),
        .path = path,
        .cookie = find_cookie(evhttp_find_header(headers, "Cookie"), cookie, sizeof cookie) ? cookie
                                                                                            : NULL,
        .authorization = evhttp_find_header(headers, "Authorization"),
        .peer = peer,
        .body = clo_bytes(data, size),
        .time = seconds_on(CLOCK_REALTIME),
        .clock = seconds_on(CLOCK_BOOTTIME),
    };
    clo_broker_answer(server->broker, &request, &answer);
    send_answer(message, &answer);
}

/* --- Listening --- */

static void tick(struct clo_server *server, bool is_last)
{
    clo_broker_tick(server->broker, seconds_on(CLOCK_REALTIME), seconds_on(CLOCK_BOOTTIME),
                    is_last);
}

static void on_tick(evutil_socket_t none, short what, void *context)
{
    (void)none;
    (void)what;
    tick(context, false);
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
    struct clo_server *server = context;

    (void)signal_number;
    (void)what;
    event_base_loopexit(server->base, NULL);
}

/* libevent takes no port 0: it is parsed as another one and set back. */
static bool parse_address(const char *text, struct sockaddr_storage *out, int *size)
{
    char copy[128];
    const char *colon = strrchr(text, ':');

    if (colon == NULL || strlen(text) + 1 > sizeof copy)
        return false;
    bool is_any = strcmp(colon, ":0") == 0;
    snprintf(copy, sizeof copy, "%.*s%s", (int)(colon - text), text, is_any ? ":1" : colon);
    memset(out, 0, sizeof *out);
    *size = sizeof *out;
    if (colon[1] == '\0' || evutil_parse_sockaddr_port(copy, (struct sockaddr *)out, size) != 0)
        return false;
    if (is_any && out->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)out)->sin6_port = 0;
    else if (is_any)
        ((struct sockaddr_in *)out)->sin_port = 0;
    return true;
}

static bool listen_at(struct clo_server *server, const char *text, struct clo_error *err)
{
    struct sockaddr_storage address;
    int size;

    if (!parse_address(text, &address, &size))
        return clo_fail(err, CLO_ERR_USAGE, "%s: expected ADDRESS:PORT, like 127.0.0.1:8443", text);
    struct evconnlistener *listener = evconnlistener_new_bind(
            server->base, NULL, NULL,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
            (const struct sockaddr *)&address, size);
    if (listener == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: %s", text, strerror(errno));
    if (evhttp_bind_listener(server->http, listener) == NULL) {
        evconnlistener_free(listener);
        return clo_out_of_memory(err);
    }
    socklen_t length = sizeof address;
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", text, strerror(errno));
    server->port =
            ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                                : ((const struct sockaddr_in *)&address)->sin_port);
    return true;
}

bool clo_server_new(struct clo_broker *broker, const struct clo_tls_identity *identity,
                    const char *address, struct clo_server **out, struct clo_error *err)
{
    static const int signals[] = { SIGTERM, SIGINT };
    CLO_CLEANUP(clo_server_freep) struct clo_server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return clo_out_of_memory(err);
    server->broker = broker;
    if (!clo_tls_context(identity, &server->tls, err))
        return clo_wrap(err, "TLS");
    server->base = event_base_new();
    server->http = server->base == NULL ? NULL : evhttp_new(server->base);
    if (server->http == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "no event loop");
    evhttp_set_bevcb(server->http, new_stream, server);
    evhttp_set_gencb(server->http, on_request, server);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(server->http, HEADERS_MAX);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)CLO_BROKER_BODY_MAX);
    evhttp_set_timeout(server->http, TIMEOUT_S);
    for (size_t i = 0; i < CLO_COUNT(signals); i++) {
        server->stops[i] = evsignal_new(server->base, signals[i], on_stop, server);
        if (server->stops[i] == NULL || event_add(server->stops[i], NULL) != 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "signals cannot be caught");
    }
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    if (server->tick == NULL || event_add(server->tick, &(struct timeval){ .tv_sec = TICK_S }) != 0)
        return clo_out_of_memory(err);
    if (!listen_at(server, address, err))
        return false;
    *out = CLO_TAKE(server);
    return true;
}

void clo_server_free(struct clo_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < CLO_COUNT(server->stops); i++)
        if (server->stops[i] != NULL)
            event_free(server->stops[i]);
    if (server->tick != NULL)
        event_free(server->tick);
    if (server->http != NULL)
        evhttp_free(server->http);
    if (server->base != NULL)
        event_base_free(server->base);
    SSL_CTX_free(server->tls);
    free(server);
}

void clo_server_freep(struct clo_server **server)
{
    clo_server_free(*server);
    *server = NULL;
}

uint16_t clo_server_port(const struct clo_server *server)
{
    return server->port;
}

bool clo_server_run(struct clo_server *server, struct clo_error *err)
{
    signal(SIGPIPE, SIG_IGN);
    bool ok = event_base_dispatch(server->base) >= 0;
    tick(server, true);
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "the event loop failed");
}
