#include "cloister/authenticode.h"

#include "pe_maker.h"
#include "signer_maker.h"

static struct clo_digest digest_of(struct clo_bytes file)
{
    struct clo_digest digest;
    struct clo_pe pe;
    struct clo_error err;

    CHECK(clo_pe_parse(file, &pe, &err), err.text);
    CHECK(clo_authenticode_digest(&pe, CLO_HASH_SHA256, &digest, &err), err.text);
    return digest;
}

/* Which bytes of the file count: all but CheckSum, the directory entry and the table. */
static void test_digest(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;
    struct clo_pe pe;
    size_t counted = 0;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    struct clo_bytes in = clo_buffer_bytes(&file);
    struct clo_digest before = digest_of(in);
    /* By the definition itself: two gaps left out. */
    struct clo_bytes parts[] = {
        clo_bytes_slice(in, 0, PE_CHECKSUM),
        clo_bytes_slice(in, PE_CHECKSUM + 4, PE_DIRECTORIES + 32 - PE_CHECKSUM - 4),
        clo_bytes_slice(in, PE_DIRECTORIES + 40, in.size),
    };
    struct clo_digest expected;
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &expected);
    CHECK(clo_digest_equal(&before, &expected), "two gaps");
    for (size_t i = 0; i < file.size; i++) {
        bool is_left_out = (i >= PE_CHECKSUM && i < PE_CHECKSUM + 4) ||
                           (i >= PE_DIRECTORIES + 32 && i < PE_DIRECTORIES + 40);
        file.data[i] ^= 1;
        if (clo_pe_parse(in, &pe, &err)) {
            struct clo_digest after = digest_of(in);
            CHECK(clo_digest_equal(&before, &after) == is_left_out, "byte");
            counted++;
        }
        file.data[i] ^= 1;
    }
    CHECK(counted > 1000, "most changes leave a PE file");
}

/* What lies after the last section counts: as it is, and padded with zeros to 8 for a signature. */
static void test_tail(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer padded = { 0 };
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    struct clo_digest before = digest_of(clo_buffer_bytes(&file));
    clo_buffer_text(&file, "abc");
    struct clo_digest with = digest_of(clo_buffer_bytes(&file));
    CHECK(!clo_digest_equal(&before, &with), "counts");
    clo_buffer_append(&padded, clo_buffer_bytes(&file));
    clo_buffer_zero(&padded, 5);
    struct clo_digest same = digest_of(clo_buffer_bytes(&padded));
    CHECK(!clo_digest_equal(&with, &same), "the file as it is has no padding");
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(clo_authenticode_digest_to_sign(&pe, CLO_HASH_SHA256, &with, &err), err.text);
    CHECK(clo_digest_equal(&with, &same), "padding");
    CHECK(clo_pe_parse(clo_buffer_bytes(&padded), &pe, &err), err.text);
    CHECK(clo_authenticode_digest_to_sign(&pe, CLO_HASH_SHA256, &with, &err), err.text);
    CHECK(clo_digest_equal(&with, &same), "padded already");
}

static void test_gaps(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_digest digest;
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    clo_buffer_zero(&file, 0x200);
    pe_put(&file, PE_SECTIONS + 40 + 20, 0x800, 4); /* .sdmagic moved: a gap before it */
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(!clo_authenticode_digest_to_sign(&pe, CLO_HASH_SHA256, &digest, &err), "gap");
    CHECK(strcmp(err.text, "Authenticode: gaps between the sections (0x200 bytes at 0x600): such a "
                           "file is not signed") == 0,
          err.text);
    /* By firmware's count of bytes: what the gap pushes out comes a second time, the gap never. */
    const struct clo_bytes whole = clo_buffer_bytes(&file);
    const struct clo_bytes parts[] = {
        clo_bytes_slice(whole, 0, pe.checksum_offset),
        clo_bytes_slice(whole, pe.checksum_offset + 4,
                        PE_DIRECTORIES + 32 - pe.checksum_offset - 4),
        clo_bytes_slice(whole, PE_DIRECTORIES + 40, 0x600 - PE_DIRECTORIES - 40),
        clo_bytes_slice(whole, 0x800, 0x200),
        clo_bytes_slice(whole, 0x800, 0x200),
    };
    struct clo_digest expected;
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &expected);
    CHECK(clo_authenticode_digest(&pe, CLO_HASH_SHA256, &digest, &err), err.text);
    CHECK(clo_digest_equal(&digest, &expected), "as firmware counts");
}

static void sign(const struct signer *signer, enum clo_hash hash, struct clo_buffer *out)
{
    struct clo_error err;

    pe_make(out, pe_stub, CLO_COUNT(pe_stub));
    CHECK(clo_authenticode_sign(out, signer->key, signer->certificate, hash, &err), err.text);
}

