#include "verifier/kbs/junk.h"

#include "test.h"

static bool fill_random(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 7, size);
    return true;
}

static struct clo_junk *new_junk(void)
{
    const struct clo_random random = { .fill = fill_random };
    struct clo_junk *junk;
    struct clo_error err;

    if (!clo_junk_new(random, &junk, &err))
        fail_msg("%s", err.text);
    return junk;
}

static void send(struct clo_junk *junk, const char *peer, unsigned count, int64_t clock)
{
    for (unsigned i = 0; i < count; i++)
        clo_junk_count(junk, CLO_JUNK_MALFORMED, peer, 1780000000, clock);
}

/* One address has to wait, the others do not; and it has not to wait for ever. */
static void test_patience(void **state)
{
    struct clo_junk *junk = new_junk();

    (void)state;
    assert_true(clo_junk_may_ask(junk, "192.0.2.1", 1000));
    send(junk, "192.0.2.1", CLO_JUNK_BURST - 1, 1000);
    assert_true(clo_junk_may_ask(junk, "192.0.2.1", 1000));
    send(junk, "192.0.2.1", 1, 1000);
    assert_false(clo_junk_may_ask(junk, "192.0.2.1", 1000));
    assert_true(clo_junk_may_ask(junk, "192.0.2.2", 1000));
    /* Those that were not looked at do not make it longer. */
    for (unsigned i = 0; i < 1000; i++)
        clo_junk_count(junk, CLO_JUNK_LIMITED, "192.0.2.1", 1780000000, 1000);
    assert_true(clo_junk_may_ask(junk, "192.0.2.1", 1001));
    send(junk, "192.0.2.1", CLO_JUNK_PER_SECOND, 1001);
    assert_false(clo_junk_may_ask(junk, "192.0.2.1", 1001));
    /* A clock that stands or goes back gives nothing; a long pause all of it, and not more. */
    assert_false(clo_junk_may_ask(junk, "192.0.2.1", 900));
    assert_true(clo_junk_may_ask(junk, "192.0.2.1", INT64_C(1) << 40));
    send(junk, "192.0.2.1", CLO_JUNK_BURST, INT64_C(1) << 40);
    assert_false(clo_junk_may_ask(junk, "192.0.2.1", INT64_C(1) << 40));
    clo_junk_free(junk);
}

static void test_addresses(void **state)
{
    struct clo_junk *junk = new_junk();

    (void)state;
    send(junk, "2001:db8:1:2::1", CLO_JUNK_BURST, 1000);
    assert_false(clo_junk_may_ask(junk, "2001:db8:1:2::1", 1000));
    assert_false(clo_junk_may_ask(junk, "2001:db8:1:2:ffff::9", 1000)); /* the same line's */
    assert_true(clo_junk_may_ask(junk, "2001:db8:1:3::1", 1000));
    /* IPv4 within IPv6 is not one address for all of IPv4. */
    send(junk, "::ffff:192.0.2.1", CLO_JUNK_BURST, 1000);
    assert_false(clo_junk_may_ask(junk, "::ffff:192.0.2.1", 1000));
    assert_true(clo_junk_may_ask(junk, "::ffff:192.0.2.2", 1000));
    /* No address is one, too. */
    send(junk, "", CLO_JUNK_BURST, 1000);
    assert_false(clo_junk_may_ask(junk, "", 1000));
    clo_junk_free(junk);
}

/* More addresses than there are places: one that has to wait keeps its place before those that sent one. */
static void test_many_addresses(void **state)
{
    struct clo_junk *junk = new_junk();
    char peer[64];

    (void)state;
    send(junk, "192.0.2.1", CLO_JUNK_BURST, 1000);
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(peer, sizeof peer, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        send(junk, peer, 1, 1000);
    }
    assert_false(clo_junk_may_ask(junk, "192.0.2.1", 1000));
    clo_junk_free(junk);
}

static void test_reports(void **state)
{
    struct clo_junk *junk = new_junk();
    char text[CLO_JUNK_TEXT];

    (void)state;
    assert_false(clo_junk_report(junk, 1000, true, text));
    send(junk, "192.0.2.1", 3, 1000);
    clo_junk_count(junk, CLO_JUNK_SESSION, "192.0.2.2", 1780000007, 1001);
    assert_true(clo_junk_report(junk, 1001, false, text));
    assert_string_equal(text,
                        "junk: 4 requests from 2 addresses since 2026-05-28T20:26:40Z: "
                        "malformed 3, session 1, unauthentic 0, waiting 0, limited 0, repeated 0");
    /* What could not be written down is told later, with what came since. */
    assert_true(clo_junk_report(junk, 1001, false, text));
    clo_junk_told(junk, 1001);
    clo_junk_count(junk, CLO_JUNK_UNAUTHENTIC, "192.0.2.1", 1780000030, 1030);
    assert_false(clo_junk_report(junk, 1001 + CLO_JUNK_PAUSE - 1, false, text));
    assert_true(clo_junk_report(junk, 1001 + CLO_JUNK_PAUSE, false, text));
    assert_string_equal(text,
                        "junk: 1 request from 1 address since 2026-05-28T20:27:10Z: "
                        "malformed 0, session 0, unauthentic 1, waiting 0, limited 0, repeated 0");
    assert_true(clo_junk_report(junk, 1031, true, text)); /* at the end, whatever there is */
    assert_int_equal(clo_junk_total(junk, CLO_JUNK_MALFORMED), 3);
    clo_junk_free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_reports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
