/* The key broker's client for administrators: `cloister key --broker`. The broker is known by its pinned key, the
 * administrator by a token, or by a certificate that TLS shows. Errors as net/kbs.h has them. */
#ifndef CLOISTER_NET_KBS_ADMIN_H
#define CLOISTER_NET_KBS_ADMIN_H

#include "cloister/json.h"
#include "net/https.h"

struct clo_kbs_admin {
    struct clo_https_peer peer;
    const char *token; /* NULL: the peer's certificate does */
    unsigned timeout_ms;
};
/* Asks for what `path` says ("put/default/disk/demo"; verifier/kbs/key_api.c has all of them). */
CLO_MUST_USE bool clo_kbs_admin_ask(const struct clo_kbs_admin *admin, const char *path,
                                    const json_t *body, json_t **answer, struct clo_error *err);

#endif
