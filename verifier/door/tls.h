/* The broker's certificate, and TLS 1.3 with it. Guests pin the key; other clients look at the names. */
#ifndef CLOISTER_VERIFIER_TLS_H
#define CLOISTER_VERIFIER_TLS_H

#include "cloister/crypto.h"
#include "device/list.h"

struct ssl_ctx_st;
struct ssl_st;

/* PEM: the certificate, then those that it hangs on. */
struct clo_tls_identity {
    const struct clo_private_key *key;
    const char *certificate_file;
    const char *
            client_ca_file; /* whom clients' certificates are to be of, if they show one; NULL: none is asked for */
};
/* For SSL_CTX_free(). A certificate of another key is CLO_ERR_USAGE. */
CLO_MUST_USE bool clo_tls_context(const struct clo_tls_identity *identity, struct ssl_ctx_st **out,
                                  struct clo_error *err);

/* The subject of the client's certificate, in one line (RFC 2253), to be freed; NULL where it has shown none. False: one that
 * we cannot read. */
CLO_MUST_USE bool clo_tls_subject(const struct ssl_st *tls, char **out);

/* Sees that `path` holds a self-signed certificate of the key for the address that is listened at ("ADDRESS:PORT"; of a
 * wildcard those of this machine) and `names`: one that fits already stays, so that it can be pinned. */
CLO_MUST_USE bool clo_tls_certificate_keep(const char *path, const struct clo_private_key *key,
                                           const char *listen, const struct clo_list *names,
                                           int64_t now, struct clo_error *err);
/* "IP:127.0.0.1,DNS:localhost": appended. CLO_ERR_USAGE for what is neither a name nor an address. */
CLO_MUST_USE bool clo_tls_names(const char *listen, const struct clo_list *names,
                                struct clo_buffer *out, struct clo_error *err);

#endif
