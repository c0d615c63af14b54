/* Certificates and revocation lists of pretend platforms, written element by element (RFC 5280, RFC 4055),
 * so that each of them can be wrong in any one way. */
#ifndef CLOISTER_SIM_X509_H
#define CLOISTER_SIM_X509_H

#include "cloister/crypto.h"

/* What the AlgorithmIdentifier says, and how it is signed. */
enum sim_signature {
    SIM_PSS_SHA384, /* as AMD's: MGF1 with SHA-384, 48 bytes of salt */
    SIM_PSS_SHA256,
    SIM_PKCS1_SHA384,
    SIM_PSS_SAYS_SALT_32,    /* says so, and is signed as the first */
    SIM_PSS_SAYS_MGF_SHA256, /* the same */
    SIM_ECDSA_SHA256,        /* as Intel's */
    SIM_ECDSA_SHA384,
};

struct sim_extension {
    const char *oid;
    struct clo_bytes value;
    bool is_critical;
};

#define SIM_EXTENSIONS_MAX 24
struct sim_certificate {
    const char *subject, *issuer; /* common names */
    int64_t not_before, not_after;
    uint8_t serial;
    int is_ca;       /* BasicConstraints: 1, 0; -1: none */
    int path_length; /* -1: none */
    int key_usage;   /* CLO_KEY_USAGE_…; -1: none */
    enum sim_signature signature;
    bool signature_is_flipped; /* one bit of it */
    struct sim_extension extensions[SIM_EXTENSIONS_MAX];
    size_t extension_count;
};
/* Appends DER. */
CLO_MUST_USE bool sim_certificate(const struct sim_certificate *spec,
                                  const struct clo_public_key *subject,
                                  const struct clo_private_key *issuer, struct clo_buffer *out,
                                  struct clo_error *err);

struct sim_crl {
    const char *issuer;
    int64_t this_update, next_update;
    int revoked; /* a serial number; -1: none */
    enum sim_signature signature;
};
CLO_MUST_USE bool sim_crl(const struct sim_crl *spec, const struct clo_private_key *issuer,
                          struct clo_buffer *out, struct clo_error *err);

/* An element of DER, and SEQUENCE { OID, value }: for extensions. */
void sim_der_element(struct clo_buffer *out, uint8_t tag, struct clo_bytes contents);
void sim_der_item(struct clo_buffer *out, const char *oid, uint8_t tag, struct clo_bytes value);

#endif
