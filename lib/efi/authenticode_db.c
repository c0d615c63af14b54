/* What a firmware's db and dbx make of an image (UEFI 2.10, sections 32.4.1 and 32.5.3.3). */
#include <stdio.h>
#include <string.h>

#include "cloister/signature_list.h"
#include "lib/efi/authenticode_internal.h"

#define TIME_SIZE 16 /* EFI_TIME, after the digest of an X509 hash entry */

/* What an entry is of: the hash of images, a certificate, or the hash of a TBSCertificate. */
struct kind {
    const char *guid;
    const char *name;
    enum clo_hash hash;
    bool is_certificate;
};

static const struct kind *kind_of(const struct clo_signature_entry *entry)
{
    static const struct kind kinds[] = {
        { "a5c059a1-94e4-4aa7-87b5-ab155c2bf072", "X.509", CLO_HASH_NONE, true },
        { "c1c41626-504c-4092-aca9-41f936934328", "SHA-256", CLO_HASH_SHA256, false },
        { "ff3e5307-9fd0-48c9-85f1-8ad56c701e01", "SHA-384", CLO_HASH_SHA384, false },
        { "093e0fae-a6c4-4f50-9f1b-d41e2b89c19a", "SHA-512", CLO_HASH_SHA512, false },
        { "3bd2a492-96c0-4079-b420-fcf98ef103ed", "X.509 SHA-256", CLO_HASH_SHA256, true },
        { "7076876e-80c2-4ee6-aad2-28b349a6865b", "X.509 SHA-384", CLO_HASH_SHA384, true },
        { "446dbf63-2502-4cda-bcfa-2465d2b0fe9d", "X.509 SHA-512", CLO_HASH_SHA512, true },
    };
    char text[CLO_GUID_TEXT];

    clo_guid_text(&entry->type, text);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (strcmp(kinds[i].guid, text) == 0)
            return &kinds[i];
    return NULL;
}

static unsigned hashes_of(struct clo_bytes lists)
{
    struct clo_signature_entry entry;
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_error ignored;
    unsigned hashes = 0;

    while (clo_signature_next(&walk, &entry, &ignored) == CLO_NEXT_ITEM) {
        const struct kind *kind = kind_of(&entry);
        if (kind != NULL && !kind->is_certificate)
            hashes |= 1U << kind->hash;
    }
    return hashes;
}

unsigned clo_authenticode_hashes(struct clo_bytes certificates, struct clo_bytes db,
                                 struct clo_bytes dbx)
{
    struct clo_authenticode_walk walk = clo_authenticode_walk(certificates);
    struct clo_authenticode_signature signature;
    struct clo_error ignored;
    unsigned hashes = hashes_of(db) | hashes_of(dbx);
    enum clo_next next;

    while ((next = clo_authenticode_next(&walk, &signature, &ignored)) != CLO_NEXT_END)
        if (next == CLO_NEXT_ITEM)
            hashes |= 1U << signature.digest.hash;
    return hashes;
}

/* --- One entry --- */

/* One of the signatures over this image, numbered for people from 1. */
struct candidate {
    const struct clo_authenticode_image *image;
    struct clo_authenticode_walk walk;
    struct clo_authenticode_signature signature;
    size_t number;
};

static void describe(const char *list, size_t index, const struct clo_signature_entry *entry,
                     const char *what, const char *why, struct clo_authenticode_verdict *out)
{
    char owner[CLO_GUID_TEXT];

    out->list = list;
    out->entry = index;
    snprintf(out->text, sizeof out->text, "%s entry %zu (%.160s, owner %s) %s", list, index, what,
             clo_guid_text(&entry->owner, owner), why);
    clo_sanitize(out->text);
}

static bool is_image_hash(const struct clo_authenticode_image *image, const struct kind *kind,
                          const struct clo_signature_entry *entry)
{
    const struct clo_digest *digest = &image->digests[kind->hash];

    return digest->hash == kind->hash && clo_bytes_equal(entry->data, clo_digest_bytes(digest));
}

static bool is_tbs_hash(struct clo_bytes certificate, const struct kind *kind,
                        const struct clo_signature_entry *entry)
{
    struct pkcs7_certificate parts;
    struct clo_digest digest;

    if (!pkcs7_certificate(certificate, &parts))
        return false;
    clo_hash(kind->hash, parts.tbs, &digest);
    return clo_bytes_equal(clo_bytes_slice(entry->data, 0, clo_hash_size(kind->hash)),
                           clo_digest_bytes(&digest));
}

static bool revokes(const struct clo_authenticode_signature *signature, const struct kind *kind,
                    const struct clo_signature_entry *entry)
{
    for (size_t i = 0; i < signature->certificate_count; i++)
        if (is_tbs_hash(signature->certificates[i], kind, entry))
            return true;
    return false;
}

static bool leads_to_entry(const struct clo_authenticode_signature *signature,
                           const struct clo_signature_entry *entry, char *subject, size_t size)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *anchor = NULL;
    struct clo_error ignored;

    if (!clo_certificate_parse(entry->data, &anchor, &ignored) ||
        !clo_authenticode_signature_verify(signature, anchor, &ignored))
        return false;
    snprintf(subject, size, "X.509 \"%.140s\"", clo_certificate_subject(anchor));
    return true;
}

static struct candidate candidates(const struct clo_authenticode_image *image)
{
    return (struct candidate){ .image = image, .walk = clo_authenticode_walk(image->certificates) };
}

