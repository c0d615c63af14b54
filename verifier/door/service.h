/* What systemd and a service say to each other (sd_notify(3), sd_listen_fds(3)), without its library: a datagram, and three
 * variables of the environment. Without systemd all of it does nothing. */
#ifndef CLOISTER_VERIFIER_SERVICE_H
#define CLOISTER_VERIFIER_SERVICE_H

#include "cloister/base.h"

#define CLO_SERVICE_LISTENERS_MAX 16

/* "READY=1". Nobody is told whether it arrived: a service that nobody listens to serves all the same. */
void clo_service_notify(const char *state);
void clo_service_notify_reloading(void);
/* How often systemd wants to hear "WATCHDOG=1", in ms; 0: not at all. */
int64_t clo_service_watchdog_ms(void);
/* The sockets that were opened for us; 0: none. They are closed on exec from now on, and are asked for once. */
CLO_MUST_USE bool clo_service_listeners(int out[CLO_SERVICE_LISTENERS_MAX], size_t *count,
                                        struct clo_error *err);

#endif
