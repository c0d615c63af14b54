/* An attestation key in each form that a verifier is given it in, with each scheme and hash that TPMs sign quotes by: the same
 * quote holds, and another key's does not. */
#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "lib/evidence/import.h"
#include "tpm_area_maker.h"

static const struct {
    const char *name;
    enum clo_key_kind kind;
    enum clo_signature_scheme scheme;
    uint16_t scheme_id;
    enum clo_hash hash;
    const char *error; /* NULL: it holds */
} signatures[] = {
    { "RSASSA, SHA-256", CLO_KEY_RSA, CLO_RSASSA_PKCS1, 0x0014, CLO_HASH_SHA256, NULL },
    { "RSASSA, SHA-384", CLO_KEY_RSA, CLO_RSASSA_PKCS1, 0x0014, CLO_HASH_SHA384, NULL },
    { "RSASSA, SHA-1", CLO_KEY_RSA, CLO_RSASSA_PKCS1, 0x0014, CLO_HASH_SHA1, "with SHA-1" },
    { "RSAPSS, SHA-256", CLO_KEY_RSA, CLO_RSASSA_PSS, 0x0016, CLO_HASH_SHA256, NULL },
    { "RSAPSS, SHA-384", CLO_KEY_RSA, CLO_RSASSA_PSS, 0x0016, CLO_HASH_SHA384, NULL },
    { "ECDSA, P-256, SHA-256", CLO_KEY_P256, CLO_ECDSA_RAW, 0x0018, CLO_HASH_SHA256, NULL },
    { "ECDSA, P-256, SHA-384", CLO_KEY_P256, CLO_ECDSA_RAW, 0x0018, CLO_HASH_SHA384, NULL },
    { "ECDSA, P-384, SHA-256", CLO_KEY_P384, CLO_ECDSA_RAW, 0x0018, CLO_HASH_SHA256, NULL },
    { "ECDSA, P-384, SHA-384", CLO_KEY_P384, CLO_ECDSA_RAW, 0x0018, CLO_HASH_SHA384, NULL },
};

static struct clo_private_key *keys[CLO_KEY_P384 + 8], *others[CLO_KEY_P384 + 8];

static int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(signatures); i++) {
        enum clo_key_kind kind = signatures[i].kind;
        if (keys[kind] == NULL && (!clo_private_key_new(kind, 2048, &keys[kind], &err) ||
                                   !clo_private_key_new(kind, 2048, &others[kind], &err)))
            fail_msg("%s", err.text);
    }
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(keys); i++) {
        clo_private_key_freep(&keys[i]);
        clo_private_key_freep(&others[i]);
    }
    return 0;
}

/* --- The forms --- */

static void write_tpmt(const struct clo_private_key *key, struct clo_buffer *out)
{
    tpm_area_make(&(struct tpm_area){ TPM_AK }, key, out);
}

static void write_tpm2b(const struct clo_private_key *key, struct clo_buffer *out)
{
    tpm_area_make(&(struct tpm_area){ TPM_AK, .is_sized = true }, key, out);
}

static void numbers(const struct clo_private_key *key, char x[1025], char y[129])
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };
    struct clo_error err;

    if (!clo_private_key_public(key, &public_key, &err) ||
        !clo_public_key_numbers(public_key, &first, &second, &err))
        fail_msg("%s", err.text);
    clo_hex_text(clo_buffer_bytes(&first), x);
    y[0] = '\0';
    if (clo_public_key_kind(public_key) != CLO_KEY_RSA)
        clo_hex_text(clo_buffer_bytes(&second), y);
}

/* As libtss2-fapi and systemd write it. */
static void write_tss(const struct clo_private_key *key, struct clo_buffer *out)
{
    static const char attributes[] =
            "\"objectAttributes\":{\"fixedTPM\":1,\"sensitiveDataOrigin\":1,"
            "\"restricted\":1,\"sign\":1},\"authPolicy\":\"\"";
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    struct clo_error err;
    char x[1025], y[129], text[3000];

    assert_true(clo_private_key_public(key, &public_key, &err));
    numbers(key, x, y);
    enum clo_key_kind kind = clo_public_key_kind(public_key);
    if (kind == CLO_KEY_RSA)
        snprintf(text, sizeof text,
                 "{\"type\":\"RSA\",\"nameAlg\":\"SHA256\",%s,\"parameters\":{\"symmetric\":"
                 "{\"algorithm\":\"NULL\"},\"scheme\":{\"scheme\":\"NULL\"},\"keyBits\":2048,"
                 "\"exponent\":0},\"unique\":\"%s\"}",
                 attributes, x);
    else
        snprintf(text, sizeof text,
                 "{\"type\":\"ECC\",\"nameAlg\":\"SHA256\",%s,\"parameters\":{\"symmetric\":"
                 "{\"algorithm\":\"NULL\"},\"scheme\":{\"scheme\":\"NULL\"},\"curveID\":\"%s\","
                 "\"kdf\":{\"scheme\":\"NULL\"}},\"unique\":{\"x\":\"%s\",\"y\":\"%s\"}}",
                 attributes, kind == CLO_KEY_P256 ? "NIST_P256" : "NIST_P384", x, y);
    clo_buffer_text(out, text);
}

