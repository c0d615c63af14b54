/* The policy's member "endorsement": what a cloud's launch endorsement must say of itself. */
#ifndef CLOISTER_LIB_POLICY_ENDORSEMENT_H
#define CLOISTER_LIB_POLICY_ENDORSEMENT_H

#include "cloister/checks.h"
#include "cloister/json.h"

#define CLO_POLICY_ISSUERS_MAX 8
#define CLO_POLICY_ISSUER_SIZE 512
#define CLO_POLICY_FEEDS_MAX   8
#define CLO_POLICY_FEED_SIZE   128

struct clo_policy_endorsement {
    bool is_demanded; /* the member is there: without an endorsement nothing is accepted */
    uint64_t minimum_svn;
    int64_t maximum_age;                                          /* 0: any */
    char issuers[CLO_POLICY_ISSUERS_MAX][CLO_POLICY_ISSUER_SIZE]; /* did:x509 */
    size_t issuer_count;                                          /* 0: it has no say in it */
    char feeds[CLO_POLICY_FEEDS_MAX][CLO_POLICY_FEED_SIZE];
    size_t feed_count;
};

/* What one that is verified says of itself; issuer and feed are empty where it names none. */
struct clo_policy_endorsed {
    uint64_t svn;
    int64_t signed_at; /* Unix time; 0: it does not say */
    struct clo_bytes issuer, feed;
};

CLO_MUST_USE bool policy_read_endorsement(const json_t *json, struct clo_policy_endorsement *out,
                                          struct clo_error *err);
/* Checks policy.endorsement_svn, _age, _issuer and _feed. */
void policy_check_endorsement(const struct clo_policy_endorsement *policy,
                              const struct clo_policy_endorsed *endorsed, int64_t at,
                              struct clo_checks *checks);

#endif
