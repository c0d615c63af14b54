#include "verifier/door/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>
#include <event2/util.h>

#include "verifier/door/door.h"
#include "verifier/door/service.h"

#define BACKLOG        4096
#define BROKER_TICK_MS 10000
#define STUCK_MS       10000 /* a worker that has not ticked for so long is not alive */
#define DESCRIPTORS    32    /* that are not connections: files, the store, what is fetched, … */
#define OF_A_WORKER    4     /* … and of each worker */
#define CROWDED(limit) ((limit) / 4 * 3)        /* from here on an address may have */
#define OF_ONE(limit)  ((limit) / 64 + 4)       /* so many, */
#define NEARLY(limit)  ((limit) - (limit) / 16) /* and from here on the idle make room */

struct clo_server {
    struct clo_server_spec spec;
    struct door door;
    SSL_CTX *tls;
    struct event_base *base;
    struct evconnlistener *listeners[CLO_SERVICE_LISTENERS_MAX];
    size_t listener_count;
    struct event *signals[3];
    struct event *tick;
    struct worker **workers; /* the first one has its connections in our own loop */
    unsigned worker_count, next;
    size_t limit;
    bool is_paused, is_ending;
    int64_t broker_tick, watchdog, watchdog_due;
    uint16_t port;
};

static void tell(const struct clo_server *server, const struct clo_error *err)
{
    if (server->spec.on_failure != NULL)
        server->spec.on_failure(server->spec.context, err);
}

/* --- TLS --- */

/* HTTP/1.1 is all that is spoken here: a client that offers others alone is not answered (RFC 7301 section 3.2). */
static int choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)tls;
    (void)context;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool open_tls(const struct clo_server *server, SSL_CTX **out, struct clo_error *err)
{
    SSL_CTX *tls = NULL;

    if (!server->spec.open_tls(server->spec.context, &tls, err))
        return clo_wrap(err, "TLS");
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF); /* HTTP has lengths of its own */
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
    *out = tls;
    return true;
}

/* Connections that are open keep what they began with, but for who they said they are: their certificates were taken by what
 * was read before. */
static void reload(struct clo_server *server)
{
    SSL_CTX *tls = NULL;
    struct clo_error err;

    clo_service_notify_reloading();
    if (open_tls(server, &tls, &err)) {
        SSL_CTX_free(server->tls);
        server->tls = tls;
        atomic_fetch_add(&server->door.readings, 1);
        clo_broker_wait(server->door.broker);
        if (server->spec.on_reloaded != NULL)
            server->spec.on_reloaded(server->spec.context);
    } else {
        clo_wrap(&err, "reload: nothing has changed");
        tell(server, &err);
    }
    clo_service_notify("READY=1");
}

/* --- Who comes in --- */

static void pause_listening(struct clo_server *server)
{
    if (server->is_paused)
        return;
    server->is_paused = true;
    door_count(&server->door.metrics, DOOR_PAUSES);
    for (size_t i = 0; i < server->listener_count; i++)
        evconnlistener_disable(server->listeners[i]);
}

static void resume_listening(struct clo_server *server)
{
    server->is_paused = false;
    for (size_t i = 0; i < server->listener_count; i++)
        evconnlistener_enable(server->listeners[i]);
}

/* The one with the fewest connections; among equals each in its turn. */
static struct worker *choose_worker(struct clo_server *server)
{
    struct worker *best = NULL;
    size_t fewest = SIZE_MAX;

    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker *worker = server->workers[(server->next + i) % server->worker_count];
        size_t count = atomic_load(&worker->count);
        if (count < fewest) {
            fewest = count;
            best = worker;
        }
    }
    server->next = (server->next + 1) % server->worker_count;
    return best;
}

static void write_peer(const struct sockaddr *address, char out[PEER_SIZE])
{
    const void *bytes =
            address->sa_family == AF_INET
                    ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
                    : &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

    out[0] = '\0';
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        (void)!inet_ntop(address->sa_family, bytes, out, PEER_SIZE);
}

