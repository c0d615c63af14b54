/* Authenticode for EFI images (Microsoft, Windows Authenticode Portable Executable Signature Format,
 * version 1.0; UEFI 2.10 sections 32.2 to 32.6): the digest that PCR 4, db and dbx speak of, signatures
 * over it, and what a firmware's db and dbx make of them. */
#ifndef CLOISTER_AUTHENTICODE_H
#define CLOISTER_AUTHENTICODE_H

#include "cloister/crypto.h"
#include "cloister/pe.h"

CLO_BEGIN_C

/* --- The digest --- */

/* The digest of the file as it is, as firmware (edk2's HashPeImage) and shim take it: everything but
 * CheckSum, the certificate table and its directory entry, and what gaps hide. */
CLO_API CLO_MUST_USE bool clo_authenticode_digest(const struct clo_pe *pe, enum clo_hash hash,
                                                  struct clo_digest *out, struct clo_error *err);
/* What a signature will cover: the file is padded with zeros to a multiple of 8 before a certificate
 * table is attached. The same of a file that needs none. A gap between sections is CLO_ERR_FORMAT. */
CLO_API CLO_MUST_USE bool clo_authenticode_digest_to_sign(const struct clo_pe *pe,
                                                          enum clo_hash hash,
                                                          struct clo_digest *out,
                                                          struct clo_error *err);

/* The ranges of the file that a digest is over, in order; then `padding` zeros. For files that are not
 * in memory. The format counts bytes, not offsets: after the sections comes what lies after the sum of
 * all sizes, so that with a gap between sections, something is hashed twice, and the gap never. */
struct clo_authenticode_ranges {
    struct {
        uint64_t offset, size;
    } items[CLO_PE_SECTIONS_MAX + 4];
    size_t count;
    size_t padding;
};
CLO_API void clo_authenticode_ranges(const struct clo_pe *pe, struct clo_authenticode_ranges *out);
CLO_API CLO_MUST_USE bool clo_authenticode_ranges_to_sign(const struct clo_pe *pe,
                                                          struct clo_authenticode_ranges *out,
                                                          struct clo_error *err);

/* --- Signing --- */

/* What the key signs: DER of the signed attributes, which name the image's digest and no time, so that
 * the same inputs give the same signature (RSA; ECDSA draws a fresh nonce). The signature is over its
 * hash (`digest->hash`): PKCS #1 v1.5 for RSA keys, DER for EC. */
CLO_API CLO_MUST_USE bool clo_authenticode_tbs(const struct clo_digest *digest,
                                               struct clo_buffer *out, struct clo_error *err);
/* Appends the PKCS #7 SignedData made of such a signature and the certificate of its key. The signature
 * is checked: a wrong one is CLO_ERR_REFUSED. */
CLO_API CLO_MUST_USE bool clo_authenticode_pkcs7(const struct clo_digest *digest,
                                                 const struct clo_certificate *certificate,
                                                 struct clo_bytes signature, struct clo_buffer *out,
                                                 struct clo_error *err);
/* Both at once. */
CLO_API CLO_MUST_USE bool clo_authenticode_make(const struct clo_digest *digest,
                                                const struct clo_private_key *key,
                                                const struct clo_certificate *certificate,
                                                struct clo_buffer *out, struct clo_error *err);
/* Appends a WIN_CERTIFICATE of it, padded to 8, to a certificate table. */
CLO_API void clo_authenticode_entry(struct clo_bytes pkcs7, struct clo_buffer *table);

/* Signs in place: the image is padded to 8, its CheckSum renewed, and one certificate table attached,
 * holding one signature. Earlier ones are dropped. A failure leaves it as it was. */
CLO_API CLO_MUST_USE bool clo_authenticode_sign(struct clo_buffer *image,
                                                const struct clo_private_key *key,
                                                const struct clo_certificate *certificate,
                                                enum clo_hash hash, struct clo_error *err);

/* --- Reading signatures --- */

#define CLO_AUTHENTICODE_CERTIFICATES_MAX 16

