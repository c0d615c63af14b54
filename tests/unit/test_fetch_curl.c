/* libcurl against a server that answers whatever the test says, plain and over TLS. */
#include "net/fetch.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "cloister/crypto.h"
#include "lib/crypto/certificate_make.h"
#include "lib/crypto/openssl.h"
#include "test.h"

/* --- The server: one connection, one answer --- */

struct server {
    struct clo_bytes answer;
    bool is_silent; /* takes the connection and says nothing until the client goes */
    SSL_CTX *tls;   /* NULL: plain */
    int socket;
    uint16_t port;
    char request[2048];
    pthread_t thread;
};

static void talk_plain(struct server *server, int fd)
{
    ssize_t got = read(fd, server->request, sizeof server->request - 1);

    if (got > 0 && !server->is_silent && write(fd, server->answer.data, server->answer.size) < 0)
        return;
    if (!server->is_silent)
        shutdown(fd, SHUT_WR);
    char rest[256];
    while (read(fd, rest, sizeof rest) > 0)
        ; /* until the client has gone */
}

static void talk_tls(struct server *server, int fd)
{
    SSL *connection = SSL_new(server->tls);

    SSL_set_fd(connection, fd);
    if (SSL_accept(connection) == 1 &&
        SSL_read(connection, server->request, sizeof server->request - 1) > 0) {
        SSL_write(connection, server->answer.data, (int)server->answer.size);
        SSL_shutdown(connection);
    }
    SSL_free(connection);
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd = accept(server->socket, NULL, NULL);

    if (server->tls == NULL)
        talk_plain(server, fd);
    else
        talk_tls(server, fd);
    close(fd);
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    server->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->socket, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(server->socket, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(server->socket, 1), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->socket);
}

static bool get_from(struct server *server, const struct clo_curl_options *options, size_t limit,
                     struct clo_fetched *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_curl_freep) struct clo_curl *curl = NULL;
    char url[64];

    snprintf(url, sizeof url, "%s://%s:%u/a?b=c", server->tls == NULL ? "http" : "https",
             server->tls == NULL ? "127.0.0.1" : "localhost", server->port);
    if (!clo_curl_new(options, &curl, err))
        return false;
    struct clo_transport transport = clo_curl_transport(curl);
    return transport.get(transport.context, url, limit, out, err);
}

/* --- Answers --- */

static void test_answers(void **state)
{
    static const struct {
        const char *name, *answer;
        unsigned status;
        const char *body, *error; /* the error's beginning */
        enum clo_status kind;
    } cases[] = {
        { "plain", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: b\r\n\r\nbody", 200, "body", NULL,
          CLO_OK },
        { "chunked",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
          200, "body", NULL, CLO_OK },
        { "busy", "HTTP/1.1 429 Slow\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", 429, "", NULL,
          CLO_OK },
        { "not found", "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 404, "no", NULL, CLO_OK },
        { "a redirect is not followed",
          "HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", 302, "",
          NULL, CLO_OK },
        { "cut short", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nbody", 0, NULL,
          "the answer is cut short: ", CLO_ERR_UNAVAILABLE },
        { "too large", "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n0123456789abcdefg", 0, NULL,
          "the answer is larger than 16 bytes", CLO_ERR_FORMAT },
        { "too large, length untold",
          "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789abcdefg", 0, NULL,
          "the answer is larger than 16 bytes", CLO_ERR_FORMAT },
        { "nothing", "", 0, NULL, "Empty reply", CLO_ERR_UNAVAILABLE },
        { "no HTTP", "\x01\x02garbage", 0, NULL, "Received HTTP/0.9", CLO_ERR_UNAVAILABLE },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
        struct server server = { .answer = clo_bytes_text(cases[i].answer) };
        const struct clo_curl_options options = { 0 };
        struct clo_error err = { 0 };
        start(&server);
        bool ok = get_from(&server, &options, 16, &out, &err);
        stop(&server);
        CHECK(strncmp(server.request, "GET /a?b=c HTTP/1.1\r\n", 21) == 0, cases[i].name);
        if (cases[i].error != NULL) {
            CHECK(!ok && err.status == cases[i].kind, cases[i].name);
            if (strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
                print_error("got: %s\n", err.text);
            CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
            continue;
        }
        CHECK(ok, err.text);
        CHECK(out.status == cases[i].status, cases[i].name);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out.body), clo_bytes_text(cases[i].body)),
              cases[i].name);
    }
}

