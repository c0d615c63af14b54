/* DER elements walked one behind the other, and what signatures and certificates have where. */
#ifndef CLOISTER_LIB_PE_DER_H
#define CLOISTER_LIB_PE_DER_H

#include "cloister/crypto.h"
#include "lib/base/der.h"

struct der {
    uint8_t tag;
    struct clo_bytes whole; /* with tag and length */
    struct clo_bytes content;
};

/* The next element of `*left`, which moves behind it; false, with `*left` as it was, if there is none. */
bool der_next(struct clo_bytes *left, struct der *out);
/* The same, if it has this tag. */
bool der_expect(struct clo_bytes *left, uint8_t tag, struct der *out);

/* The hash of an AlgorithmIdentifier's OID, and back; NONE and empty for others. */
enum clo_hash der_hash(struct clo_bytes oid);
struct clo_bytes der_hash_oid(enum clo_hash hash);
/* AlgorithmIdentifier { hash, NULL }. */
void der_put_hash(struct clo_buffer *out, enum clo_hash hash);

/* What an X.509 certificate (RFC 5280, section 4.1) has where. */
struct der_certificate {
    struct clo_bytes tbs; /* the TBSCertificate, whole: what its issuer signed */
    struct clo_bytes serial;
    struct clo_bytes issuer; /* Name, whole */
    struct clo_bytes subject;
    enum clo_signature_scheme scheme; /* of its own signature */
    enum clo_hash hash;               /* NONE: an algorithm that we do not know */
};
bool der_certificate(struct clo_bytes der, struct der_certificate *out);

#endif
