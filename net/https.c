#include "net/https.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/crypto/openssl.h"
#include "net/http_answer.h"

#define HEADERS_MAX 16384

struct clo_https_connection {
    char *name; /* the URL as it was given */
    struct clo_https_url url;
    struct clo_bytes spki;
    const struct clo_private_key *key; /* of the client; NULL: it shows nothing */
    char *certificate_file;
    bool is_kept; /* for more than one request */
    struct event_base *base;
    struct evdns_base *dns;
    struct evhttp_connection *connection; /* NULL: not connected */
    struct bufferevent *stream;
    SSL_CTX *tls;
    struct event *deadline;
    bool is_gone; /* the server has closed it */
    /* Of the request that is under way. */
    bool is_done;
    bool is_answered;
    bool is_other_key;
    int failure; /* enum evhttp_request_error, or -1 */
    int system_error;
    struct clo_https_response response;
};

/* --- The server's key --- */

/* In place of OpenSSL's own verification: the key is the pinned one or the handshake ends. That the
 * server holds its private half is what TLS 1.3's CertificateVerify shows. */
static int verify_key(X509_STORE_CTX *presented, void *context)
{
    struct clo_https_connection *exchange = context;
    X509 *certificate = X509_STORE_CTX_get0_cert(presented);
    unsigned char *der = NULL;
    int size = certificate == NULL ? -1 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool is_pinned =
            size > 0 && clo_bytes_equal_secret(clo_bytes(der, (size_t)size), exchange->spki);

    OPENSSL_free(der);
    exchange->is_other_key = !is_pinned;
    X509_STORE_CTX_set_error(presented, is_pinned ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return is_pinned ? 1 : 0;
}

/* A request goes out while the end of the handshake is not acknowledged yet: Nagle's algorithm would hold it back, for as long as the
 * server delays that (40 ms). The socket is there once the handshake begins. */
static void on_handshake(const SSL *tls, int where, int value)
{
    (void)value;
    if ((where & SSL_CB_HANDSHAKE_START) != 0)
        (void)setsockopt(SSL_get_fd(tls), IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static SSL *new_tls(struct clo_https_connection *exchange)
{
    exchange->tls = SSL_CTX_new(TLS_client_method());
    if (exchange->tls == NULL || SSL_CTX_set_min_proto_version(exchange->tls, TLS1_3_VERSION) != 1)
        return NULL;
    SSL_CTX_set_verify(exchange->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(exchange->tls, verify_key, exchange);
    SSL_CTX_set_session_cache_mode(exchange->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_info_callback(exchange->tls, on_handshake);
    return SSL_new(exchange->tls);
}

static bool show_certificate(const struct clo_https_connection *exchange, SSL *tls,
                             struct clo_error *err)
{
    const char *file = exchange->certificate_file;

    if (exchange->key == NULL)
        return true;
    if (SSL_use_certificate_chain_file(tls, file) != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a certificate in PEM that TLS takes", file);
    return SSL_use_PrivateKey(tls, clo_private_key_evp(exchange->key)) == 1 ||
           clo_fail(err, CLO_ERR_USAGE, "%s: the certificate is of another key", file);
}

/* --- The answer --- */

static void copy_until(const char *value, const char *ends, char *out, size_t room)
{
    size_t size = value == NULL ? 0 : strcspn(value, ends);

    if (size >= room)
        size = 0; /* nothing rather than a part */
    if (size > 0)
        memcpy(out, value, size);
    out[size] = '\0';
}

static void on_error(enum evhttp_request_error failure, void *context)
{
    struct clo_https_connection *exchange = context;

    exchange->failure = (int)failure;
    exchange->system_error = errno;
}

static void on_answer(struct evhttp_request *request, void *context)
{
    struct clo_https_connection *exchange = context;
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);

    exchange->is_done = true;
    event_base_loopbreak(exchange->base);
    if (status <= 0) {
        if (exchange->system_error == 0)
            exchange->system_error = errno;
        return;
    }
    struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    struct clo_https_response *response = &exchange->response;
    copy_until(evhttp_find_header(headers, "Content-Type"), "; \t", response->content_type,
               sizeof response->content_type);
    for (char *c = response->content_type; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    copy_until(evhttp_find_header(headers, "Set-Cookie"), "; \t", response->cookie,
               sizeof response->cookie);
    response->status = (unsigned)status;
    exchange->is_answered = http_read_body(request, &response->body);
}

/* --- The exchange --- */

static bool is_address(const struct clo_https_url *url)
{
    struct in_addr v4;

    return url->is_ipv6 || inet_pton(AF_INET, url->host, &v4) == 1;
}

static void on_deadline(evutil_socket_t none, short what, void *context)
{
    struct clo_https_connection *exchange = context;

    (void)none;
    (void)what;
    event_base_loopbreak(exchange->base);
}

static void on_close(struct evhttp_connection *connection, void *context)
{
    struct clo_https_connection *exchange = context;

    (void)connection;
    exchange->is_gone = true;
}

static bool connect_to(struct clo_https_connection *exchange, struct clo_error *err)
{
    const struct clo_https_url *url = &exchange->url;

    exchange->base = event_base_new();
    exchange->deadline =
            exchange->base == NULL ? NULL : event_new(exchange->base, -1, 0, on_deadline, exchange);
    if (exchange->deadline == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "no event loop");
    if (!is_address(url)) {
        exchange->dns = evdns_base_new(exchange->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                               EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (exchange->dns == NULL)
            return clo_fail(err, CLO_ERR_UNAVAILABLE,
                            "%s: names cannot be looked up: /etc/resolv.conf names no server",
                            url->host);
    }
    SSL *tls = new_tls(exchange);
    if (tls != NULL && !show_certificate(exchange, tls, err)) {
        SSL_free(tls);
        return false;
    }
    if (tls == NULL || (!is_address(url) && SSL_set_tlsext_host_name(tls, url->host) != 1)) {
        SSL_free(tls);
        return clo_fail(err, CLO_ERR_SYSTEM, "TLS 1.3 cannot be set up");
    }
    exchange->stream = bufferevent_openssl_socket_new(
            exchange->base, -1, tls, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
    if (exchange->stream == NULL) {
        SSL_free(tls);
        return clo_out_of_memory(err);
    }
    exchange->connection = evhttp_connection_base_bufferevent_new(
            exchange->base, exchange->dns, exchange->stream, url->host, url->port);
    if (exchange->connection == NULL) {
        bufferevent_free(exchange->stream);
        return clo_out_of_memory(err);
    }
    evhttp_connection_set_retries(exchange->connection, 0);
    evhttp_connection_set_max_headers_size(exchange->connection, HEADERS_MAX);
    evhttp_connection_set_closecb(exchange->connection, on_close, exchange);
    return true;
}

static bool add_headers(const struct clo_https_connection *exchange,
                        const struct clo_https_request *request, struct evkeyvalq *headers)
{
    const struct clo_https_url *url = &exchange->url;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer host = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bearer = { 0 };

    clo_buffer_printf(&host, url->is_ipv6 ? "[%s]:%u" : "%s:%u", url->host, url->port);
    if (request->bearer != NULL)
        clo_buffer_printf(&bearer, "Bearer %s", request->bearer);
    const char *host_text = clo_buffer_string(&host);
    const char *bearer_text = clo_buffer_string(&bearer);
    return host_text != NULL && bearer_text != NULL &&
           evhttp_add_header(headers, "Host", host_text) == 0 &&
           (exchange->is_kept || evhttp_add_header(headers, "Connection", "close") == 0) &&
           (request->content_type == NULL ||
            evhttp_add_header(headers, "Content-Type", request->content_type) == 0) &&
           (request->cookie == NULL ||
            evhttp_add_header(headers, "Cookie", request->cookie) == 0) &&
           (request->bearer == NULL ||
            evhttp_add_header(headers, "Authorization", bearer_text) == 0);
}

static bool send_request(struct clo_https_connection *exchange,
                         const struct clo_https_request *request, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer target = { 0 };
    struct timeval deadline = { .tv_sec = request->timeout_ms / 1000,
                                .tv_usec = request->timeout_ms % 1000 * 1000 };
    bool is_post = strcmp(request->method, "POST") == 0;

    clo_buffer_printf(&target, "%s%s", exchange->url.prefix, request->path);
    const char *target_text = clo_buffer_string(&target);
    struct evhttp_request *message = evhttp_request_new(on_answer, exchange);
    if (target_text == NULL || message == NULL ||
        !add_headers(exchange, request, evhttp_request_get_output_headers(message)) ||
        evbuffer_add(evhttp_request_get_output_buffer(message), request->body.data,
                     request->body.size) != 0) {
        if (message != NULL)
            evhttp_request_free(message);
        return clo_fail(err, CLO_ERR_SYSTEM, "the request cannot be made");
    }
    evhttp_request_set_error_cb(message, on_error);
    evhttp_connection_set_timeout_tv(exchange->connection, &deadline);
    evhttp_connection_set_max_body_size(exchange->connection,
                                        (ev_ssize_t)(request->response_limit == 0
                                                             ? CLO_HTTPS_RESPONSE_MAX
                                                             : request->response_limit));
    errno = 0;
    /* The connection owns the request from here on, also when this fails. */
    if (evhttp_make_request(exchange->connection, message,
                            is_post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, target_text) != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "cannot connect");
    event_add(exchange->deadline, &deadline);
    event_base_dispatch(exchange->base);
    event_del(exchange->deadline);
    return true;
}

/* Why there was no answer. OpenSSL's reason comes before errno, which it may have set. */
static bool explain(const struct clo_https_connection *exchange, struct clo_error *err)
{
    unsigned long tls_error =
            exchange->stream == NULL ? 0 : bufferevent_get_openssl_error(exchange->stream);
    const char *reason = tls_error == 0 ? NULL : ERR_reason_error_string(tls_error);

    if (exchange->is_other_key)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "the server has another public key than the one that is pinned");
    if (!http_check_failure(exchange->failure, exchange->is_done, err))
        return false;
    if (reason != NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "TLS: %s", reason);
    /* libevent looks at the address of the peer that it has not got. */
    if (exchange->system_error == ENOTCONN)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "cannot be reached: nobody listens there");
    if (exchange->system_error != 0 && exchange->system_error != EINPROGRESS &&
        exchange->system_error != EAGAIN)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s", strerror(exchange->system_error));
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "the connection broke off");
}

static void disconnect(struct clo_https_connection *exchange)
{
    /* A connection asks for names as long as it is there. */
    if (exchange->connection != NULL)
        evhttp_connection_free(exchange->connection);
    if (exchange->dns != NULL)
        evdns_base_free(exchange->dns, 1);
    if (exchange->deadline != NULL)
        event_free(exchange->deadline);
    http_end(NULL, exchange->base);
    SSL_CTX_free(exchange->tls);
    exchange->connection = NULL;
    exchange->stream = NULL;
    exchange->dns = NULL;
    exchange->deadline = NULL;
    exchange->base = NULL;
    exchange->tls = NULL;
    exchange->is_gone = false;
}

bool clo_https_open(const struct clo_https_peer *peer, struct clo_https_connection **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_https_closep)
    struct clo_https_connection *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL || (exchange->name = strdup(peer->url)) == NULL)
        return clo_out_of_memory(err);
    if (peer->key != NULL && (exchange->certificate_file = strdup(peer->certificate_file)) == NULL)
        return clo_out_of_memory(err);
    exchange->spki = peer->spki;
    exchange->key = peer->key;
    exchange->is_kept = true;
    if (!clo_https_url_parse(peer->url, &exchange->url, err))
        return false;
    *out = CLO_TAKE(exchange);
    return true;
}

void clo_https_close(struct clo_https_connection *connection)
{
    if (connection == NULL)
        return;
    disconnect(connection);
    free(connection->name);
    free(connection->certificate_file);
    free(connection);
}

void clo_https_closep(struct clo_https_connection **connection)
{
    clo_https_close(*connection);
    *connection = NULL;
}

/* One that the server has closed since is made anew: nothing was sent over it that could be sent twice. */
static bool ask(struct clo_https_connection *exchange, const struct clo_https_request *request,
                struct clo_error *err)
{
    ERR_clear_error();
    exchange->is_done = exchange->is_answered = exchange->is_other_key = false;
    exchange->failure = -1;
    exchange->system_error = 0;
    if (exchange->connection != NULL)
        event_base_loop(exchange->base, EVLOOP_NONBLOCK);
    if (exchange->is_gone)
        disconnect(exchange);
    if (exchange->connection == NULL && !connect_to(exchange, err))
        return false;
    return send_request(exchange, request, err) &&
           (exchange->is_answered || explain(exchange, err));
}

bool clo_https_ask(struct clo_https_connection *connection, const struct clo_https_request *request,
                   struct clo_https_response *out, struct clo_error *err)
{
    bool ok = ask(connection, request, err);

    if (ok)
        *out = connection->response;
    else
        clo_buffer_free(&connection->response.body);
    connection->response = (struct clo_https_response){ 0 };
    if (!ok || connection->is_gone || !connection->is_kept)
        disconnect(connection);
    return ok || clo_wrap(err, "%s", connection->name);
}

bool clo_https_request(const struct clo_https_peer *peer, const struct clo_https_request *request,
                       struct clo_https_response *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_https_closep) struct clo_https_connection *connection = NULL;

    if (!clo_https_open(peer, &connection, err))
        return false;
    connection->is_kept = false;
    return clo_https_ask(connection, request, out, err);
}

void clo_https_response_free(struct clo_https_response *response)
{
    clo_buffer_free(&response->body);
    *response = (struct clo_https_response){ 0 };
}
