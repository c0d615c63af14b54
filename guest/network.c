#include "guest/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "device/clock.h"
#include "device/file.h"
#include "guest/dhcp.h"

#define INTERFACES       "/sys/class/net"
#define INTERFACES_MAX   16
#define SERVER_PORT      67
#define CLIENT_PORT      68
#define FIRST_WAIT_MS    500
#define LAST_WAIT_MS     8000
#define METADATA_SERVICE 0xa9fea9feU /* 169.254.169.254 */

/* --- Interfaces --- */

struct interfaces {
    char names[INTERFACES_MAX][IFNAMSIZ];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void request_for(const char *name, struct ifreq *out)
{
    *out = (struct ifreq){ 0 };
    snprintf(out->ifr_name, sizeof out->ifr_name, "%.15s", name);
}

static bool is_ethernet(int fd, const char *name)
{
    struct ifreq request;

    if (strlen(name) >= IFNAMSIZ)
        return false;
    request_for(name, &request);
    return ioctl(fd, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
}

static void find_interfaces(int fd, struct interfaces *out)
{
    DIR *folder = opendir(INTERFACES);
    struct dirent *entry;

    out->count = 0;
    while (folder != NULL && out->count < INTERFACES_MAX && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.' && is_ethernet(fd, entry->d_name))
            memcpy(out->names[out->count++], entry->d_name, strlen(entry->d_name) + 1);
    if (folder != NULL)
        closedir(folder);
    qsort(out->names, out->count, sizeof out->names[0], by_name);
}

static bool set_flags(int fd, const char *name, bool is_up, struct clo_error *err)
{
    struct ifreq request;

    request_for(name, &request);
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags =
                (short)(is_up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
            return true;
    }
    return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be brought %s: %s", name,
                    is_up ? "up" : "down", strerror(errno));
}

static struct sockaddr_in ipv4(uint32_t address, uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(address) };
}

static bool set_address(int fd, const char *name, unsigned long what, uint32_t address)
{
    struct sockaddr_in value = ipv4(address, 0);
    struct ifreq request;

    request_for(name, &request);
    memcpy(&request.ifr_addr, &value, sizeof value);
    return ioctl(fd, what, &request) == 0;
}

static bool set_gateway(int fd, const char *name, uint32_t gateway)
{
    struct sockaddr_in any = ipv4(0, 0);
    struct sockaddr_in via = ipv4(gateway, 0);
    char device[IFNAMSIZ];
    struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY, .rt_dev = device };

    if (gateway == 0)
        return true;
    snprintf(device, sizeof device, "%s", name);
    memcpy(&route.rt_dst, &any, sizeof any);
    memcpy(&route.rt_genmask, &any, sizeof any);
    memcpy(&route.rt_gateway, &via, sizeof via);
    return ioctl(fd, SIOCADDRT, &route) == 0 || errno == EEXIST;
}

/* Clouds' metadata services answer at one link-local address, through the gateway; without one they are on the
 * link itself, or nowhere. Its failure is found out when they are asked. */
static void set_metadata_route(int fd, const char *name, uint32_t gateway)
{
    struct sockaddr_in service = ipv4(METADATA_SERVICE, 0);
    struct sockaddr_in mask = ipv4(UINT32_MAX, 0);
    char device[IFNAMSIZ];
    struct rtentry route = { .rt_flags = RTF_UP | RTF_HOST, .rt_dev = device };

    if (gateway != 0)
        return;
    snprintf(device, sizeof device, "%s", name);
    memcpy(&route.rt_dst, &service, sizeof service);
    memcpy(&route.rt_genmask, &mask, sizeof mask);
    (void)ioctl(fd, SIOCADDRT, &route);
}

static bool write_resolv_conf(const char *path, const struct clo_guest_network *config,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (path == NULL || config->dns_count == 0)
        return true;
    for (size_t i = 0; i < config->dns_count; i++)
        clo_buffer_printf(&text, "nameserver %u.%u.%u.%u\n", config->dns[i] >> 24,
                          config->dns[i] >> 16 & 255, config->dns[i] >> 8 & 255,
                          config->dns[i] & 255);
    return clo_file_write(path, clo_buffer_bytes(&text), 0644, err);
}

static bool configure(int fd, const char *name, const struct clo_guest_network *config,
                      const char *resolv_conf, struct clo_error *err)
{
    uint32_t mask = config->prefix == 0 ? 0 : UINT32_MAX << (32 - config->prefix);

    if (!set_flags(fd, name, true, err))
        return false;
    if (!set_address(fd, name, SIOCSIFADDR, config->address) ||
        !set_address(fd, name, SIOCSIFNETMASK, mask) || !set_gateway(fd, name, config->gateway))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: the address cannot be set: %s", name,
                        strerror(errno));
    set_metadata_route(fd, name, config->gateway);
    return write_resolv_conf(resolv_conf, config, err);
}

/* --- DHCP on one interface --- */

struct client {
    int fd;
    uint32_t xid;
    uint8_t mac[6];
};

