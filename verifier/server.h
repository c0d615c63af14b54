/* The broker behind HTTPS: TLS 1.3, evhttp over OpenSSL, bounded headers, bodies and times. Guests
 * pin the server's key. */
#ifndef CLOISTER_VERIFIER_SERVER_H
#define CLOISTER_VERIFIER_SERVER_H

#include "verifier/broker.h"
#include "verifier/tls.h"

#define CLO_SERVER_TLS_KEY "tls"

struct clo_server;

/* `address` as "ADDRESS:PORT" ("[::1]:8443"); port 0 takes a free one. Listens when it returns. */
CLO_MUST_USE bool clo_server_new(struct clo_broker *broker, const struct clo_tls_identity *identity,
                                 const char *address, struct clo_server **out,
                                 struct clo_error *err);
void clo_server_free(struct clo_server *server);
void clo_server_freep(struct clo_server **server);
uint16_t clo_server_port(const struct clo_server *server);

/* Serves until SIGTERM or SIGINT. */
CLO_MUST_USE bool clo_server_run(struct clo_server *server, struct clo_error *err);

#endif
