/* cloister measure snp: what is written next to the digest: VMSAs and the ID block. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/measure/snp.h"
#include "cloister/id_block.h"
#include "device/file.h"
#include "image/uki/work.h"

bool measure_snp_dump(const struct clo_launch *launch, struct clo_error *err)
{
    uint8_t page[CLO_LAUNCH_PAGE];
    char name[32];

    for (uint32_t i = 0; i < launch->vcpus; i++) {
        snprintf(name, sizeof name, "vmsa%u.bin", i);
        if (!clo_launch_vmsa(launch, i, page, err) ||
            !clo_file_write(name, clo_bytes(page, sizeof page), 0644, err))
            return false;
    }
    return true;
}

/* --- ID block --- */

bool measure_snp_given(const struct measure_snp_options *options, struct clo_digest *digest,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes text = clo_bytes_text(options->launch_digest);
    bool is_hex = text.size == 2 * CLO_LAUNCH_DIGEST_SIZE;

    if (options->id_block == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--launch-digest is what --id-block is made for");
    if (options->ovmf != NULL || options->igvm != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--launch-digest, or a file to measure");
    bool ok = is_hex ? clo_hex_read(text, &bytes, err) : clo_base64_read(text, &bytes, err);
    if (!ok || bytes.size != CLO_LAUNCH_DIGEST_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "--launch-digest: expected %d bytes of hex or base64",
                        CLO_LAUNCH_DIGEST_SIZE);
    *digest = (struct clo_digest){ .hash = CLO_HASH_SHA384 };
    memcpy(digest->bytes, bytes.data, bytes.size);
    return true;
}

struct id_keys {
    struct clo_private_key *id;
    struct clo_private_key *author;
};

static void id_keys_free(struct id_keys *keys)
{
    clo_private_key_free(keys->id);
    clo_private_key_free(keys->author);
}

static bool fill_block(const struct measure_snp_options *options, const struct clo_digest *digest,
                       struct clo_snp_id_block *out, struct clo_error *err)
{
    uint64_t svn = 0;

    *out = (struct clo_snp_id_block){ .version = 1, .policy = CLO_SNP_ID_POLICY };
    memcpy(out->launch_digest, digest->bytes, sizeof out->launch_digest);
    if (options->guest_policy != NULL &&
        !measure_snp_hex("--guest-policy", options->guest_policy, UINT64_MAX, &out->policy, err))
        return false;
    if (options->guest_svn != NULL &&
        !measure_snp_number("--guest-svn", options->guest_svn, UINT32_MAX, &svn, err))
        return false;
    out->guest_svn = (uint32_t)svn;
    if (options->family_id != NULL &&
        !measure_snp_bytes("--family-id", options->family_id, out->family_id, sizeof out->family_id,
                           err))
        return false;
    return options->image_id == NULL || measure_snp_bytes("--image-id", options->image_id,
                                                          out->image_id, sizeof out->image_id, err);
}

static bool add_base64(json_t *document, const char *name, struct clo_bytes bytes,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    clo_base64_write(bytes, &text);
    const char *string = clo_buffer_string(&text);
    if (string == NULL || json_object_set_new(document, name, json_string(string)) != 0)
        return clo_out_of_memory(err);
    return true;
}

static bool add_key_digest(json_t *document, const char *name, const struct clo_private_key *key,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_digest digest;
    char text[2 * CLO_HASH_SIZE_MAX + 1];

    if (!clo_private_key_public(key, &public, err) || !clo_snp_id_key_digest(public, &digest, err))
        return false;
    clo_hex_text(clo_digest_bytes(&digest), text);
    return json_object_set_new(document, name, json_string(text)) == 0 || clo_out_of_memory(err);
}

static bool sign_block(const struct measure_snp_options *options,
                       const struct clo_snp_id_block *block, json_t *document,
                       struct clo_error *err)
{
    static const struct clo_list none;
    CLO_CLEANUP(id_keys_free) struct id_keys keys = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer auth = { 0 };

    if (!uki_key_read(options->id_key, options->id_key_passphrase, &none, &keys.id, err))
        return false;
    if (options->author_key != NULL &&
        !uki_key_read(options->author_key, options->author_key_passphrase, &none, &keys.author,
                      err))
        return false;
    if (!clo_snp_id_auth_make(block, keys.id, keys.author, &auth, err) ||
        !add_base64(document, "id_auth", clo_buffer_bytes(&auth), err) ||
        !add_key_digest(document, "id_key_digest", keys.id, err))
        return false;
    return keys.author == NULL || add_key_digest(document, "author_key_digest", keys.author, err);
}

/* One line, as the option of QEMU's object sev-snp-guest. */
static bool write_option(const char *path, const json_t *document, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };

    clo_buffer_printf(&line, "id-block=%s,id-auth=%s",
                      json_string_value(json_object_get(document, "id_block")),
                      json_string_value(json_object_get(document, "id_auth")));
    if (json_object_get(document, "author_key_digest") != NULL)
        clo_buffer_text(&line, ",author-key-enabled=on");
    clo_buffer_text(&line, "\n");
    if (!clo_buffer_ok(&line))
        return clo_out_of_memory(err);
    return clo_file_write(path, clo_buffer_bytes(&line), 0644, err);
}

bool measure_snp_id_block(const struct measure_snp_options *options,
                          const struct clo_digest *digest, json_t *document, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    struct clo_snp_id_block block;

    if (!fill_block(options, digest, &block, err))
        return false;
    clo_snp_id_block_write(&block, &raw);
    return add_base64(document, "id_block", clo_buffer_bytes(&raw), err) &&
           sign_block(options, &block, document, err) &&
           write_option(options->id_block, document, err);
}
