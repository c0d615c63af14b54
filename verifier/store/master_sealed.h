/* A master key that is written down only sealed to a key in a token or a TPM, which has to be there whenever the store is opened:
 *
 *   {"cloister_master_key": 1, "provider": "pkcs11", "key": "pkcs11:token=broker;object=master", "sealed": {JWE}}
 *
 * "provider" is one of OpenSSL's, and may be missing. The file is its owner's alone, as one with the key itself is: it says which
 * library is loaded. */
#ifndef CLOISTER_VERIFIER_MASTER_SEALED_H
#define CLOISTER_VERIFIER_MASTER_SEALED_H

#include "cloister/json.h"

struct clo_master_sealed {
    json_t *json;         /* what the following are of */
    const char *provider; /* NULL: none but OpenSSL's own */
    const char *key;      /* a URI */
    const json_t *message;
};
CLO_MUST_USE bool clo_master_sealed_parse(struct clo_bytes text, struct clo_master_sealed *out,
                                          struct clo_error *err);
void clo_master_sealed_free(struct clo_master_sealed *sealed); /* for CLO_CLEANUP */
CLO_MUST_USE bool clo_master_sealed_open(struct clo_bytes text, struct clo_secret **out,
                                         struct clo_error *err);
/* Of a key that is there: what was sealed to it is opened once, so that nothing is sealed under what cannot be had back. */
CLO_MUST_USE bool clo_master_sealed_make(const char *key, const char *provider,
                                         struct clo_bytes master, struct clo_buffer *out,
                                         struct clo_error *err);

#endif
