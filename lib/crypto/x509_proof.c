#include "lib/crypto/x509_proof.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_internal.h"

struct x509_proof {
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
    size_t size;
    uint8_t spki[]; /* the key itself, not a digest of it: nothing else is equal to it */
};

bool x509_proof_has(const x509_proof_slot *slot, const struct clo_public_key *key,
                    enum clo_signature_scheme scheme, enum clo_hash hash)
{
    const struct x509_proof *proof = atomic_load(slot);

    return proof != NULL && proof->scheme == scheme && proof->hash == hash &&
           clo_bytes_equal(clo_bytes(proof->spki, proof->size), clo_buffer_bytes(&key->spki));
}

void x509_proof_add(x509_proof_slot *slot, const struct clo_public_key *key,
                    enum clo_signature_scheme scheme, enum clo_hash hash)
{
    struct x509_proof *none = NULL;
    struct x509_proof *made = NULL;

    if (atomic_load(slot) == NULL)
        made = malloc(sizeof *made + key->spki.size);
    if (made == NULL)
        return;
    *made = (struct x509_proof){ .scheme = scheme, .hash = hash, .size = key->spki.size };
    memcpy(made->spki, key->spki.data, key->spki.size);
    if (!atomic_compare_exchange_strong(slot, &none, made))
        free(made); /* another thread was first */
}

void x509_proof_free(x509_proof_slot *slot)
{
    free(atomic_exchange(slot, NULL));
}
