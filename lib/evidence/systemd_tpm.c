/* Sources: systemd 262, src/shared/tpm2-report.c (tpm2_generate_report_try), test/units/TEST-70-TPM2.report-sign-tpm2.sh; TCG TSS 2.0
 * JSON Data Types; TPM 2.0 Library, part 1, sections 18.7 and 19.6 (cpHash, rpHash, audit), part 2, section 10.12. */
#include "lib/evidence/systemd_tpm.h"

#include <stdio.h>
#include <string.h>

#include "cloister/cel.h"
#include "cloister/encoding.h"
#include "lib/evidence/import_internal.h"

#define TPM_GENERATED          0xff544347U
#define TPM_ALG_NULL           0x0010
#define TPM_ALG_ECDSA          0x0018
#define TPM_CC_QUOTE           0x158U
#define TPM_CC_GET_CAPABILITY  0x17aU
#define TPM_CC_NV_CERTIFY      0x184U
#define TPM_CAP_TPM_PROPERTIES 6U
#define TPM_CAP_AUTH_POLICIES  9U
#define TPM_ST_ATTEST_NV       0x8014
#define TPM_ST_ATTEST_AUDIT    0x8016
#define TPM_ST_ATTEST_QUOTE    0x8018
#define SELECTION_BYTES_MIN    3

/* --- Words and numbers --- */

struct word {
    const char *name;
    uint32_t value;
};

static const struct word kinds[] = {
    { "pcr", SYSTEMD_PCR },
    { "nvpcr", SYSTEMD_NVPCR },
    { "session-audit", SYSTEMD_AUDIT },
    { "capability-tpm-property", SYSTEMD_TPM_PROPERTY },
    { "capability-auth-policy", SYSTEMD_AUTH_POLICY },
};
static const struct word attest_types[] = {
    { "ATTEST_NV", TPM_ST_ATTEST_NV },
    { "ATTEST_SESSION_AUDIT", TPM_ST_ATTEST_AUDIT },
    { "ATTEST_QUOTE", TPM_ST_ATTEST_QUOTE },
};
static const struct word answers[] = { { "NO", 0 }, { "YES", 1 } };
/* TPM_PT and TPM_RH of part 2, tables 23 and 28. */
static const struct word properties[] = {
    { "PERMANENT", 0x200 },
    { "MAX_AUTH_FAIL", 0x20f },
    { "LOCKOUT_INTERVAL", 0x210 },
    { "LOCKOUT_RECOVERY", 0x211 },
};
static const struct word hierarchies[] = {
    { "OWNER", 0x40000001 },
    { "LOCKOUT", 0x4000000a },
    { "ENDORSEMENT", 0x4000000b },
};

static bool read_word(const json_t *object, const char *key, const struct word *words, size_t count,
                      uint32_t *out, struct clo_error *err)
{
    const char *name;

    if (!clo_json_get_string(object, key, &name, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, name) == 0) {
            *out = words[i].value;
            return true;
        }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"%s\": \"%.40s\" is not known", key, name);
}

static bool read_number(const json_t *object, const char *key, uint64_t most, uint64_t *out,
                        struct clo_error *err)
{
    return clo_json_get_u64(object, key, out, err) &&
           (*out <= most || clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is too large", key));
}

static bool read_u32(const json_t *object, const char *key, uint32_t *out, struct clo_error *err)
{
    uint64_t number;

    if (!read_number(object, key, UINT32_MAX, &number, err))
        return false;
    *out = (uint32_t)number;
    return true;
}

/* A name, or a number for what its writer has no name for. */
static bool read_either(const json_t *object, const char *key, const struct word *words,
                        size_t count, uint32_t *out, struct clo_error *err)
{
    return json_is_string(json_object_get(object, key))
                   ? read_word(object, key, words, count, out, err)
                   : read_u32(object, key, out, err);
}

/* --- TPMS_ATTEST --- */

/* TPML_PCR_SELECTION. JSON has no sizes: as many bytes as the last PCR needs, and at least three. */
static bool put_selection(const json_t *selection, struct clo_buffer *out, struct clo_error *err)
{
    json_t *pcrs;
    uint16_t hash;
    uint32_t mask = 0;

    if (!import_tss_id(selection, "hash", &hash, err) ||
        !clo_json_get_array(selection, "pcrSelect", &pcrs, err))
        return false;
    for (size_t i = 0; i < json_array_size(pcrs); i++) {
        const json_t *pcr = json_array_get(pcrs, i);
        if (!json_is_integer(pcr) || json_integer_value(pcr) < 0 || json_integer_value(pcr) > 31)
            return clo_fail(err, CLO_ERR_FORMAT, "\"pcrSelect\": not a PCR");
        mask |= 1U << json_integer_value(pcr);
    }
    uint8_t size = mask >> 24 != 0 ? 4 : SELECTION_BYTES_MIN;
    clo_buffer_be16(out, hash);
    clo_buffer_u8(out, size);
    for (unsigned i = 0; i < size; i++)
        clo_buffer_u8(out, (uint8_t)(mask >> (8 * i)));
    return true;
}

static bool put_selections(const json_t *attested, struct clo_buffer *out, struct clo_error *err)
{
    json_t *selections;

    if (!clo_json_get_array(attested, "pcrSelect", &selections, err))
        return false;
    if (json_array_size(selections) > CLO_QUOTE_SELECTIONS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"pcrSelect\": too many banks");
    clo_buffer_be32(out, (uint32_t)json_array_size(selections));
    for (size_t i = 0; i < json_array_size(selections); i++)
        if (!put_selection(json_array_get(selections, i), out, err))
            return false;
    return true;
}

static bool put_attested(uint32_t type, const json_t *attested, struct clo_buffer *out,
                         struct clo_error *err)
{
    uint32_t is_exclusive;
    uint64_t offset;

