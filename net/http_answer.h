/* What both of libevent's clients do with an answer. */
#ifndef CLOISTER_NET_HTTP_ANSWER_H
#define CLOISTER_NET_HTTP_ANSWER_H

#include <event2/event.h>
#include <event2/http.h>

#include "cloister/base.h"

/* The whole body, up to the buffer's limit. */
bool http_read_body(struct evhttp_request *request, struct clo_buffer *out);
/* Fails for what libevent itself found wrong: `failure` is an enum evhttp_request_error, or -1. */
CLO_MUST_USE bool http_check_failure(int failure, bool is_done, struct clo_error *err);
/* Ends a loop, and with it what it put off. NULL: there is none. */
void http_end(struct evhttp_connection *connection, struct event_base *base);

#endif
