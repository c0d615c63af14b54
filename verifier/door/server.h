/* The broker over HTTPS: TLS 1.3, HTTP/1.1 read strictly, one event loop for each processor. Headers, bodies, times and
 * connections are bounded, by address and in all (verifier/door/door.h has the numbers). Guests pin the server's key. */
#ifndef CLOISTER_VERIFIER_SERVER_H
#define CLOISTER_VERIFIER_SERVER_H

#include "verifier/door/tls.h"
#include "verifier/kbs/broker.h"

#define CLO_SERVER_TLS_KEY         "tls"
#define CLO_SERVER_CONNECTIONS     16384
#define CLO_SERVER_CONNECTIONS_MAX 1000000
#define CLO_SERVER_THREADS_MAX     256

struct clo_server;

struct clo_server_spec {
    struct clo_broker *broker; /* borrowed */
    struct clo_random random;
    const char *address; /* "ADDRESS:PORT" ("[::1]:8443"); port 0 takes a free one */
    const int *
            listeners; /* sockets that listen already, in place of the address; they are taken over */
    size_t listener_count;
    unsigned threads;   /* 0: one for each processor that this process may use */
    size_t connections; /* at most; 0: CLO_SERVER_CONNECTIONS. Fewer where descriptors are scarce */
    /* TLS as it is to be from now on: asked for at the start and at each SIGHUP; for SSL_CTX_free(). */
    bool (*open_tls)(void *context, struct ssl_ctx_st **out, struct clo_error *err);
    /* SIGHUP has done what it is for. NULL: nobody listens. */
    void (*on_reloaded)(void *context);
    /* What went wrong meanwhile, and in here. NULL: nobody listens. */
    void (*on_failure)(void *context, const struct clo_error *err);
    void *context;
};

/* Listens when it returns. */
CLO_MUST_USE bool clo_server_new(const struct clo_server_spec *spec, struct clo_server **out,
                                 struct clo_error *err);
void clo_server_free(struct clo_server *server);
void clo_server_freep(struct clo_server **server);
uint16_t clo_server_port(const struct clo_server *server); /* 0: not one of IP */

/* Serves until SIGTERM or SIGINT, and finishes what is under way then; SIGHUP opens TLS anew. */
CLO_MUST_USE bool clo_server_run(struct clo_server *server, struct clo_error *err);

#endif
