/* What is remembered of a certificate or a revocation list that is used again: that its signature holds under a key. That stays
 * true; dates, and what was revoked, are looked at each time. */
#ifndef CLOISTER_LIB_CRYPTO_X509_PROOF_H
#define CLOISTER_LIB_CRYPTO_X509_PROOF_H

#include <stdatomic.h>

#include "cloister/crypto.h"

struct x509_proof;
/* Of the first key under which it held; NULL: of none yet. */
typedef _Atomic(struct x509_proof *) x509_proof_slot;

/* Did it hold under exactly this key, by this algorithm? */
bool x509_proof_has(const x509_proof_slot *slot, const struct clo_public_key *key,
                    enum clo_signature_scheme scheme, enum clo_hash hash);
/* It holds. Without memory it is not remembered. */
void x509_proof_add(x509_proof_slot *slot, const struct clo_public_key *key,
                    enum clo_signature_scheme scheme, enum clo_hash hash);
void x509_proof_free(x509_proof_slot *slot);

#endif
