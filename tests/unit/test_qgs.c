/* The host's quoting service, played over a pair of sockets. */
#include "device/qgs.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

/* --- Messages --- */

static void test_request(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_qgs_request(clo_bytes_text("abc"), &out, &err));
    assert_true(clo_bytes_equal(clo_buffer_bytes(&out),
                                from_hex("0000001b 0100 0100 00000000 1b000000 00000000"
                                         "03000000 00000000 616263",
                                         &wanted)));
    assert_false(clo_qgs_request(clo_bytes("", 0), &out, &err));
    assert_string_equal(err.text, "QGS: a TDREPORT of 0 bytes");
}

#define GOOD "0100 0100 01000000 1d000000 00000000 02000000 03000000 aabb 717171"

static void test_response(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } cases[] = {
        { "good", GOOD, NULL },
        { "older service", "0100 0000 01000000 19000000 00000000 00000000 01000000 71", NULL },
        { "other version", "0200 0100 01000000 19000000 00000000 00000000 01000000 71",
          "QGS: messages of version 2, 1 expected" },
        { "other type", "0100 0100 03000000 19000000 00000000 00000000 01000000 71",
          "QGS: message type 3, 1 expected" },
        { "size of another", "0100 0100 01000000 18000000 00000000 00000000 01000000 71",
          "QGS: a message of 24 bytes in 25" },
        { "an error", "0100 0100 01000000 18000000 03200100 00000000 00000000",
          "QGS: the host's quoting service answers with error 0x12003: invalid parameter" },
        { "an error of the library below", "0100 0100 01000000 18000000 0ae00000 00000000 00000000",
          "QGS: the host's quoting service answers with error 0xe00a: no quote could be made" },
        { "an error without a body", "0100 0100 01000000 10000000 01200100",
          "QGS: the host's quoting service answers with error 0x12001: unexpected error" },
        { "a byte after", "0100 0100 01000000 1a000000 00000000 00000000 01000000 7171",
          "QGS: 1 bytes after the quote" },
        { "no quote", "0100 0100 01000000 18000000 00000000 00000000 00000000",
          "QGS: a quote of 0 bytes" },
        { "endless id", "0100 0100 01000000 19000000 00000000 ffffffff 01000000 71",
          "QGS: answer truncated at byte 24" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_bytes quote = { 0 };
        struct clo_error err;
        bool ok = clo_qgs_response_parse(from_hex(cases[i].hex, &bytes), &quote, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok ? quote.size > 0 && quote.data[0] == 'q' : strcmp(err.text, cases[i].error) == 0,
              err.text);
        for (size_t cut = 0; cut < bytes.size; cut++)
            CHECK(!clo_qgs_response_parse(clo_bytes(bytes.data, cut), &quote, &err), cases[i].name);
    }
}

/* --- The exchange --- */

struct service {
    int socket;
    const char *answer; /* hex, with the size in front; NULL: silence */
    size_t piece;       /* bytes at a time; 0: all */
    uint8_t request[2048];
    size_t request_size;
};

static void *serve(void *context)
{
    struct service *service = context;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    uint8_t rest[64];

    while (service->request_size < 4 + 24 + 1024) {
        ssize_t got = read(service->socket, service->request + service->request_size,
                           sizeof service->request - service->request_size);
        if (got <= 0)
            return NULL;
        service->request_size += (size_t)got;
    }
    if (service->answer != NULL) {
        struct clo_bytes answer = from_hex(service->answer, &bytes);
        while (answer.size > 0) {
            size_t size = service->piece == 0 ? answer.size : service->piece;
            size = size > answer.size ? answer.size : size;
            if (write(service->socket, answer.data, size) < 0)
                return NULL;
            answer = clo_bytes_slice(answer, size, answer.size);
            if (service->piece != 0)
                usleep(1000);
        }
        shutdown(service->socket, SHUT_WR);
    }
    while (read(service->socket, rest, sizeof rest) > 0)
        ;
    return NULL;
}

static void test_exchange(void **state)
{
    static const struct {
        const char *name, *answer;
        size_t piece;
        const char *error;
    } cases[] = {
        { "at once", "0000001d" GOOD, 0, NULL },
        { "byte by byte", "0000001d" GOOD, 1, NULL },
        { "silence", NULL, 0, "QGS: the host's quoting service does not answer" },
        { "nothing", "", 0, "QGS: the connection broke off, 4 bytes early" },
        { "cut short", "0000001d 0100 0100", 0, "QGS: the connection broke off, 25 bytes early" },
        { "endless", "ffffffff", 0, "QGS: an answer of 4294967295 bytes" },
        { "tiny", "0000000f", 0, "QGS: an answer of 15 bytes" },
        { "an error", "00000018 0100 0100 01000000 18000000 01200100 00000000 00000000", 0,
          "QGS: the host's quoting service answers with error 0x12001: unexpected error" },
    };
    uint8_t report[1024];

    (void)state;
    memset(report, 0x81, sizeof report);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
        struct service service = { .answer = cases[i].answer, .piece = cases[i].piece };
        struct clo_error err;
        pthread_t thread;
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        service.socket = pair[1];
        assert_int_equal(pthread_create(&thread, NULL, serve, &service), 0);
        bool ok = clo_qgs_quote(pair[0], clo_bytes(report, sizeof report),
                                cases[i].answer == NULL ? 100 : 5000, &quote, &err);
        close(pair[0]);
        pthread_join(thread, NULL);
        close(pair[1]);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok ? quote.size == 3 : strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(service.request_size == 4 + 24 + 1024, cases[i].name);
        CHECK(memcmp(service.request + 28, report, sizeof report) == 0, cases[i].name);
    }
}

static void test_gone(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    struct clo_error err;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(pair[1]);
    assert_false(clo_qgs_quote(pair[0], clo_bytes_text("report"), 1000, &quote, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "QGS: cannot be written to: Broken pipe"));
    close(pair[0]);
    /* Not a guest with a host behind it, or one without a service: either way it is not there. */
    int fd = -1;
    if (clo_qgs_connect(CLO_QGS_PORT, &fd, &err))
        close(fd);
    else
        assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
