#include "lib/disk/pcr_hint.h"

#include <stdio.h>
#include <string.h>

json_t *clo_pcr_hint_json(struct clo_bytes policy, const struct clo_pcr_hint *hint)
{
    struct clo_json_object object = { .json = json_object() };
    struct clo_json_object pcrs = { .json = json_object() };
    char number[4];

    for (unsigned i = 0; i < CLO_TPM2_PCRS; i++) {
        if ((hint->pcrs >> i & 1) == 0)
            continue;
        snprintf(number, sizeof number, "%u", i);
        clo_json_set_hex(&pcrs, number, clo_digest_bytes(&hint->values[i]));
    }
    clo_json_set(&object, "type", json_string(CLO_PCR_HINT_TYPE));
    clo_json_set(&object, "keyslots", json_array());
    clo_json_set_hex(&object, "policy", policy);
    clo_json_set(&object, "bank", json_string(clo_hash_name(hint->bank)));
    clo_json_set(&object, "pcrs", clo_json_finish(&pcrs));
    return clo_json_finish(&object);
}

static bool is_of_policy(const json_t *token, struct clo_bytes policy)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const char *type = json_string_value(json_object_get(token, "type"));
    struct clo_error ignored;

    return type != NULL && strcmp(type, CLO_PCR_HINT_TYPE) == 0 &&
           clo_json_get_bytes(token, "policy", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &bytes, &ignored) &&
           clo_bytes_equal(clo_buffer_bytes(&bytes), policy);
}

static bool read_values(const json_t *token, struct clo_pcr_hint *hint)
{
    const json_t *pcrs = json_object_get(token, "pcrs");
    const char *bank = json_string_value(json_object_get(token, "bank"));
    struct clo_error ignored;
    char number[4];

    hint->bank = bank == NULL ? CLO_HASH_NONE : clo_hash_from_name(bank);
    if (hint->bank == CLO_HASH_NONE)
        return false;
    for (unsigned i = 0; i < CLO_TPM2_PCRS; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        snprintf(number, sizeof number, "%u", i);
        if (json_object_get(pcrs, number) == NULL)
            continue;
        if (!clo_json_get_bytes(pcrs, number, CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &value, &ignored) ||
            value.size != clo_hash_size(hint->bank))
            return false;
        hint->values[i].hash = hint->bank;
        memcpy(hint->values[i].bytes, value.data, value.size);
        hint->pcrs |= UINT32_C(1) << i;
    }
    return true;
}

bool clo_pcr_hint_find(const json_t *tokens, struct clo_bytes policy, struct clo_pcr_hint *out)
{
    const char *name;
    json_t *token;

    json_object_foreach ((json_t *)(uintptr_t)tokens, name, token) {
        struct clo_pcr_hint hint = { 0 };
        if (!is_of_policy(token, policy))
            continue;
        if (!read_values(token, &hint))
            return false;
        *out = hint;
        return true;
    }
    return false;
}

void clo_pcr_hint_compare(const struct clo_pcr_hint *hint, uint32_t mask,
                          const struct clo_digest values[CLO_TPM2_PCRS],
                          char text[CLO_PCR_HINT_TEXT])
{
    size_t at = 0, count = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < CLO_TPM2_PCRS; i++) {
        if ((hint->pcrs & mask) >> i == 0)
            break;
        if (((hint->pcrs & mask) >> i & 1) == 0 || clo_digest_equal(&hint->values[i], &values[i]) ||
            at + 16 > CLO_PCR_HINT_TEXT)
            continue;
        at += (size_t)snprintf(text + at, CLO_PCR_HINT_TEXT - at, "%sPCR %u",
                               count == 0 ? ": " : ", ", i);
        count++;
    }
    if (count != 0 && at + 10 < CLO_PCR_HINT_TEXT)
        snprintf(text + at, CLO_PCR_HINT_TEXT - at, count == 1 ? " differs" : " differ");
}