    switch (type) {
    case TPM_ST_ATTEST_QUOTE:
        return put_selections(attested, out, err) &&
               import_tss_hex(attested, "pcrDigest", false, out, err);
    case TPM_ST_ATTEST_NV:
        if (!import_tss_hex(attested, "indexName", false, out, err) ||
            !read_number(attested, "offset", UINT16_MAX, &offset, err))
            return false;
        clo_buffer_be16(out, (uint16_t)offset);
        return import_tss_hex(attested, "nvContents", false, out, err);
    default:
        if (!read_word(attested, "exclusiveSession", answers, CLO_COUNT(answers), &is_exclusive,
                       err))
            return false;
        clo_buffer_u8(out, (uint8_t)is_exclusive);
        return import_tss_hex(attested, "sessionDigest", false, out, err);
    }
}

static bool put_clock(const json_t *attest, struct clo_buffer *out, struct clo_error *err)
{
    const json_t *clock = json_object_get(attest, "clockInfo");
    uint64_t milliseconds, firmware;
    uint32_t resets, restarts, is_safe;

    if (!read_number(clock, "clock", UINT64_MAX, &milliseconds, err) ||
        !read_u32(clock, "resetCount", &resets, err) ||
        !read_u32(clock, "restartCount", &restarts, err) ||
        !read_word(clock, "safe", answers, CLO_COUNT(answers), &is_safe, err) ||
        !read_number(attest, "firmwareVersion", UINT64_MAX, &firmware, err))
        return false;
    clo_buffer_be64(out, milliseconds);
    clo_buffer_be32(out, resets);
    clo_buffer_be32(out, restarts);
    clo_buffer_u8(out, (uint8_t)is_safe);
    clo_buffer_be64(out, firmware);
    return true;
}

static bool put_attest(const json_t *attest, uint32_t wanted, struct systemd_component *out,
                       struct clo_error *err)
{
    uint32_t type;

