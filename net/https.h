/* HTTPS with a server that is known by its public key and by nothing else.
 *
 * TLS 1.3. The server's name, its certificate's dates and its signer are not looked at: what
 * counts is that the SubjectPublicKeyInfo of the presented certificate is the pinned one and that
 * the handshake was signed with it. Small on purpose (libevent and OpenSSL): the guest runs it. */
#ifndef CLOISTER_NET_HTTPS_H
#define CLOISTER_NET_HTTPS_H

#include "cloister/crypto.h"

#define CLO_HTTPS_RESPONSE_MAX ((size_t)1 << 20)

struct clo_https_peer {
    const char *url;       /* "https://HOST[:PORT][/PREFIX]"; an IPv6 address in brackets */
    struct clo_bytes spki; /* DER */
    /* What the client shows, if the server asks for it: both or neither, borrowed. */
    const struct clo_private_key *key;
    const char *certificate_file; /* PEM: its certificate, then those that it hangs on */
};

struct clo_https_request {
    const char *method;       /* "GET" or "POST" */
    const char *path;         /* "/healthz", put after the URL's prefix */
    const char *content_type; /* of the body; NULL: none */
    const char *cookie;       /* "name=value"; NULL: none */
    const char *bearer;       /* a token for the Authorization header; NULL: none */
    struct clo_bytes body;
    unsigned timeout_ms;   /* for all of it: name, connection, handshake, answer */
    size_t response_limit; /* 0: CLO_HTTPS_RESPONSE_MAX */
};

struct clo_https_response {
    unsigned status;
    char content_type[64]; /* without parameters, lower case; empty if there was none */
    char cookie[256];      /* "name=value" of the first Set-Cookie; empty if there was none */
    struct clo_buffer body;
};

/* True when an HTTP response came back whole, whatever its status. A server that cannot be reached
 * or breaks off is CLO_ERR_UNAVAILABLE, one with another key CLO_ERR_UNVERIFIED, a wrong URL
 * CLO_ERR_USAGE. */
CLO_MUST_USE bool clo_https_request(const struct clo_https_peer *peer,
                                    const struct clo_https_request *request,
                                    struct clo_https_response *out, struct clo_error *err);
/* The same over one connection, which is kept as long as the server keeps it, and made anew then. The peer's key is
 * borrowed until it is closed. */
struct clo_https_connection;
CLO_MUST_USE bool clo_https_open(const struct clo_https_peer *peer,
                                 struct clo_https_connection **out, struct clo_error *err);
void clo_https_close(struct clo_https_connection *connection);
void clo_https_closep(struct clo_https_connection **connection);
CLO_MUST_USE bool clo_https_ask(struct clo_https_connection *connection,
                                const struct clo_https_request *request,
                                struct clo_https_response *out, struct clo_error *err);
void clo_https_response_free(struct clo_https_response *response); /* for CLO_CLEANUP */

/* The parts of a URL as accepted above. */
struct clo_https_url {
    char host[256]; /* without brackets */
    uint16_t port;
    char prefix[256]; /* "" or "/path" without a slash at the end */
    bool is_ipv6;
};
CLO_MUST_USE bool clo_https_url_parse(const char *text, struct clo_https_url *out,
                                      struct clo_error *err);

#endif