static bool open_client(const char *name, struct client *out, struct clo_error *err)
{
    struct sockaddr_in here = ipv4(INADDR_ANY, CLIENT_PORT);
    struct client client = { .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
    struct ifreq request;
    int on = 1;

    request_for(name, &request);
    bool ok = client.fd >= 0 && ioctl(client.fd, SIOCGIFHWADDR, &request) == 0 &&
              setsockopt(client.fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == 0 &&
              setsockopt(client.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              setsockopt(client.fd, SOL_SOCKET, SO_BINDTODEVICE, name,
                         (socklen_t)strlen(name) + 1) == 0 &&
              bind(client.fd, (const struct sockaddr *)&here, sizeof here) == 0 &&
              getrandom(&client.xid, sizeof client.xid, 0) == (ssize_t)sizeof client.xid;
    if (!ok) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: DHCP: %s", name, strerror(errno));
        clo_fd_close(&client.fd);
        return false;
    }
    memcpy(client.mac, request.ifr_hwaddr.sa_data, sizeof client.mac);
    *out = client;
    return true;
}

static bool send_message(const struct client *client, const struct clo_dhcp_lease *offer)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    struct sockaddr_in everybody = ipv4(INADDR_BROADCAST, SERVER_PORT);

    clo_dhcp_write(client->xid, client->mac, offer, &message);
    return clo_buffer_ok(&message) &&
           sendto(client->fd, message.data, message.size, 0, (const struct sockaddr *)&everybody,
                  sizeof everybody) == (ssize_t)message.size;
}

/* The first answer that is one, of the type asked for, before `until`. */
static bool receive(const struct client *client, enum clo_dhcp_type type, int64_t until,
                    struct clo_dhcp_lease *out)
{
    uint8_t message[CLO_DHCP_MESSAGE_MAX];
    struct clo_error ignored;

    for (int64_t left = until - clo_clock_ms(); left > 0; left = until - clo_clock_ms()) {
        struct pollfd wait = { .fd = client->fd, .events = POLLIN };
        if (poll(&wait, 1, (int)left) <= 0)
            continue;
        ssize_t got = recv(client->fd, message, sizeof message, 0);
        if (got > 0 &&
            clo_dhcp_parse(clo_bytes(message, (size_t)got), client->xid, client->mac, out,
                           &ignored) &&
            (out->type == type || out->type == CLO_DHCP_NAK))
            return out->type == type;
    }
    return false;
}

/* One round: DISCOVER, OFFER, REQUEST, ACK. */
static bool ask_once(const char *name, int wait_ms, struct clo_dhcp_lease *lease,
                     struct clo_error *err)
{
    struct clo_dhcp_lease offer;
    struct client client;

    if (!open_client(name, &client, err))
        return false;
    bool ok = send_message(&client, NULL) &&
              receive(&client, CLO_DHCP_OFFER, clo_clock_ms() + wait_ms, &offer) &&
              send_message(&client, &offer) &&
              receive(&client, CLO_DHCP_ACK, clo_clock_ms() + wait_ms, lease);
    clo_fd_close(&client.fd);
    return ok || clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: no answer from DHCP", name);
}

static void take_lease(const struct clo_dhcp_lease *lease, struct clo_guest_network *out)
{
    *out = (struct clo_guest_network){ .address = lease->address,
                                       .prefix = lease->prefix,
                                       .gateway = lease->gateway,
                                       .dns_count = lease->dns_count };
    for (size_t i = 0; i < lease->dns_count; i++)
        out->dns[i] = lease->dns[i];
}

/* --- Both ways --- */

static bool try_interface(int fd, const char *name, const struct clo_guest_network *config,
                          int wait_ms, const char *resolv_conf, struct clo_error *err)
{
    struct clo_guest_network leased;
    struct clo_dhcp_lease lease;

    if (config->is_static)
        return configure(fd, name, config, resolv_conf, err);
    if (!set_flags(fd, name, true, err) || !ask_once(name, wait_ms, &lease, err))
        return false;
    take_lease(&lease, &leased);
    return configure(fd, name, &leased, resolv_conf, err);
}

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

bool clo_network_up(const struct clo_guest_network *config, unsigned seconds,
                    const char *resolv_conf, struct clo_network *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int64_t end = clo_clock_ms() + (int64_t)seconds * 1000;
    int wait_ms = FIRST_WAIT_MS;

    if (fd < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "network: %s", strerror(errno));
    clo_fail(err, CLO_ERR_UNAVAILABLE, "no Ethernet interface");
    for (;;) {
        struct interfaces interfaces;
        find_interfaces(fd, &interfaces);
        for (size_t i = 0; i < interfaces.count; i++) {
            const char *name = interfaces.names[i];
            if (!try_interface(fd, name, config, wait_ms, resolv_conf, err))
                continue;
            memcpy(out->interface, name, strlen(name) + 1);
            return true;
        }
        if (clo_clock_ms() >= end)
            return clo_wrap(err, "network");
        if (interfaces.count == 0 || config->is_static)
            pause_ms(FIRST_WAIT_MS / 5);
        else if (wait_ms < LAST_WAIT_MS)
            wait_ms *= 2;
    }
}

void clo_network_down(struct clo_network *network)
{
    CLO_CLEANUP(clo_fd_close) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct clo_error ignored;

    if (fd < 0 || network->interface[0] == '\0')
        return;
    (void)set_address(fd, network->interface, SIOCSIFADDR, 0);
    if (set_flags(fd, network->interface, false, &ignored))
        network->interface[0] = '\0';
}
