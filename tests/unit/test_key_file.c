#include "device/key_file.h"

#include "device/file.h"
#include "test.h"

/* By openssl: `pkcs8 -topk8` and `ec -aes128` of one key, with the passphrase "geheim". */
static const char pkcs8[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                            "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg6uk3xemedFAICCAAw\n"
                            "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELNqFnPLc2FqXZJiPd/XX3UEgZD9\n"
                            "AeB997Voe5p/DgcG1OPleSx7K+d5P9SR7kXEB3/+CLWgfNK9riSvP+RyaCid6FmA\n"
                            "uiHGK61ZouXcf7pHb6Sm9YBoxiiY/9eNvGckKd/mg+rG9DipAOQIxL0JKJFPYZ20\n"
                            "oM/gGz7Zzb6lXwv5Idq0iSXWKaExHpEPNS53Wy65uDO4lboYRgAU9XlPfCCU7vg=\n"
                            "-----END ENCRYPTED PRIVATE KEY-----\n";
static const char traditional[] =
        "-----BEGIN EC PRIVATE KEY-----\n"
        "Proc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,DFD8457F61DCD484E03FF2E2AD51CDF0\n"
        "\n"
        "1WMQUlhYdIaMrX0rOy2bg311bHG16SDvS0d+4eRPNpvYVflptbWdxIrN9jhwxyY8\n"
        "rHf6iSGUD3eJrb9fj6+sbeN9SZyKa2g81jKvkR2cwGdO+fX1LcRb5C2Xqq2isxUl\n"
        "XFbwE8/Jfk76ThJ3XxZ7Ph46CYQu/BLYWhY7Mw8sorI=\n"
        "-----END EC PRIVATE KEY-----\n";

static const char *write_text(const struct clo_scratch *scratch, const char *name, const char *text,
                              char path[4200])
{
    struct clo_error err;

    snprintf(path, 4200, "%s/%s", scratch->path, name);
    CHECK(clo_file_write(path, clo_bytes_text(text), 0600, &err), err.text);
    return path;
}

static void test_encrypted(void **state)
{
    static const struct {
        const char *name, *pem, *passphrase, *error;
    } cases[] = {
        { "PKCS #8", pkcs8, "geheim", NULL },
        { "PKCS #8, a newline after it", pkcs8, "geheim\n", NULL },
        { "traditional", traditional, "geheim", NULL },
        { "PKCS #8, wrong", pkcs8, "gehein", "is encrypted, and the passphrase is wrong" },
        { "traditional, wrong", traditional, "gehein",
          "is encrypted, and the passphrase is wrong" },
        { "PKCS #8, two newlines", pkcs8, "geheim\n\n",
          "is encrypted, and the passphrase is wrong" },
        { "PKCS #8, none", pkcs8, NULL, "is encrypted, and no passphrase was given" },
        { "traditional, none", traditional, NULL, "is encrypted, and no passphrase was given" },
        { "not a key", "text", "geheim", "not a private key in PEM" },
    };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    char path[4200], passphrase_path[4200], wanted[4300];
    struct clo_error err;

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *passphrase = NULL;
        write_text(&scratch, "key", cases[i].pem, path);
        if (cases[i].passphrase != NULL)
            write_text(&scratch, "passphrase", cases[i].passphrase, passphrase_path);
        CHECK(clo_passphrase_read(cases[i].passphrase == NULL ? NULL : passphrase_path, &passphrase,
                                  &err),
              err.text);
        bool ok = clo_key_file_private(path, passphrase, &key, &err);
        CHECK(ok == (cases[i].error == NULL) && ok == (key != NULL), cases[i].name);
        if (ok)
            continue;
        snprintf(wanted, sizeof wanted, "%s: %s", path, cases[i].error);
        CHECK(err.status == CLO_ERR_FORMAT && strcmp(err.text, wanted) == 0, err.text);
    }
}

static void test_passphrases(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *passphrase = NULL;
    struct clo_error err;
    char path[4200];

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    write_text(&scratch, "empty", "\n", path);
    CHECK(!clo_passphrase_read(path, &passphrase, &err) && passphrase == NULL, "a newline alone");
    CHECK(err.status == CLO_ERR_FORMAT && strstr(err.text, "holds no passphrase") != NULL,
          err.text);
    snprintf(path, sizeof path, "%s/none", scratch.path);
    CHECK(!clo_passphrase_read(path, &passphrase, &err) && err.status == CLO_ERR_FORMAT, err.text);
}

static void test_certificates(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error err;
    char path[4200];

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    write_text(&scratch, "key", pkcs8, path);
    CHECK(!clo_certificate_file(path, &certificate, &err), "a key");
    CHECK(strstr(err.text, "holds no certificate") != NULL, err.text);
    CHECK(!clo_key_file_public(path, &key, &pem, &err) && key == NULL, "a private key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_passphrases),
        cmocka_unit_test(test_certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
