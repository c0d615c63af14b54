/* The client against a server that answers whatever the test says, over real TLS. */
#include "net/https.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "cloister/crypto.h"
#include "lib/crypto/certificate_make.h"
#include "lib/crypto/openssl.h"
#include "test.h"

/* --- The server: one connection and one answer, if it is not told otherwise --- */

struct server {
    const char *answer; /* NULL: none; the connection is held open */
    int max_version;    /* of TLS; 0: the newest */
    int socket;
    uint16_t port;
    struct clo_private_key *key;
    struct clo_certificate *certificate;
    unsigned connections, answers; /* how many of them, and on each; 0: one */
    bool is_over;                  /* its thread is joined */
    bool hangs_up;                 /* without waiting for the client */
    unsigned handshakes;
    char request[4096]; /* what came last */
    pthread_t thread;
};

/* False: the client has gone. */
static bool read_request(struct server *server, SSL *connection)
{
    size_t have = 0;

    memset(server->request, 0, sizeof server->request);
    while (have + 1 < sizeof server->request && strstr(server->request, "\r\n\r\n") == NULL) {
        int got = SSL_read(connection, server->request + have,
                           (int)(sizeof server->request - 1 - have));
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static void serve_one(struct server *server, SSL *connection)
{
    char rest[256];

    if (SSL_accept(connection) != 1)
        return;
    server->handshakes++;
    for (unsigned i = 0; i < (server->answers == 0 ? 1 : server->answers); i++) {
        if (!read_request(server, connection))
            return;
        if (server->answer != NULL)
            SSL_write(connection, server->answer, (int)strlen(server->answer));
    }
    if (server->answer != NULL)
        SSL_shutdown(connection);
    if (server->hangs_up)
        return;
    while (SSL_read(connection, rest, sizeof rest) > 0)
        ; /* until the client has gone: closing earlier would take the answer back */
}

static void *serve(void *context)
{
    struct server *server = context;
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    SSL_CTX_use_certificate(tls, clo_certificate_x509(server->certificate));
    SSL_CTX_use_PrivateKey(tls, clo_private_key_evp(server->key));
    if (server->max_version != 0)
        SSL_CTX_set_max_proto_version(tls, server->max_version);
    for (unsigned i = 0; i < (server->connections == 0 ? 1 : server->connections); i++) {
        int fd = accept(server->socket, NULL, NULL);
        SSL *connection = SSL_new(tls);
        SSL_set_fd(connection, fd);
        serve_one(server, connection);
        SSL_free(connection);
        close(fd);
    }
    SSL_CTX_free(tls);
    return NULL;
}

static void start(struct server *server)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = { .common_name = "server",
                                               .not_after = 4000000000,
                                               .serial = clo_bytes("\x01", 1),
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA256 };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct clo_error err;

    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &server->key, &err), err.text);
    CHECK(clo_private_key_public(server->key, &public_key, &err), err.text);
    CHECK(clo_certificate_make(&spec, public_key, NULL, server->key, &der, &err), err.text);
    CHECK(clo_certificate_parse(clo_buffer_bytes(&der), &server->certificate, &err), err.text);
    server->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->socket, 1), 0);
    assert_int_equal(getsockname(server->socket, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    if (server->certificate == NULL)
        return;
    /* One that nobody has called is called now, so that it ends. */
    shutdown(server->socket, SHUT_RDWR);
    if (!server->is_over)
        pthread_join(server->thread, NULL);
    close(server->socket);
    clo_private_key_free(server->key);
    clo_certificate_free(server->certificate);
}

static bool ask(const struct server *server, const struct clo_public_key *pinned,
                const struct clo_https_request *request, struct clo_https_response *out,
                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    char url[64];

    snprintf(url, sizeof url, "https://127.0.0.1:%u/prefix/", server->port);
    CHECK(clo_public_key_spki(pinned == NULL ? clo_certificate_key(server->certificate) : pinned,
                              &spki, err),
          err->text);
    const struct clo_https_peer peer = { .url = url, .spki = clo_buffer_bytes(&spki) };
    return clo_https_request(&peer, request, out, err);
}

static const struct clo_https_request get = { .method = "GET", .path = "/x", .timeout_ms = 5000 };

static void test_answer(void **state)
{
    CLO_CLEANUP(stop)
    struct server server = {
        .answer = "HTTP/1.1 201 Created\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
                  "Set-Cookie: id=7; Path=/; Secure\r\nContent-Length: 5\r\n\r\nhello",
    };
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    const struct clo_https_request post = { .method = "POST",
                                            .path = "/x",
                                            .content_type = "text/plain",
                                            .cookie = "id=6",
                                            .bearer = "token",
                                            .body = clo_bytes_text("question"),
                                            .timeout_ms = 5000 };
    struct clo_error err;

    (void)state;
    start(&server);
    CHECK(ask(&server, NULL, &post, &response, &err), err.text);
    CHECK(response.status == 201 && strcmp(response.content_type, "application/json") == 0,
          response.content_type);
    CHECK(strcmp(response.cookie, "id=7") == 0, response.cookie);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&response.body), clo_bytes_text("hello")), "body");
    CHECK(strncmp(server.request, "POST /prefix/x HTTP/1.1\r\n", 25) == 0, server.request);
    CHECK(strstr(server.request, "Authorization: Bearer token\r\n") != NULL &&
                  strstr(server.request, "Cookie: id=6\r\n") != NULL &&
                  strstr(server.request, "Content-Length: 8\r\n") != NULL,
          server.request);
}

