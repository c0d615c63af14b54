/* The key broker's client: Trustee's KBS protocol (kbs/docs/kbs_attestation_protocol.md), as the
 * guest speaks it. One client is one session: auth, attest, resource, in this order.
 *
 * The broker is authenticated by its pinned key. What it says is still parsed strictly. Errors:
 *   CLO_ERR_UNAVAILABLE  not reachable, overloaded, or it has forgotten the session (it was started
 *                        again): wait and begin anew with clo_kbs_auth(). The only one to retry.
 *   CLO_ERR_REFUSED      the broker says no; the text is its reason
 *   CLO_ERR_UNVERIFIED   a stranger answers at its address
 *   CLO_ERR_FORMAT       it answers something that is not this protocol */
#ifndef CLOISTER_NET_KBS_H
#define CLOISTER_NET_KBS_H

#include "cloister/json.h"

#define CLO_KBS_VERSION "0.1.1"

/* The problem (RFC 9457: its type, or "problem" next to a type that others know) of a request whose session the broker
 * does not know. */
#define CLO_KBS_PROBLEM_SESSION "tag:cloister.dev,2026:problem:session"

struct clo_kbs_client;

/* Copies its arguments; connects to nothing yet. `timeout_ms` is for each request. */
CLO_MUST_USE bool clo_kbs_new(const char *url, struct clo_bytes spki, unsigned timeout_ms,
                              struct clo_kbs_client **out, struct clo_error *err);
void clo_kbs_free(struct clo_kbs_client *client);
void clo_kbs_freep(struct clo_kbs_client **client);

/* Begins a session. `tee` is the protocol's name ("az-snp-vtpm", "snp", "tdx"). Appends the nonce to
 * `nonce_text` as the broker wrote it (base64): that very text goes into the runtime data. */
CLO_MUST_USE bool clo_kbs_auth(struct clo_kbs_client *client, const char *tee,
                               struct clo_buffer *nonce_text, struct clo_error *err);
/* Sends {"nonce", "tee-pubkey"} (and "resource") and the evidence bundle (a CMW collection). Appends
 * the attestation result, a signed JWT, to `token`; the client keeps it for clo_kbs_resource(). Appends
 * to `resource` the name that the broker has for the resource that the evidence asks for, if it says. */
CLO_MUST_USE bool clo_kbs_attest(struct clo_kbs_client *client, const json_t *runtime_data,
                                 const json_t *evidence_bundle, struct clo_buffer *token,
                                 struct clo_buffer *resource, struct clo_error *err);
/* Gets a resource ("default/disk/demo") as JWE sealed to the tee-pubkey: open with clo_jwe_open(). */
CLO_MUST_USE bool clo_kbs_resource(struct clo_kbs_client *client, const char *path, json_t **jwe,
                                   struct clo_error *err);
/* Tells the next generation of the disk whose key this session got (docs/formats/disk.md).
 * CLO_ERR_REFUSED: another copy of the disk has been that far. */
CLO_MUST_USE bool clo_kbs_generation(struct clo_kbs_client *client, const char *path,
                                     uint64_t generation, struct clo_error *err);
/* Tells that so many sectors of that disk have tags that do not hold, the first of them of this number. */
CLO_MUST_USE bool clo_kbs_tag_errors(struct clo_kbs_client *client, const char *path,
                                     uint64_t count, uint64_t first, struct clo_error *err);

#endif
