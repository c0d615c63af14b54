/* Who may administer a broker over the network, and what: Trustee's admin API (kbs/docs/admin.md) and `cloister key --broker`,
 * with bearer tokens, or with certificates that TLS has verified (serve --admin-ca). It is closed unless the owner opens it
 * with a file:
 *
 *   {"cloister_admin": 1,
 *    "keys": [{"pem": PUBLIC KEY, "issuer": TEXT, "audience": TEXT}],     Ed25519, P-256 or P-384; the latter two members may be missing
 *    "certificates": [{"subject": "CN=alice", "role": "kbs-admin"}],      the whole subject (RFC 2253); a role, or a list of them
 *    "roles": {"kbs-admin": ["^/kbs/v0/resource/default/.+$"]},           POSIX extended, from "^/kbs" or "^/cloister" to "$"
 *    "policy": {…}}                                                       what resources that Trustee's clients set are released on
 *
 * A token says "role" and "exp"; one that says for which broker it is ("aud": "cloister-broker:" and the digest of its TLS key)
 * is for no other. Of keys and certificates there is one at least. */
#ifndef CLOISTER_VERIFIER_ADMIN_H
#define CLOISTER_VERIFIER_ADMIN_H

#include "cloister/crypto.h"
#include "cloister/json.h"

struct clo_admin;

CLO_MUST_USE bool clo_admin_parse(struct clo_bytes text, struct clo_admin **out,
                                  struct clo_error *err);
/* One user more, who frees it as well; NULL stays NULL. */
struct clo_admin *clo_admin_use(struct clo_admin *admin);
void clo_admin_free(struct clo_admin *admin);
void clo_admin_freep(struct clo_admin **admin);
/* Which broker this is: the digest (SHA-256) of the key that it shows in TLS. Also while tokens are checked. */
#define CLO_ADMIN_BROKER "cloister-broker:"
void clo_admin_set_broker(struct clo_admin *admin, const struct clo_digest *key);
/* CLO_ERR_REFUSED with the reason. `role` (room for CLO_ADMIN_ROLE bytes) gets the one that allows it. */
#define CLO_ADMIN_ROLE 64
CLO_MUST_USE bool clo_admin_check(struct clo_admin *admin, const char *token, int64_t time,
                                  const char *path, char *role, struct clo_error *err);
/* The same for the subject of a verified client certificate. */
CLO_MUST_USE bool clo_admin_check_subject(const struct clo_admin *admin, const char *subject,
                                          const char *path, char *role, struct clo_error *err);
/* Canonical JSON; size 0: none was given. */
struct clo_bytes clo_admin_policy(const struct clo_admin *admin);

#endif
