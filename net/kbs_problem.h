/* Why a broker refuses: problem JSON (RFC 9457). */
#ifndef CLOISTER_NET_KBS_PROBLEM_H
#define CLOISTER_NET_KBS_PROBLEM_H

#include "net/https.h"

/* Fails with what an answer whose status is not 200 means (net/kbs.h). The text is the broker's and meant for people: one
 * line, nothing believed. */
bool kbs_explain(const struct clo_https_response *response, struct clo_error *err);

#endif
