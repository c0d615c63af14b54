#include "guest/dhcp.h"

#include <string.h>

#define OP_REQUEST        1
#define OP_REPLY          2
#define HARDWARE_ETHERNET 1
#define FLAG_BROADCAST    0x8000
#define COOKIE            0x63825363U

enum option {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_ADDRESS = 50,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_END = 255,
};

static void put_address(struct clo_buffer *out, enum option option, uint32_t address)
{
    clo_buffer_u8(out, (uint8_t)option);
    clo_buffer_u8(out, 4);
    clo_buffer_be32(out, address);
}

void clo_dhcp_write(uint32_t xid, const uint8_t mac[6], const struct clo_dhcp_lease *offer,
                    struct clo_buffer *out)
{
    static const uint8_t wanted[] = { OPTION_WANTED, 3, OPTION_MASK, OPTION_ROUTER, OPTION_DNS };
    const uint8_t type[] = { OPTION_TYPE, 1, offer == NULL ? CLO_DHCP_DISCOVER : CLO_DHCP_REQUEST };

    clo_buffer_u8(out, OP_REQUEST);
    clo_buffer_u8(out, HARDWARE_ETHERNET);
    clo_buffer_u8(out, 6);
    clo_buffer_u8(out, 0); /* hops */
    clo_buffer_be32(out, xid);
    clo_buffer_be16(out, 0);              /* seconds */
    clo_buffer_be16(out, FLAG_BROADCAST); /* we have no address to be answered at */
    clo_buffer_zero(out, 16);             /* ciaddr, yiaddr, siaddr, giaddr */
    clo_buffer_append(out, clo_bytes(mac, 6));
    clo_buffer_zero(out, 10 + 64 + 128); /* rest of chaddr, sname, file */
    clo_buffer_be32(out, COOKIE);
    clo_buffer_append(out, clo_bytes(type, sizeof type));
    if (offer != NULL) {
        put_address(out, OPTION_ADDRESS, offer->address);
        put_address(out, OPTION_SERVER, offer->server);
    }
    clo_buffer_append(out, clo_bytes(wanted, sizeof wanted));
    clo_buffer_u8(out, OPTION_END);
    clo_buffer_align(out, 4);
}

/* A mask's ones must come first. */
static bool prefix_of(uint32_t mask, unsigned *out)
{
    unsigned prefix = 0;

    while (prefix < 32 && (mask & (0x80000000U >> prefix)) != 0)
        prefix++;
    if (prefix == 0 || (prefix < 32 && mask << prefix != 0))
        return false;
    *out = prefix;
    return true;
}

static bool read_option(enum option option, struct clo_bytes value, struct clo_dhcp_lease *lease,
                        struct clo_error *err)
{
    struct clo_reader r = clo_reader(value);
    bool is_well_sized = true;

    switch (option) {
    case OPTION_TYPE:
        is_well_sized = value.size == 1;
        lease->type = (enum clo_dhcp_type)clo_read_u8(&r);
        break;
    case OPTION_MASK: {
        is_well_sized = value.size == 4;
        uint32_t mask = clo_read_be32(&r);
        if (is_well_sized && !prefix_of(mask, &lease->prefix))
            return clo_fail(err, CLO_ERR_FORMAT, "subnet mask 0x%08x", mask);
        break;
    }
    case OPTION_SERVER:
        is_well_sized = value.size == 4;
        lease->server = clo_read_be32(&r);
        break;
    case OPTION_ROUTER:
        is_well_sized = value.size >= 4 && value.size % 4 == 0;
        lease->gateway = clo_read_be32(&r);
        break;
    case OPTION_DNS:
        is_well_sized = value.size >= 4 && value.size % 4 == 0;
        lease->dns_count = 0;
        while (lease->dns_count < CLO_DHCP_DNS_MAX && clo_reader_left(&r) >= 4)
            lease->dns[lease->dns_count++] = clo_read_be32(&r);
        break;
    default:
        break;
    }
    return is_well_sized ||
           clo_fail(err, CLO_ERR_FORMAT, "option %d of %zu bytes", (int)option, value.size);
}

static bool read_options(struct clo_reader *r, struct clo_dhcp_lease *lease, struct clo_error *err)
{
    while (clo_reader_left(r) > 0) {
        enum option option = (enum option)clo_read_u8(r);
        if (option == OPTION_PAD)
            continue;
        if (option == OPTION_END)
            return true;
        size_t size = clo_read_u8(r);
        struct clo_bytes value = clo_read_bytes(r, size);
        if (!clo_reader_ok(r))
            return clo_fail(err, CLO_ERR_FORMAT, "option %d: truncated", (int)option);
        if (!read_option(option, value, lease, err))
            return false;
    }
    return true;
}

bool clo_dhcp_parse(struct clo_bytes in, uint32_t xid, const uint8_t mac[6],
                    struct clo_dhcp_lease *out, struct clo_error *err)
{
    struct clo_dhcp_lease lease = { 0 };
    struct clo_reader r = clo_reader(in);

    uint8_t op = clo_read_u8(&r);
    uint8_t hardware = clo_read_u8(&r);
    uint8_t hardware_size = clo_read_u8(&r);
    clo_read_skip(&r, 1);
    uint32_t answered = clo_read_be32(&r);
    clo_read_skip(&r, 8); /* seconds, flags, ciaddr */
    lease.address = clo_read_be32(&r);
    clo_read_skip(&r, 8); /* siaddr, giaddr */
    struct clo_bytes chaddr = clo_read_bytes(&r, 16);
    clo_read_skip(&r, 64 + 128);
    uint32_t cookie = clo_read_be32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "DHCP: truncated");
    if (op != OP_REPLY || hardware != HARDWARE_ETHERNET || hardware_size != 6 || cookie != COOKIE)
        return clo_fail(err, CLO_ERR_FORMAT, "DHCP: no answer");
    if (answered != xid || memcmp(chaddr.data, mac, 6) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "DHCP: an answer for another client");
    if (!read_options(&r, &lease, err))
        return clo_wrap(err, "DHCP");
    if (lease.type == CLO_DHCP_NAK) {
        *out = lease;
        return true;
    }
    if (lease.type != CLO_DHCP_OFFER && lease.type != CLO_DHCP_ACK)
        return clo_fail(err, CLO_ERR_FORMAT, "DHCP: message type %d", (int)lease.type);
    if (lease.address == 0 || lease.server == 0 || lease.prefix == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "DHCP: an offer without %s",
                        lease.address == 0  ? "an address"
                        : lease.server == 0 ? "a server"
                                            : "a subnet mask");
    *out = lease;
    return true;
}