static void test_headers_are_kept(void **state)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    struct server server = {
        .answer = clo_bytes_text("HTTP/1.1 100 Continue\r\nOld: x\r\n\r\n"
                                 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nNew: y\r\n\r\n"),
    };
    const struct clo_curl_options options = { 0 };
    struct clo_bytes value;
    struct clo_error err;

    (void)state;
    start(&server);
    assert_true(get_from(&server, &options, 16, &out, &err));
    stop(&server);
    assert_true(clo_fetch_header(clo_buffer_bytes(&out.headers), "new", &value));
    assert_false(clo_fetch_header(clo_buffer_bytes(&out.headers), "old", &value));
}

static void test_endless_headers(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    const struct clo_curl_options options = { 0 };
    struct clo_error err;

    (void)state;
    clo_buffer_text(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 3000; i++)
        clo_buffer_printf(&answer, "X-%d: 0123456789012345678901234567890123456789\r\n", i);
    clo_buffer_text(&answer, "\r\n");
    struct server server = { .answer = clo_buffer_bytes(&answer) };
    start(&server);
    assert_false(get_from(&server, &options, 16, &out, &err));
    stop(&server);
    assert_int_equal(err.status, CLO_ERR_FORMAT);
    assert_non_null(strstr(err.text, "headers are larger than"));
}

static void test_silence(void **state)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    struct server server = { .is_silent = true };
    const struct clo_curl_options options = { .timeout_ms = 200 };
    struct clo_error err;

    (void)state;
    start(&server);
    assert_false(get_from(&server, &options, 16, &out, &err));
    stop(&server);
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "timed out"));
}

static void test_nobody(void **state)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    struct server server = { .answer = clo_bytes_text("") };
    const struct clo_curl_options options = { 0 };
    CLO_CLEANUP(clo_curl_freep) struct clo_curl *curl = NULL;
    struct clo_error err;

    (void)state;
    server.port = 1; /* nobody listens there */
    assert_false(get_from(&server, &options, 16, &out, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    /* What is neither HTTP nor HTTPS is not fetched. */
    assert_true(clo_curl_new(&options, &curl, &err));
    struct clo_transport transport = clo_curl_transport(curl);
    assert_false(transport.get(transport.context, "file:///etc/hostname", 100, &out, &err));
    assert_true(transport.now(transport.context) > 1700000000);
}

/* --- TLS --- */

static void make_tls(const char *name, const char *folder, struct server *server, char *ca_file,
                     size_t room)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    const struct clo_certificate_spec spec = { .common_name = "server",
                                               .not_before = 1700000000,
                                               .not_after = 4000000000,
                                               .serial = clo_bytes("\x01", 1),
                                               .subject_alt_names = name,
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    CHECK(clo_certificate_make(&spec, public_key, NULL, key, &der, &err), err.text);
    CHECK(clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &err), err.text);
    CHECK(clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), &pem, &err), err.text);
    snprintf(ca_file, room, "%s/%s.pem", folder, name + 4);
    CHECK(clo_file_write(ca_file, clo_buffer_bytes(&pem), 0600, &err), err.text);
    server->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(server->tls, clo_certificate_x509(certificate));
    SSL_CTX_use_PrivateKey(server->tls, clo_private_key_evp(key));
}

static void test_tls(void **state)
{
    static const struct {
        const char *name, *certificate;
        bool is_trusted;
        bool is_fetched;
    } cases[] = {
        { "trusted", "DNS:localhost", true, true },
        { "of nobody we trust", "DNS:localhost", false, false },
        { "for another name", "DNS:elsewhere.example", true, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
        CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
        struct server server = { .answer = clo_bytes_text(
                                         "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody") };
        char ca_file[5000];
        struct clo_error err = { 0 };

        assert_true(clo_scratch_new(NULL, &scratch, &err));
        make_tls(cases[i].certificate, scratch.path, &server, ca_file, sizeof ca_file);
        const struct clo_curl_options options = { .ca_file = cases[i].is_trusted ? ca_file : NULL };
        start(&server);
        bool ok = get_from(&server, &options, 16, &out, &err);
        stop(&server);
        SSL_CTX_free(server.tls);
        CHECK(ok == cases[i].is_fetched, err.text);
        if (!ok) {
            CHECK(err.status == CLO_ERR_UNVERIFIED, err.text);
            CHECK(strstr(err.text, "its TLS certificate is not good") != NULL, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),         cmocka_unit_test(test_headers_are_kept),
        cmocka_unit_test(test_endless_headers), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody),          cmocka_unit_test(test_tls),
    };

    signal(SIGPIPE, SIG_IGN);
    setenv("NO_PROXY", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
