/* Makes certificates: for Secure Boot keys, the broker's TLS, pretend platforms and tests. */
#ifndef CLOISTER_LIB_CERTIFICATE_MAKE_H
#define CLOISTER_LIB_CERTIFICATE_MAKE_H

#include "cloister/crypto.h"

struct clo_certificate_extension_spec {
    const char *oid;
    struct clo_bytes value; /* goes into the OCTET STRING as it is */
    bool critical;
};
struct clo_certificate_spec {
    const char *common_name;
    const char *organization;      /* NULL: none */
    int64_t not_before, not_after; /* Unix time */
    struct clo_bytes serial;       /* big endian */
    bool is_ca;
    const char *subject_alt_names; /* OpenSSL's form, "DNS:x,IP:127.0.0.1"; NULL: none */
    const struct clo_certificate_extension_spec *extensions;
    size_t extension_count;
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
};
/* issuer NULL: self-signed, with issuer_key the subject's own. Appends DER to `der`. */
CLO_MUST_USE bool clo_certificate_make(const struct clo_certificate_spec *spec,
                                       const struct clo_public_key *subject,
                                       const struct clo_certificate *issuer,
                                       const struct clo_private_key *issuer_key,
                                       struct clo_buffer *der, struct clo_error *err);

#endif
