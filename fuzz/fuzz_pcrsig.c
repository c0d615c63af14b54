#include "cloister/uki.h"

#include "fuzz.h"

/* What is merged once adds nothing the second time; nothing that comes from outside verifies under a key
 * that signed nothing; hardware IDs come out as whole entries. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA+ftGVAwMk86JKcSXIC/u\n"
                              "cahe18KuJF90psGNf1fpcY3LTPO7CC39L/sgAzVpt5FEqB7aMJgog7DYGu4hfxjz\n"
                              "yGgbB/lFBbRPOnGNwhS2Dalkz4tBI6cxZhn8fYf3EAwFfU8b5czgLT1N5LjJfcLc\n"
                              "BWhpVW0yjpSe63qF/ocZO6+SWoZlqbAvDhcOmljwEFY6pSjFdSZN2KD9+vv9ZP5Y\n"
                              "DHZoq5Dwz9nucgTOrRI11gQPG7ytTUkFzD7RNO/C85klML6v6cJg3PH2NI9x3qy9\n"
                              "uigCasS1+b5nR3I9u5DReUCbI36kJmgV0sEJnHfXYEJFgqC2lyCtci8UMbrBu8g6\n"
                              "/wIDAQAB\n"
                              "-----END PUBLIC KEY-----\n";
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
    MUST(clo_public_key_from_pem(clo_bytes_text(pem), &key, &err));
    clo_uki_policy(&pcr, &policy);
    MUST(!clo_pcrsig_verify(once, &policy, key, &err) && err.status == CLO_ERR_REFUSED);
    return 0;
}
