/* Images judged by db, dbx and certificates, wherever their bytes are: the digests that the lists and the signatures
 * speak of are asked for. */
#ifndef CLOISTER_LIB_AUTHENTICODE_JUDGE_H
#define CLOISTER_LIB_AUTHENTICODE_JUDGE_H

#include "cloister/authenticode.h"

/* Fills in the digests of these hashes, bits (1 << hash). */
typedef bool clo_authenticode_digests(const void *context, unsigned hashes,
                                      struct clo_digest digests[CLO_HASH_COUNT],
                                      struct clo_error *err);
struct clo_authenticode_subject {
    struct clo_bytes certificates; /* the image's certificate table */
    clo_authenticode_digests *digests;
    const void *context;
};
/* An image in memory. */
struct clo_authenticode_subject clo_authenticode_subject(const struct clo_pe *pe);

/* clo_authenticode_appraise() with the digests that it needs. */
CLO_MUST_USE bool clo_authenticode_judge(const struct clo_authenticode_subject *subject,
                                         struct clo_bytes db, struct clo_bytes dbx,
                                         struct clo_authenticode_verdict *out,
                                         struct clo_error *err);

struct clo_authenticode_lead {
    enum clo_hash
            hash; /* of the first signature over this image that leads to the certificate; NONE: none does */
    size_t signatures; /* looked at: those that can be read */
};
CLO_MUST_USE bool clo_authenticode_lead(const struct clo_authenticode_subject *subject,
                                        const struct clo_certificate *certificate,
                                        struct clo_authenticode_lead *out, struct clo_error *err);

#endif
