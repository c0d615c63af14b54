/* The Quote Generation Service on a TDX host: its messages (Intel DCAP, qgs_msg_lib.h 1.1) and one
 * exchange over a socket, AF_VSOCK port 4050 of the host by custom. For kernels without configfs-tsm,
 * and for hosts that serve quotes in no other way.
 *
 * The service is the host's: what it says is a quote or is not, for a verifier to find out. */
#ifndef CLOISTER_DEVICE_QGS_H
#define CLOISTER_DEVICE_QGS_H

#include "cloister/base.h"

#define CLO_QGS_PORT      4050
#define CLO_QGS_QUOTE_MAX ((size_t)128 << 10) /* as much as Linux takes through the other way */

/* GET_QUOTE_REQ, with the size in front that goes over the wire. */
CLO_MUST_USE bool clo_qgs_request(struct clo_bytes td_report, struct clo_buffer *out,
                                  struct clo_error *err);
/* GET_QUOTE_RESP, without the size in front; the quote is a view. An error that the service reports is
 * CLO_ERR_UNAVAILABLE. */
CLO_MUST_USE bool clo_qgs_response_parse(struct clo_bytes in, struct clo_bytes *quote,
                                         struct clo_error *err);

/* A connection to the host's service; the caller closes it. */
CLO_MUST_USE bool clo_qgs_connect(unsigned port, int *fd, struct clo_error *err);
/* A quote of a TDREPORT, over a connected socket; waits at most `timeout_ms` for all of it. */
CLO_MUST_USE bool clo_qgs_quote(int fd, struct clo_bytes td_report, unsigned timeout_ms,
                                struct clo_buffer *quote, struct clo_error *err);

#endif