/* The key decides, not the certificate: and TLS 1.3 shows that the server holds its private half. */
static void test_other_key(void **state)
{
    CLO_CLEANUP(stop) struct server server = { .answer = "HTTP/1.1 200 OK\r\n\r\n" };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *pinned = NULL;
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    struct clo_error err;

    (void)state;
    start(&server);
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &other, &err), err.text);
    CHECK(clo_private_key_public(other, &pinned, &err), err.text);
    CHECK(!ask(&server, pinned, &get, &response, &err), "another key");
    CHECK(err.status == CLO_ERR_UNVERIFIED &&
                  strstr(err.text, "another public key than the one that is pinned") != NULL,
          err.text);
    CHECK(server.request[0] == '\0', "nothing was sent to it");
}

static void test_old_tls(void **state)
{
    CLO_CLEANUP(stop)
    struct server server = { .answer = "HTTP/1.1 200 OK\r\n\r\n", .max_version = TLS1_2_VERSION };
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    struct clo_error err;

    (void)state;
    start(&server);
    CHECK(!ask(&server, NULL, &get, &response, &err), "TLS 1.2");
    CHECK(err.status == CLO_ERR_UNAVAILABLE && strstr(err.text, "TLS: ") != NULL, err.text);
}

static void test_bad_answers(void **state)
{
    static const struct {
        const char *name, *answer;
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "not HTTP", "hello there\r\n\r\n", CLO_ERR_FORMAT, "the answer is not HTTP" },
        { "too large", "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", CLO_ERR_FORMAT,
          "the answer is too large" },
        { "negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", CLO_ERR_FORMAT,
          "the answer is not HTTP" },
        { "cut short", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this",
          CLO_ERR_UNAVAILABLE, NULL },
        { "nothing", "", CLO_ERR_UNAVAILABLE, NULL },
        { "no answer", NULL, CLO_ERR_UNAVAILABLE, "no answer in time" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(stop) struct server server = { .answer = cases[i].answer };
        CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
        struct clo_https_request request = get;
        struct clo_error err;
        request.response_limit = 100;
        if (cases[i].answer == NULL)
            request.timeout_ms = 300;
        start(&server);
        CHECK(!ask(&server, NULL, &request, &response, &err), cases[i].name);
        CHECK(strncmp(err.text, "https://127.0.0.1:", 18) == 0, err.text);
        if (err.status != cases[i].status ||
            (cases[i].error != NULL && strstr(err.text, cases[i].error) == NULL))
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(response.body.data == NULL, "nothing is left");
    }
}

static void test_nobody(void **state)
{
    struct clo_https_response response = { 0 };
    const struct clo_https_peer peer = { .url = "https://127.0.0.1:1",
                                         .spki = clo_bytes_text("x") };
    struct clo_error err;

    (void)state;
    CHECK(!clo_https_request(&peer, &get, &response, &err), "nobody");
    CHECK(err.status == CLO_ERR_UNAVAILABLE &&
                  strcmp(err.text,
                         "https://127.0.0.1:1: cannot be reached: nobody listens there") == 0,
          err.text);
}

/* --- One connection for several requests --- */

