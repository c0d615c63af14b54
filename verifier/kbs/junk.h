/* Requests that prove nothing: malformed, without a session, with evidence that no genuine hardware made for our
 * nonce. Anybody can send as many as the line takes; so they are counted, and told in one line a minute, and an
 * address that sends too many has to wait. The memory for that is of a fixed size. */
#ifndef CLOISTER_VERIFIER_JUNK_H
#define CLOISTER_VERIFIER_JUNK_H

#include "cloister/crypto.h"

#define CLO_JUNK_BURST      200 /* an address may send so many at once, */
#define CLO_JUNK_PER_SECOND 10  /* and so many in the long run */
#define CLO_JUNK_PAUSE      60  /* seconds between two reports */
#define CLO_JUNK_TEXT       320

enum clo_junk_kind {
    CLO_JUNK_MALFORMED,
    CLO_JUNK_SESSION,     /* none, not ours, over, or nothing was attested in it */
    CLO_JUNK_UNAUTHENTIC, /* a forgery, a replay, or of a root that nobody trusts here */
    CLO_JUNK_WAITING,  /* evidence whose endorsements are not here yet: nobody knows what it is */
    CLO_JUNK_LIMITED,  /* was not looked at: too many of the others before it */
    CLO_JUNK_REPEATED, /* refused once more in a session whose refusals have rows already */
    CLO_JUNK_KINDS,
};

struct clo_junk;

CLO_MUST_USE bool clo_junk_new(struct clo_random random, struct clo_junk **out,
                               struct clo_error *err);
void clo_junk_free(struct clo_junk *junk);

/* Would one more request of this address be looked at? `peer` is an IP address as text, or anything else; of IPv6 the
 * first 64 bits count. `clock` in seconds, not jumping. */
bool clo_junk_may_ask(struct clo_junk *junk, const char *peer, int64_t clock);
/* Counts one, and charges its address for it. */
void clo_junk_count(struct clo_junk *junk, enum clo_junk_kind kind, const char *peer, int64_t time,
                    int64_t clock);
/* Charges the address alone: for what is written down by itself. */
void clo_junk_charge(struct clo_junk *junk, const char *peer, int64_t clock);

/* One line on what was counted since the last one; false if it is not yet time for it, or there was nothing. With
 * `is_last` whatever there is. Once it is written down: clo_junk_told(). */
bool clo_junk_report(const struct clo_junk *junk, int64_t clock, bool is_last,
                     char out[CLO_JUNK_TEXT]);
void clo_junk_told(struct clo_junk *junk, int64_t clock);

uint64_t clo_junk_total(const struct clo_junk *junk, enum clo_junk_kind kind);
const char *clo_junk_kind_name(enum clo_junk_kind kind);

#endif
