/* Made-up chips: what one client has fetched is bounded, and does not stand in the way of others. */
#include "verifier/endorsements/endorsements_internal.h"

#include "test.h"

static struct clo_endorser *endorser;

static int64_t now_of(void *context)
{
    (void)context;
    return 1000;
}

static int set_up(void **state)
{
    const struct clo_endorser_spec spec = { .now = now_of, .without_thread = true };
    struct clo_error err;

    (void)state;
    assert_true(clo_endorser_new(&spec, &endorser, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_endorser_freep(&endorser);
    return 0;
}

static struct entry *want(uint64_t client, unsigned chip)
{
    struct clo_request request = { .kind = CLO_REQUEST_VCEK };

    endorser->client = client;
    snprintf(request.name, sizeof request.name, "chip %u of client %u", chip, (unsigned)client);
    return endorser_want(endorser, &request);
}

/* How many of so many chips are taken on. */
static unsigned flood(uint64_t client, unsigned chips)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < chips; i++)
        taken += want(client, i) != NULL;
    return taken;
}

static void test_one_client(void **state)
{
    (void)state;
    assert_int_equal(flood(1, 100), 32);
    assert_int_equal(endorser->turned_away, 68);
    assert_non_null(want(1, 0)); /* what is waited for already may be asked for again */
    assert_non_null(want(2, 0)); /* and another client is not in its way */
}

static void test_failed_first(void **state)
{
    (void)state;
    assert_int_equal(flood(1, 32), 32);
    struct entry *other = want(2, 0);
    other->failures = 9;
    want(1, 7)->failures = 1;
    assert_non_null(want(1, 100)); /* in the place of its own that failed */
    assert_null(want(1, 101));
    assert_ptr_equal(want(2, 0), other);
}

static void test_many_clients(void **state)
{
    (void)state;
    for (uint64_t client = 1; client <= ENTRIES_MAX / 32; client++)
        assert_int_equal(flood(client, 32), 32);
    assert_int_equal(endorser->entry_count, ENTRIES_MAX);
    struct entry *genuine = want(1000, 0);
    assert_non_null(genuine);
    assert_int_equal(endorser->entry_count, ENTRIES_MAX);
    /* And it is the next one, though all the others came before. */
    assert_ptr_equal(endorser_find_due(endorser, 1000), genuine);
}

/* Lists are what many decisions wait for; what is held and what failed comes after who waits. */
static void test_order(void **state)
{
    struct clo_request request = { .kind = CLO_REQUEST_SNP_CRL, .name = "a list" };

    (void)state;
    assert_int_equal(flood(1, 3), 3);
    assert_int_equal(flood(2, 2), 2);
    want(3, 0)->failures = 1;
    struct entry *list = endorser_want(endorser, &request);
    assert_ptr_equal(endorser_find_due(endorser, 1000), list);
    list->due = INT64_MAX;
    assert_int_equal(endorser_find_due(endorser, 1000)->client, 2);
    assert_null(endorser_find_due(endorser, 999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
