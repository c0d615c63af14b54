#include "image/uki/offline.h"

#include <string.h>

#include "device/key_file.h"

#define SIGNATURE_LIMIT ((size_t)64 << 10)

bool uki_offline_check(const struct uki_offline *offline, const struct uki_signing *signing,
                       struct clo_error *err)
{
    if (offline->tbs != NULL && offline->attached != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--write-tbs and --attach: one of them");
    if ((offline->tbs != NULL || offline->attached != NULL) && signing->keys.count > 0)
        return clo_fail(err, CLO_ERR_USAGE, "--key, --write-tbs and --attach: one of them");
    if (signing->hashes.count > 1)
        return clo_fail(err, CLO_ERR_USAGE, "--hash: expected one");
    return signing->hashes.count == 0 ||
           clo_hash_from_name(signing->hashes.items[0]) >= CLO_HASH_SHA256 ||
           clo_fail(err, CLO_ERR_USAGE, "--hash %s: expected sha256, sha384 or sha512",
                    signing->hashes.items[0]);
}

/* The image without its certificate table. */
static bool body_of(const struct uki_image *image, struct clo_buffer *head, struct clo_pieces *out,
                    struct clo_error *err)
{
    const struct clo_pe *pe = &image->uki.pe;

    clo_buffer_append(head, clo_bytes_slice(pe->file, 0, pe->certificate_entry_offset + 8));
    if (!clo_buffer_ok(head))
        return clo_out_of_memory(err);
    memset(head->data + pe->checksum_offset, 0, 4);
    memset(head->data + pe->certificate_entry_offset, 0, 8);
    clo_pieces_bytes(out, clo_buffer_bytes(head));
    clo_pieces_source(out, (void *)(uintptr_t)&image->file, head->size,
                      pe->file_size - pe->certificate_size - head->size);
    return !out->failed || clo_out_of_memory(err);
}

/* The signed digest of one hash. */
static bool digest_of(const struct uki_image *image, enum clo_hash hash, struct clo_digest *out,
                      struct clo_error *err)
{
    struct clo_digest digests[CLO_HASH_COUNT];

    if (!uki_image_digests_to_sign(image, 1U << hash, digests, err))
        return false;
    *out = digests[hash];
    return true;
}

bool uki_write_tbs(const struct uki_image *image, const struct uki_signing *signing,
                   const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tbs = { 0 };
    struct clo_digest digest;

    return digest_of(image, uki_signing_hash(signing, 0), &digest, err) &&
           clo_authenticode_tbs(&digest, &tbs, err) &&
           clo_file_write(path, clo_buffer_bytes(&tbs), 0644, err);
}

/* A whole PKCS #7, over this image; else false. */
static bool is_signature_of(struct clo_bytes bytes, const struct uki_image *image)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_authenticode_signature signature;
    struct clo_digest digest;
    struct clo_error ignored;

    clo_authenticode_entry(bytes, &table);
    struct clo_authenticode_walk walk = clo_authenticode_walk(clo_buffer_bytes(&table));
    return clo_buffer_ok(&table) &&
           clo_authenticode_next(&walk, &signature, &ignored) == CLO_NEXT_ITEM &&
           digest_of(image, signature.digest.hash, &digest, &ignored) &&
           clo_digest_equal(&digest, &signature.digest);
}

/* What came back: a bare signature, to be put together with the certificate, or a whole PKCS #7. */
bool uki_attached_entry(const struct uki_image *image, const struct uki_signing *signing,
                        const char *path, struct clo_buffer *table, struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
    struct clo_digest digest;

    if (!clo_file_read(path, SIGNATURE_LIMIT, &bytes, err))
        return false;
    if (is_signature_of(clo_buffer_bytes(&bytes), image)) {
        clo_authenticode_entry(clo_buffer_bytes(&bytes), table);
        return clo_buffer_ok(table) || clo_out_of_memory(err);
    }
    if (signing->certificates.count != 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "%s: is not a whole signature of this image, and without --cert it is not "
                        "known whose it is",
                        path);
    if (!clo_certificate_file(signing->certificates.items[0], &certificate, err) ||
        !digest_of(image, uki_signing_hash(signing, 0), &digest, err))
        return false;
    if (!clo_authenticode_pkcs7(&digest, certificate, clo_buffer_bytes(&bytes), &pkcs7, err))
        return clo_wrap(err, "%s", path);
    clo_authenticode_entry(clo_buffer_bytes(&pkcs7), table);
    return clo_buffer_ok(table) || clo_out_of_memory(err);
}

bool uki_sign_again(const struct uki_image *image, struct clo_bytes table,
                    const struct uki_signing *signing, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces body = { 0 };

    return body_of(image, &head, &body, err) &&
           uki_write_image(&body, &image->uki.pe, table, signing, path, err);
}
