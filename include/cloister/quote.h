/* TPM quotes (TPM 2.0 Library, part 2): TPMS_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC.
 *
 * A verified quote says: a TPM holding this key signed these PCR values over this qualifying data.
 * Whether the key is a TPM's at all, and whose, is for the caller to know. */
#ifndef CLOISTER_QUOTE_H
#define CLOISTER_QUOTE_H

#include "cloister/crypto.h"
#include "cloister/pcr.h"

CLO_BEGIN_C

#define CLO_QUOTE_SELECTIONS_MAX 8

struct clo_quote {
    struct clo_bytes attest; /* the bytes as they came: what is signed */
    struct clo_bytes qualified_signer;
    struct clo_bytes qualifying_data; /* extraData */
    uint64_t clock;                   /* milliseconds */
    uint32_t reset_count;
    uint32_t restart_count;
    bool is_safe; /* the clock has not gone back */
    uint64_t firmware_version;
    struct {
        enum clo_hash hash; /* NONE: one we do not know */
        uint32_t mask;      /* bit n: PCR n is quoted */
    } selections[CLO_QUOTE_SELECTIONS_MAX];
    size_t selection_count;
    struct clo_bytes pcr_digest;
};

/* Views into `attest`. Anything but a TPM-generated quote is refused, as are trailing bytes. */
CLO_API CLO_MUST_USE bool clo_quote_parse(struct clo_bytes attest, struct clo_quote *out,
                                          struct clo_error *err);

struct clo_quote_signature {
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
    uint8_t bytes[1024]; /* RSA: as it is; ECDSA: r || s of the curve's size */
    size_t size;
};
/* TPMT_SIGNATURE: RSASSA, RSAPSS, ECDSA. */
CLO_API CLO_MUST_USE bool clo_quote_signature_parse(struct clo_bytes in,
                                                    struct clo_quote_signature *out,
                                                    struct clo_error *err);

/* TPMT_PUBLIC or TPM2B_PUBLIC of an RSA or ECC key. `is_restricted`: a signing key that signs only
 * what the TPM made itself, which is what an attestation key must be. */
CLO_API CLO_MUST_USE bool clo_tpm_public_parse(struct clo_bytes in, struct clo_public_key **out,
                                               bool *is_restricted, struct clo_error *err);

struct clo_quote_verified {
    struct clo_quote quote;
    enum clo_hash hash; /* of the signature, and so of the PCR digest */
};
/* Parses and verifies. SHA-1 signatures are refused unless asked for. */
CLO_API CLO_MUST_USE bool clo_quote_verify(struct clo_bytes attest, struct clo_bytes signature,
                                           const struct clo_public_key *ak, bool accept_sha1,
                                           struct clo_quote_verified *out, struct clo_error *err);
/* Is the quoted digest the hash of these values, and is nothing but this bank's `mask` quoted? */
CLO_API CLO_MUST_USE bool clo_quote_covers(const struct clo_quote_verified *quote,
                                           const struct clo_pcr_bank *bank, uint32_t mask,
                                           struct clo_error *err);

CLO_END_C

#endif
