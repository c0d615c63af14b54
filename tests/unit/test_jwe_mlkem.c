/* Sealing to an ML-KEM-768 key, opened by another hand: libcrypto's calls one after the other, as draft-ietf-jose-pqc-kem-05 has
 * the steps. An OpenSSL without ML-KEM refuses in one line that says which one has it. */
#include "test.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "cloister/encoding.h"
#include "lib/crypto/mlkem.h"
#include "lib/jose/recipient.h"

static EVP_PKEY *key; /* NULL: there is no ML-KEM here */

static int make_key(void **state)
{
    (void)state;
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-KEM-768");
    return 0;
}

static int drop_key(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static json_t *make_jwk(void)
{
    uint8_t bytes[CLO_MLKEM768_KEY_SIZE];
    size_t size = sizeof bytes;

    assert_int_equal(EVP_PKEY_get_raw_public_key(key, bytes, &size), 1);
    return json_pack("{s:s, s:s, s:o}", "kty", "AKP", "alg", "ML-KEM-768+A192KW", "pub",
                     clo_json_base64url(clo_bytes(bytes, size)));
}

/* NIST SP 800-185, KMAC256 sample 5: 256 bits of key, 1600 of data, no customization. */
static void test_kmac(void **state)
{
    static const char expected[] =
            "75358cf39e41494e949707927cee0af20a3ff553904c86b08f21cc414bcfd691"
            "589d27cf5e15369cbbff8b9a4c2eb17800855d0235ff635da82533ec6b759b69";
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *by = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *out = NULL;
    uint8_t data[200];
    char hex[129];
    struct clo_error err;

    (void)state;
    CHECK(clo_secret_new(32, &by, &err), err.text);
    for (size_t i = 0; i < 32; i++)
        clo_secret_data(by)[i] = (uint8_t)(0x40 + i);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    CHECK(clo_kmac256(by, clo_bytes(data, sizeof data), 64, &out, &err), err.text);
    CHECK(strcmp(clo_hex_text(clo_secret_bytes(out), hex), expected) == 0, hex);
}

static void get(const json_t *json, const char *name, struct clo_buffer *out)
{
    struct clo_error err;

    CHECK(clo_json_get_bytes(json, name, CLO_JSON_BASE64URL, 65536, out, &err), err.text);
}

/* KMAC256(shared, 00000011 "ML-KEM-768+A192KW" 000000c0). */
static void derive(const uint8_t shared[32], uint8_t out[24])
{
    static const char info[] = "\0\0\0\x11ML-KEM-768+A192KW\0\0\0\xc0";
    size_t written = 0;

    assert_non_null(EVP_Q_mac(NULL, "KMAC256", NULL, NULL,
                              (OSSL_PARAM[]){ OSSL_PARAM_construct_size_t("size", &(size_t){ 24 }),
                                              OSSL_PARAM_construct_end() },
                              shared, 32, (const uint8_t *)info, sizeof info - 1, out, 24,
                              &written));
    assert_int_equal(written, 24);
}

static void unwrap(const uint8_t by[24], struct clo_bytes wrapped, uint8_t out[32])
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int size = 0;

    EVP_CIPHER_CTX_set_flags(cipher, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    assert_int_equal(EVP_DecryptInit_ex(cipher, EVP_aes_192_wrap(), NULL, by, NULL), 1);
    assert_int_equal(EVP_DecryptUpdate(cipher, out, &size, wrapped.data, (int)wrapped.size), 1);
    assert_int_equal(size, 32);
    EVP_CIPHER_CTX_free(cipher);
}

/* The plaintext, or nothing where the message is not whole. */
static bool open_message(const json_t *jwe, char *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer iv = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tag = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *header = NULL;
    const char *protected = json_string_value(json_object_get(jwe, "protected"));
    uint8_t shared[32], wrapping[24], content[32];
    size_t size = sizeof shared;
    struct clo_error err;
    int got = 0, rest = 0;

    get(jwe, "protected", &text);
    CHECK(clo_json_parse(clo_buffer_bytes(&text), &header, &err), err.text);
    CHECK(strcmp(json_string_value(json_object_get(header, "alg")), "ML-KEM-768+A192KW") == 0,
          "alg");
    CHECK(strcmp(json_string_value(json_object_get(header, "enc")), "A256GCM") == 0, "enc");
    /* Trustee's client library authenticates this order, whatever was sent. */
    CHECK(strncmp(clo_buffer_string(&text),
                  "{\"alg\":\"ML-KEM-768+A192KW\",\"enc\":\"A256GCM\",\"ek\":", 48) == 0,
          "the order of the header");
    get(header, "ek", &ek);
    get(jwe, "encrypted_key", &wrapped);
    get(jwe, "iv", &iv);
    get(jwe, "ciphertext", &sealed);
    get(jwe, "tag", &tag);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    assert_int_equal(EVP_PKEY_decapsulate_init(context, NULL), 1);
    assert_int_equal(EVP_PKEY_decapsulate(context, shared, &size, ek.data, ek.size), 1);
    EVP_PKEY_CTX_free(context);
    derive(shared, wrapping);
    unwrap(wrapping, clo_buffer_bytes(&wrapped), content);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, content, iv.data) == 1 &&
              EVP_DecryptUpdate(cipher, NULL, &got, (const uint8_t *)protected,
                                (int)strlen(protected)) == 1 &&
              EVP_DecryptUpdate(cipher, (uint8_t *)out, &got, sealed.data, (int)sealed.size) == 1 &&
              EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, tag.data) == 1 &&
              EVP_DecryptFinal_ex(cipher, (uint8_t *)out + got, &rest) == 1;
    EVP_CIPHER_CTX_free(cipher);
    out[got] = '\0';
    return ok;
}