static void test_sign(void **state)
{
    static const struct {
        enum clo_key_kind kind;
        enum clo_hash hash;
    } cases[] = {
        { CLO_KEY_RSA, CLO_HASH_SHA256 },
        { CLO_KEY_RSA, CLO_HASH_SHA384 },
        { CLO_KEY_RSA, CLO_HASH_SHA512 },
        { CLO_KEY_P256, CLO_HASH_SHA256 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(signer_free) struct signer signer = { 0 };
        CLO_CLEANUP(signer_free) struct signer other = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        enum clo_hash hash = CLO_HASH_NONE;
        struct clo_error err;
        struct clo_pe pe;
        signer_make(&signer, cases[i].kind, "owner");
        signer_make(&other, cases[i].kind, "other");
        sign(&signer, cases[i].hash, &file);
        CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
        CHECK(file.size % 8 == 0 && pe.certificates.size > 0, "padded");
        CHECK(clo_authenticode_verify(&pe, signer.certificate, &hash, &err), err.text);
        CHECK(hash == cases[i].hash, "hash");
        CHECK(!clo_authenticode_verify(&pe, other.certificate, &hash, &err), "another key");
        CHECK(err.status == CLO_ERR_REFUSED &&
                      strcmp(err.text, "no signature over this image by \"CN=other\" "
                                       "(1 signatures)") == 0,
              err.text);
        CHECK(clo_authenticode_certificate(&pe, 0, &der), "its certificate");
        CHECK(clo_bytes_equal(clo_buffer_bytes(&der), clo_certificate_der(signer.certificate)),
              "its certificate");
        CHECK(!clo_authenticode_certificate(&pe, 1, &der), "only one");
        /* The signature leaves the digest as it was, and the checksum is right. */
        CHECK(clo_pe_checksum(clo_buffer_bytes(&file), pe.checksum_offset) ==
                      (uint32_t)(file.data[PE_CHECKSUM] | file.data[PE_CHECKSUM + 1] << 8 |
                                 file.data[PE_CHECKSUM + 2] << 16),
              "CheckSum");
        sign(&signer, cases[i].hash, &again);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&file), clo_buffer_bytes(&again)) ==
                      (cases[i].kind == CLO_KEY_RSA),
              "the same inputs give the same file, with RSA");
        /* Signing again replaces the signature. */
        CHECK(clo_authenticode_sign(&file, other.key, other.certificate, cases[i].hash, &err),
              err.text);
        CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
        CHECK(!clo_authenticode_verify(&pe, signer.certificate, &hash, &err), "replaced");
        CHECK(clo_authenticode_verify(&pe, other.certificate, &hash, &err), err.text);
    }
}

/* Every byte that is signed, and every byte of the signature's own fields. */
static void test_changed(void **state)
{
    CLO_CLEANUP(signer_free) struct signer signer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;
    struct clo_pe pe;
    enum clo_hash hash;
    size_t unchanged = 0;

    (void)state;
    signer_make(&signer, CLO_KEY_RSA, "owner");
    sign(&signer, CLO_HASH_SHA256, &file);
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    size_t table = file.size - pe.certificates.size;
    for (size_t i = 0; i < table; i += i < PE_HEADERS_SIZE ? 1 : 7) {
        if (i >= PE_CHECKSUM && i < PE_CHECKSUM + 4)
            continue;
        file.data[i] ^= 1;
        CHECK(!clo_pe_parse(clo_buffer_bytes(&file), &pe, &err) ||
                      !clo_authenticode_verify(&pe, signer.certificate, &hash, &err),
              "changed");
        file.data[i] ^= 1;
    }
    /* In the table there are bytes that nothing depends on (the certificate that comes along,
     * padding); the signature over the content is not among them. */
    for (size_t i = table; i < file.size; i++) {
        file.data[i] ^= 1;
        if (clo_pe_parse(clo_buffer_bytes(&file), &pe, &err) &&
            clo_authenticode_verify(&pe, signer.certificate, &hash, &err))
            unchanged++;
        file.data[i] ^= 1;
    }
    CHECK(unchanged < (file.size - table) * 3 / 4, "most of the table counts");
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(clo_authenticode_verify(&pe, signer.certificate, &hash, &err), "and it is whole again");
}

/* A valid signature over another image does not count for this one. */
static void test_transplanted(void **state)
{
    static const struct pe_section other_sections[] = {
        { ".text", { (const uint8_t *)"evil", 4 } },
        { ".sdmagic", { (const uint8_t *)PE_SDMAGIC, sizeof PE_SDMAGIC } },
    };
    CLO_CLEANUP(signer_free) struct signer signer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_error err;
    struct clo_pe pe;
    enum clo_hash hash;

    (void)state;
    signer_make(&signer, CLO_KEY_RSA, "owner");
    sign(&signer, CLO_HASH_SHA256, &file);
    pe_make(&other, other_sections, 2);
    memcpy(file.data + PE_HEADERS_SIZE, other.data + PE_HEADERS_SIZE, other.size - PE_HEADERS_SIZE);
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(!clo_authenticode_verify(&pe, signer.certificate, &hash, &err), "transplanted");
    CHECK(err.status == CLO_ERR_REFUSED, err.text);
}

static void test_unsigned(void **state)
{
    CLO_CLEANUP(signer_free) struct signer signer = { 0 };
    CLO_CLEANUP(signer_free) struct signer other = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;
    struct clo_pe pe;
    enum clo_hash hash;

    (void)state;
    signer_make(&signer, CLO_KEY_P256, "owner");
    signer_make(&other, CLO_KEY_P256, "other");
    pe_make(&file, pe_stub, CLO_COUNT(pe_stub));
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    CHECK(!clo_authenticode_verify(&pe, signer.certificate, &hash, &err), "unsigned");
    CHECK(strcmp(err.text, "the image is not signed") == 0, err.text);
    size_t size = file.size;
    CHECK(!clo_authenticode_sign(&file, signer.key, other.certificate, CLO_HASH_SHA256, &err),
          "another's certificate");
    CHECK(strcmp(err.text, "Authenticode: key and certificate do not belong together") == 0,
          err.text);
    CHECK(!clo_authenticode_sign(&file, signer.key, signer.certificate, CLO_HASH_SHA1, &err),
          "SHA-1");
    CHECK(err.status == CLO_ERR_UNSUPPORTED && file.size == size, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),   cmocka_unit_test(test_tail),
        cmocka_unit_test(test_gaps),     cmocka_unit_test(test_sign),
        cmocka_unit_test(test_changed),  cmocka_unit_test(test_transplanted),
        cmocka_unit_test(test_unsigned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
