/* Public keys in JSON: JWK (RFC 7517), and TPMT_PUBLIC as TCG's JSON for the TSS has it, which libtss2-fapi and systemd
 * write (TCG TSS 2.0 JSON Data Types and Policy Language). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "import_internal.h"
#include "lib/tcg/tpm_public.h"

/* --- TSS --- */

static const struct {
    const char *name;
    uint16_t id;
} algorithms[] = {
    { "RSA", 0x0001 },    { "AES", 0x0006 },    { "SHA1", 0x0004 }, { "SHA256", 0x000b },
    { "SHA384", 0x000c }, { "SHA512", 0x000d }, { "NULL", 0x0010 }, { "RSASSA", 0x0014 },
    { "RSAPSS", 0x0016 }, { "ECDSA", 0x0018 },  { "ECC", 0x0023 },  { "CFB", 0x0043 },
    { "NIST_P256", 3 },   { "NIST_P384", 4 },
};

/* Names with or without what stands before them in C, or numbers. */
bool import_tss_id(const json_t *object, const char *key, uint16_t *out, struct clo_error *err)
{
    static const char *const prefixes[] = { "TPM2_ALG_", "TPM_ALG_", "TPM2_ECC_", "TPM_ECC_" };
    const json_t *value = json_object_get(object, key);
    const char *name = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= UINT16_MAX) {
        *out = (uint16_t)json_integer_value(value);
        return true;
    }
    for (size_t i = 0; name != NULL && i < CLO_COUNT(prefixes); i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0) {
            name += strlen(prefixes[i]);
            break;
        }
    for (size_t i = 0; name != NULL && i < CLO_COUNT(algorithms); i++)
        if (strcasecmp(name, algorithms[i].name) == 0) {
            *out = algorithms[i].id;
            return true;
        }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"%s\": an algorithm that is not known", key);
}

static bool read_attributes(const json_t *json, uint32_t *out, struct clo_error *err)
{
    static const struct clo_bit bits[] = {
        { 1, "fixedTPM" },     { 2, "stClear" },
        { 4, "fixedParent" },  { 5, "sensitiveDataOrigin" },
        { 6, "userWithAuth" }, { 7, "adminWithPolicy" },
        { 10, "noDA" },        { 11, "encryptedDuplication" },
        { 16, "restricted" },  { 17, "decrypt" },
        { 18, "sign" },        { 18, "sign_encrypt" },
        { 19, "x509sign" },
    };
    const char *key;
    json_t *value;

    *out = 0;
    if (json_is_integer(json) && json_integer_value(json) >= 0 &&
        json_integer_value(json) <= UINT32_MAX) {
        *out = (uint32_t)json_integer_value(json);
        return true;
    }
    json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
        bool is_set = json_is_true(value) || json_integer_value(value) == 1 ||
                      (json_is_string(value) && strcasecmp(json_string_value(value), "YES") == 0);
        bool is_known = false;
        for (size_t i = 0; i < CLO_COUNT(bits); i++)
            if (strcasecmp(bits[i].name, key) == 0) {
                is_known = true;
                *out |= is_set ? 1U << bits[i].at : 0;
            }
        if (!is_known && is_set)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"objectAttributes\": \"%.40s\"", key);
    }
    return json_is_object(json) || clo_fail(err, CLO_ERR_FORMAT, "\"objectAttributes\" is missing");
}

bool import_tss_hex(const json_t *object, const char *key, bool optional, struct clo_buffer *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const char *text = json_string_value(json_object_get(object, key));

    if (text == NULL && !optional)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is missing", key);
    if (text != NULL && strncmp(text, "0x", 2) == 0)
        text += 2;
    if (text != NULL && text[0] != '\0' && !clo_hex_read(clo_bytes_text(text), &bytes, err))
        return clo_wrap(err, "\"%s\"", key);
    if (bytes.size > 1024)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": %zu bytes", key, bytes.size);
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, clo_buffer_bytes(&bytes));
    return true;
}

