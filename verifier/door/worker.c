/* A worker: an event loop and the connections that it was given. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "verifier/door/door.h"

int64_t door_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t door_seconds(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec;
}

/* --- In its thread --- */

/* Those that wait longest go, unless they have only just come. */
static void make_room(struct worker *worker, size_t count)
{
    int64_t now = door_now();

    for (; count > 0; count--) {
        struct connection *oldest = TAILQ_FIRST(&worker->waiting);
        if (oldest == NULL || now - oldest->since < ROOM_AGE_MS)
            return;
        door_count(&worker->door->metrics, DOOR_MADE_ROOM);
        connection_free(oldest);
    }
}

static void release_held(struct worker *worker)
{
    struct connection *next;

    for (struct connection *c = TAILQ_FIRST(&worker->held); c != NULL; c = next) {
        next = TAILQ_NEXT(c, waiting);
        connection_release(c);
    }
}

static void drain(struct worker *worker)
{
    struct connection *next;

    worker->is_draining = true;
    worker->drain_deadline = door_now() + DRAIN_MS;
    for (struct connection *c = TAILQ_FIRST(&worker->all); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        connection_drain(c);
    }
}

/* True once there is nothing left to finish. */
static bool is_drained(const struct worker *worker)
{
    return worker->is_draining &&
           (TAILQ_EMPTY(&worker->all) || door_now() >= worker->drain_deadline ||
            atomic_load(&worker->door->is_at_once));
}

static void on_tick(evutil_socket_t none, short what, void *context)
{
    struct worker *worker = context;
    struct connection *next;
    int64_t now = door_now();

    (void)none;
    (void)what;
    atomic_store(&worker->alive, now);
    release_held(worker); /* where the word of it found no place in the pipe */
    for (struct connection *c = TAILQ_FIRST(&worker->all); c != NULL; c = next) {
        next = TAILQ_NEXT(c, all);
        connection_check(c, now);
    }
    if (is_drained(worker))
        event_base_loopbreak(worker->base);
}

void worker_take(struct worker *worker, const struct arrival *arrival)
{
    make_room(worker, arrival->room);
    if (arrival->kind == ARRIVAL_CONNECTION) {
        connection_begin(worker, arrival);
    } else if (arrival->kind == ARRIVAL_SYNC) {
        atomic_store(&worker->is_told, false); /* first: what is synced from here on is told anew */
        release_held(worker);
        if (is_drained(worker))
            event_base_loopbreak(worker->base);
    } else if (arrival->kind == ARRIVAL_END) {
        drain(worker);
        if (is_drained(worker))
            event_base_loopbreak(worker->base);
    }
}

static void on_arrival(evutil_socket_t fd, short what, void *context)
{
    struct arrival arrival;

    (void)what;
    while (read(fd, &arrival, sizeof arrival) == (ssize_t)sizeof arrival)
        worker_take(context, &arrival);
}

static void *run(void *context)
{
    struct worker *worker = context;

    event_base_dispatch(worker->base);
    return NULL;
}

/* --- From others --- */

static bool begin(struct worker *worker, struct clo_error *err)
{
    if (worker->base == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "no event loop");
    if (pipe2(worker->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "no pipe to a worker");
    worker->inbox =
            event_new(worker->base, worker->pipe[0], EV_READ | EV_PERSIST, on_arrival, worker);
    worker->tick = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    return (worker->inbox != NULL && worker->tick != NULL && event_add(worker->inbox, NULL) == 0 &&
            event_add(worker->tick, &(struct timeval){ .tv_usec = TICK_MS * 1000 }) == 0) ||
           clo_out_of_memory(err);
}

bool worker_new(struct door *door, struct event_base *base, struct worker **out,
                struct clo_error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return clo_out_of_memory(err);
    worker->door = door;
    worker->pipe[0] = worker->pipe[1] = -1;
    TAILQ_INIT(&worker->all);
    TAILQ_INIT(&worker->waiting);
    TAILQ_INIT(&worker->held);
    atomic_store(&worker->alive, door_now());
    worker->owns_base = base == NULL;
    worker->base = base == NULL ? event_base_new() : base;
    if (!begin(worker, err)) {
        worker_free(worker);
        return false;
    }
    *out = worker;
    return true;
}

/* Signals are the first thread's. */
bool worker_start(struct worker *worker, struct clo_error *err)
{
    sigset_t every, before;

    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    worker->has_thread = pthread_create(&worker->thread, NULL, run, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return worker->has_thread || clo_fail(err, CLO_ERR_SYSTEM, "a worker's thread does not start");
}

/* Less than PIPE_BUF, so whole or not at all. */
bool worker_give(struct worker *worker, const struct arrival *arrival)
{
    return write(worker->pipe[1], arrival, sizeof *arrival) == (ssize_t)sizeof *arrival;
}

void worker_turn_away(struct worker *worker, const struct arrival *arrival)
{
    SSL_CTX_free(arrival->tls);
    close(arrival->fd);
    clo_addresses_leave(worker->door->addresses, arrival->address);
    atomic_fetch_sub(&worker->count, 1);
    atomic_fetch_sub(&worker->door->connections, 1);
}

void worker_tell_synced(struct worker *worker)
{
    const struct arrival word = { .kind = ARRIVAL_SYNC, .fd = -1 };

    if (!atomic_exchange(&worker->is_told, true) && !worker_give(worker, &word))
        atomic_store(&worker->is_told, false);
}

void worker_drain(struct worker *worker)
{
    const struct arrival word = { .kind = ARRIVAL_END, .fd = -1 };

    while (!worker_give(worker, &word) && errno == EAGAIN)
        usleep(1000);
}

void worker_stop(struct worker *worker, bool was_told)
{
    if (!worker->has_thread)
        return;
    if (!was_told)
        worker_drain(worker);
    pthread_join(worker->thread, NULL);
    worker->has_thread = false;
}

void worker_free(struct worker *worker)
{
    struct arrival arrival;

    if (worker == NULL)
        return;
    while (!TAILQ_EMPTY(&worker->all))
        connection_free(TAILQ_FIRST(&worker->all));
    while (worker->pipe[0] >= 0 &&
           read(worker->pipe[0], &arrival, sizeof arrival) == (ssize_t)sizeof arrival)
        if (arrival.kind == ARRIVAL_CONNECTION)
            worker_turn_away(worker, &arrival);
    if (worker->inbox != NULL)
        event_free(worker->inbox);
    if (worker->tick != NULL)
        event_free(worker->tick);
    for (size_t i = 0; i < 2; i++)
        if (worker->pipe[i] >= 0)
            close(worker->pipe[i]);
    if (worker->owns_base && worker->base != NULL)
        event_base_free(worker->base);
    free(worker);
}
