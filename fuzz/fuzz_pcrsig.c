#include "cloister/uki.h"

#include "fuzz.h"
#include "pcr_public_key.h"

/* What is merged once adds nothing the second time; nothing that comes from outside verifies under a key
 * that signed nothing; hardware IDs come out as whole entries. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *once = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *copy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer section = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    const struct clo_digest pcr = { .hash = CLO_HASH_SHA256 };
    struct clo_pcr_policy policy;
    struct clo_error err;

    MUST(once != NULL);
    if (!clo_json_parse(clo_bytes(data, size), &json, &err))
        return 0;
    const json_t *files[] = { json };
    if (clo_hwids_build(files, 1, &section, &err))
        MUST(section.size >= 28);
    if (!clo_pcrsig_merge(once, json, &err))
        return 0;
    copy = json_deep_copy(once);
    MUST(copy != NULL && clo_pcrsig_merge(once, json, &err) && json_equal(once, copy));
    MUST(clo_public_key_from_pem(clo_bytes_text(pcr_public_key), &key, &err));
    clo_uki_policy(&pcr, &policy);
    MUST(!clo_pcrsig_verify(once, &policy, key, &err) && err.status == CLO_ERR_REFUSED);
    return 0;
}
