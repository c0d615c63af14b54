/* The ID block of an SEV-SNP guest and what authenticates it: what the guest's owner signed of the
 * launch, so that the processor refuses to start anything else. (AMD 56860, SEV Secure Nested Paging
 * Firmware ABI 1.58, section 8.18, tables 73 to 75; chapter 10 for keys and signatures.)
 *
 * A parsed block proves nothing. clo_snp_id_block_verify() shows that the keys in the
 * authentication structure signed it; whose keys these are is told by their digests, which stand in
 * the attestation report. */
#ifndef CLOISTER_ID_BLOCK_H
#define CLOISTER_ID_BLOCK_H

#include "cloister/crypto.h"

CLO_BEGIN_C

#define CLO_SNP_ID_BLOCK_SIZE     96
#define CLO_SNP_ID_AUTH_SIZE      4096
#define CLO_SNP_ID_KEY_SIZE       1028
#define CLO_SNP_ID_SIGNATURE_SIZE 512
#define CLO_SNP_ID_POLICY         0x30000 /* what others sign by default: SMT allowed */

struct clo_snp_id_block {
    uint8_t launch_digest[48];
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t version; /* 1 */
    uint32_t guest_svn;
    uint64_t policy;
};

CLO_API void clo_snp_id_block_write(const struct clo_snp_id_block *block, struct clo_buffer *out);
/* Exactly 96 bytes; another version than 1 is CLO_ERR_UNSUPPORTED. */
CLO_API CLO_MUST_USE bool clo_snp_id_block_parse(struct clo_bytes in, struct clo_snp_id_block *out,
                                                 struct clo_error *err);

/* Views into the 4096 bytes. */
struct clo_snp_id_auth {
    struct clo_bytes id_block_signature;
    struct clo_bytes id_key;
    bool has_author_key;
    struct clo_bytes id_key_signature; /* by the author key */
    struct clo_bytes author_key;
};

/* Exactly 4096 bytes. Reserved bytes that are not zero, and algorithms other than ECDSA P-384 with
 * SHA-384, are refused. An author key whose bytes are all zero is none. */
CLO_API CLO_MUST_USE bool clo_snp_id_auth_parse(struct clo_bytes in, struct clo_snp_id_auth *out,
                                                struct clo_error *err);
/* Signs the block with the ID key, and the ID key with the author key (NULL: none). Both P-384. */
CLO_API CLO_MUST_USE bool clo_snp_id_auth_make(const struct clo_snp_id_block *block,
                                               const struct clo_private_key *id_key,
                                               const struct clo_private_key *author_key,
                                               struct clo_buffer *out, struct clo_error *err);

/* A P-384 key as the firmware takes it: 1028 bytes. */
CLO_API CLO_MUST_USE bool clo_snp_id_key_write(const struct clo_public_key *key,
                                               struct clo_buffer *out, struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_snp_id_key_parse(struct clo_bytes in, struct clo_public_key **out,
                                               struct clo_error *err);
/* SHA-384 of the 1028 bytes: ID_KEY_DIGEST and AUTHOR_KEY_DIGEST of the attestation report. */
CLO_API CLO_MUST_USE bool clo_snp_id_key_digest(const struct clo_public_key *key,
                                                struct clo_digest *out, struct clo_error *err);
/* r and s, little endian in 72 bytes each, the rest zero: reports and ID blocks are signed so. To
 * r || s, big endian in 48 bytes each; false if bytes that must be zero are not. */
CLO_API CLO_MUST_USE bool clo_snp_signature_numbers(struct clo_bytes field, uint8_t out[96]);

/* Did the ID key sign the block, and (if there is one) the author key the ID key?
 * CLO_ERR_REFUSED if not. */
CLO_API CLO_MUST_USE bool clo_snp_id_block_verify(const struct clo_snp_id_block *block,
                                                  const struct clo_snp_id_auth *auth,
                                                  struct clo_error *err);

CLO_END_C

#endif
