/* Headers, Retry-After, base URLs, and patience with a busy server. */
#include "net/fetch.h"

#include "fake_net.h"

static void test_headers(void **state)
{
    static const struct {
        const char *name, *headers, *wanted, *value; /* value NULL: absent */
    } cases[] = {
        { "plain", "A: b\r\nC: d\r\n", "C", "d" },
        { "any case", "tcb-info-ISSUER-chain:x\r\n", "TCB-Info-Issuer-Chain", "x" },
        { "spaces", "A:  \t b c \t\r\n", "A", "b c" },
        { "the first counts", "A: 1\r\nA: 2\r\n", "A", "1" },
        { "longer name", "SGX-A: 1\r\n", "A", NULL },
        { "shorter name", "A: 1\r\n", "A-B", NULL },
        { "name in a value", "B: A: 1\r\n", "A", NULL },
        { "no end of line", "A: 1", "A", "1" },
        { "empty value", "A:\r\n", "A", "" },
        { "no colon", "A\r\nB: 1\r\n", "A", NULL },
        { "nothing", "", "A", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_bytes value;
        bool found = clo_fetch_header(clo_bytes_text(cases[i].headers), cases[i].wanted, &value);
        CHECK(found == (cases[i].value != NULL), cases[i].name);
        CHECK(!found || clo_bytes_equal(value, clo_bytes_text(cases[i].value)), cases[i].name);
    }
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        { "0", 0 },
        { "17", 17 },
        { "Thu, 28 May 2026 20:27:00 GMT", 20 }, /* FAKE_NET_NOW is 20:26:40 */
        { "Thu, 28 May 2026 20:26:00 GMT", 0 },
        { "99999999999999999999", INT32_MAX },
        { "", -1 },
        { "soon", -1 },
        { "-5", -1 },
        { "Thu, 28 May 2026 20:27:00 CET", -1 },
        { "an answer that is longer than any date could be", -1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(clo_retry_after(clo_bytes_text(cases[i].text), FAKE_NET_NOW) == cases[i].seconds,
              cases[i].text);
}

static void test_url(void **state)
{
    static const struct {
        const char *base, *url; /* url NULL: refused */
    } cases[] = {
        { "https://kdsintf.amd.com", "https://kdsintf.amd.com/p?q=1" },
        { "https://mirror.example:8443/kds/", "https://mirror.example:8443/kds/p?q=1" },
        { "http://127.0.0.1:8081", "http://127.0.0.1:8081/p?q=1" },
        { "https://[::1]:8081", "https://[::1]:8081/p?q=1" },
        { "file:///etc", NULL },
        { "ftp://host", NULL },
        { "https://user@host", NULL },
        { "https://host/?a=b", NULL },
        { "https://host/#x", NULL },
        { "https://ho st", NULL },
        { "http://", NULL },
        { "host", NULL },
        { "", NULL },
    };
    static char endless[4096] = "https://";
    char url[CLO_FETCH_URL_MAX];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        bool ok = clo_fetch_url(cases[i].base, "/p?q=1", url, &err);
        CHECK(ok == (cases[i].url != NULL), cases[i].base);
        CHECK(ok ? strcmp(url, cases[i].url) == 0 : err.status == CLO_ERR_USAGE, cases[i].base);
    }
    memset(endless + 8, 'a', sizeof endless - 9);
    assert_false(clo_fetch_url(endless, "/", url, &err));
    assert_string_equal(err.text, "URL: too long");
}

#define URL "https://host/x"

static void test_patience(void **state)
{
    static const struct {
        const char *name;
        struct fake_answer answers[3];
        unsigned requests;
        int64_t slept;
        const char *error; /* its end */
    } cases[] = {
        { "at once", { { URL, 200, "", { 0 }, 0 } }, 1, 0, NULL },
        { "Retry-After is honoured",
          { { URL, 429, "Retry-After: 13\r\n", { 0 }, 1 }, { URL, 200, "", { 0 }, 0 } },
          2,
          13,
          NULL },
        { "a date",
          { { URL, 503, "retry-after: Thu, 28 May 2026 20:27:00 GMT\r\n", { 0 }, 1 },
            { URL, 200, "", { 0 }, 0 } },
          2,
          20,
          NULL },
        { "a zero is no invitation to hammer",
          { { URL, 429, "Retry-After: 0\r\n", { 0 }, 3 }, { URL, 200, "", { 0 }, 0 } },
          4,
          3,
          NULL },
        { "unnamed: twice as long each time",
          { { URL, 503, "", { 0 }, 4 }, { URL, 200, "", { 0 }, 0 } },
          5,
          1 + 2 + 4 + 8,
          NULL },
        { "busy for ever",
          { { URL, 429, "", { 0 }, 0 } },
          6,
          1 + 2 + 4 + 8 + 16,
          "busy (status 429) after 6 tries; it asks to wait 32 s more" },
        { "longer than we wait",
          { { URL, 429, "Retry-After: 3600\r\n", { 0 }, 0 } },
          1,
          0,
          "busy (status 429) after 1 tries; it asks to wait 3600 s more" },
        { "a bound on all waiting",
          { { URL, 429, "Retry-After: 50\r\n", { 0 }, 0 } },
          3,
          100,
          "busy (status 429) after 3 tries; it asks to wait 50 s more" },
        { "a redirect",
          { { URL, 302, "Location: https://evil/x\r\n", { 0 }, 0 } },
          1,
          0,
          "redirects (status 302) to https://evil/x: not followed, name the right server" },
        { "an error is the caller's to judge", { { URL, 500, "", { 0 }, 0 } }, 1, 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
        struct fake_net net = { 0 };
        struct clo_transport transport = fake_net_transport(&net);
        struct clo_error err;
        memcpy(net.answers, cases[i].answers, sizeof cases[i].answers);
        bool ok = clo_fetch(&transport, URL, 100, &out, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(net.requests == cases[i].requests, cases[i].name);
        CHECK(net.slept == cases[i].slept, cases[i].name);
        if (!ok) {
            CHECK(err.status == CLO_ERR_UNAVAILABLE, cases[i].name);
            CHECK(strcmp(err.text + strlen(URL ": "), cases[i].error) == 0, cases[i].name);
        }
    }
}

static void test_no_answer(void **state)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    struct fake_net net = { .is_down = true };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_error err;

    (void)state;
    assert_false(clo_fetch(&transport, URL, 100, &out, &err));
    assert_string_equal(err.text, URL ": down");
    assert_int_equal(net.requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),   cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_url),       cmocka_unit_test(test_patience),
        cmocka_unit_test(test_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
