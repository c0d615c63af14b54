#include "verifier/door/addresses.h"

#include "test.h"

static bool fill(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 7, size);
    return true;
}

static void test_counts(void **state)
{
    struct clo_addresses *addresses;
    struct clo_error err;
    uint64_t one, other, name;

    (void)state;
    CHECK(clo_addresses_new((struct clo_random){ .fill = fill }, &addresses, &err), err.text);
    CHECK(clo_addresses_enter(addresses, "192.0.2.1", 2, &one), "the first");
    CHECK(clo_addresses_enter(addresses, "192.0.2.1", 2, &one), "the second");
    CHECK(!clo_addresses_enter(addresses, "192.0.2.1", 2, &one), "the third");
    CHECK(clo_addresses_enter(addresses, "192.0.2.1", 0, &one), "without a limit");
    CHECK(clo_addresses_enter(addresses, "192.0.2.2", 2, &other), "another address");
    CHECK(one != other && clo_addresses_count(addresses) == 2, "two addresses");
    clo_addresses_leave(addresses, one);
    clo_addresses_leave(addresses, one);
    CHECK(clo_addresses_enter(addresses, "192.0.2.1", 2, &one), "after others have gone");
    clo_addresses_leave(addresses, one);
    clo_addresses_leave(addresses, one);
    clo_addresses_leave(addresses, other);
    CHECK(clo_addresses_count(addresses) == 0, "nobody is remembered");
    clo_addresses_leave(addresses, other);
    /* Of IPv6 the first 64 bits count: nobody has more places for having more addresses. */
    CHECK(clo_addresses_enter(addresses, "2001:db8::1", 1, &one), "IPv6");
    CHECK(!clo_addresses_enter(addresses, "2001:db8::2", 1, &name), "its neighbour");
    CHECK(clo_addresses_enter(addresses, "2001:db8:0:1::1", 1, &name), "another network");
    clo_addresses_free(addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