    if (!read_word(attest, "type", attest_types, CLO_COUNT(attest_types), &type, err))
        return false;
    if (type != wanted)
        return clo_fail(err, CLO_ERR_FORMAT, "an attestation of another type");
    clo_buffer_be32(&out->attest, TPM_GENERATED);
    clo_buffer_be16(&out->attest, (uint16_t)type);
    out->attested = json_object_get(attest, "attested");
    return import_tss_hex(attest, "qualifiedSigner", false, &out->attest, err) &&
           import_tss_hex(attest, "extraData", true, &out->extra, err) &&
           (clo_buffer_append(&out->attest, clo_buffer_bytes(&out->extra)), true) &&
           put_clock(attest, &out->attest, err) &&
           put_attested(type, out->attested, &out->attest, err);
}

/* TPMT_SIGNATURE. */
static bool put_signature(const json_t *json, struct clo_buffer *out, struct clo_error *err)
{
    const json_t *inner = json_object_get(json, "signature");
    uint16_t scheme, hash;

    if (!import_tss_id(json, "sigAlg", &scheme, err) || !import_tss_id(inner, "hash", &hash, err))
        return false;
    clo_buffer_be16(out, scheme);
    clo_buffer_be16(out, hash);
    if (scheme == TPM_ALG_ECDSA)
        return import_tss_hex(inner, "signatureR", false, out, err) &&
               import_tss_hex(inner, "signatureS", false, out, err);
    return import_tss_hex(inner, "sig", false, out, err);
}

/* --- Components --- */

static bool read_nv(const json_t *json, struct systemd_component *out, struct clo_error *err)
{
    const json_t *nv = json_object_get(json, "nvPublic");
    uint64_t size;

    if (!clo_json_get_string(json, "nvpcrName", &out->name, err) ||
        !clo_json_get_string(json, "authenticatedData", &out->authenticated, err) ||
        !read_u32(nv, "nvIndex", &out->nv_index, err) ||
        !import_tss_id(nv, "nameAlg", &out->nv_hash, err) ||
        !read_u32(nv, "attributes", &out->nv_attributes, err) ||
        !read_number(nv, "dataSize", UINT16_MAX, &size, err))
        return false;
    clo_buffer_be32(&out->nv_area, out->nv_index);
    clo_buffer_be16(&out->nv_area, out->nv_hash);
    clo_buffer_be32(&out->nv_area, out->nv_attributes);
    if (!import_tss_hex(nv, "authPolicy", true, &out->nv_area, err))
        return false;
    clo_buffer_be16(&out->nv_area, (uint16_t)size);
    return true;
}

static bool read_signed(const json_t *json, struct systemd_component *out, struct clo_error *err)
{
    static const uint32_t types[SYSTEMD_COMPONENT_COUNT] = {
        [SYSTEMD_PCR] = TPM_ST_ATTEST_QUOTE,
        [SYSTEMD_NVPCR] = TPM_ST_ATTEST_NV,
        [SYSTEMD_AUDIT] = TPM_ST_ATTEST_AUDIT,
    };
    const json_t *info = json_object_get(json, "attestInfo");

    return put_attest(json_object_get(info, "attest"), types[out->kind], out, err) &&
           put_signature(json_object_get(json, "signature"), &out->signature, err) &&
           (out->kind != SYSTEMD_NVPCR || read_nv(json, out, err));
}

static bool put_policy(const json_t *policy, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer digest = { 0 };
    const json_t *hash = json_object_get(policy, "policyHash");
    uint16_t id;

    if (!import_tss_id(hash, "hashAlg", &id, err))
        return false;
    clo_buffer_be16(out, id);
    if (id == TPM_ALG_NULL)
        return true;
    if (!clo_json_get_bytes(hash, "digest", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &digest, err))
        return false;
    clo_buffer_append(out, clo_buffer_bytes(&digest));
    return true;
}

/* A list of one entry that a command without handles was asked for. */
static bool read_capability(const json_t *json, struct systemd_component *out,
                            struct clo_error *err)
{
    bool is_property = out->kind == SYSTEMD_TPM_PROPERTY;
    const json_t *entry = json_object_get(json, is_property ? "tpmProperty" : "authPolicy");
    uint32_t capability = is_property ? TPM_CAP_TPM_PROPERTIES : TPM_CAP_AUTH_POLICIES;
    const json_t *more = json_object_get(json, "capabilityMoreData");
    uint32_t property, value;

