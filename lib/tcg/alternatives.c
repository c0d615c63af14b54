#include "lib/tcg/alternatives.h"

#include <string.h>

#include "cloister/encoding.h"

#define NV_FIRST 0x01000000u
#define NV_LAST  0x01ffffffu

bool clo_alternatives_add(struct clo_alternatives *alternatives, unsigned pcr,
                          const struct clo_digest *value)
{
    size_t count = alternatives->counts[pcr];

    for (size_t i = 0; i < count; i++)
        if (clo_digest_equal(&alternatives->values[pcr][i], value))
            return true; /* said twice */
    if (count == CLO_TPM2_OR_MAX)
        return false;
    alternatives->values[pcr][count] = *value;
    alternatives->counts[pcr]++;
    return true;
}

static bool read_value(const json_t *text, struct clo_alternatives *out, unsigned pcr,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_digest value = { .hash = out->bank };

    if (!json_is_string(text) ||
        !clo_hex_read(clo_bytes_text(json_string_value(text)), &bytes, err) ||
        bytes.size != clo_hash_size(out->bank))
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u: a value that is not one", pcr);
    memcpy(value.bytes, bytes.data, bytes.size);
    return clo_alternatives_add(out, pcr, &value) ||
           clo_fail(err, CLO_ERR_FORMAT, "PCR %u: too many values", pcr);
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

bool clo_alternatives_read(const json_t *json, struct clo_alternatives *out, struct clo_error *err)
{
    const char *bank;
    uint64_t index;
    json_t *list, *entry;
    size_t i;

    memset(out, 0, sizeof *out);
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

    return (clo_json_parse(json, &policy, err) && clo_alternatives_read(policy, out, err)) ||
           clo_wrap(err, "pcrlock policy");
}

uint32_t clo_alternatives_differ(const struct clo_alternatives *alternatives, uint32_t known,
                                 const struct clo_digest values[CLO_PCR_COUNT])
{
    uint32_t differ = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        bool is_there = alternatives->counts[pcr] == 0 || (known >> pcr & 1) == 0;
        for (size_t i = 0; i < alternatives->counts[pcr]; i++)
            is_there = is_there || clo_digest_equal(&alternatives->values[pcr][i], &values[pcr]);
        if (!is_there)
            differ |= UINT32_C(1) << pcr;
    }
    return differ;
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

/* --- Written --- */

static json_t *register_json(const struct clo_alternatives *alternatives, unsigned pcr)
{
    struct clo_json_object object = { .json = json_object() };
    json_t *values = json_array();

    for (size_t i = 0; i < alternatives->counts[pcr]; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hex = { 0 };
        clo_hex_write(clo_digest_bytes(&alternatives->values[pcr][i]), &hex);
        if (json_array_append_new(values, clo_json_text(clo_buffer_string(&hex))) != 0)
            object.failed = true;
    }
    clo_json_set(&object, "pcr", json_integer(pcr));
    clo_json_set(&object, "values", values);
    return clo_json_finish(&object);
}

static void set_alternatives(struct clo_json_object *object,
                             const struct clo_alternatives *alternatives)
{
    json_t *list = json_array();

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (alternatives->counts[pcr] > 0 &&
            json_array_append_new(list, register_json(alternatives, pcr)) != 0)
            object->failed = true;
    clo_json_set(object, "pcrBank", json_string(clo_hash_name(alternatives->bank)));
    clo_json_set(object, "pcrValues", list);
    clo_json_set(object, "nvIndex", json_integer(alternatives->nv_index));
}

json_t *clo_alternatives_token(const struct clo_alternatives *alternatives)
{
    struct clo_json_object object = { .json = json_object() };

    clo_json_set(&object, "type", json_string(CLO_ALTERNATIVES_TOKEN));
    clo_json_set(&object, "keyslots", json_array());
    set_alternatives(&object, alternatives);
    return clo_json_finish(&object);
}

bool clo_alternatives_is_token(const json_t *token)
{
    const char *type = json_string_value(json_object_get(token, "type"));

    return type != NULL && strcmp(type, CLO_ALTERNATIVES_TOKEN) == 0;
}

json_t *clo_nv_policy_json(const struct clo_nv_policy *policy)
{
    static const char *const not_ours[] = { "srkHandle", "pinPublic", "pinPrivate" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer handle = { 0 };
    struct clo_json_object object = { .json = json_object() };

    clo_base64_write(clo_buffer_bytes(&policy->area), &area);
    clo_base64_write(clo_buffer_bytes(&policy->handle), &handle);
    set_alternatives(&object, &policy->alternatives);
    clo_json_set(&object, "nvHandle", clo_json_text(clo_buffer_string(&handle)));
    clo_json_set(&object, "nvPublic", clo_json_text(clo_buffer_string(&area)));
    for (size_t i = 0; i < CLO_COUNT(not_ours); i++)
        clo_json_set(&object, not_ours[i], json_string(""));
    return clo_json_finish(&object);
}

/* --- The index --- */

/* TPMA_NV, part 2, section 13.4. */
#define NV_WRITES_OF_OTHERS (1U << 0 | 1U << 1 | 1U << 2) /* PPWRITE, OWNERWRITE, AUTHWRITE */
#define NV_POLICY_WRITE     (1U << 3)
#define NV_TYPE             (0xfU << 4)
#define NV_WRITTEN          (1U << 29)
#define NV_HANDLE_LIMIT     1024

void clo_nv_policy_free(struct clo_nv_policy *policy)
{
    clo_buffer_free(&policy->area);
    clo_buffer_free(&policy->handle);
}

/* TPM2B_NV_PUBLIC: TPMS_NV_PUBLIC with its size. */
static bool read_public(struct clo_bytes in, struct clo_nv_policy *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_reader r = clo_reader(in);
    size_t size = clo_read_be16(&r);
    size_t first = r.at;
    uint32_t index = clo_read_be32(&r);
    uint16_t name = clo_read_be16(&r);
    uint32_t attributes = clo_read_be32(&r);
    size_t policy_size = clo_read_be16(&r);
    struct clo_bytes policy = clo_read_bytes(&r, policy_size);
    uint16_t data = clo_read_be16(&r);

    if (!clo_reader_ok(&r) || r.at != in.size || r.at - first != size)
        return clo_fail(err, CLO_ERR_FORMAT, "nvPublic: not the public part of an NV index");
    if (index != out->alternatives.nv_index || name != clo_hash_to_tpm(CLO_HASH_SHA256) ||
        data != CLO_NV_POLICY_SIZE || (attributes & NV_TYPE) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "nvPublic: not of the index of a policy in SHA-256");
    if ((attributes & NV_WRITES_OF_OTHERS) != 0 || (attributes & NV_POLICY_WRITE) == 0 ||
        policy.size != 32)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "nvPublic: others than its policy may write the index");
    clo_buffer_be32(&area, index);
    clo_buffer_be16(&area, name);
    clo_buffer_be32(&area, attributes | NV_WRITTEN);
    clo_buffer_be16(&area, (uint16_t)policy.size);
    clo_buffer_append(&area, policy);
    clo_buffer_be16(&area, data);
    if (!clo_buffer_ok(&area))
        return clo_out_of_memory(err);
    clo_tpm2_name_of(clo_buffer_bytes(&area), &out->name);
    return true;
}

static bool read_index(const json_t *json, struct clo_nv_policy *out, struct clo_error *err)
{
    const char *text, *handle;

    if (!clo_json_get_string(json, "nvPublic", &text, err) ||
        !clo_json_get_string(json, "nvHandle", &handle, err) ||
        !clo_base64_read(clo_bytes_text(text), &out->area, err) ||
        !clo_base64_read(clo_bytes_text(handle), &out->handle, err))
        return false;
    return (out->handle.size <= NV_HANDLE_LIMIT ||
            clo_fail(err, CLO_ERR_FORMAT, "nvHandle: %zu bytes", out->handle.size)) &&
           read_public(clo_buffer_bytes(&out->area), out, err);
}

bool clo_nv_policy_parse(struct clo_bytes json, struct clo_nv_policy *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *parsed = NULL;
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };

    if (!clo_alternatives_parse(json, &policy.alternatives, err))
        return false;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (policy.alternatives.counts[pcr] > 0)
            policy.pcrs |= UINT32_C(1) << pcr;
    if (!clo_json_parse(json, &parsed, err) || !read_index(parsed, &policy, err))
        return clo_wrap(err, "pcrlock policy");
    *out = policy;
    policy = (struct clo_nv_policy){ .pcrs = 0 };
    return true;
}
