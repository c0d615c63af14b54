/* The door: connections, and the threads that serve them. What the files of the server share.
 *
 * One thread listens and hands connections out; each worker has an event loop of its own, and everything of a connection
 * happens in its worker, the decision included. */
#ifndef CLOISTER_VERIFIER_DOOR_H
#define CLOISTER_VERIFIER_DOOR_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "verifier/door/addresses.h"
#include "verifier/door/door_metrics.h"
#include "verifier/door/http_request.h"
#include "verifier/door/tls.h"
#include "verifier/kbs/broker.h"

#define PEER_SIZE       48 /* an address as text, with the NUL */
#define TICK_MS         250
#define HANDSHAKE_MS    5000
#define IDLE_MS         30000 /* between two requests */
#define HEAD_MS         5000
#define BODY_MS         15000
#define ANSWER_MS       15000
#define LINGER_MS       3000
#define DRAIN_MS        10000
#define LEAST_RATE      1024 /* bytes of a body in a second, … */
#define LEAST_RATE_FROM 5000 /* … after so many milliseconds */
#define ROOM_AGE_MS     1000 /* one that has waited for less makes no room */
#define SMALL_BODY      ((size_t)256 << 10)
#define LARGE_BODIES    ((size_t)64 << 20) /* of all those under way that are not small */

/* What all threads see. Nothing in it changes after the start but what is atomic or has a lock. */
struct door {
    struct clo_broker *broker;
    struct clo_addresses *addresses;
    struct door_metrics metrics;
    atomic_bool is_at_once; /* nothing is finished any more */
    atomic_size_t connections;
    atomic_size_t large_bodies; /* bytes that they may still take */
    atomic_uint readings;       /* how often certificates, and whose are taken, were read anew */
};

/* What a worker is told: by the one that listens, through its pipe. */
enum arrival_kind {
    ARRIVAL_CONNECTION,
    ARRIVAL_ROOM, /* close idle connections */
    ARRIVAL_SYNC, /* what was decided has reached the disk, or never will */
    ARRIVAL_END,  /* finish what is under way, and nothing more */
};

struct arrival {
    enum arrival_kind kind;
    int fd;
    SSL_CTX *tls;      /* a reference */
    unsigned readings; /* by then */
    size_t room;       /* how many idle connections are to make room */
    uint64_t address;
    char peer[PEER_SIZE];
};

enum stage {
    STAGE_HANDSHAKE,
    STAGE_IDLE,
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_HELD,   /* decided, and not on the disk yet */
    STAGE_ANSWER, /* is being written */
    STAGE_LINGER, /* everything is said: what still comes is thrown away, so that the answer can be read */
};

struct connection {
    TAILQ_ENTRY(connection) all;
    TAILQ_ENTRY(connection) waiting; /* among those that do, or those that are held */
    struct worker *worker;
    enum stage stage;
    bool is_waiting;  /* with nothing of a request: it may have to make room */
    bool keeps_alive; /* after the answer that is being written */
    bool is_cut_off;  /* what is still to come of its request is not read */
    int fd;
    SSL_CTX *tls_context; /* until the client has said something */
    SSL *tls;             /* then */
    struct event readable, writable;
    int64_t since, deadline; /* of the stage, in ms */
    struct clo_buffer in;    /* not yet understood */
    size_t scanned;
    struct clo_buffer out;
    size_t written;
    uint64_t address;
    char peer[PEER_SIZE];
    struct clo_tls_shown shown; /* by the client */
    struct request *request;    /* whose body is read; NULL: none */
    struct held *held;          /* the answer that waits for the disk; NULL: none */
};

TAILQ_HEAD(connections, connection);

#define SCRATCH_SIZE 65536

struct worker {
    struct door *door;
    struct event_base *base;
    bool owns_base, has_thread;
    pthread_t thread;
    int pipe[2];
    struct event *inbox, *tick;
    struct connections all, waiting; /* waiting: the one that waits longest first */
    struct connections held;         /* by their decisions */
    atomic_size_t count;
    atomic_llong alive;  /* when it last ticked, in ms */
    atomic_bool is_told; /* of a sync: the word is still in its pipe, which is for connections */
    bool is_draining;
    int64_t drain_deadline;
    uint8_t scratch[SCRATCH_SIZE];
};

int64_t door_now(void); /* ms that do not jump */
int64_t door_seconds(clockid_t clock);

/* Takes over what arrived. */
void connection_begin(struct worker *worker, const struct arrival *arrival);
/* Ends it where its time is over. */
void connection_check(struct connection *connection, int64_t now);
/* Closes at once what has nothing under way. */
void connection_drain(struct connection *connection);
void connection_free(struct connection *connection);
/* Sends its answer, if the time has come. */
void connection_release(struct connection *connection);

/* A worker whose connections are in `base`, or, where that is NULL, in a loop of its own. */
CLO_MUST_USE bool worker_new(struct door *door, struct event_base *base, struct worker **out,
                             struct clo_error *err);
CLO_MUST_USE bool worker_start(struct worker *worker, struct clo_error *err); /* its thread */
/* In the worker's thread. */
void worker_take(struct worker *worker, const struct arrival *arrival);
/* From another one; false: its pipe is full, and the arrival is still the caller's. */
CLO_MUST_USE bool worker_give(struct worker *worker, const struct arrival *arrival);
void worker_drain(struct worker *worker);
void worker_tell_synced(struct worker *worker);
/* Closes a connection that no worker took. */
void worker_turn_away(struct worker *worker, const struct arrival *arrival);
/* Waits for its thread to end: as it was told, or at once. */
void worker_stop(struct worker *worker, bool was_told);
void worker_free(struct worker *worker);

#endif