static struct clo_https_connection *open_to(const struct server *server, struct clo_buffer *spki)
{
    struct clo_https_connection *connection = NULL;
    struct clo_error err;
    char url[64];

    snprintf(url, sizeof url, "https://127.0.0.1:%u", server->port);
    CHECK(clo_public_key_spki(clo_certificate_key(server->certificate), spki, &err), err.text);
    const struct clo_https_peer peer = { .url = url, .spki = clo_buffer_bytes(spki) };
    CHECK(clo_https_open(&peer, &connection, &err), err.text);
    return connection;
}

static void ask_on(struct clo_https_connection *connection, const char *name)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    struct clo_error err;

    if (!clo_https_ask(connection, &get, &response, &err))
        fail_msg("%s: %s", name, err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&response.body), clo_bytes_text("hello")), name);
}

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void test_kept(void **state)
{
    static const struct {
        const char *name;
        struct server server;
        unsigned pause_ms;
    } cases[] = {
        { "three requests, one handshake", { .answer = HELLO, .answers = 3 }, 0 },
        { "the server says that it closes",
          { .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            .connections = 3 },
          0 },
        { "the server closes meanwhile",
          { .answer = HELLO, .connections = 3, .hangs_up = true },
          200 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(stop) struct server server = cases[i].server;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
        start(&server);
        struct clo_https_connection *connection = open_to(&server, &spki);
        for (int request = 0; request < 3; request++) {
            ask_on(connection, cases[i].name);
            usleep(cases[i].pause_ms * 1000);
        }
        clo_https_close(connection);
        pthread_join(server.thread, NULL);
        CHECK(server.handshakes == (server.connections == 0 ? 1 : 3), cases[i].name);
        server.is_over = true;
    }
}

/* A second one waits for its own time, not for what was left of the first one's. */
static void test_times(void **state)
{
    CLO_CLEANUP(stop) struct server server = { .answer = HELLO, .answers = 3 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    struct clo_https_request hasty = get;
    struct clo_error err;

    (void)state;
    start(&server);
    struct clo_https_connection *connection = open_to(&server, &spki);
    hasty.timeout_ms = 1000;
    for (int request = 0; request < 3; request++) {
        CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
        CHECK(clo_https_ask(connection, &hasty, &response, &err), err.text);
        usleep(600000);
    }
    clo_https_close(connection);
}

/* --- URLs --- */

static void test_urls(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        const char *prefix;
        bool is_ipv6;
    } cases[] = {
        { "https://broker.example", "broker.example", 443, "", false },
        { "https://broker.example/", "broker.example", 443, "", false },
        { "https://b:8443/kbs/", "b", 8443, "/kbs", false },
        { "https://10.0.2.2:65535/a/b", "10.0.2.2", 65535, "/a/b", false },
        { "https://[::1]:8443/x", "::1", 8443, "/x", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_https_url url;
        struct clo_error err;
        CHECK(clo_https_url_parse(cases[i].text, &url, &err), err.text);
        CHECK(strcmp(url.host, cases[i].host) == 0 && url.port == cases[i].port &&
                      strcmp(url.prefix, cases[i].prefix) == 0 && url.is_ipv6 == cases[i].is_ipv6,
              cases[i].text);
    }
}

static void test_urls_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "http://b", "does not begin with https://" },
        { "HTTPS://b", "does not begin with https://" },
        { "https://", "has no host" },
        { "https://:443", "has no host" },
        { "https://b:", "the port is not between 1 and 65535" },
        { "https://b:0", "the port is not between 1 and 65535" },
        { "https://b:65536", "the port is not between 1 and 65535" },
        { "https://b:0000443", "the port is not a number" },
        { "https://b:4x3", "the port is not a number" },
        { "https://[::1", "the bracket of the IPv6 address is not closed" },
        { "https://user@b", "unexpected character after the host" },
        { "https://b?x", "unexpected character after the host" },
        { "https://b/x\r\nHost: c", "unexpected character after the host" },
        { "https://b/%2e%2e", "unexpected character after the host" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_https_url url;
        struct clo_error err;
        CHECK(!clo_https_url_parse(cases[i].text, &url, &err), cases[i].text);
        CHECK(err.status == CLO_ERR_USAGE && strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),       cmocka_unit_test(test_other_key),
        cmocka_unit_test(test_old_tls),      cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_nobody),       cmocka_unit_test(test_kept),
        cmocka_unit_test(test_times),        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_urls_refused),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
