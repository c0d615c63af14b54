/* What an administrator's program asks for over the network (POST /cloister/v0/key/…), as JSON:
 *
 *   put      {"secret": base64, "policy": TEXT, "references": [TEXT], "disk": TEXT, "shared", "releases": "any",
 *             "second_holder": "refuse", "lease_seconds", "release_limit", "forget_generation", "same_secret"}
 *   terms    {"policy": TEXT, "references": [TEXT]}
 *   put-older, terms-older   the same with "accept_older": TEXT, why older versions are accepted
 *   revoke, revoke-machine, allow, allow-machine, lease, give-up   {}
 *
 * Files are texts in it, byte for byte, so that terms have the same digest wherever they were put from. Every member but
 * secret and policy may be missing; one that is not known is refused. */
#ifndef CLOISTER_VERIFIER_KEY_REQUEST_H
#define CLOISTER_VERIFIER_KEY_REQUEST_H

#include "verifier/store/store.h"

struct clo_key_request {
    json_t *json; /* owns the texts */
    struct clo_buffer secret;
    struct clo_bytes references[CLO_STORE_REFERENCES_MAX];
    struct clo_disk_file disk;
    struct clo_terms terms; /* the policy and its references, parsed; no id, no digest */
    /* Of all this; its path and time are the caller's to set. It may not be moved. */
    struct clo_store_entry entry;
    const char *why_older; /* NULL: older versions are not asked for */
};
void clo_key_request_free(struct clo_key_request *request); /* for CLO_CLEANUP */

/* Terms that leave open what a policy must pin, and do not say why, are CLO_ERR_REFUSED, and so is a disk of another key. */
CLO_MUST_USE bool clo_key_put_parse(struct clo_bytes body, struct clo_key_request *out,
                                    struct clo_error *err);
CLO_MUST_USE bool clo_key_terms_parse(struct clo_bytes body, struct clo_key_request *out,
                                      struct clo_error *err);
/* Those of put-older and terms-older: the reason must be there. */
CLO_MUST_USE bool clo_key_put_older_parse(struct clo_bytes body, struct clo_key_request *out,
                                          struct clo_error *err);
CLO_MUST_USE bool clo_key_terms_older_parse(struct clo_bytes body, struct clo_key_request *out,
                                            struct clo_error *err);
/* {}: the path says everything. */
CLO_MUST_USE bool clo_key_empty_parse(struct clo_bytes body, struct clo_error *err);

#endif
