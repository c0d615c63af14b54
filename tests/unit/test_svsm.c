/* The manifest of an SVSM's services, and what binds it. */
#include "lib/snp/svsm.h"

#include "test.h"

#define TABLE "bb9e8463 923d7046 a1ff58f9 c94b87bb"
#define VTPM  "ebf176c4 2301a545 9641b4e7 dde5bfe3"
#define OTHER "593a45a4 1b9e 8747 a033 1986d6adbe55"

static void test_tables(void **state)
{
    static const struct {
        const char *name, *hex, *error;
        size_t count;
    } cases[] = {
        { "none", TABLE "18000000 00000000", NULL, 0 },
        { "a TPM", TABLE "33000000 01000000" VTPM "30000000 03000000 aabbcc", NULL, 1 },
        { "a service that says nothing, and a TPM",
          TABLE "4a000000 02000000" OTHER "48000000 00000000" VTPM "48000000 02000000 aabb", NULL,
          2 },
        { "another table", VTPM "18000000 00000000", "is not a table of services", 0 },
        { "another size", TABLE "19000000 00000000", "says 25 bytes, has 24", 0 },
        { "more services than there is room for", TABLE "18000000 01000000", "1 services", 0 },
        { "a service outside", TABLE "33000000 01000000" VTPM "30000000 04000000 aabbcc",
          "4 bytes at 48, of 51", 0 },
        { "a service inside of the table",
          TABLE "33000000 01000000" VTPM "18000000 03000000 aabbcc", "3 bytes at 24", 0 },
        { "a service twice",
          TABLE "4a000000 02000000" VTPM "48000000 00000000" VTPM "48000000 02000000 aabb",
          "is there twice", 0 },
        { "bytes that no service has", TABLE "33000000 01000000" VTPM "30000000 02000000 aabbcc",
          "1 bytes after its end", 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_bytes in = from_hex(cases[i].hex, &bytes);
        struct clo_svsm_manifest manifest;
        struct clo_error err = { .text = "" };
        bool ok = clo_svsm_parse(in, &manifest, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || manifest.count == cases[i].count, cases[i].name);
        for (size_t size = 0; ok && size < in.size; size++)
            CHECK(!clo_svsm_parse(clo_bytes(in.data, size), &manifest, &err), "truncated");
    }
}

static void test_find(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes in =
            from_hex(TABLE "33000000 01000000" VTPM "30000000 03000000 aabbcc", &bytes);
    const struct clo_guid none = { { 0 } };
    struct clo_svsm_manifest manifest;
    struct clo_error err;
    char text[CLO_GUID_TEXT];

    (void)state;
    CHECK(clo_svsm_parse(in, &manifest, &err), err.text);
    CHECK(strcmp(clo_guid_text(&clo_svsm_vtpm, text), "c476f1eb-0123-45a5-9641-b4e7dde5bfe3") == 0,
          text);
    CHECK(clo_bytes_equal(clo_svsm_find(&manifest, &clo_svsm_vtpm), clo_bytes("\xaa\xbb\xcc", 3)),
          "the TPM's");
    CHECK(clo_svsm_find(&manifest, &none).data == NULL, "another's");
}

/* What one service says ends where the next one's begins. */
static void test_neighbours(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes in = from_hex(TABLE "4c000000 02000000" VTPM "48000000 02000000" OTHER
                                         "4a000000 02000000 aabb ccdd",
                                   &bytes);
    struct clo_svsm_manifest manifest;
    struct clo_error err;

    (void)state;
    CHECK(clo_svsm_parse(in, &manifest, &err), err.text);
    CHECK(clo_bytes_equal(clo_svsm_find(&manifest, &clo_svsm_vtpm), clo_bytes("\xaa\xbb", 2)),
          "the TPM's");
    CHECK(clo_bytes_equal(manifest.services[1].manifest, clo_bytes("\xcc\xdd", 2)),
          "the other one's");
}

/* SHA-512 of 64 bytes of nonce and the manifest. */
static void test_binding(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes digest =
            from_hex("8b5aa29e1c5ab93e0c3e39b2b9bca64f50aa22c77f0b95d8d9b10ff0d7aa0cd6"
                     "0000000000000000000000000000000000000000000000000000000000000000",
                     &bytes);
    const struct clo_bytes manifest = clo_bytes_text("manifest");
    uint8_t input[64 + 8] = { 'n', 'o', 'n', 'c', 'e' };
    struct clo_digest right;

    (void)state;
    memcpy(input + 64, "manifest", 8);
    clo_hash(CLO_HASH_SHA512, clo_bytes(input, sizeof input), &right);
    CHECK(clo_svsm_binds(clo_digest_bytes(&right), clo_bytes_text("nonce"), manifest), "it binds");
    CHECK(clo_svsm_binds(clo_digest_bytes(&right), clo_bytes(input, 64), manifest), "filled up");
    CHECK(!clo_svsm_binds(digest, clo_bytes_text("nonce"), manifest), "another digest");
    CHECK(!clo_svsm_binds(clo_digest_bytes(&right), clo_bytes_text("nonse"), manifest), "nonce");
    CHECK(!clo_svsm_binds(clo_digest_bytes(&right), clo_bytes_text("nonce"),
                          clo_bytes_text("manifesT")),
          "manifest");
    CHECK(!clo_svsm_binds(clo_digest_bytes(&right), clo_bytes(input, sizeof input),
                          clo_bytes(NULL, 0)),
          "a nonce that reaches into the manifest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_binding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
