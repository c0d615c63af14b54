#include "lib/tcg/alternatives.h"

#include <string.h>

#include "cloister/encoding.h"

#define NV_FIRST 0x01000000u
#define NV_LAST  0x01ffffffu

static bool read_value(const json_t *text, struct clo_alternatives *out, unsigned pcr,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_digest *value = &out->values[pcr][out->counts[pcr]];

    if (!json_is_string(text) ||
        !clo_hex_read(clo_bytes_text(json_string_value(text)), &bytes, err) ||
        bytes.size != clo_hash_size(out->bank))
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u: a value that is not one", pcr);
    value->hash = out->bank;
    memcpy(value->bytes, bytes.data, bytes.size);
    for (size_t i = 0; i < out->counts[pcr]; i++)
        if (clo_digest_equal(&out->values[pcr][i], value))
            return true; /* said twice */
    out->counts[pcr]++;
    return true;
}

static bool read_register(const json_t *entry, struct clo_alternatives *out, struct clo_error *err)
{
    json_t *values, *text;
    uint64_t pcr;
    size_t i;

    if (!clo_json_get_u64(entry, "pcr", &pcr, err) ||
        !clo_json_get_array(entry, "values", &values, err))
        return false;
    if (pcr >= CLO_PCR_COUNT || out->counts[pcr] != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %llu: not a register, or named twice",
                        (unsigned long long)pcr);
    if (json_array_size(values) == 0 || json_array_size(values) > CLO_TPM2_OR_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u: %zu values, 1 to %d are allowed",
                        (unsigned)pcr, json_array_size(values), CLO_TPM2_OR_MAX);
    json_array_foreach (values, i, text) {
        if (!read_value(text, out, (unsigned)pcr, err))
            return false;
    }
    return true;
}

static bool read_policy(const json_t *json, struct clo_alternatives *out, struct clo_error *err)
{
    const char *bank;
    uint64_t index;
    json_t *list, *entry;
    size_t i;

    if (!clo_json_get_string(json, "pcrBank", &bank, err) ||
        !clo_json_get_array(json, "pcrValues", &list, err) ||
        !clo_json_get_u64(json, "nvIndex", &index, err))
        return false;
    out->bank = clo_hash_from_name(bank);
    if (out->bank == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "pcrBank \"%.20s\"", bank);
    if (index < NV_FIRST || index > NV_LAST)
        return clo_fail(err, CLO_ERR_FORMAT, "nvIndex 0x%llx", (unsigned long long)index);
    out->nv_index = (uint32_t)index;
    json_array_foreach (list, i, entry) {
        if (!read_register(entry, out, err))
            return false;
    }
    return true;
}

bool clo_alternatives_parse(struct clo_bytes json, struct clo_alternatives *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *policy = NULL;

    memset(out, 0, sizeof *out);
    return (clo_json_parse(json, &policy, err) && read_policy(policy, out, err)) ||
           clo_wrap(err, "pcrlock policy");
}

uint32_t clo_alternatives_single(const struct clo_alternatives *alternatives)
{
    uint32_t single = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (alternatives->counts[pcr] == 1)
            single |= UINT32_C(1) << pcr;
    return single;
}

void clo_alternatives_branches(const struct clo_alternatives *alternatives, unsigned pcr,
                               const struct clo_digest *before,
                               struct clo_digest out[CLO_TPM2_OR_MAX])
{
    for (size_t i = 0; i < alternatives->counts[pcr]; i++) {
        out[i] = *before;
        clo_tpm2_policy_pcr(&out[i], alternatives->bank, UINT32_C(1) << pcr,
                            &alternatives->values[pcr][i]);
    }
}

void clo_alternatives_policy(const struct clo_alternatives *alternatives, struct clo_digest *out)
{
    uint32_t single = clo_alternatives_single(alternatives);
    struct clo_digest values[CLO_PCR_COUNT];
    size_t count = 0;

    clo_tpm2_policy_begin(out);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (alternatives->counts[pcr] == 1)
            values[count++] = alternatives->values[pcr][0];
    if (single != 0)
        clo_tpm2_policy_pcr(out, alternatives->bank, single, values);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        struct clo_digest branches[CLO_TPM2_OR_MAX];
        if (alternatives->counts[pcr] < 2)
            continue;
        clo_alternatives_branches(alternatives, pcr, out, branches);
        clo_tpm2_policy_or(out, branches, alternatives->counts[pcr]);
    }
}