static void hand_out(struct clo_server *server, struct arrival *arrival)
{
    struct worker *worker = choose_worker(server);

    atomic_fetch_add(&worker->count, 1);
    SSL_CTX_up_ref(server->tls);
    arrival->tls = server->tls;
    arrival->readings = atomic_load(&server->door.readings);
    if (worker == server->workers[0]) {
        worker_take(worker, arrival);
        return;
    }
    if (worker_give(worker, arrival))
        return;
    door_count(&server->door.metrics, DOOR_TURNED_AWAY);
    worker_turn_away(worker, arrival);
}

/* In the thread that syncs. */
static void on_synced(void *context)
{
    const struct clo_server *server = context;

    for (unsigned i = 0; i < server->worker_count; i++)
        worker_tell_synced(server->workers[i]);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *context)
{
    struct clo_server *server = context;
    struct door *door = &server->door;
    struct arrival arrival = { .kind = ARRIVAL_CONNECTION, .fd = fd };
    size_t count = atomic_load(&door->connections);

    (void)listener;
    (void)size;
    write_peer(address, arrival.peer);
    if (count >= server->limit ||
        !clo_addresses_enter(door->addresses, arrival.peer,
                             count >= CROWDED(server->limit) ? OF_ONE(server->limit) : 0,
                             &arrival.address)) {
        door_count(&door->metrics, DOOR_TURNED_AWAY);
        close(fd);
    } else {
        door_count(&door->metrics, DOOR_ACCEPTED);
        count = atomic_fetch_add(&door->connections, 1) + 1;
        arrival.room = count >= NEARLY(server->limit) ? 1 : 0;
        hand_out(server, &arrival);
    }
    if (atomic_load(&door->connections) >= server->limit)
        pause_listening(server);
}

/* No descriptors, no memory: asking again at once would only spin. */
static void on_accept_failed(struct evconnlistener *listener, void *context)
{
    (void)listener;
    pause_listening(context);
}

/* --- Time and signals --- */

static void tick_broker(struct clo_server *server, bool is_last)
{
    clo_broker_tick(server->spec.broker, door_seconds(CLOCK_REALTIME), door_seconds(CLOCK_BOOTTIME),
                    is_last);
}

/* Alive is a server all of whose workers are. */
static void tick_watchdog(struct clo_server *server, int64_t now)
{
    if (server->watchdog == 0 || now < server->watchdog_due)
        return;
    for (unsigned i = 0; i < server->worker_count; i++)
        if (now - (int64_t)atomic_load(&server->workers[i]->alive) > STUCK_MS)
            return;
    clo_service_notify("WATCHDOG=1");
    server->watchdog_due = now + server->watchdog / 3;
}

/* Where there is no place, the idle make some. */
static void ask_for_room(struct clo_server *server)
{
    const struct arrival word = { .kind = ARRIVAL_ROOM,
                                  .fd = -1,
                                  .room = server->limit / 32 / server->worker_count + 1 };

    for (unsigned i = 0; i < server->worker_count; i++)
        (void)!worker_give(server->workers[i], &word);
}

static void on_tick(evutil_socket_t none, short what, void *context)
{
    struct clo_server *server = context;
    int64_t now = door_now();

    (void)none;
    (void)what;
    if (now >= server->broker_tick) {
        server->broker_tick = now + BROKER_TICK_MS;
        tick_broker(server, false);
    }
    tick_watchdog(server, now);
    if (!server->is_paused || server->is_ending)
        return;
    if (atomic_load(&server->door.connections) >= server->limit)
        ask_for_room(server);
    else
        resume_listening(server);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    struct clo_server *server = context;

    (void)what;
    if (number == SIGHUP) {
        reload(server);
        return;
    }
    if (server->is_ending) {
        atomic_store(&server->door.is_at_once, true); /* asked twice */
        return;
    }
    server->is_ending = true;
    clo_service_notify("STOPPING=1");
    for (size_t i = 0; i < server->listener_count; i++)
        evconnlistener_disable(server->listeners[i]);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
}

