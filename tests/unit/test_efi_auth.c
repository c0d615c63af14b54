/* Authenticated variables: ours, changed in each place, and Microsoft's and others'. */
#include "cloister/efi_auth.h"

#include <openssl/evp.h>
#include <openssl/pkcs7.h>

#include "cloister/signature_list.h"
#include "lib/crypto/certificate_make.h"
#include "lib/crypto/openssl.h"
#include "lib/efi/pkcs7.h"
#include "test.h"

#define NOW 1780000000LL

static struct clo_private_key *root_key, *leaf_key;
static struct clo_certificate *root, *leaf, *stranger;

static void make(const char *name, const struct clo_private_key *key,
                 const struct clo_certificate *issuer, const struct clo_private_key *issuer_key,
                 bool is_ca, struct clo_certificate **out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = { .common_name = name,
                                               .not_before = 1000000000,
                                               .not_after = 1100000000, /* long past */
                                               .serial = clo_bytes("\x01", 1),
                                               .is_ca = is_ca,
                                               .scheme = CLO_RSASSA_PKCS1,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    CHECK(clo_certificate_make(&spec, public_key, issuer, issuer_key, &der, &err), err.text);
    CHECK(clo_certificate_parse(clo_buffer_bytes(&der), out, &err), err.text);
}

static int setup(void **state)
{
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &root_key, &err), err.text);
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &leaf_key, &err), err.text);
    make("root", root_key, NULL, root_key, true, &root);
    make("leaf", leaf_key, root, root_key, false, &leaf);
    make("root", leaf_key, NULL, leaf_key, true, &stranger); /* the same name, another key */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clo_private_key_free(root_key);
    clo_private_key_free(leaf_key);
    clo_certificate_free(root);
    clo_certificate_free(leaf);
    clo_certificate_free(stranger);
    return 0;
}

static struct clo_efi_variable dbx(uint32_t attributes)
{
    struct clo_efi_variable variable = { .name = "dbx", .attributes = attributes };

    assert_true(clo_efi_variable_known("dbx", &variable.vendor));
    return variable;
}

static void test_made(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *signer = NULL;
    struct clo_efi_variable variable = dbx(CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND);
    uint8_t time[CLO_EFI_TIME_SIZE];
    char text[CLO_EFI_TIME_TEXT];
    struct clo_efi_auth auth;
    struct clo_error err;

    (void)state;
    clo_efi_time_make(NOW, time);
    CHECK(clo_efi_auth_make(&variable, time, clo_bytes_text("payload"), leaf_key, leaf, &file,
                            &err),
          err.text);
    assert_true(clo_efi_auth_parse(clo_buffer_bytes(&file), &auth, &err));
    assert_string_equal(clo_efi_time_text(auth.time, text), "2026-05-28T20:26:40");
    assert_true(clo_bytes_equal(auth.payload, clo_bytes_text("payload")));
    assert_int_equal(auth.pkcs7.data[4], 0x02); /* bare: its version, not an OID, comes first */
    /* By itself, and by who issued it; long out of date, which no firmware minds. */
    CHECK(clo_efi_auth_verify(&auth, &variable, leaf, &signer, &err), err.text);
    assert_string_equal(clo_certificate_subject(signer), clo_certificate_subject(leaf));
    CHECK(clo_efi_auth_verify(&auth, &variable, root, NULL, &err), err.text);
    assert_false(clo_efi_auth_verify(&auth, &variable, stranger, NULL, &err));
    assert_int_equal(err.status, CLO_ERR_UNVERIFIED);
    assert_string_equal(err.text, "authenticated variable: signed by a key that does not lead to "
                                  "this certificate");

    /* What is signed: each part of it. */
    static const char broken[] = "authenticated variable: the signature does not hold for this "
                                 "variable, attributes, time and data";
    struct clo_efi_variable other = variable;
    other.name = "db";
    assert_false(clo_efi_auth_verify(&auth, &other, leaf, NULL, &err));
    assert_string_equal(err.text, broken);
    other = variable;
    other.vendor.bytes[0] ^= 1;
    assert_false(clo_efi_auth_verify(&auth, &other, leaf, NULL, &err));
    other = dbx(CLO_EFIVAR_SECURE);
    assert_false(clo_efi_auth_verify(&auth, &other, leaf, NULL, &err));
    struct clo_efi_auth changed = auth;
    changed.time[6]++;
    assert_false(clo_efi_auth_verify(&changed, &variable, leaf, NULL, &err));
    changed = auth;
    changed.payload.size--;
    assert_false(clo_efi_auth_verify(&changed, &variable, leaf, NULL, &err));
    changed = auth;
    changed.pkcs7.size--;
    assert_false(clo_efi_auth_verify(&changed, &variable, leaf, NULL, &err));
    assert_string_equal(err.text, "authenticated variable: malformed PKCS #7");

    for (size_t i = 0; i < file.size; i++) {
        bool ok = clo_efi_auth_parse(clo_bytes(file.data, i), &auth, &err);
        CHECK(ok == (i >= file.size - 7), "cut"); /* where the data begins it is only shorter */
    }
    /* Another's key for this certificate. */
    file.size = 0;
    assert_false(
            clo_efi_auth_make(&variable, time, clo_bytes_text("x"), root_key, leaf, &file, &err));
    assert_non_null(strstr(err.text, "is it the certificate's key?"));
}

