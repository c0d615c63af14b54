/* PKCS #7 SignedData (RFC 2315), as firmware reads it: in images (Authenticode) and in authenticated variables.
 * What is read is a claim; who verifies says which key it is to lead to. */
#ifndef CLOISTER_LIB_PKCS7_H
#define CLOISTER_LIB_PKCS7_H

#include "cloister/authenticode.h"

/* Contents of OIDs: pkcs7-data, pkcs7-signedData, contentType, messageDigest. */
extern const struct clo_bytes oid_data;
extern const struct clo_bytes oid_signed_data;
extern const struct clo_bytes oid_content_type;
extern const struct clo_bytes oid_message_digest;

/* Views into the bytes that were read. */
struct pkcs7 {
    struct clo_bytes content_type; /* an OID's contents */
    struct clo_bytes content;      /* contents of the [0] around it; empty: it is elsewhere */
    struct clo_bytes certificates[CLO_AUTHENTICODE_CERTIFICATES_MAX];
    size_t certificate_count;
    size_t signer_count;
    /* Of the first signer. */
    enum clo_hash hash;              /* NONE: one that firmware does not take */
    struct clo_bytes issuer, serial; /* whose key: Name, whole; INTEGER, contents */
    bool has_attributes;
    struct clo_bytes attributes; /* contents of their SET: what is signed, where they are there */
    struct clo_bytes unsigned_attributes;
    struct clo_bytes signature;
    struct clo_bytes rest; /* what follows the structure */
};

/* In a ContentInfo, or bare: both are seen. False: malformed. */
bool pkcs7_read(struct clo_bytes der, struct pkcs7 *out);
/* Do the attributes name this content type and the digest of this content, each once? */
bool pkcs7_attributes_hold(const struct pkcs7 *p7, struct clo_bytes type, struct clo_bytes content);
/* The certificate in it that the signer names; false if it did not come along. */
bool pkcs7_signer(const struct pkcs7 *p7, struct clo_bytes *der);
/* Made with this certificate's key, over the attributes or, without any, over `content`? */
bool pkcs7_made_with(const struct pkcs7 *p7, struct clo_bytes content,
                     const struct clo_certificate *certificate);
/* Does this certificate lead to the anchor: is it the anchor, or issued by it, or by others that came along and
 * lead there? Neither dates nor purposes are looked at, and the anchor need not be a root: as firmware does. */
bool pkcs7_leads_to(const struct pkcs7 *p7, struct clo_bytes der,
                    const struct clo_certificate *anchor);

/* The hash of an AlgorithmIdentifier's OID, and back; NONE and empty for others. */
enum clo_hash pkcs7_hash(struct clo_bytes oid);
struct clo_bytes pkcs7_hash_oid(enum clo_hash hash);
/* AlgorithmIdentifier { hash, NULL }. */
void pkcs7_put_hash(struct clo_buffer *out, enum clo_hash hash);

/* What an X.509 certificate (RFC 5280, section 4.1) has where, whatever its key and extensions are: dbx also revokes
 * those that we would not read. */
struct pkcs7_certificate {
    struct clo_bytes tbs; /* the TBSCertificate, whole: what its issuer signed */
    struct clo_bytes serial;
    struct clo_bytes issuer; /* Name, whole */
    struct clo_bytes subject;
    enum clo_signature_scheme scheme; /* of its own signature */
    enum clo_hash hash;               /* NONE: an algorithm that we do not know */
};
bool pkcs7_certificate(struct clo_bytes der, struct pkcs7_certificate *out);

#endif
