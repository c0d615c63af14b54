/* Messages whose key is in what they sign, and those without a tag, as some formats have them. */
#ifndef CLOISTER_LIB_COSE_INTERNAL_H
#define CLOISTER_LIB_COSE_INTERNAL_H

#include "cloister/cose.h"
#include "lib/cose/item.h"

/* The payload of a COSE_Sign1, with its tag or without, appended. Nothing is verified: it says which key to ask. */
CLO_MUST_USE bool cose_payload(struct clo_bytes in, struct clo_buffer *payload,
                               struct clo_error *err);
/* As clo_cose_verify(), with the tag or without. */
CLO_MUST_USE bool cose_verify_any(struct clo_bytes in, const struct clo_public_key *key,
                                  struct clo_buffer *payload, struct clo_error *err);

/* A COSE_Sign1 whose signer is found by its own protected header (x5chain, RFC 9360). Views live as long as it does. */
struct cose_message {
    cbor_item_t *items;
    cbor_item_t *header; /* the protected one: the other is nobody's word */
    struct clo_bytes protected, payload, signature;
    int64_t algorithm;
};

/* With its tag or without. Critical headers are refused, and an algorithm outside the protected header. */
CLO_MUST_USE bool cose_message_read(struct clo_bytes in, struct cose_message *out,
                                    struct clo_error *err);
/* ECDSA with the hash of the curve; of RSA keys RSASSA-PSS (RFC 8230) with the hash that the header says. */
CLO_MUST_USE bool cose_message_verify(const struct cose_message *message,
                                      const struct clo_public_key *key, struct clo_error *err);
void cose_message_free(struct cose_message *message); /* for CLO_CLEANUP: leaves it empty */

#endif
