/* Signatures of images, for image/uki/work.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/key_file.h"
#include "device/keystore.h"
#include "image/uki/work.h"

/* --- Keys --- */

bool uki_keys_check(const struct uki_keys *keys, struct clo_error *err)
{
    size_t count = keys->passphrases->count;

    if (count > 0 && keys->keys->count == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s: of no use without %s", keys->passphrase_option,
                        keys->option);
    return count <= 1 || count == keys->keys->count ||
           clo_fail(err, CLO_ERR_USAGE, "%s: expected one, or one for each %s",
                    keys->passphrase_option, keys->option);
}

/* "pkcs11:…", "handle:0x81…": a scheme, and no file of that name. */
static bool is_uri(const char *name)
{
    size_t scheme = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

    return scheme > 1 && name[scheme] == ':' && access(name, F_OK) != 0;
}

static bool read_key(const char *name, const struct clo_secret *passphrase,
                     const struct clo_list *providers, struct clo_private_key **out,
                     struct clo_error *err)
{
    if (providers->count == 0 && !is_uri(name))
        return clo_key_file_private(name, passphrase, out, err);
    for (size_t i = 0; i < providers->count; i++)
        if (!clo_keystore_provider(providers->items[i], err))
            return false;
    return clo_keystore_private_key(name, passphrase, out, err);
}

bool uki_key_read(const char *name, const char *passphrase_file, const struct clo_list *providers,
                  struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *passphrase = NULL;

    return clo_passphrase_read(passphrase_file, &passphrase, err) &&
           read_key(name, passphrase, providers, out, err);
}

bool uki_keys_read(const struct uki_keys *keys, struct clo_private_key *out[CLO_LIST_MAX],
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *passphrase = NULL;

    for (size_t i = 0; i < keys->keys->count; i++) {
        if (i < keys->passphrases->count) {
            clo_secret_freep(&passphrase);
            if (!clo_passphrase_read(keys->passphrases->items[i], &passphrase, err))
                return clo_wrap(err, "%s", keys->passphrase_option);
        }
        if (!read_key(keys->keys->items[i], passphrase, keys->providers, &out[i], err))
            return false;
    }
    return true;
}

/* --- Signers of images --- */

static struct uki_keys keys_of(const struct uki_signing *signing)
{
    return (struct uki_keys){ .option = "--key",
                              .passphrase_option = "--key-passphrase-file",
                              .keys = &signing->keys,
                              .passphrases = &signing->passphrases,
                              .providers = &signing->providers };
}

bool uki_signing_check(const struct uki_signing *signing, struct clo_error *err)
{
    if (signing->keys.count != signing->certificates.count)
        return clo_fail(err, CLO_ERR_USAGE, "--key and --cert are given together or not at all");
    if (signing->hashes.count > 1 && signing->hashes.count != signing->keys.count)
        return clo_fail(err, CLO_ERR_USAGE, "--hash: expected one, or one for each key");
    for (size_t i = 0; i < signing->hashes.count; i++)
        if (clo_hash_from_name(signing->hashes.items[i]) < CLO_HASH_SHA256)
            return clo_fail(err, CLO_ERR_USAGE, "--hash %s: expected sha256, sha384 or sha512",
                            signing->hashes.items[i]);
    const struct uki_keys keys = keys_of(signing);
    return uki_keys_check(&keys, err);
}

enum clo_hash uki_signing_hash(const struct uki_signing *signing, size_t index)
{
    if (signing->hashes.count == 0)
        return CLO_HASH_SHA256;
    return clo_hash_from_name(signing->hashes.items[signing->hashes.count == 1 ? 0 : index]);
}

bool uki_signing_open(struct uki_signing *signing, struct clo_error *err)
{
    const struct uki_keys keys = keys_of(signing);

    if (!uki_keys_read(&keys, signing->private_keys, err))
        return false;
    for (size_t i = 0; i < signing->keys.count; i++)
        if (!clo_certificate_file(signing->certificates.items[i], &signing->signers[i], err))
            return false;
    return true;
}

void uki_signing_close(struct uki_signing *signing)
{
    for (size_t i = 0; i < CLO_LIST_MAX; i++) {
        clo_private_key_freep(&signing->private_keys[i]);
        clo_certificate_freep(&signing->signers[i]);
    }
}

bool uki_sign_digests(const struct uki_signing *signing,
                      const struct clo_digest digests[CLO_HASH_COUNT], struct clo_buffer *table,
                      struct clo_error *err)
{
    for (size_t i = 0; i < signing->keys.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
        if (!clo_authenticode_make(&digests[uki_signing_hash(signing, i)], signing->private_keys[i],
                                   signing->signers[i], &pkcs7, err))
            return clo_wrap(err, "%s", signing->certificates.items[i]);
        clo_authenticode_entry(clo_buffer_bytes(&pkcs7), table);
    }
    return clo_buffer_ok(table) || clo_out_of_memory(err);
}

bool uki_write_image(const struct clo_pieces *pieces, const struct clo_pe *frame,
                     struct clo_bytes earlier, const struct uki_signing *signing, const char *path,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file file = { .fd = -1 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces padded = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(uki_writer_free)
    struct uki_writer writer = { .path = path,
                                 .checksum_offset = frame->checksum_offset,
                                 .certificate_entry_offset = frame->certificate_entry_offset };
    struct clo_digest digests[CLO_HASH_COUNT] = { 0 };
    bool is_signed = signing->keys.count > 0 || earlier.size > 0;

    clo_pieces_add(&padded, pieces);
    if (is_signed)
        clo_pieces_zero(&padded, (8 - pieces->size % 8) % 8);
    if (!clo_new_file_open(path, 0644, &file, err))
        return false;
    writer.fd = file.fd;
    writer.is_summed = is_signed;
    for (size_t i = 0; i < signing->keys.count; i++) {
        enum clo_hash hash = uki_signing_hash(signing, i);
        if (writer.hashers[hash] == NULL)
            writer.hashers[hash] = clo_hasher_new(hash);
    }
    if (!uki_write(&writer, &padded, err))
        return false;
    for (size_t i = 0; i < CLO_HASH_COUNT; i++)
        if (writer.hashers[i] != NULL)
            clo_hasher_get(writer.hashers[i], &digests[i]);
    clo_buffer_append(&table, earlier);
    if (is_signed && (!uki_sign_digests(signing, digests, &table, err) ||
                      !uki_write_table(&writer, clo_buffer_bytes(&table), err)))
        return false;
    return clo_new_file_commit(&file, err);
}