    if (!json_is_boolean(more))
        return clo_fail(err, CLO_ERR_FORMAT, "\"capabilityMoreData\" is missing");
    if (is_property
                ? !read_either(entry, "property", properties, CLO_COUNT(properties), &property, err)
                : !read_either(entry, "handle", hierarchies, CLO_COUNT(hierarchies), &property,
                               err))
        return false;
    clo_buffer_be32(&out->asked, capability);
    clo_buffer_be32(&out->asked, property);
    clo_buffer_be32(&out->asked, 1);
    clo_buffer_u8(&out->response, json_is_true(more));
    clo_buffer_be32(&out->response, capability);
    clo_buffer_be32(&out->response, 1);
    clo_buffer_be32(&out->response, property);
    if (!is_property)
        return put_policy(entry, &out->response, err);
    if (!read_u32(entry, "value", &value, err))
        return false;
    clo_buffer_be32(&out->response, value);
    return true;
}

static bool read_component(const json_t *json, struct systemd_component *out, struct clo_error *err)
{
    uint32_t kind;

    if (!read_word(json, "type", kinds, CLO_COUNT(kinds), &kind, err))
        return false;
    out->kind = (enum systemd_component_kind)kind;
    return kind == SYSTEMD_TPM_PROPERTY || kind == SYSTEMD_AUTH_POLICY
                   ? read_capability(json, out, err)
                   : read_signed(json, out, err);
}

static bool read_all(const json_t *data, struct systemd_tpm *out, struct clo_error *err)
{
    json_t *components;

    if (!import_tss_area(json_object_get(data, "publicKey"), &out->area, err))
        return clo_wrap(err, "\"publicKey\"");
    if (!clo_json_get_array(data, "components", &components, err))
        return false;
    if (json_array_size(components) > SYSTEMD_COMPONENTS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d components", SYSTEMD_COMPONENTS_MAX);
    for (size_t i = 0; i < json_array_size(components); i++) {
        out->count = i + 1;
        if (!read_component(json_array_get(components, i), &out->components[i], err))
            return clo_wrap(err, "component %zu", i);
        if ((out->components[i].kind == SYSTEMD_PCR) != (i == 0) ||
            (out->components[i].kind == SYSTEMD_AUDIT) != (i + 1 == json_array_size(components)))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "component %zu: one quote comes first, one audit last", i);
    }
    if (out->count < 2)
        return clo_fail(err, CLO_ERR_FORMAT, "components are missing");
    out->quote = &out->components[0];
    out->audit = &out->components[out->count - 1];
    return true;
}

void systemd_tpm_free(struct systemd_tpm *tpm)
{
    clo_buffer_free(&tpm->area);
    for (size_t i = 0; i < tpm->count; i++) {
        struct systemd_component *component = &tpm->components[i];
        clo_buffer_free(&component->attest);
        clo_buffer_free(&component->signature);
        clo_buffer_free(&component->extra);
        clo_buffer_free(&component->nv_area);
        clo_buffer_free(&component->asked);
        clo_buffer_free(&component->response);
    }
    tpm->count = 0;
}

bool systemd_tpm_read(const json_t *data, struct systemd_tpm *out, struct clo_error *err)
{
    *out = (struct systemd_tpm){ .count = 0 };
    if (read_all(data, out, err))
        return true;
    systemd_tpm_free(out);
    return clo_wrap(err, "TPM's signature");
}

/* --- The session --- */

bool systemd_nv_name(const struct systemd_component *component, struct clo_buffer *out,
                     struct clo_error *err)
{
    enum clo_hash hash = clo_hash_from_tpm(component->nv_hash);
    struct clo_digest digest;

    if (hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "an NV index named by an unknown hash");
    clo_hash(hash, clo_buffer_bytes(&component->nv_area), &digest);
    clo_buffer_be16(out, component->nv_hash);
    clo_buffer_append(out, clo_digest_bytes(&digest));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* Names of the handles, then parameters. */
static bool put_command(const struct systemd_component *component, struct clo_bytes key_name,
                        struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nv_name = { 0 };
    struct clo_bytes area = clo_buffer_bytes(&component->nv_area);

    switch (component->kind) {
    case SYSTEMD_PCR:
        clo_buffer_be32(out, TPM_CC_QUOTE);
        clo_buffer_append(out, key_name);
        clo_buffer_append(out, clo_buffer_bytes(&component->extra));
        clo_buffer_be16(out, TPM_ALG_NULL); /* the key's own scheme */
        return put_selections(component->attested, out, err);
    case SYSTEMD_NVPCR:
        if (!systemd_nv_name(component, &nv_name, err))
            return false;
        clo_buffer_be32(out, TPM_CC_NV_CERTIFY);
        clo_buffer_append(out, key_name);
        clo_buffer_append(out, clo_buffer_bytes(&nv_name)); /* it authorises itself */
        clo_buffer_append(out, clo_buffer_bytes(&nv_name));
        clo_buffer_append(out, clo_buffer_bytes(&component->extra));
        clo_buffer_be16(out, TPM_ALG_NULL);
        clo_buffer_append(out, clo_bytes_slice(area, area.size - 2, 2)); /* all of its data */
        clo_buffer_be16(out, 0);
        return true;
    default:
        clo_buffer_be32(out, TPM_CC_GET_CAPABILITY);
        clo_buffer_append(out, clo_buffer_bytes(&component->asked));
        return true;
    }
}

static void put_response(const struct systemd_component *component, struct clo_buffer *out)
{
    uint32_t command = component->kind == SYSTEMD_PCR     ? TPM_CC_QUOTE
                       : component->kind == SYSTEMD_NVPCR ? TPM_CC_NV_CERTIFY
                                                          : TPM_CC_GET_CAPABILITY;

    clo_buffer_be32(out, 0); /* success */
    clo_buffer_be32(out, command);
    if (component->attest.size > 0)
        clo_buffer_be16(out, (uint16_t)component->attest.size);
    clo_buffer_append(out, clo_buffer_bytes(&component->attest));
    clo_buffer_append(out, clo_buffer_bytes(&component->signature));
    clo_buffer_append(out, clo_buffer_bytes(&component->response));
}

/* One more command: H(digest || cpHash || rpHash). */
static bool extend(const struct systemd_component *component, struct clo_bytes key_name,
                   struct clo_digest *digest, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer command = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer response = { 0 };
    struct clo_digest sent, answered;

    if (!put_command(component, key_name, &command, err))
        return false;
    put_response(component, &response);
    if (!clo_buffer_ok(&command) || !clo_buffer_ok(&response))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&command), &sent);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&response), &answered);
    const struct clo_bytes parts[] = { clo_digest_bytes(digest), clo_digest_bytes(&sent),
                                       clo_digest_bytes(&answered) };
    struct clo_digest next;
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &next);
    *digest = next;
    return true;
}