/* --- Listening --- */

/* libevent takes no port 0: it is parsed as another one and set back. */
static bool parse_address(const char *text, struct sockaddr_storage *out, int *size)
{
    char copy[128];
    const char *colon = strrchr(text, ':');

    if (colon == NULL || strlen(text) + 1 > sizeof copy)
        return false;
    bool is_any = strcmp(colon, ":0") == 0;
    snprintf(copy, sizeof copy, "%.*s%s", (int)(colon - text), text, is_any ? ":1" : colon);
    memset(out, 0, sizeof *out);
    *size = sizeof *out;
    if (colon[1] == '\0' || evutil_parse_sockaddr_port(copy, (struct sockaddr *)out, size) != 0)
        return false;
    if (is_any && out->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)out)->sin6_port = 0;
    else if (is_any)
        ((struct sockaddr_in *)out)->sin_port = 0;
    return true;
}

static bool add_listener(struct clo_server *server, struct evconnlistener *listener,
                         const char *name, struct clo_error *err)
{
    if (listener == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: %s", name, strerror(errno));
    evconnlistener_set_error_cb(listener, on_accept_failed);
    server->listeners[server->listener_count++] = listener;
    return true;
}

static bool read_port(struct clo_server *server, struct clo_error *err)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    if (getsockname(evconnlistener_get_fd(server->listeners[0]), (struct sockaddr *)&address,
                    &size) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "the socket's address: %s", strerror(errno));
    if (address.ss_family == AF_INET6)
        server->port = ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    else if (address.ss_family == AF_INET)
        server->port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
    return true;
}

static bool listen_at(struct clo_server *server, const char *text, struct clo_error *err)
{
    struct sockaddr_storage address;
    int size;

    if (!parse_address(text, &address, &size))
        return clo_fail(err, CLO_ERR_USAGE, "%s: expected ADDRESS:PORT, like 127.0.0.1:8443", text);
    return add_listener(server,
                        evconnlistener_new_bind(server->base, on_accept, server,
                                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
                                                        LEV_OPT_REUSEABLE,
                                                BACKLOG, (const struct sockaddr *)&address, size),
                        text, err);
}

static bool listen_to(struct clo_server *server, int fd, struct clo_error *err)
{
    evutil_make_socket_nonblocking(fd);
    return add_listener(
            server,
            evconnlistener_new(server->base, on_accept, server, LEV_OPT_CLOSE_ON_FREE, 0, fd),
            "a socket that was handed over", err);
}

static bool start_listening(struct clo_server *server, struct clo_error *err)
{
    const struct clo_server_spec *spec = &server->spec;

    for (size_t i = 0; i < spec->listener_count; i++)
        if (!listen_to(server, spec->listeners[i], err))
            return false;
    return (spec->listener_count > 0 || listen_at(server, spec->address, err)) &&
           read_port(server, err);
}

/* --- Beginning and end --- */

/* As many descriptors as we may have; and no more connections than they allow. */
static bool find_limit(struct clo_server *server, struct clo_error *err)
{
    size_t wanted =
            server->spec.connections == 0 ? CLO_SERVER_CONNECTIONS : server->spec.connections;
    size_t ours = DESCRIPTORS + (size_t)OF_A_WORKER * server->worker_count;
    struct rlimit limit;

    /* A sandbox may forbid both: then what everybody has will do. */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit = (struct rlimit){ 1024, 1024 };
    const struct rlimit raised = { limit.rlim_max, limit.rlim_max };
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    if (limit.rlim_cur <= ours)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%llu descriptors are too few",
                        (unsigned long long)limit.rlim_cur);
    server->limit = limit.rlim_cur - ours < wanted ? (size_t)limit.rlim_cur - ours : wanted;
    return true;
}