/* A signature as it says of itself: nothing is verified. Views into the table. */
struct clo_authenticode_signature {
    size_t offset; /* in the certificate table */
    size_t size;
    struct clo_digest digest;           /* the image digest that it speaks of */
    enum clo_hash hash;                 /* of content and attributes */
    struct clo_bytes content;           /* of the SpcIndirectDataContent */
    struct clo_bytes signed_attributes; /* contents of their SET */
    struct clo_bytes signature;
    struct clo_bytes issuer, serial; /* whose key: Name, whole; INTEGER, contents */
    struct clo_bytes certificates[CLO_AUTHENTICODE_CERTIFICATES_MAX]; /* that came along, DER */
    size_t certificate_count;
    bool has_timestamp; /* RFC 3161 or PKCS #9 countersignature, not looked into */
};

/* Walks the signatures of a certificate table. An entry that is malformed (CLO_ERR_FORMAT, naming the
 * offset) or of another kind (CLO_ERR_UNSUPPORTED) is a failed step: the next one is of the entry after it. */
struct clo_authenticode_walk {
    struct clo_reader r;
    size_t count;
};
CLO_API struct clo_authenticode_walk clo_authenticode_walk(struct clo_bytes table);
CLO_API CLO_MUST_USE enum clo_next clo_authenticode_next(struct clo_authenticode_walk *walk,
                                                         struct clo_authenticode_signature *out,
                                                         struct clo_error *err);
/* The certificate in it that its own names as the signer's; false if it did not come along. */
CLO_API bool clo_authenticode_signer(const struct clo_authenticode_signature *signature,
                                     struct clo_bytes *der);
/* Is it made with the key of this certificate, or of one that this certificate issued (the others that
 * came along make the chain), over the digest that it names? Dates are not looked at, as firmware does.
 * CLO_ERR_REFUSED if not. Compare `digest` with the image's own. */
CLO_API CLO_MUST_USE bool
clo_authenticode_signature_verify(const struct clo_authenticode_signature *signature,
                                  const struct clo_certificate *anchor, struct clo_error *err);

/* --- Verifying an image in memory --- */

/* Does one of the file's signatures lead to this certificate, over this file? Names the hash that was
 * signed. CLO_ERR_REFUSED if not. */
CLO_API CLO_MUST_USE bool clo_authenticode_verify(const struct clo_pe *pe,
                                                  const struct clo_certificate *certificate,
                                                  enum clo_hash *hash, struct clo_error *err);
/* The certificates that come inside the signatures, for people: DER of the n-th; false at the end. */
CLO_API bool clo_authenticode_certificate(const struct clo_pe *pe, size_t index,
                                          struct clo_buffer *der);

/* --- db and dbx --- */

/* What is known of an image: its digests by hash (those that are absent have .hash NONE, and entries of
 * that kind then cannot be decided) and its certificate table. */
struct clo_authenticode_image {
    struct clo_digest digests[CLO_HASH_COUNT];
    struct clo_bytes certificates;
};
/* Bit (1 << hash): digests that the signatures, db and dbx speak of. */
CLO_API unsigned clo_authenticode_hashes(struct clo_bytes certificates, struct clo_bytes db,
                                         struct clo_bytes dbx);

struct clo_authenticode_verdict {
    bool is_allowed;
    const char *list; /* "db" or "dbx": where the entry is; NULL: no entry decided */
    size_t entry;     /* its index, counted over all lists */
    char text[400];   /* for people: which entry, and why */
};

/* As UEFI 2.10 section 32.5.3.3: forbidden by a hash or a certificate in dbx, else allowed by one in db.
 * A certificate that dbx revokes as of a time counts as revoked: timestamps are not believed. False only
 * for malformed lists. */
CLO_API CLO_MUST_USE bool clo_authenticode_appraise(const struct clo_authenticode_image *image,
                                                    struct clo_bytes db, struct clo_bytes dbx,
                                                    struct clo_authenticode_verdict *out,
                                                    struct clo_error *err);

CLO_END_C

#endif