static void write_pem(const struct clo_private_key *key, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error err;

    if (!clo_private_key_public(key, &public_key, &err) ||
        !clo_public_key_spki(public_key, &der, &err) ||
        !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&der), out, &err))
        fail_msg("%s", err.text);
}

static void write_jwk(const struct clo_private_key *key, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    struct clo_error err;

    if (!clo_private_key_public(key, &public_key, &err) ||
        !clo_jwk_from_public_key(public_key, &jwk, &err) || !clo_json_write(jwk, out, &err))
        fail_msg("%s", err.text);
}

static const struct {
    const char *name;
    void (*write)(const struct clo_private_key *key, struct clo_buffer *out);
    bool says_rights; /* whether the key may sign anything else */
} forms[] = {
    { "TPMT_PUBLIC", write_tpmt, true },   { "TPM2B_PUBLIC", write_tpm2b, true },
    { "the TSS's JSON", write_tss, true }, { "PEM", write_pem, false },
    { "JWK", write_jwk, false },
};

/* --- The quote --- */

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* Of PCR 0 in the SHA-256 bank, which is zero; a TPM hashes PCRs by the signature's hash. */
static void make_quote(size_t i, struct clo_buffer *attest, struct clo_buffer *signature)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    static const uint8_t zero[32];
    struct clo_digest digest;
    struct clo_error err;

    clo_hash(signatures[i].hash, clo_bytes(zero, sizeof zero), &digest);
    clo_buffer_be32(attest, 0xff544347);
    clo_buffer_be16(attest, 0x8018);
    sized(attest, clo_bytes_text("signer"));
    sized(attest, clo_bytes_text("nonce"));
    clo_buffer_zero(attest, 8 + 4 + 4 + 1 + 8);
    clo_buffer_be32(attest, 1);
    clo_buffer_be16(attest, 0x000b);
    clo_buffer_u8(attest, 3);
    clo_buffer_append(attest, clo_bytes("\1\0\0", 3));
    sized(attest, clo_digest_bytes(&digest));
    if (!clo_signature_make(keys[signatures[i].kind], signatures[i].scheme, signatures[i].hash,
                            clo_buffer_bytes(attest), &raw, &err))
        fail_msg("%s: %s", signatures[i].name, err.text);
    clo_buffer_be16(signature, signatures[i].scheme_id);
    clo_buffer_be16(signature, clo_hash_to_tpm(signatures[i].hash));
    if (signatures[i].scheme != CLO_ECDSA_RAW) {
        sized(signature, clo_buffer_bytes(&raw));
        return;
    }
    sized(signature, clo_bytes(raw.data, raw.size / 2));
    sized(signature, clo_bytes(raw.data + raw.size / 2, raw.size / 2));
}

static void try_form(size_t i, size_t form, bool is_other)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    struct clo_quote_verified verified;
    struct clo_pcr_bank bank;
    struct clo_error err;
    char name[100];

    snprintf(name, sizeof name, "%s as %s%s", signatures[i].name, forms[form].name,
             is_other ? ", another key" : "");
    make_quote(i, &attest, &signature);
    forms[form].write(is_other ? others[signatures[i].kind] : keys[signatures[i].kind], &file);
    if (!clo_import_key(clo_buffer_bytes(&file), &import, &err))
        fail_msg("%s: %s", name, err.text);
    CHECK(import.is_tpm_key == forms[form].says_rights, name);
    CHECK(import.is_restricted == forms[form].says_rights, name);
    bool holds = clo_quote_verify(clo_buffer_bytes(&attest), clo_buffer_bytes(&signature),
                                  import.key, false, &verified, &err);
    const char *expected = signatures[i].error != NULL ? signatures[i].error
                           : is_other                  ? "signature does not hold"
                                                       : NULL;
    CHECK(holds == (expected == NULL), name);
    if (!holds) {
        CHECK(strstr(err.text, expected == NULL ? "" : expected) != NULL, err.text);
        return;
    }
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    CHECK(clo_quote_covers(&verified, &bank, 1, &err), err.text);
}

static void test_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(signatures); i++)
        for (size_t form = 0; form < CLO_COUNT(forms); form++)
            for (int is_other = 0; is_other <= 1; is_other++)
                try_form(i, form, is_other == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