static void test_sealed(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    struct clo_error err;
    char plain[64];

    (void)state;
    if (key == NULL) {
        print_message("not tried: ML-KEM-768, which the OpenSSL here does not have\n");
        skip();
    }
    CLO_CLEANUP(clo_json_freep) json_t *jwk = make_jwk();
    CHECK(clo_jwe_recipient_check(jwk, &err), err.text);
    CHECK(clo_jwe_seal(jwk, clo_bytes_text("the disk's key"), &jwe, &err), err.text);
    CHECK(open_message(jwe, plain) && strcmp(plain, "the disk's key") == 0, "opened");
    CHECK(clo_jwe_seal(jwk, clo_bytes_text("the disk's key"), &again, &err), err.text);
    CHECK(json_equal(json_object_get(jwe, "ciphertext"), json_object_get(again, "ciphertext")) == 0,
          "fresh keys");
    /* What is said of one message does not stand over another. */
    json_object_set(again, "tag", json_object_get(jwe, "tag"));
    CHECK(!open_message(again, plain), "another's seal");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *member, *value, *error;
    } cases[] = {
        { "another algorithm", "alg", "ML-KEM-768", "alg \"ML-KEM-768\"" },
        { "none", "alg", "none", "alg \"none\"" },
        { "not as long", "pub", "AAAA", "ML-KEM-768: not an encapsulation key" },
        { "its private half", "priv", "AAAA", "\"priv\": a private key" },
        { "to sign with", "use", "sig", "use \"sig\": not one to seal to" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ones = { 0 };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep)
        json_t *jwk = key != NULL ? make_jwk()
                                  : json_pack("{s:s, s:s, s:s}", "kty", "AKP", "alg",
                                              "ML-KEM-768+A192KW", "pub", "AAAA");
        json_object_set_new(jwk, cases[i].member, json_string(cases[i].value));
        CHECK(!clo_jwe_recipient_check(jwk, &err), cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL ||
                      (key == NULL && strstr(err.text, "needs OpenSSL 3.5 or later") != NULL),
              err.text);
    }
    /* As long as a key, and numbers that are not below the modulus. */
    clo_buffer_zero(&ones, CLO_MLKEM768_KEY_SIZE);
    memset(ones.data, 0xff, ones.size);
    CHECK(!clo_mlkem768_check(clo_buffer_bytes(&ones), &err), "numbers out of range");
    CHECK((err.status == CLO_ERR_UNSUPPORTED) == (key == NULL), err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kmac),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_key, drop_key);
}