static void test_malformed(void **state)
{
    static const char head[] = "da07 03 06 13 11 15 00 00000000 0000 00 00 1b000000 0002 f10e "
                               "9dd2af4adf68ee498aa9347d375665a7 300102";
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { "nanoseconds", 8, 1,
          "authenticated variable: its time has fractions of a second or a zone" },
        { "a time zone", 12, 1,
          "authenticated variable: its time has fractions of a second or a zone" },
        { "padding", 15, 1,
          "authenticated variable: its time has fractions of a second or a zone" },
        { "no certificate", 16, 23, "authenticated variable: a certificate of 23 bytes" },
        { "endless certificate", 19, 1, "authenticated variable: truncated at byte 40" },
        { "other revision", 21, 1,
          "authenticated variable: no PKCS #7 certificate (revision 0x100, type 0xef1)" },
        { "other type", 22, 2,
          "authenticated variable: no PKCS #7 certificate (revision 0x200, type 0xe02)" },
        { "other kind", 24, 0,
          "authenticated variable: no PKCS #7 certificate (revision 0x200, type 0xef1)" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_efi_auth auth;
        struct clo_error err;
        from_hex(head, &bytes);
        assert_true(clo_efi_auth_parse(clo_buffer_bytes(&bytes), &auth, &err));
        bytes.data[cases[i].at] = cases[i].value;
        CHECK(!clo_efi_auth_parse(clo_buffer_bytes(&bytes), &auth, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* As other tools write them: a time that is not a date (efitools appends with zeros), and nobody's signature
 * (virt-fw-vars --output-auth), which parses and proves nothing. */
static void test_other_tools(void **state)
{
    struct clo_efi_variable variable = dbx(CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND);
    static const uint8_t times[][CLO_EFI_TIME_SIZE] = { { 0 }, { 0xea, 0x07, 0, 0, 31, 99, 0xff } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer unsigned_file = { 0 };
    struct clo_efi_auth auth;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(times); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CHECK(clo_efi_auth_make(&variable, times[i], clo_bytes_text("payload"), leaf_key, leaf,
                                &file, &err),
              err.text);
        CHECK(clo_efi_auth_is(clo_buffer_bytes(&file)), "says what it is");
        CHECK(clo_efi_auth_parse(clo_buffer_bytes(&file), &auth, &err), err.text);
        CHECK(clo_efi_auth_verify(&auth, &variable, root, NULL, &err), err.text);
    }
    from_hex("da07 03 06 13 11 15 00 00000000 0000 00 00 18000000 0002 f10e "
             "9dd2af4adf68ee498aa9347d375665a7 616263",
             &unsigned_file);
    CHECK(clo_efi_auth_is(clo_buffer_bytes(&unsigned_file)), "says what it is");
    CHECK(clo_efi_auth_parse(clo_buffer_bytes(&unsigned_file), &auth, &err), err.text);
    CHECK(clo_bytes_equal(auth.payload, clo_bytes_text("abc")), "its data");
    CHECK(!clo_efi_auth_verify(&auth, &variable, root, NULL, &err), "unsigned");
    CHECK(err.status == CLO_ERR_REFUSED && strstr(err.text, "is not signed") != NULL, err.text);
    CHECK(!clo_efi_auth_is(clo_bytes_slice(clo_buffer_bytes(&unsigned_file), 0, 39)), "cut");
}

static void test_times(void **state)
{
    uint8_t a[CLO_EFI_TIME_SIZE], b[CLO_EFI_TIME_SIZE];

    (void)state;
    clo_efi_time_make(NOW, a);
    clo_efi_time_make(NOW, b);
    assert_int_equal(clo_efi_time_compare(a, b), 0);
    clo_efi_time_make(NOW + 1, b);
    assert_true(clo_efi_time_compare(a, b) < 0);
    clo_efi_time_make(NOW - 400LL * 86400, b); /* 2025-04: the low byte of the year counts first */
    assert_true(clo_efi_time_compare(a, b) > 0);
}

static void test_vectors(void **state)
{
    static const struct {
        const char *file, *variable, *anchor; /* the KEK that it must lead to; NULL: not here */
        size_t entries;
        const char *time;
    } cases[] = {
        { "ms-dbx-amd64/DBXUpdate.bin", "dbx", "certs/MicCorKEKCA2011_2011-06-24.crt", 443,
          "2010-03-06T19:17:21" },
        { "ms-dbx-x86/DBXUpdate.bin", "dbx", "certs/MicCorKEKCA2011_2011-06-24.crt", 45,
          "2010-03-06T19:17:21" },
        { "efilib-ms-2016-dbx/MS-2016-08-08.bin", "dbx", "certs/MicCorKEKCA2011_2011-06-24.crt", 77,
          "2010-03-06T19:17:21" },
        { "uefi-dbxupdate-2014-08-11/dbxupdate-2014-08-11.bin", "dbx",
          "certs/MicCorKEKCA2011_2011-06-24.crt", 13, "2010-03-06T19:17:21" },
        { "ms-db-2024/DBUpdate2024.bin", "db", "certs/MicCorKEKCA2011_2011-06-24.crt", 1,
          "2010-03-06T19:17:21" },
        { "ms-db-orom2023/DBUpdateOROM2023.bin", "db", "certs/MicCorKEKCA2011_2011-06-24.crt", 1,
          "2010-03-06T19:17:21" },
        { "ms-kek-ami-ami/KEKUpdate_AMI_PK1.bin", "KEK", NULL, 1, "2024-12-31T23:56:59" },
        { "ms-kek-hp-hp/KEKUpdate_HP_PK1.bin", "KEK", NULL, 1, "2010-03-06T19:17:21" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_efi_variable variable = { .name = cases[i].variable,
                                             .attributes = CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND };
        struct clo_efi_auth auth;
        struct clo_error err;
        char path[200], text[CLO_EFI_TIME_TEXT];
        size_t count;
        snprintf(path, sizeof path, "secureboot/%s", cases[i].file);
        read_vector(path, &file);
        CHECK(clo_efi_auth_parse(clo_buffer_bytes(&file), &auth, &err), err.text);
        CHECK(strcmp(clo_efi_time_text(auth.time, text), cases[i].time) == 0, text);
        CHECK(clo_signature_lists_check(auth.payload, &count, &err), err.text);
        CHECK(count == cases[i].entries, cases[i].file);
        assert_true(clo_efi_variable_known(variable.name, &variable.vendor));
        /* The signature holds for appending, and is not ours. */
        CHECK(!clo_efi_auth_verify(&auth, &variable, root, NULL, &err), cases[i].file);
        CHECK(err.status == CLO_ERR_UNVERIFIED, err.text);
        if (cases[i].anchor == NULL)
            continue;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer anchor_file = { 0 };
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *anchor = NULL;
        snprintf(path, sizeof path, "secureboot/%s", cases[i].anchor);
        read_vector(path, &anchor_file);
        CHECK(clo_certificate_parse(clo_buffer_bytes(&anchor_file), &anchor, &err), err.text);
        CHECK(clo_efi_auth_verify(&auth, &variable, anchor, NULL, &err), err.text);
        auth.payload.size -= 48;
        CHECK(!clo_efi_auth_verify(&auth, &variable, anchor, NULL, &err), cases[i].file);
    }
}

/* The forms that OpenSSL writes, and what firmware does not take of them. */
static void test_forms(void **state)
{
    enum {
        BARE = 1,
        TWO_SIGNERS = 2,
        LATER = 4
    };
    static const int plain = PKCS7_BINARY | PKCS7_DETACHED;
    static const struct {
        const char *name;
        int flags;
        const char *hash;
        unsigned form;
        const char *error; /* NULL: verifies */
    } cases[] = {
        { "attributes, in a ContentInfo", plain, "SHA256", 0, NULL },
        { "attributes, bare", plain, "SHA512", BARE, NULL },
        { "no attributes, in a ContentInfo", plain | PKCS7_NOATTR, "SHA384", 0, NULL },
        { "attributes of another message", plain, "SHA256", LATER, "does not hold" },
        { "another message", plain | PKCS7_NOATTR, "SHA256", LATER, "does not hold" },
        { "without the signer's certificate", plain | PKCS7_NOCERTS, "SHA256", 0, "does not hold" },
        { "SHA-1", plain, "SHA1", 0, "another hash" },
        { "two signers", plain, "SHA256", TWO_SIGNERS, "not exactly one signer" },
    };
    const struct clo_efi_variable variable = dbx(CLO_EFIVAR_SECURE);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
        struct clo_efi_auth auth = { .payload = clo_bytes_text("payload") };
        const EVP_MD *hash = EVP_get_digestbyname(cases[i].hash);
        unsigned char *der = NULL;
        struct clo_error err;
        assert_true(clo_utf16_write("dbx", &message, &err));
        clo_buffer_guid(&message, &variable.vendor);
        clo_buffer_le32(&message, variable.attributes);
        clo_buffer_append(&message, clo_bytes(auth.time, sizeof auth.time));
        clo_buffer_append(&message, auth.payload);
        BIO *bio = BIO_new_mem_buf(message.data, (int)message.size);
        PKCS7 *p7 = PKCS7_sign(NULL, NULL, NULL, NULL, cases[i].flags | PKCS7_PARTIAL);
        assert_non_null(PKCS7_sign_add_signer(p7, clo_certificate_x509(leaf),
                                              clo_private_key_evp(leaf_key), hash, cases[i].flags));
        if (cases[i].form & TWO_SIGNERS)
            assert_non_null(PKCS7_sign_add_signer(p7, clo_certificate_x509(root),
                                                  clo_private_key_evp(root_key), hash,
                                                  cases[i].flags));
        assert_int_equal(PKCS7_final(p7, bio, cases[i].flags), 1);
        int size = cases[i].form & BARE ? i2d_PKCS7_SIGNED(p7->d.sign, &der) : i2d_PKCS7(p7, &der);
        auth.pkcs7 = clo_bytes(der, (size_t)size);
        auth.time[6] = cases[i].form & LATER ? 1 : 0;
        bool ok = clo_efi_auth_verify(&auth, &variable, root, NULL, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        for (size_t cut = 0; cut < auth.pkcs7.size; cut++) {
            struct pkcs7 read;
            CHECK(!pkcs7_read(clo_bytes(der, cut), &read), "cut short");
        }
        PKCS7_free(p7);
        BIO_free(bio);
        OPENSSL_free(der);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_other_tools), cmocka_unit_test(test_times),
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_forms),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