bool systemd_tpm_session(const struct systemd_tpm *tpm, struct clo_digest *out,
                         struct clo_error *err)
{
    struct clo_digest digest = { .hash = CLO_HASH_SHA256 };
    uint8_t name[CLO_TPM_NAME_MAX];
    struct clo_tpm_public key;

    if (!clo_tpm_public_read(clo_buffer_bytes(&tpm->area), &key, err))
        return false;
    size_t size = clo_tpm_public_name(&key, name);
    clo_tpm_public_free(&key);
    for (size_t i = 0; i + 1 < tpm->count; i++)
        if (!extend(&tpm->components[i], clo_bytes(name, size), &digest, err))
            return clo_wrap(err, "component %zu", i);
    *out = digest;
    return true;
}

/* --- As evidence --- */

/* The quote names the registers; the log says what they are, or is not believed. */
static bool add_pcrs(struct clo_bytes attest, struct clo_bytes log, struct clo_evidence *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *parsed = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *values = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *pcrs = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_pcr_bank bank;
    struct clo_quote quote;

    if (!clo_quote_parse(attest, &quote, err) || !clo_eventlog_parse(log, &parsed, err))
        return false;
    if (quote.selection_count != 1 || quote.selections[0].hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "the quote is not of one bank");
    enum clo_hash hash = quote.selections[0].hash;
    if (!clo_eventlog_replay(parsed, hash, &bank, err))
        return false;
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++) {
        char key[8];
        snprintf(key, sizeof key, "%u", i);
        if (quote.selections[0].mask >> i & 1)
            json_object_set_new(values, key, clo_json_hex(clo_digest_bytes(&bank.values[i])));
    }
    pcrs = json_pack("{s:O}", clo_hash_name(hash), values);
    return pcrs == NULL ? clo_out_of_memory(err)
                        : clo_json_write(pcrs, &text, err) &&
                                  clo_evidence_add(out, CLO_EVIDENCE_TPM_PCRS,
                                                   clo_buffer_bytes(&text), err);
}

static bool add_log(const json_t *data, struct clo_buffer *log, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *records;
    bool is_header_made;

    return clo_json_get_array(data, "eventLog", &records, err) &&
           (json_array_size(records) == 0 ||
            (clo_json_write(records, &text, err) &&
             clo_cel_read(clo_buffer_bytes(&text), CLO_CEL_JSON, log, &is_header_made, err)));
}

bool systemd_tpm_add(const json_t *data, struct clo_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(systemd_tpm_free) struct systemd_tpm tpm = { .count = 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };

    if (!systemd_tpm_read(data, &tpm, err) || !add_log(data, &log, err))
        return false;
    struct clo_bytes attest = clo_buffer_bytes(&tpm.quote->attest);
    return clo_evidence_add(out, CLO_EVIDENCE_TPM_AK, clo_buffer_bytes(&tpm.area), err) &&
           clo_evidence_add(out, CLO_EVIDENCE_TPM_QUOTE, attest, err) &&
           clo_evidence_add(out, CLO_EVIDENCE_TPM_SIGNATURE,
                            clo_buffer_bytes(&tpm.quote->signature), err) &&
           (log.size == 0 ||
            (clo_evidence_add(out, CLO_EVIDENCE_EVENTLOG, clo_buffer_bytes(&log), err) &&
             add_pcrs(attest, clo_buffer_bytes(&log), out, err)));
}
