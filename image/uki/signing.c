/* Signatures of images, for image/uki/work.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/inputs.h"
#include "device/keystore.h"
#include "image/uki/work.h"

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
    return true;
}

enum clo_hash uki_signing_hash(const struct uki_signing *signing, size_t index)
{
    if (signing->hashes.count == 0)
        return CLO_HASH_SHA256;
    return clo_hash_from_name(signing->hashes.items[signing->hashes.count == 1 ? 0 : index]);
}

/* "pkcs11:…", "handle:0x81…": a scheme, and no file of that name. */
static bool is_uri(const char *name)
{
    size_t scheme = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

    return scheme > 1 && name[scheme] == ':' && access(name, F_OK) != 0;
}

bool uki_read_key(const char *name, const struct cli_list *providers, struct clo_private_key **out,
                  struct clo_error *err)
{
    if (providers->count == 0 && !is_uri(name))
        return cli_read_private_key(name, out, err);
    for (size_t i = 0; i < providers->count; i++)
        if (!clo_keystore_provider(providers->items[i], err))
            return false;
    return clo_keystore_private_key(name, out, err) || clo_wrap(err, "%s", name);
}

/* Each key with its certificate. */
struct signers {
    struct clo_private_key *keys[CLI_LIST_MAX];
    struct clo_certificate *certificates[CLI_LIST_MAX];
};

static void free_signers(struct signers *signers)
{
    for (size_t i = 0; i < CLI_LIST_MAX; i++) {
        clo_private_key_freep(&signers->keys[i]);
        clo_certificate_freep(&signers->certificates[i]);
    }
}

static bool read_signers(const struct uki_signing *signing, struct signers *out,
                         struct clo_error *err)
{
    for (size_t i = 0; i < signing->keys.count; i++)
        if (!uki_read_key(signing->keys.items[i], &signing->providers, &out->keys[i], err) ||
            !cli_read_certificate(signing->certificates.items[i], &out->certificates[i], err))
            return false;
    return true;
}

static bool make_signatures(const struct uki_signing *signing, const struct signers *signers,
                            const struct clo_digest digests[CLO_HASH_COUNT],
                            struct clo_buffer *table, struct clo_error *err)
{
    for (size_t i = 0; i < signing->keys.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
        if (!clo_authenticode_make(&digests[uki_signing_hash(signing, i)], signers->keys[i],
                                   signers->certificates[i], &pkcs7, err))
            return clo_wrap(err, "%s", signing->certificates.items[i]);
        clo_authenticode_entry(clo_buffer_bytes(&pkcs7), table);
    }
    return clo_buffer_ok(table) || clo_out_of_memory(err);
}

bool uki_sign_digests(const struct uki_signing *signing,
                      const struct clo_digest digests[CLO_HASH_COUNT], struct clo_buffer *table,
                      struct clo_error *err)
{
    CLO_CLEANUP(free_signers) struct signers signers = { 0 };

    return read_signers(signing, &signers, err) &&
           make_signatures(signing, &signers, digests, table, err);
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
    CLO_CLEANUP(free_signers) struct signers signers = { 0 };
    struct clo_digest digests[CLO_HASH_COUNT] = { 0 };
    bool is_signed = signing->keys.count > 0 || earlier.size > 0;

    clo_pieces_add(&padded, pieces);
    if (is_signed)
        clo_pieces_zero(&padded, (8 - pieces->size % 8) % 8);
    /* Keys that cannot be read are found before anything is written. */
    if (!read_signers(signing, &signers, err) || !clo_new_file_open(path, 0644, &file, err))
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
    if (is_signed && (!make_signatures(signing, &signers, digests, &table, err) ||
                      !uki_write_table(&writer, clo_buffer_bytes(&table), err)))
        return false;
    return clo_new_file_commit(&file, err);
}
