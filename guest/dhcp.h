/* DHCP messages (RFC 2131, options of RFC 2132), as a client needs them: what it asks, and what it is
 * answered. Bytes only; guest/network sends them. Any machine on the wire may answer: an address
 * cannot be believed, nor need it be, since the broker is known by its key. */
#ifndef CLOISTER_GUEST_DHCP_H
#define CLOISTER_GUEST_DHCP_H

#include "cloister/base.h"

#define CLO_DHCP_DNS_MAX     3
#define CLO_DHCP_MESSAGE_MAX 1500

enum clo_dhcp_type {
    CLO_DHCP_DISCOVER = 1,
    CLO_DHCP_OFFER = 2,
    CLO_DHCP_REQUEST = 3,
    CLO_DHCP_ACK = 5,
    CLO_DHCP_NAK = 6,
};

/* Addresses are in host byte order. */
struct clo_dhcp_lease {
    enum clo_dhcp_type type;
    uint32_t address;
    uint32_t server;
    unsigned prefix;  /* from the subnet mask; 0: none was given */
    uint32_t gateway; /* 0: none */
    uint32_t dns[CLO_DHCP_DNS_MAX];
    size_t dns_count;
};

/* Appends DISCOVER, or with `offer` the REQUEST for it. */
void clo_dhcp_write(uint32_t xid, const uint8_t mac[6], const struct clo_dhcp_lease *offer,
                    struct clo_buffer *out);
/* OFFER, ACK or NAK, meant for us; an OFFER or ACK has an address, a server and a mask. */
CLO_MUST_USE bool clo_dhcp_parse(struct clo_bytes in, uint32_t xid, const uint8_t mac[6],
                                 struct clo_dhcp_lease *out, struct clo_error *err);

#endif
