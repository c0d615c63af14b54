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
    const char *
            client_crl_file; /* what those CAs have revoked: a current list of each; NULL: nothing is looked up */
};
/* For SSL_CTX_free(). A certificate of another key is CLO_ERR_USAGE. */
CLO_MUST_USE bool clo_tls_context(const struct clo_tls_identity *identity, struct ssl_ctx_st **out,
                                  struct clo_error *err);

/* A certificate that a client has shown in the handshake, which TLS has verified then. */
struct clo_tls_shown {
    char *subject;     /* in one line (RFC 2253), to be freed; NULL: none was shown */
    int64_t ends;      /* Unix time: the first end in its chain */
    int64_t since;     /* of the handshake, in ms that do not jump */
    unsigned readings; /* how often it had been read by then whose certificates are taken */
};
/* False: one that we cannot read. `since` and `readings` are the caller's. */
CLO_MUST_USE bool clo_tls_shown_read(const struct ssl_st *tls, struct clo_tls_shown *out);
/* Does it still say who asks? Not once it is over, nor after CLO_TLS_SHOWN_MS, nor since it was read anew whose certificates
 * are taken: a connection does not outlive what let it in. */
#define CLO_TLS_SHOWN_MS 300000
bool clo_tls_shown_counts(const struct clo_tls_shown *shown, int64_t time, int64_t now,
                          unsigned readings);

/* Sees that `path` holds a self-signed certificate of the key for the address that is listened at ("ADDRESS:PORT"; of a
 * wildcard those of this machine) and `names`: one that fits already stays, so that it can be pinned. */
CLO_MUST_USE bool clo_tls_certificate_keep(const char *path, const struct clo_private_key *key,
                                           const char *listen, const struct clo_list *names,
                                           int64_t now, struct clo_error *err);
/* "IP:127.0.0.1,DNS:localhost": appended. CLO_ERR_USAGE for what is neither a name nor an address. */
CLO_MUST_USE bool clo_tls_names(const char *listen, const struct clo_list *names,
                                struct clo_buffer *out, struct clo_error *err);

#endif
