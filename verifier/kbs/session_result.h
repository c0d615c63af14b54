/* What a session has shown, as the row of its nonce holds it. */
#ifndef CLOISTER_VERIFIER_SESSION_RESULT_H
#define CLOISTER_VERIFIER_SESSION_RESULT_H

#include "verifier/kbs/sessions.h"

CLO_MUST_USE bool clo_session_result_write(const struct clo_session_result *result,
                                           struct clo_buffer *out, struct clo_error *err);
/* Our own words: what is not as we write it is refused. */
CLO_MUST_USE bool clo_session_result_read(struct clo_bytes text, struct clo_session_result *out,
                                          struct clo_error *err);

#endif
