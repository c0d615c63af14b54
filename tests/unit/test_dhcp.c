#include "guest/dhcp.h"

#include "test.h"

static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

/* An answer's fixed part: op, hardware type and size, transaction, your address, hardware address. */
struct head {
    uint8_t op, hardware, hardware_size;
    uint32_t xid, address;
    uint8_t last_mac;
    uint32_t cookie;
};
static const struct head good = { 2, 1, 6, 0x11223344, 0x0a00020f, 0x56, 0x63825363 };

static void message(const struct head *head, const char *options, struct clo_buffer *out)
{
    clo_buffer_u8(out, head->op);
    clo_buffer_u8(out, head->hardware);
    clo_buffer_u8(out, head->hardware_size);
    clo_buffer_u8(out, 0);
    clo_buffer_be32(out, head->xid);
    clo_buffer_zero(out, 8);
    clo_buffer_be32(out, head->address);
    clo_buffer_zero(out, 8);
    clo_buffer_append(out, clo_bytes(mac, 5));
    clo_buffer_u8(out, head->last_mac);
    clo_buffer_zero(out, 10 + 64 + 128);
    clo_buffer_be32(out, head->cookie);
    from_hex(options, out);
}

/* OFFER from 10.0.2.2, /24, gateway 10.0.2.2, DNS 10.0.2.3. */
#define OFFER "350102 36040a000202 0104ffffff00 03040a000202 06040a000203 ff"

static void test_offer(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
    struct clo_dhcp_lease lease;
    struct clo_error err;

    (void)state;
    message(&good, OFFER, &in);
    if (!clo_dhcp_parse(clo_buffer_bytes(&in), good.xid, mac, &lease, &err))
        fail_msg("%s", err.text);
    assert_int_equal(lease.type, CLO_DHCP_OFFER);
    assert_int_equal(lease.address, 0x0a00020f);
    assert_int_equal(lease.server, 0x0a000202);
    assert_int_equal(lease.prefix, 24);
    assert_int_equal(lease.gateway, 0x0a000202);
    assert_int_equal(lease.dns_count, 1);
    assert_int_equal(lease.dns[0], 0x0a000203);
    /* Cut anywhere but between options it is refused; there it lacks something, or is whole. */
    for (size_t size = 0; size < in.size - 1; size++) {
        bool ok = clo_dhcp_parse(clo_bytes(in.data, size), good.xid, mac, &lease, &err);
        assert_true(!ok || (lease.server != 0 && lease.prefix == 24));
        assert_false(ok && size < in.size - 13);
    }
}

static void test_options(void **state)
{
    static const struct {
        const char *name, *options, *error; /* error NULL: it parses */
    } cases[] = {
        { "padding between", "350105 000000 36040a000202 0104ffff0000 ff", NULL },
        { "no end", "350105 36040a000202 0104ffff0000", NULL },
        { "bytes beyond the end", "350105 36040a000202 0104ffff0000 ff 3501", NULL },
        { "an option that we do not know", "350105 36040a000202 0104ffff0000 2b03aabbcc ff", NULL },
        { "five DNS servers",
          "350105 36040a000202 0104ffff0000 0614 01010101 02020202 03030303"
          " 04040404 05050505 ff",
          NULL },
        { "NAK needs nothing", "350106 ff", NULL },
        { "no type", "36040a000202 0104ffff0000 ff", "DHCP: message type 0" },
        { "DISCOVER", "350101 36040a000202 0104ffff0000 ff", "DHCP: message type 1" },
        { "type of two bytes", "35020205 ff", "DHCP: option 53 of 2 bytes" },
        { "no server", "350102 0104ffff0000 ff", "DHCP: an offer without a server" },
        { "no mask", "350102 36040a000202 ff", "DHCP: an offer without a subnet mask" },
        { "mask with a hole", "350102 36040a000202 0104ff00ff00 ff",
          "DHCP: subnet mask 0xff00ff00" },
        { "mask of zeros", "350102 36040a000202 010400000000 ff", "DHCP: subnet mask 0x00000000" },
        { "mask of three bytes", "350102 0103ffffff ff", "DHCP: option 1 of 3 bytes" },
        { "gateway of five bytes", "350102 03050a00020200 ff", "DHCP: option 3 of 5 bytes" },
        { "empty DNS", "350102 0600 ff", "DHCP: option 6 of 0 bytes" },
        { "option cut short", "350102 3604 0a00", "DHCP: option 54: truncated" },
        { "size missing", "350102 36", "DHCP: option 54: truncated" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        struct clo_dhcp_lease lease;
        struct clo_error err;
        message(&good, cases[i].options, &in);
        bool ok = clo_dhcp_parse(clo_buffer_bytes(&in), good.xid, mac, &lease, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(!ok || lease.dns_count <= CLO_DHCP_DNS_MAX, cases[i].name);
    }
}

static void test_for_others(void **state)
{
    static const struct {
        const char *name;
        struct head head;
        const char *error;
    } cases[] = {
        { "a request", { 1, 1, 6, 0x11223344, 1, 0x56, 0x63825363 }, "DHCP: no answer" },
        { "not Ethernet", { 2, 6, 6, 0x11223344, 1, 0x56, 0x63825363 }, "DHCP: no answer" },
        { "BOOTP", { 2, 1, 6, 0x11223344, 1, 0x56, 0 }, "DHCP: no answer" },
        { "another transaction",
          { 2, 1, 6, 0x11223345, 1, 0x56, 0x63825363 },
          "DHCP: an answer for another client" },
        { "another machine",
          { 2, 1, 6, 0x11223344, 1, 0x57, 0x63825363 },
          "DHCP: an answer for another client" },
        { "no address",
          { 2, 1, 6, 0x11223344, 0, 0x56, 0x63825363 },
          "DHCP: an offer without an address" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
        struct clo_dhcp_lease lease;
        struct clo_error err;
        message(&cases[i].head, OFFER, &in);
        CHECK(!clo_dhcp_parse(clo_buffer_bytes(&in), good.xid, mac, &lease, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* What we send, read as RFC 2131 lays it out. */
static void test_requests(void **state)
{
    const struct clo_dhcp_lease offer = { .address = 0x0a00020f, .server = 0x0a000202 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer discover = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };

    (void)state;
    clo_dhcp_write(0x11223344, mac, NULL, &discover);
    assert_memory_equal(discover.data, "\x01\x01\x06\x00\x11\x22\x33\x44\x00\x00\x80\x00", 12);
    assert_memory_equal(discover.data + 28, mac, 6);
    from_hex("63825363 350101 3703010306 ff", &tail);
    assert_memory_equal(discover.data + 236, tail.data, tail.size);
    clo_dhcp_write(0x11223344, mac, &offer, &request);
    tail.size = 0;
    from_hex("63825363 350103 32040a00020f 36040a000202 3703010306 ff", &tail);
    assert_memory_equal(request.data + 236, tail.data, tail.size);
    assert_true(discover.size <= 576 && request.size <= 576);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_for_others),
        cmocka_unit_test(test_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