/* A scheme, and its hash unless it is NULL; absent is NULL. */
static bool put_scheme(const json_t *parameters, const char *key, struct clo_buffer *out,
                       struct clo_error *err)
{
    const json_t *scheme = json_object_get(parameters, key);
    uint16_t id = 0x0010;
    uint16_t hash;

    if (scheme != NULL && !import_tss_id(scheme, "scheme", &id, err))
        return false;
    clo_buffer_be16(out, id);
    if (id == 0x0010)
        return true;
    if (!import_tss_id(json_object_get(scheme, "details"), "hashAlg", &hash, err))
        return false;
    clo_buffer_be16(out, hash);
    return true;
}

static bool put_symmetric(const json_t *parameters, struct clo_buffer *out, struct clo_error *err)
{
    const json_t *symmetric = json_object_get(parameters, "symmetric");
    uint16_t id = 0x0010;
    uint16_t mode;

    if (symmetric != NULL && !import_tss_id(symmetric, "algorithm", &id, err))
        return false;
    clo_buffer_be16(out, id);
    if (id == 0x0010)
        return true;
    if (!import_tss_id(symmetric, "mode", &mode, err))
        return false;
    clo_buffer_be16(out, (uint16_t)json_integer_value(json_object_get(symmetric, "keyBits")));
    clo_buffer_be16(out, mode);
    return true;
}

static bool put_key(uint16_t type, const json_t *parameters, const json_t *area,
                    struct clo_buffer *out, struct clo_error *err)
{
    const json_t *unique = json_object_get(area, "unique");
    uint16_t curve;

    if (type == 0x0001) {
        clo_buffer_be16(out, (uint16_t)json_integer_value(json_object_get(parameters, "keyBits")));
        clo_buffer_be32(out, (uint32_t)json_integer_value(json_object_get(parameters, "exponent")));
        return json_is_object(unique) ? import_tss_hex(unique, "rsa", false, out, err)
                                      : import_tss_hex(area, "unique", false, out, err);
    }
    if (!import_tss_id(parameters, "curveID", &curve, err))
        return false;
    clo_buffer_be16(out, curve);
    return put_scheme(parameters, "kdf", out, err) &&
           import_tss_hex(unique, "x", false, out, err) &&
           import_tss_hex(unique, "y", false, out, err);
}

bool import_tss_area(const json_t *area, struct clo_buffer *out, struct clo_error *err)
{
    const json_t *parameters = json_object_get(area, "parameters");
    uint16_t type;
    uint16_t name;
    uint32_t attributes;

    if (!import_tss_id(area, "type", &type, err) || !import_tss_id(area, "nameAlg", &name, err) ||
        !read_attributes(json_object_get(area, "objectAttributes"), &attributes, err))
        return false;
    clo_buffer_be16(out, type);
    clo_buffer_be16(out, name);
    clo_buffer_be32(out, attributes);
    return (import_tss_hex(area, "authPolicy", true, out, err) &&
            put_symmetric(parameters, out, err) && put_scheme(parameters, "scheme", out, err) &&
            put_key(type, parameters, area, out, err)) &&
           (clo_buffer_ok(out) || clo_out_of_memory(err));
}

bool import_tpm_public(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    struct clo_tpm_public area;
    struct clo_error refused;

    if (!clo_tpm_public_read(in, &area, err))
        return false;
    out->key = area.key;
    out->is_tpm_key = true;
    out->is_restricted = clo_tpm_public_attests(&area, &refused);
    clo_buffer_append(&out->tpm_public, area.area);
    return clo_buffer_ok(&out->tpm_public) || clo_out_of_memory(err);
}

static bool take_tss(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    const json_t *inner = json_object_get(json, "publicArea");

    out->kind = CLO_IMPORT_KEY;
    return import_tss_area(inner != NULL ? inner : json, &area, err) &&
           import_tpm_public(clo_buffer_bytes(&area), out, err);
}

bool import_key_tss(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return take_tss(json, out, err) || clo_wrap(err, "TPMT_PUBLIC");
}

bool import_key_jwk(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    out->kind = CLO_IMPORT_KEY;
    return clo_jwk_to_public_key(json, &out->key, err) || clo_wrap(err, "JWK");
}