/* The next signature that speaks of this very image; false: there is none left. */
static bool candidate_next(struct candidate *c)
{
    struct clo_error ignored;
    enum clo_next next;

    while ((next = clo_authenticode_next(&c->walk, &c->signature, &ignored)) != CLO_NEXT_END) {
        c->number = c->walk.count;
        if (next == CLO_NEXT_ITEM &&
            clo_digest_equal(&c->image->digests[c->signature.digest.hash], &c->signature.digest))
            return true;
    }
    return false;
}

/* --- dbx --- */

static bool forbids(const struct clo_authenticode_image *image,
                    const struct clo_signature_entry *entry, size_t index,
                    struct clo_authenticode_verdict *out)
{
    const struct kind *kind = kind_of(entry);
    struct candidate candidate = candidates(image);
    char subject[200];
    char why[160];

    if (kind == NULL)
        return false;
    if (!kind->is_certificate) {
        if (!is_image_hash(image, kind, entry))
            return false;
        describe("dbx", index, entry, kind->name, "forbids it: the digest of this image", out);
        return true;
    }
    while (candidate_next(&candidate)) {
        if (kind->hash == CLO_HASH_NONE) {
            if (!leads_to_entry(&candidate.signature, entry, subject, sizeof subject))
                continue;
            snprintf(why, sizeof why, "forbids it: signature %zu leads to it", candidate.number);
            describe("dbx", index, entry, subject, why, out);
            return true;
        }
        if (!revokes(&candidate.signature, kind, entry))
            continue;
        struct clo_bytes time = clo_bytes_slice(entry->data, clo_hash_size(kind->hash), TIME_SIZE);
        const uint8_t *t = time.data;
        int used =
                snprintf(why, sizeof why, "forbids it: it revokes a certificate of signature %zu",
                         candidate.number);
        if (time.size == TIME_SIZE && !clo_bytes_all(time, 0))
            snprintf(why + used, sizeof why - (size_t)used,
                     " as of %04u-%02u-%02uT%02u:%02u:%02uZ (%s)", (unsigned)t[0] | t[1] << 8, t[2],
                     t[3], t[4], t[5], t[6],
                     candidate.signature.has_timestamp ? "its timestamp is not believed"
                                                       : "it has no timestamp");
        describe("dbx", index, entry, kind->name, why, out);
        return true;
    }
    return false;
}

/* --- db --- */

/* A db certificate that dbx names by its hash allows nothing. */
static bool is_revoked(struct clo_bytes certificate, struct clo_bytes dbx)
{
    struct clo_signature_entry entry;
    struct clo_signature_walk walk = clo_signature_walk(dbx);
    struct clo_error ignored;

    while (clo_signature_next(&walk, &entry, &ignored) == CLO_NEXT_ITEM) {
        const struct kind *kind = kind_of(&entry);
        if (kind == NULL || !kind->is_certificate)
            continue;
        if (kind->hash == CLO_HASH_NONE ? clo_bytes_equal(entry.data, certificate)
                                        : is_tbs_hash(certificate, kind, &entry))
            return true;
    }
    return false;
}

static bool allows(const struct clo_authenticode_image *image,
                   const struct clo_signature_entry *entry, size_t index, struct clo_bytes dbx,
                   struct clo_authenticode_verdict *out)
{
    const struct kind *kind = kind_of(entry);
    struct candidate candidate = candidates(image);
    char subject[200];
    char why[80];

    if (kind == NULL)
        return false;
    if (!kind->is_certificate) {
        if (!is_image_hash(image, kind, entry))
            return false;
        describe("db", index, entry, kind->name, "allows it: the digest of this image", out);
        return true;
    }
    while (kind->hash == CLO_HASH_NONE && candidate_next(&candidate)) {
        if (!leads_to_entry(&candidate.signature, entry, subject, sizeof subject) ||
            is_revoked(entry->data, dbx))
            continue;
        snprintf(why, sizeof why, "allows it: signature %zu leads to it", candidate.number);
        describe("db", index, entry, subject, why, out);
        return true;
    }
    return false;
}

bool clo_authenticode_appraise(const struct clo_authenticode_image *image, struct clo_bytes db,
                               struct clo_bytes dbx, struct clo_authenticode_verdict *out,
                               struct clo_error *err)
{
    struct clo_authenticode_verdict verdict = { 0 };
    struct clo_signature_entry entry;
    unsigned needed = clo_authenticode_hashes(image->certificates, db, dbx);

    for (size_t hash = 0; hash < CLO_HASH_COUNT; hash++)
        if ((needed & 1U << hash) != 0 && image->digests[hash].hash != hash)
            return clo_fail(err, CLO_ERR_USAGE, "the image's %s digest is needed",
                            clo_hash_name((enum clo_hash)hash));
    struct clo_signature_walk walk = clo_signature_walk(dbx);
    enum clo_next next;
    for (size_t i = 0; (next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM; i++)
        if (verdict.list == NULL)
            (void)forbids(image, &entry, i, &verdict);
    if (next == CLO_NEXT_FAILED)
        return clo_wrap(err, "dbx");
    bool is_forbidden = verdict.list != NULL;
    walk = clo_signature_walk(db);
    for (size_t i = 0; (next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM; i++)
        if (verdict.list == NULL && allows(image, &entry, i, dbx, &verdict))
            verdict.is_allowed = true;
    if (next == CLO_NEXT_FAILED)
        return clo_wrap(err, "db");
    if (verdict.list == NULL)
        snprintf(verdict.text, sizeof verdict.text, "no entry of db allows it: %s",
                 image->certificates.size == 0 ? "it is not signed, and its digest is not listed"
                                               : "no signature over it leads to one");
    verdict.is_allowed = verdict.is_allowed && !is_forbidden;
    *out = verdict;
    return true;
}
