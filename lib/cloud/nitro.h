/* AWS Nitro attestation documents (NSM API, docs/attestation_process.md; NitroTPM-Tools): what the hypervisor says of an
 * enclave, or of an instance's NitroTPM. COSE_Sign1 by a key whose certificate is inside, and leads to AWS's root.
 *
 * A parsed document is its sender's word. What is in a clo_nitro_verified was signed by the Nitro hypervisor, as AWS's
 * root vouches for it; there is no processor's report beneath, so that AWS is believed for all of it. */
#ifndef CLOISTER_LIB_CLOUD_NITRO_H
#define CLOISTER_LIB_CLOUD_NITRO_H

#include "cloister/checks.h"
#include "cloister/crypto.h"

#define CLO_NITRO_PCRS             32
#define CLO_NITRO_CERTIFICATES_MAX 8
#define CLO_NITRO_LIMIT            65536
#define CLO_NITRO_MODULE_MAX       128

/* Views into `payload`'s tree, which clo_nitro_free() frees. */
struct clo_nitro_document {
    void *tree;
    bool is_tpm;                          /* of a NitroTPM: PCRs are a TPM's; else of an enclave */
    char module_id[CLO_NITRO_MODULE_MAX]; /* "i-…" or "i-…-enc…" */
    int64_t timestamp;                    /* Unix time */
    uint32_t pcr_mask;                    /* bit n: PCR n is there */
    struct clo_digest pcrs[CLO_NITRO_PCRS]; /* SHA-384 */
    struct clo_bytes certificate;
    struct clo_bytes issuers[CLO_NITRO_CERTIFICATES_MAX]; /* cabundle: the root first */
    size_t issuer_count;
    struct clo_bytes public_key, user_data, nonce; /* data NULL: not said */
};

CLO_MUST_USE bool clo_nitro_parse(struct clo_bytes in, struct clo_nitro_document *out,
                                  struct clo_error *err);
void clo_nitro_free(struct clo_nitro_document *document); /* for CLO_CLEANUP */
/* An enclave in debug mode: PCRs 0 to 2 are zeros, and its console is its parent's. */
bool clo_nitro_is_debug(const struct clo_nitro_document *document);

struct clo_nitro_trust {
    int64_t at;
    bool aws;                       /* AWS's root counts */
    const struct clo_digest *roots; /* and these: SHA-256 of SubjectPublicKeyInfo */
    size_t root_count;
};

struct clo_nitro_verified {
    struct clo_digest root;
    bool is_aws;
    int64_t until; /* when the first certificate of the chain runs out */
    char root_name[200];
};

/* Checks nitro.signature, nitro.chain, nitro.root, nitro.validity, nitro.timestamp. True if all hold. */
CLO_MUST_USE bool clo_nitro_verify(struct clo_bytes in, const struct clo_nitro_document *document,
                                   const struct clo_nitro_trust *trust, struct clo_checks *checks,
                                   struct clo_nitro_verified *out, struct clo_error *err);
/* What people and JSON call it; NULL: out of memory. */
json_t *clo_nitro_claims(const struct clo_nitro_document *document);

#endif
