#include "image/nv_approve.h"

#include <string.h>

#include "device/file.h"

#define FILE_LIMIT ((size_t)1 << 20)

bool clo_nv_file_read(const char *path, struct clo_nv_policy *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_file_read(path, FILE_LIMIT, &text, err) &&
           (clo_nv_policy_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path));
}

static bool write_file(const char *path, const struct clo_nv_policy *policy, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_nv_policy_json(policy);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (json == NULL)
        return clo_out_of_memory(err);
    return clo_json_write(json, &text, err) &&
           clo_file_write(path, clo_buffer_bytes(&text), 0644, err);
}

static bool copy_to_disks(const struct clo_nv_file *in, const struct clo_alternatives *now,
                          bool drops_others, struct clo_error *err)
{
    for (size_t i = 0; i < in->disk_count; i++)
        if (!clo_seal_nv_policy(&in->disks[i], now, drops_others, err))
            return false;
    return true;
}

/* Each header has the new copy before the TPM holds it, and the old one until then. */
static bool change(const struct clo_nv_file *in, const struct clo_nv_policy *policy,
                   struct clo_error *err)
{
    const struct clo_alternatives *now = &policy->alternatives;

    return write_file(in->path, policy, err) && copy_to_disks(in, now, false, err) &&
           clo_tpm_nv_policy_write(in->tpm, in->key, now, err) &&
           clo_tpm_nv_policy_holds(in->tpm, policy, err) && copy_to_disks(in, now, true, err);
}

static bool own_area(uint32_t index, const struct clo_public_key *signer, struct clo_buffer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    if (!clo_nv_index_public(index, signer, true, &area, err))
        return false;
    clo_buffer_be16(out, (uint16_t)area.size);
    clo_buffer_append(out, clo_buffer_bytes(&area));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_nv_make(const struct clo_nv_file *in, const struct clo_alternatives *alternatives,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .alternatives = *alternatives };
    uint32_t index = alternatives->nv_index;

    /* The handle names the index as it is once it was written, and the file is written with it. */
    return clo_private_key_public(in->key, &signer, err) &&
           own_area(index, signer, &policy.area, err) &&
           clo_tpm_nv_policy_define(in->tpm, alternatives, signer, err) &&
           clo_tpm_nv_policy_write(in->tpm, in->key, alternatives, err) &&
           clo_tpm_nv_policy_handle(in->tpm, index, &policy.handle, err) &&
           write_file(in->path, &policy, err);
}

bool clo_nv_approve(const struct clo_nv_file *in, struct clo_nv_policy *policy,
                    const struct clo_alternatives *alternatives, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;

    if (!clo_private_key_public(in->key, &signer, err) || !clo_nv_index_is_of(policy, signer, err))
        return false;
    policy->alternatives = *alternatives;
    return change(in, policy, err);
}
