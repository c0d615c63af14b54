/* OpenSSL's objects inside our keys and certificates, for TLS (net/, verifier/), PKCS #7 (lib/efi), JWE
 * (lib/jose) and keys that a provider keeps (device/). Made when first asked for; NULL: out of memory, or
 * OpenSSL reads more strictly than we do. Borrowed. */
#ifndef CLOISTER_LIB_OPENSSL_H
#define CLOISTER_LIB_OPENSSL_H

#include "cloister/crypto.h"

struct evp_pkey_st;
struct x509_st;

/* Takes the reference over, on failure too: for keys that a provider keeps (device/keystore.h). */
CLO_MUST_USE bool clo_private_key_from_evp(struct evp_pkey_st *evp, struct clo_private_key **out,
                                           struct clo_error *err);
/* What is given where OpenSSL wants a passphrase or a PIN; nothing: it gets none, and no terminal is asked. */
struct clo_passphrase {
    struct clo_bytes bytes;
    bool was_wanted;
};
int clo_passphrase_give(char *buffer, int size, int is_writing,
                        void *context); /* pem_password_cb */
struct evp_pkey_st *clo_private_key_evp(const struct clo_private_key *key);
struct evp_pkey_st *clo_public_key_evp(const struct clo_public_key *key);
struct x509_st *clo_certificate_x509(const struct clo_certificate *certificate);

#endif