static unsigned count_processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < 1                             ? 1
           : count > (int)CLO_SERVER_THREADS_MAX ? CLO_SERVER_THREADS_MAX
                                                 : (unsigned)count;
}

static bool make_workers(struct clo_server *server, struct clo_error *err)
{
    server->workers = calloc(server->worker_count, sizeof(struct worker *));
    if (server->workers == NULL)
        return clo_out_of_memory(err);
    for (unsigned i = 0; i < server->worker_count; i++)
        if (!worker_new(&server->door, i == 0 ? server->base : NULL, &server->workers[i], err))
            return false;
    return true;
}

static bool catch_signals(struct clo_server *server, struct clo_error *err)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

    for (size_t i = 0; i < CLO_COUNT(numbers); i++) {
        server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
        if (server->signals[i] == NULL || event_add(server->signals[i], NULL) != 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "signals cannot be caught");
    }
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    return (server->tick != NULL &&
            event_add(server->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 }) == 0) ||
           clo_out_of_memory(err);
}

bool clo_server_new(const struct clo_server_spec *spec, struct clo_server **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_server_freep) struct clo_server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return clo_out_of_memory(err);
    server->spec = *spec;
    server->worker_count = spec->threads == 0 ? count_processors() : spec->threads;
    server->door.broker = spec->broker;
    atomic_store(&server->door.large_bodies, LARGE_BODIES);
    server->watchdog = clo_service_watchdog_ms();
    server->base = event_base_new();
    if (server->base == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "no event loop");
    if (!find_limit(server, err) || !open_tls(server, &server->tls, err) ||
        !clo_addresses_new(spec->random, &server->door.addresses, err) ||
        !catch_signals(server, err) || !make_workers(server, err) || !start_listening(server, err))
        return false;
    *out = CLO_TAKE(server);
    return true;
}

void clo_server_free(struct clo_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->listener_count; i++)
        evconnlistener_free(server->listeners[i]);
    for (unsigned i = 0; server->workers != NULL && i < server->worker_count; i++)
        worker_free(server->workers[i]);
    free(server->workers);
    for (size_t i = 0; i < CLO_COUNT(server->signals); i++)
        if (server->signals[i] != NULL)
            event_free(server->signals[i]);
    if (server->tick != NULL)
        event_free(server->tick);
    if (server->base != NULL)
        event_base_free(server->base);
    clo_addresses_free(server->door.addresses);
    SSL_CTX_free(server->tls);
    free(server);
}

void clo_server_freep(struct clo_server **server)
{
    clo_server_free(*server);
    *server = NULL;
}

uint16_t clo_server_port(const struct clo_server *server)
{
    return server->port;
}

/* A decision asks for memory some thousand times and gives all of it back: without lists that are gone through whenever something large
 * is asked for, and without giving the top back to the kernel each time, a tenth of its time goes. What is large enough comes
 * from the kernel and goes back to it, now as before. */
static void set_up_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MXFAST, 0);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 256 << 10);
#endif
}

bool clo_server_run(struct clo_server *server, struct clo_error *err)
{
    struct clo_broker *broker = server->spec.broker;
    bool ok = clo_broker_group_begin(broker, on_synced, server, err);

    signal(SIGPIPE, SIG_IGN);
    set_up_memory();
    for (unsigned i = 1; ok && i < server->worker_count; i++)
        ok = worker_start(server->workers[i], err);
    if (ok) {
        clo_service_notify("READY=1");
        ok = event_base_dispatch(server->base) >= 0 ||
             clo_fail(err, CLO_ERR_SYSTEM, "the event loop failed");
    }
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_stop(server->workers[i], server->is_ending && ok);
    tick_broker(server, true);
    clo_broker_group_end(broker);
    return ok;
}
