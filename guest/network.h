/* One network interface with an IPv4 address: enough to reach the broker, taken down again before the
 * real root brings up its own. */
#ifndef CLOISTER_GUEST_NETWORK_H
#define CLOISTER_GUEST_NETWORK_H

#include "guest/config.h"

struct clo_network {
    char interface[16]; /* empty: none is up */
};

/* Ethernet interfaces in the order of their names; the first that DHCP answers on, or, with a static
 * address, the first. Writes `resolv_conf` if there are DNS servers (NULL: nowhere). Tries for
 * `seconds`; CLO_ERR_UNAVAILABLE then. */
CLO_MUST_USE bool clo_network_up(const struct clo_guest_network *config, unsigned seconds,
                                 const char *resolv_conf, struct clo_network *out,
                                 struct clo_error *err);
void clo_network_down(struct clo_network *network);

#endif
