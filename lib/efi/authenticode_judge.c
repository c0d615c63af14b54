#include "lib/efi/authenticode_judge.h"

static bool pe_digests(const void *context, unsigned hashes,
                       struct clo_digest digests[CLO_HASH_COUNT], struct clo_error *err)
{
    const struct clo_pe *pe = context;

    for (unsigned hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++)
        if ((hashes >> hash & 1) != 0 &&
            !clo_authenticode_digest(pe, (enum clo_hash)hash, &digests[hash], err))
            return false;
    return true;
}

struct clo_authenticode_subject clo_authenticode_subject(const struct clo_pe *pe)
{
    return (struct clo_authenticode_subject){ .certificates = pe->certificates,
                                              .digests = pe_digests,
                                              .context = pe };
}

bool clo_authenticode_judge(const struct clo_authenticode_subject *subject, struct clo_bytes db,
                            struct clo_bytes dbx, struct clo_authenticode_verdict *out,
                            struct clo_error *err)
{
    struct clo_authenticode_image image = { .certificates = subject->certificates };
    unsigned hashes = clo_authenticode_hashes(subject->certificates, db, dbx);

    return subject->digests(subject->context, hashes, image.digests, err) &&
           clo_authenticode_appraise(&image, db, dbx, out, err);
}

bool clo_authenticode_lead(const struct clo_authenticode_subject *subject,
                           const struct clo_certificate *certificate,
                           struct clo_authenticode_lead *out, struct clo_error *err)
{
    struct clo_authenticode_lead lead = { .hash = CLO_HASH_NONE };
    struct clo_authenticode_signature signature;
    struct clo_authenticode_walk walk = clo_authenticode_walk(subject->certificates);
    struct clo_error ignored;
    enum clo_next next;

    while (lead.hash == CLO_HASH_NONE &&
           (next = clo_authenticode_next(&walk, &signature, &ignored)) != CLO_NEXT_END) {
        struct clo_digest digests[CLO_HASH_COUNT] = { 0 };
        if (next == CLO_NEXT_FAILED)
            continue;
        lead.signatures++;
        enum clo_hash hash = signature.digest.hash;
        if (!subject->digests(subject->context, 1U << hash, digests, err))
            return false;
        if (clo_digest_equal(&digests[hash], &signature.digest) &&
            clo_authenticode_signature_verify(&signature, certificate, &ignored))
            lead.hash = hash;
    }
    *out = lead;
    return true;
}

bool clo_authenticode_verify(const struct clo_pe *pe, const struct clo_certificate *certificate,
                             enum clo_hash *hash, struct clo_error *err)
{
    const struct clo_authenticode_subject subject = clo_authenticode_subject(pe);
    struct clo_authenticode_lead lead;

    if (!clo_authenticode_lead(&subject, certificate, &lead, err))
        return false;
    if (lead.hash == CLO_HASH_NONE && lead.signatures == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the image is not signed");
    if (lead.hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "no signature over this image by \"%.100s\" (%zu signatures)",
                        clo_certificate_subject(certificate), lead.signatures);
    *hash = lead.hash;
    return true;
}
