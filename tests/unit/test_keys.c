#include "cloister/crypto.h"

#include "test.h"

/* Made with `openssl genpkey`; they guard nothing. */
static const char p256_private[] =
        "-----BEGIN PRIVATE KEY-----\n"
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQP2+6F4sZJhUoZ4b\n"
        "/XvnA7m7MFayekRWtCQ/GaXppLKhRANCAARPzFvXXc2DHUkLH4zRXbGc/9c0U2cK\n"
        "byEJyJYgDmFx8WHu3v7xtVt0kVZLXDmx45D1n3fqD9hNrECDVRL1C7C4\n"
        "-----END PRIVATE KEY-----\n";
static const char p256_public[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAET8xb113Ngx1JCx+M0V2xnP/XNFNn\n"
        "Cm8hCciWIA5hcfFh7t7+8bVbdJFWS1w5seOQ9Z936g/YTaxAg1US9QuwuA==\n"
        "-----END PUBLIC KEY-----\n";
static const char p256_fingerprint[] =
        "cec778c4289d4ec56b8c736419fd5fcaab947781161432e17b402577064c6cf8";
static const char p256_x[] = "4fcc5bd75dcd831d490b1f8cd15db19cffd73453670a6f2109c896200e6171f1";
static const char p256_y[] = "61eedefef1b55b7491564b5c39b1e390f59f77ea0fd84dac40835512f50bb0b8";

static void read_from_pem(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *derived = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *private = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    struct clo_digest fingerprint;
    struct clo_error err;
    char hex[65];

    (void)state;
    CHECK(clo_public_key_from_pem(clo_bytes_text(p256_public), &public, &err), err.text);
    CHECK(clo_public_key_kind(public) == CLO_KEY_P256, "kind");
    CHECK(clo_public_key_bits(public) == 256, "bits");
    CHECK(clo_public_key_fingerprint(public, &fingerprint, &err), err.text);
    assert_string_equal(clo_hex_text(clo_digest_bytes(&fingerprint), hex), p256_fingerprint);

    CHECK(clo_private_key_from_pem(clo_bytes_text(p256_private), &private, &err), err.text);
    CHECK(clo_private_key_kind(private) == CLO_KEY_P256, "kind");
    CHECK(clo_private_key_public(private, &derived, &err), err.text);
    CHECK(clo_public_key_fingerprint(derived, &fingerprint, &err), err.text);
    assert_string_equal(clo_hex_text(clo_digest_bytes(&fingerprint), hex), p256_fingerprint);
    CHECK(clo_private_key_pem(private, &pem, &err), err.text);
    CHECK(clo_bytes_equal(clo_secret_bytes(pem), clo_bytes_text(p256_private)), "written back");
}

static void what_is_no_public_key(void **state)
{
    static const struct {
        const char *name, *pem, *error;
    } cases[] = {
        { "empty", "", "no PEM block \"PUBLIC KEY\"" },
        { "another block", p256_private, "no PEM block \"PUBLIC KEY\"" },
        { "no end", "-----BEGIN PUBLIC KEY-----\nMFkw\n",
          "PEM: block \"PUBLIC KEY\" at byte 0 has no end" },
        { "no base64", "x\n-----BEGIN PUBLIC KEY-----\nMF*w\n-----END PUBLIC KEY-----\n",
          "PEM: block \"PUBLIC KEY\" at byte 2: base64: wrong character at 2" },
        { "secp256k1",
          "-----BEGIN PUBLIC KEY-----\n"
          "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEDru0t24wJQ+AA14za12q9JlhenR6hzML\n"
          "ST4TEBVKMU8mw9D+hGLza3N85rzlIyIuWTNyoAWku3bg4V1gUZ9JXg==\n"
          "-----END PUBLIC KEY-----\n",
          "key on curve secp256k1" },
        { "Ed25519",
          "-----BEGIN PUBLIC KEY-----\n"
          "MCowBQYDK2VwAyEA1vYC5VSL7zKL4Mwc5NHQKYvY01iaU9y1FAAE2rt0FDw=\n"
          "-----END PUBLIC KEY-----\n",
          "key that is neither RSA nor on a NIST curve" },
        { "RSA of 1024 bits",
          "-----BEGIN PUBLIC KEY-----\n"
          "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDc3n4QIAkplIgKRoXRNw5J0g58\n"
          "YuNeWlb78iKAtXmDgcpgKgwmRWoY/KifYiZ6gPGNd1qD8sc+dfP/U5+OkCdODq8u\n"
          "WywRmSIPCEEgUXe5Y1d8NsL3bM4GIQeOFSxbQwwjo/KFWLV0dHsG/+b385jb/6yt\n"
          "KjgHwpIPEZk/pBwXvwIDAQAB\n"
          "-----END PUBLIC KEY-----\n",
          "RSA key of 1024 bits" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_public_key *key = NULL;
        struct clo_error err;
        CHECK(!clo_public_key_from_pem(clo_bytes_text(cases[i].pem), &key, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(key == NULL, cases[i].name);
    }
}

static void what_is_no_private_key(void **state)
{
    static const char encrypted[] =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
            "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj3jKLbrRXF6gICCAAw\n"
            "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEBH/9Ql7NRW8wkpaJu4bNNcEgZA/\n"
            "QCcDbfL0MNhF+Q2JmbPont5r4KEfTVaUNiUoYdPVvdjQY8T1clN5EO3n69cIOMZV\n"
            "sZ5Bqk3xdnLpIJ1sUgUA3jBhOqpbycQ/CR7MSyxuL4Ur+Mvv3/AaoEWNTbkFDSi2\n"
            "LdDRGhzemrvpNnWZlLvVQx2fmqkyGqAxu7q6Aiwm7EcX4KA1SFdIbMj02UzYQco=\n"
            "-----END ENCRYPTED PRIVATE KEY-----\n";
    static const char none[] = "not a private key in PEM";
    static const struct {
        const char *name, *pem, *error;
    } cases[] = {
        { "empty", "", none },
        { "a public key", p256_public, none },
        { "one with a passphrase: nobody is asked", encrypted,
          "is encrypted, and no passphrase was given" },
        { "cut short", "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBM=\n-----END PRIVATE KEY-----\n",
          none },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_private_key *key = NULL;
        struct clo_error err;
        CHECK(!clo_private_key_from_pem(clo_bytes_text(cases[i].pem), &key, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(key == NULL, cases[i].name);
    }
    struct clo_private_key *key = NULL;
    struct clo_error err;
    CHECK(!clo_private_key_from_pem(clo_bytes(NULL, 0), &key, &err), "no bytes");
    CHECK(!clo_private_key_new(CLO_KEY_RSA, 1024, &key, &err) && key == NULL, "too small");
    assert_string_equal(err.text, "RSA key of 1024 bits");
}

static void numbers_there_and_back(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_RSA, CLO_KEY_P256, CLO_KEY_P384,
                                               CLO_KEY_P521 };
    static const unsigned bits[] = { 2048, 256, 384, 521 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *private = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *again = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *from_der = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer a = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer b = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        struct clo_digest first;
        struct clo_digest second;
        struct clo_error err;
        CHECK(clo_private_key_new(kinds[i], 2048, &private, &err), err.text);
        CHECK(clo_private_key_public(private, &public, &err), err.text);
        CHECK(clo_public_key_bits(public) == bits[i], "bits");
        CHECK(clo_public_key_numbers(public, &a, &b, &err), err.text);
        bool ok = kinds[i] == CLO_KEY_RSA
                          ? clo_public_key_from_rsa(clo_buffer_bytes(&a), clo_buffer_bytes(&b),
                                                    &again, &err)
                          : clo_public_key_from_ec(kinds[i], clo_buffer_bytes(&a),
                                                   clo_buffer_bytes(&b), &again, &err);
        CHECK(ok, err.text);
        CHECK(clo_public_key_fingerprint(public, &first, &err), err.text);
        CHECK(clo_public_key_fingerprint(again, &second, &err), err.text);
        CHECK(clo_digest_equal(&first, &second), "the same key");

        CHECK(clo_public_key_spki(public, &der, &err), err.text);
        CHECK(clo_public_key_from_spki(clo_buffer_bytes(&der), &from_der, &err), err.text);
        for (size_t size = 0; size < der.size; size++) {
            struct clo_public_key *cut = NULL;
            CHECK(!clo_public_key_from_spki(clo_bytes(der.data, size), &cut, &err), "truncated");
            CHECK(cut == NULL && err.status == CLO_ERR_FORMAT, "truncated");
        }
        struct clo_public_key *longer = NULL;
        clo_buffer_u8(&der, 0);
        CHECK(!clo_public_key_from_spki(clo_buffer_bytes(&der), &longer, &err) && longer == NULL,
              "a byte after");
        assert_string_equal(err.text, "public key: bytes after its end");
    }
}

static void a_point_is_on_its_curve(void **state)
{
    static const struct {
        const char *name;
        enum clo_key_kind kind;
        const char *x, *y, *error;
    } cases[] = {
        { "on it", CLO_KEY_P256, p256_x, p256_y, NULL },
        { "next to it", CLO_KEY_P256, p256_x, p256_x, "public key" },
        { "the origin", CLO_KEY_P256,
          "0000000000000000000000000000000000000000000000000000000000000000",
          "0000000000000000000000000000000000000000000000000000000000000000", "public key" },
        { "x not below the prime", CLO_KEY_P256,
          "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", p256_y,
          "public key" },
        { "a coordinate short", CLO_KEY_P256, p256_x, "00ff",
          "EC key: coordinates of 32 and 2 bytes" },
        { "another curve's size", CLO_KEY_P384, p256_x, p256_y,
          "EC key: coordinates of 32 and 32 bytes" },
        { "RSA is not a curve", CLO_KEY_RSA, "", "", "EC key: coordinates of 0 and 0 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
        struct clo_error err;
        bool ok = clo_public_key_from_ec(cases[i].kind, from_hex(cases[i].x, &x),
                                         from_hex(cases[i].y, &y), &key, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
        CHECK(ok == (key != NULL), cases[i].name);
    }
}

static void rsa_numbers_are_looked_at(void **state)
{
    static const uint8_t modulus[1026] = { [0 ... 1025] = 0xff };
    static const struct {
        const char *name;
        size_t modulus_size;
        const char *exponent, *error;
    } cases[] = {
        { "fine", 256, "010001", NULL },
        { "leading zeros in the exponent", 256, "00010001", NULL },
        { "exponent 1", 256, "01", "RSA key: wrong exponent" },
        { "an even exponent", 256, "04", "RSA key: wrong exponent" },
        { "no exponent", 256, "", "RSA key: wrong exponent" },
        { "1024 bits", 128, "010001", "RSA key of 1024 bits" },
        { "no modulus", 0, "010001", "" },
        { "far too large", 1026, "010001", "RSA key: 1026-byte modulus, 3-byte exponent" },
        { "a huge exponent", 256, "010000000000000001",
          "RSA key: 256-byte modulus, 9-byte exponent" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer exponent = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_public_key_from_rsa(clo_bytes(modulus, cases[i].modulus_size),
                                          from_hex(cases[i].exponent, &exponent), &key, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || *cases[i].error == '\0' || strcmp(err.text, cases[i].error) == 0,
              cases[i].name);
        CHECK(ok == (key != NULL), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_from_pem),           cmocka_unit_test(what_is_no_public_key),
        cmocka_unit_test(what_is_no_private_key),  cmocka_unit_test(numbers_there_and_back),
        cmocka_unit_test(a_point_is_on_its_curve), cmocka_unit_test(rsa_numbers_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
