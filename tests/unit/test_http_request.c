/* Requests that must not be understood in two ways: what is refused, with which status, and what is taken. */
#include "verifier/door/http_request.h"

#include "test.h"

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: x\r\n"
#define TAIL LINE HOST

static const struct {
    const char *name, *head;
    unsigned status; /* 0: it parses */
    const char *error;
} cases[] = {
    { "plain", TAIL "\r\n", 0, NULL },
    { "no blank after the colon", LINE "Host:x\r\n\r\n", 0, NULL },
    { "a tab after the colon", LINE "Host:\tx\t\r\n\r\n", 0, NULL },
    { "HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0, NULL },
    { "a name in capitals", LINE "HOST: x\r\n\r\n", 0, NULL },
    { "a value beyond ASCII", TAIL "X: \xc3\xa9\r\n\r\n", 0, NULL },
    { "absolute form", "GET https://x:1/healthz HTTP/1.1\r\n" HOST "\r\n", 0, NULL },
    { "a length of nothing", TAIL "Content-Length: 0\r\n\r\n", 0, NULL },
    { "zeros before the length", TAIL "Content-Length: 0002\r\n\r\n", 0, NULL },
    { "chunks", TAIL "Transfer-Encoding: Chunked\r\n\r\n", 0, NULL },
    { "upgrade is passed over", TAIL "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0, NULL },
    /* The first line. */
    { "HTTP/0.9", "GET /\r\n\r\n", 400, "not a request" },
    { "nothing", "\r\n\r\n", 400, "not a request" },
    { "no method", " / HTTP/1.1\r\n" HOST "\r\n", 400, "not a method" },
    { "an odd method", "G(T / HTTP/1.1\r\n" HOST "\r\n", 400, "not a method" },
    { "a long method", "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n" HOST "\r\n", 400, "not a method" },
    { "two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, "not a request" },
    { "a blank at the end", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400, "not a request" },
    { "a tab between", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400, "not a request" },
    { "HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "only versions 1.0 and 1.1" },
    { "HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505, "only versions 1.0 and 1.1" },
    { "http in small letters", "GET / http/1.1\r\n" HOST "\r\n", 400, "not a request" },
    { "HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, "not a request" },
    { "a target without a slash", "GET x HTTP/1.1\r\n" HOST "\r\n", 400, "begin with a slash" },
    { "an asterisk", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "begin with a slash" },
    { "an authority", "CONNECT x:1 HTTP/1.1\r\n" HOST "\r\n", 400, "begin with a slash" },
    { "another scheme", "GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n", 400, "begin with a slash" },
    { "absolute without a path", "GET http://x HTTP/1.1\r\n" HOST "\r\n", 400, "without a path" },
    { "absolute without a host", "GET http:/// HTTP/1.1\r\n" HOST "\r\n", 400, "without a path" },
    { "a path beyond ASCII", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, "that no target has" },
    { "an escape in a path", "GET /\033[2J HTTP/1.1\r\n" HOST "\r\n", 400, "that no target has" },
    { "a fragment", "GET /#x HTTP/1.1\r\n" HOST "\r\n", 400, "that no target has" },
    { "a quote in a path", "GET /\" HTTP/1.1\r\n" HOST "\r\n", 400, "that no target has" },
    /* Lengths. */
    { "two lengths", TAIL "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", 400, "two Content-L" },
    { "two equal ones", TAIL "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", 400,
      "two Content-L" },
    { "a list of them", TAIL "Content-Length: 2, 2\r\n\r\n", 400, "not a number of bytes" },
    { "plus", TAIL "Content-Length: +2\r\n\r\n", 400, "not a number of bytes" },
    { "minus", TAIL "Content-Length: -2\r\n\r\n", 400, "not a number of bytes" },
    { "hex", TAIL "Content-Length: 0x2\r\n\r\n", 400, "not a number of bytes" },
    { "empty", TAIL "Content-Length:\r\n\r\n", 400, "not a number of bytes" },
    { "19 digits", TAIL "Content-Length: 1000000000000000000\r\n\r\n", 400, "not a number" },
    { "a blank in it", TAIL "Content-Length: 1 2\r\n\r\n", 400, "not a number of bytes" },
    { "length and chunks", TAIL "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
      "Content-Length and Transfer-Encoding" },
    { "chunks and length", TAIL "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400,
      "Content-Length and Transfer-Encoding" },
    { "two codings", TAIL "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
      "two Transfer-Encoding" },
    { "gzip, chunked", TAIL "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "other than chunked" },
    { "xchunked", TAIL "Transfer-Encoding: xchunked\r\n\r\n", 501, "other than chunked" },
    { "identity", TAIL "Transfer-Encoding: identity\r\n\r\n", 501, "other than chunked" },
    { "chunks in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "in HTTP/1.0" },
    /* Fields. */
    { "no Host", LINE "\r\n", 400, "no Host" },
    { "two Hosts", TAIL HOST "\r\n", 400, "two Host" },
    { "two Hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400, "two Host" },
    { "an empty Host", LINE "Host: \r\n\r\n", 400, "Host is empty" },
    { "a Host with a path", LINE "Host: x/y\r\n\r\n", 400, "Host is not a host" },
    { "a list of Hosts", LINE "Host: x,y\r\n\r\n", 400, "Host is not a host" },
    { "a folded field", TAIL "X: a\r\n b\r\n\r\n", 400, "without a name" },
    { "a field folded by a tab", TAIL "X: a\r\n\tb: c\r\n\r\n", 400, "without a name" },
    { "folded after the first line", LINE " Host: x\r\n\r\n", 400, "without a name" },
    { "a blank before the colon", TAIL "X : a\r\n\r\n", 400, "without a name" },
    { "no colon", TAIL "garbage\r\n\r\n", 400, "without a name" },
    { "no name", TAIL ": a\r\n\r\n", 400, "without a name" },
    { "an escape in a value", TAIL "X: \033[2J\r\n\r\n", 400, "a control character" },
    { "a return in a value", TAIL "X: a\rb\r\n\r\n", 400, "a control character" },
    { "a bare line feed", TAIL "X: a\nY: b\r\n\r\n", 400, "a line that does not end" },
    { "an odd expectation", TAIL "Expect: 200-ok\r\n\r\n", 417, "100-continue" },
    { "two cookies", TAIL "Cookie: a=b\r\nCookie: a=c\r\n\r\n", 400, "stands twice" },
    { "two empty cookies", TAIL "Cookie:\r\nCookie:\r\n\r\n", 400, "stands twice" },
    { "two tokens", TAIL "Authorization: a\r\nAuthorization: b\r\n\r\n", 400, "stands twice" },
    { "bytes after the end", TAIL "\r\nX", 400, "bytes after the head" },
    { "no end", TAIL, 400, "a line that does not end" },
};

static void test_cases(void **state)
{
    struct clo_http_request request;
    struct clo_error err;
    unsigned status;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        bool ok = clo_http_request_parse(clo_bytes_text(cases[i].head), &request, &status, &err);
        CHECK(ok == (cases[i].status == 0), cases[i].name);
        CHECK(ok || (status == cases[i].status && strstr(err.text, cases[i].error) != NULL),
              cases[i].name);
    }
}

static bool is(struct clo_bytes view, const char *text)
{
    return view.data != NULL && clo_bytes_equal(view, clo_bytes_text(text));
}

static void test_parts(void **state)
{
    static const char head[] = "POST /kbs/v0/attest?x=/y HTTP/1.1\r\nHost: [::1]:8443\r\n"
                               "Cookie: a=b; kbs-session-id=c\r\nAuthorization: Bearer d \r\n"
                               "Content-Type: application/json\r\nContent-Length: 123456\r\n"
                               "Expect: 100-Continue\r\n\r\n";
    struct clo_http_request request;
    struct clo_error err;
    unsigned status;

    (void)state;
    CHECK(clo_http_request_parse(clo_bytes_text(head), &request, &status, &err), err.text);
    CHECK(is(request.method, "POST") && is(request.path, "/kbs/v0/attest"), "line");
    CHECK(is(request.query, "x=/y"), "query");
    CHECK(is(request.cookie, "a=b; kbs-session-id=c"), "cookie");
    CHECK(is(request.authorization, "Bearer d"), "authorization");
    CHECK(is(request.content_type, "application/json"), "type");
    CHECK(request.has_length && request.length == 123456 && !request.is_chunked, "length");
    CHECK(request.keeps_alive && request.expects_continue, "connection");
}

static void test_keeps_alive(void **state)
{
    static const struct {
        const char *name, *head;
        bool keeps_alive;
    } connections[] = {
        { "1.1", TAIL "\r\n", true },
        { "1.1, close", TAIL "Connection: close\r\n\r\n", false },
        { "1.1, close among others", TAIL "Connection: x , Close\r\n\r\n", false },
        { "1.1, two fields", TAIL "Connection: x\r\nConnection: close\r\n\r\n", false },
        { "1.1, closed", TAIL "Connection: closed\r\n\r\n", true },
        { "1.0", "GET / HTTP/1.0\r\n\r\n", false },
        { "1.0, keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
        { "both", TAIL "Connection: keep-alive, close\r\n\r\n", false },
    };
    struct clo_http_request request;
    struct clo_error err;
    unsigned status;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(connections); i++) {
        CHECK(clo_http_request_parse(clo_bytes_text(connections[i].head), &request, &status, &err),
              connections[i].name);
        CHECK(request.keeps_alive == connections[i].keeps_alive, connections[i].name);
    }
}

static void test_bounds(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fields = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };
    struct clo_http_request request;
    struct clo_error err;
    unsigned status;

    (void)state;
    clo_buffer_text(&fields, TAIL);
    for (int i = 1; i < CLO_HTTP_FIELDS_MAX; i++)
        clo_buffer_text(&fields, "X: a\r\n");
    clo_buffer_text(&fields, "\r\n");
    CHECK(clo_http_request_parse(clo_buffer_bytes(&fields), &request, &status, &err), err.text);
    fields.size -= 2;
    clo_buffer_text(&fields, "X: a\r\n\r\n");
    CHECK(!clo_http_request_parse(clo_buffer_bytes(&fields), &request, &status, &err) &&
                  status == 431,
          "a field too many");
    clo_buffer_text(&path, "GET /");
    for (int i = 0; i < CLO_HTTP_PATH_MAX; i++)
        clo_buffer_u8(&path, 'a');
    clo_buffer_text(&path, " HTTP/1.1\r\n" HOST "\r\n");
    CHECK(!clo_http_request_parse(clo_buffer_bytes(&path), &request, &status, &err) &&
                  status == 414,
          "a path too long");
}

/* --- Where a head ends --- */

static const struct {
    const char *name, *hex;
    enum clo_http_end end;
    size_t size;
} ends[] = {
    { "nothing yet", "", CLO_HTTP_MORE, 0 },
    { "half a line", "474554 20", CLO_HTTP_MORE, 4 },
    { "a line", "47 0d0a", CLO_HTTP_MORE, 3 },
    { "the end", "47 0d0a 0d0a", CLO_HTTP_WHOLE, 5 },
    { "the end, and the next", "47 0d0a 0d0a 48", CLO_HTTP_WHOLE, 5 },
    { "a bare line feed", "47 0a", CLO_HTTP_MALFORMED, 2 },
    { "a bare return", "47 0d 48", CLO_HTTP_MALFORMED, 3 },
    { "two returns", "47 0d0d0a", CLO_HTTP_MALFORMED, 3 },
    { "NUL", "47 00", CLO_HTTP_MALFORMED, 2 },
    { "an escape", "1b", CLO_HTTP_MALFORMED, 1 },
    { "an empty line at first", "0d0a", CLO_HTTP_MALFORMED, 1 },
    { "a line feed at first", "0a", CLO_HTTP_MALFORMED, 1 },
    { "a TLS record in TLS", "160301", CLO_HTTP_MALFORMED, 1 },
};

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(ends); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        struct clo_bytes bytes = from_hex(ends[i].hex, &in);
        size_t size = 0, again = 0;
        enum clo_http_end end = CLO_HTTP_MORE;
        CHECK(clo_http_head_end(bytes, &size) == ends[i].end, ends[i].name);
        CHECK(size == ends[i].size, ends[i].name);
        /* Byte by byte it is the same. */
        for (size_t have = 1; have <= bytes.size && end == CLO_HTTP_MORE; have++)
            end = clo_http_head_end(clo_bytes(bytes.data, have), &again);
        CHECK(end == ends[i].end && again == size, ends[i].name);
    }
}

/* --- Chunks --- */

static const struct {
    const char *name, *in;
    const char *body; /* NULL: refused */
    unsigned status;  /* 0: more is to come */
} chunks[] = {
    { "one", "3\r\nabc\r\n0\r\n\r\n", "abc", 200 },
    { "two", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde", 200 },
    { "none", "0\r\n\r\n", "", 200 },
    { "zeros before it", "0003\r\nabc\r\n000\r\n\r\n", "abc", 200 },
    { "hex in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 200 },
    { "an extension", "3;a=b\r\nabc\r\n0;c\r\n\r\n", "abc", 200 },
    { "half", "3\r\nab", "ab", 0 },
    { "no last one", "3\r\nabc\r\n", "abc", 0 },
    { "ten bytes are the most", "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "0123456789", 200 },
    { "eleven are too many", "B\r\n0123456789a\r\n0\r\n\r\n", NULL, 413 },
    { "in two pieces, too", "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n", NULL, 413 },
    { "minus", "-1\r\nabc\r\n", NULL, 400 },
    { "plus", "+3\r\nabc\r\n", NULL, 400 },
    { "0x", "0x3\r\nabc\r\n", NULL, 400 },
    { "2^64-1", "ffffffffffffffff\r\nabc", NULL, 400 },
    { "no size", "\r\nabc\r\n", NULL, 400 },
    { "a blank before it", " 3\r\nabc\r\n", NULL, 400 },
    { "a blank after it", "3 \r\nabc\r\n", NULL, 400 },
    { "a bare line feed", "3\nabc\r\n", NULL, 400 },
    { "data and no end", "3\r\nabcd\r\n", NULL, 400 },
    { "an extension without end",
      "3;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, 400 },
    { "an escape in an extension", "3;\033\r\nabc\r\n", NULL, 400 },
    { "a trailer", "3\r\nabc\r\n0\r\nX: a\r\n\r\n", NULL, 400 },
};

static void check_chunks(size_t i, size_t step)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { .limit = 10 };
    struct clo_http_chunks reader = { .left = 0 };
    struct clo_bytes in = clo_bytes_text(chunks[i].in);
    struct clo_error err;
    unsigned status = 200;
    size_t used = 0, at = 0;
    bool ok = true;

    while (ok && at < in.size) {
        struct clo_bytes piece = clo_bytes_slice(in, at, step);
        ok = clo_http_chunks_read(&reader, piece, &used, &body, &status, &err);
        at += ok ? used : 0;
        if (ok && used < piece.size)
            break;
    }
    CHECK(ok == (chunks[i].body != NULL), chunks[i].name);
    CHECK(ok || status == chunks[i].status, chunks[i].name);
    if (!ok)
        return;
    CHECK(reader.is_whole == (chunks[i].status == 200) && at == in.size, chunks[i].name);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&body), clo_bytes_text(chunks[i].body)), chunks[i].name);
}

static void test_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(chunks); i++)
        for (size_t step = 1; step < 80; step++)
            check_chunks(i, step);
}

/* What follows the last chunk is the next request's. */
static void test_after_chunks(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { .limit = 10 };
    struct clo_http_chunks reader = { .left = 0 };
    struct clo_error err;
    unsigned status;
    size_t used;

    (void)state;
    CHECK(clo_http_chunks_read(&reader, clo_bytes_text("0\r\n\r\nGET"), &used, &body, &status,
                               &err) &&
                  reader.is_whole && used == 5,
          "the next request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_keeps_alive),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_ends),         cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_after_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
