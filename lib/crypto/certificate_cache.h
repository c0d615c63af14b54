/* Certificates and revocation lists that are read once and used by many verifications, and signatures of documents that held. What is
 * kept is found by all of its bytes, so that a changed one is another; that a signature holds is remembered with the certificate or
 * the list (x509_proof.h). Nothing is believed for being here: every chain is checked link by link, with its dates, its root and
 * what was revoked. */
#ifndef CLOISTER_LIB_CRYPTO_CERTIFICATE_CACHE_H
#define CLOISTER_LIB_CRYPTO_CERTIFICATE_CACHE_H

#include "cloister/crypto.h"

/* One more holder, who frees it as well. */
struct clo_certificate *clo_certificate_hold(const struct clo_certificate *certificate);
/* Are there several? Then it is worth it to remember what was found out. */
bool clo_certificate_is_shared(const struct clo_certificate *certificate);

/* For any number of threads. */
struct clo_certificate_cache;

/* `room` of them at most, of some 8 KiB each (lists: of up to 64 KiB): the one that was used least lately makes room. */
CLO_MUST_USE bool clo_certificate_cache_new(size_t room, struct clo_certificate_cache **out,
                                            struct clo_error *err);
void clo_certificate_cache_free(struct clo_certificate_cache *cache);
void clo_certificate_cache_freep(struct clo_certificate_cache **cache);
/* As clo_certificate_parse(): one that is kept, or read anew. `cache` NULL: read anew. */
CLO_MUST_USE bool clo_certificate_cache_read(struct clo_certificate_cache *cache,
                                             struct clo_bytes der, struct clo_certificate **out,
                                             struct clo_error *err);
/* Keeps it, unless another one does, or this cache already. Only for one of a chain that was verified up to a trusted root: what strangers make up would push out the rest. */
void clo_certificate_cache_keep(struct clo_certificate_cache *cache,
                                const struct clo_certificate *certificate);
/* The same for revocation lists. Only for one that its issuer's signature holds over, the issuer being of such a chain. */
CLO_MUST_USE bool clo_crl_cache_read(struct clo_certificate_cache *cache, struct clo_bytes der,
                                     struct clo_crl **out, struct clo_error *err);
void clo_crl_cache_keep(struct clo_certificate_cache *cache, const struct clo_crl *crl);
/* Of a signature with that key over that document, which says nothing of the document's dates. */
void clo_signed_name(const struct clo_public_key *key, struct clo_bytes document,
                     struct clo_bytes signature, struct clo_digest *out);
/* Is it known to hold? Only for signers of such a chain, too. */
bool clo_signed_cache_has(struct clo_certificate_cache *cache, const struct clo_digest *name);
void clo_signed_cache_keep(struct clo_certificate_cache *cache, const struct clo_digest *name);
/* How many it has, and how many were found in it. */
void clo_certificate_cache_counts(struct clo_certificate_cache *cache, size_t *count,
                                  uint64_t *found);

#endif
