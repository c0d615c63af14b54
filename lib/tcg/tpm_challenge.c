#include "lib/tcg/tpm_challenge.h"

#include <string.h>

#include "cloister/json.h"
#include "lib/tcg/tpm_credential.h"

#define VERSION    1
#define AREA_LIMIT 2048

void clo_tpm_challenge_free(struct clo_tpm_challenge *challenge)
{
    clo_buffer_free(&challenge->ak);
    clo_buffer_free(&challenge->ek);
    clo_buffer_free(&challenge->certificates);
}

static bool read_certificates(const json_t *json, struct clo_buffer *out, struct clo_error *err)
{
    const char *text = NULL;

    if (!clo_json_get_string_optional(json, "ek_certificates", &text, err))
        return false;
    if (text != NULL)
        clo_buffer_text(out, text);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool read_digest(const json_t *json, struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    size_t size = clo_hash_size(CLO_HASH_SHA256);

    if (!clo_json_get_bytes(json, "answer_sha256", CLO_JSON_HEX, size, &bytes, err))
        return false;
    if (bytes.size != size)
        return clo_fail(err, CLO_ERR_FORMAT, "\"answer_sha256\": %zu bytes", bytes.size);
    *out = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    memcpy(out->bytes, bytes.data, size);
    return true;
}

static bool read_members(const json_t *json, struct clo_tpm_challenge *out, struct clo_error *err)
{
    static const char *const keys[] = { "cloister_tpm_challenge", "ak", "ek", "ek_certificates",
                                        "answer_sha256",          NULL };
    uint64_t version;

    if (!clo_json_get_u64(json, keys[0], &version, err))
        return false;
    if (version != VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu", (unsigned long long)version);
    return clo_json_only(json, keys, err) &&
           clo_json_get_bytes(json, "ak", CLO_JSON_BASE64URL, AREA_LIMIT, &out->ak, err) &&
           clo_json_get_bytes(json, "ek", CLO_JSON_BASE64URL, AREA_LIMIT, &out->ek, err) &&
           read_certificates(json, &out->certificates, err) && read_digest(json, &out->answer, err);
}

bool clo_tpm_challenge_parse(struct clo_bytes text, struct clo_tpm_challenge *out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge read = { .ak = { 0 } };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (text.size > CLO_TPM_CHALLENGE_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "challenge: %zu bytes", text.size);
    if (!clo_json_parse(text, &json, err) || !read_members(json, &read, err))
        return clo_wrap(err, "challenge");
    *out = read;
    read = (struct clo_tpm_challenge){ .ak = { 0 } };
    return true;
}

bool clo_tpm_challenge_write(const struct clo_tpm_challenge *challenge, struct clo_buffer *out,
                             struct clo_error *err)
{
    struct clo_json_object object = { .json = json_object() };
    struct clo_bytes pem = clo_buffer_bytes(&challenge->certificates);

    clo_json_set(&object, "cloister_tpm_challenge", json_integer(VERSION));
    clo_json_set(&object, "ak", clo_json_base64url(clo_buffer_bytes(&challenge->ak)));
    clo_json_set(&object, "ek", clo_json_base64url(clo_buffer_bytes(&challenge->ek)));
    if (pem.size > 0)
        clo_json_set(&object, "ek_certificates", json_stringn((const char *)pem.data, pem.size));
    clo_json_set_hex(&object, "answer_sha256", clo_digest_bytes(&challenge->answer));
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_json_finish(&object);
    return json != NULL ? clo_json_write(json, out, err) : clo_out_of_memory(err);
}

static bool read_keys(struct clo_bytes ek, struct clo_bytes ak, struct clo_tpm_public *endorsement,
                      struct clo_tpm_public *attestation, struct clo_error *err)
{
    return ((clo_tpm_public_read(ek, endorsement, err) &&
             clo_tpm_public_endorses(endorsement, err)) ||
            clo_wrap(err, "endorsement key")) &&
           ((clo_tpm_public_read(ak, attestation, err) &&
             clo_tpm_public_attests(attestation, err)) ||
            clo_wrap(err, "attestation key"));
}

bool clo_tpm_challenge_make(struct clo_bytes ek, struct clo_bytes ak, struct clo_bytes certificates,
                            const struct clo_random *random, struct clo_buffer *credential,
                            struct clo_buffer *kept, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public endorsement = { .key = NULL };
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public attestation = { .key = NULL };
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge challenge = { .ak = { 0 } };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    uint8_t name[CLO_TPM_NAME_MAX];

    if (!read_keys(ek, ak, &endorsement, &attestation, err) ||
        !clo_secret_new(CLO_TPM_CREDENTIAL_SECRET, &secret, err))
        return false;
    if (!random->fill(random->context, clo_secret_data(secret), CLO_TPM_CREDENTIAL_SECRET))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    clo_hash(CLO_HASH_SHA256, clo_secret_bytes(secret), &challenge.answer);
    clo_buffer_append(&challenge.ak, attestation.area);
    clo_buffer_append(&challenge.ek, endorsement.area);
    clo_buffer_append(&challenge.certificates, certificates);
    if (!clo_buffer_ok(&challenge.ak) || !clo_buffer_ok(&challenge.ek) ||
        !clo_buffer_ok(&challenge.certificates))
        return clo_out_of_memory(err);
    size_t size = clo_tpm_public_name(&attestation, name);
    return clo_tpm_credential_make(&endorsement, clo_bytes(name, size), clo_secret_bytes(secret),
                                   random, credential, err) &&
           clo_tpm_challenge_write(&challenge, kept, err);
}

bool clo_tpm_challenge_is_answered(const struct clo_tpm_challenge *challenge,
                                   struct clo_bytes answer)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, answer, &digest);
    return clo_bytes_equal_secret(clo_digest_bytes(&digest), clo_digest_bytes(&challenge->answer));
}
