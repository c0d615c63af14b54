#include "cloister/quote.h"

#include "vectors.h"

#define TPM_ALG_RSASSA 0x0014

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* TPMS_ATTEST of a quote over these PCRs of the bank. */
static void make_quote(struct clo_buffer *out, const struct clo_pcr_bank *bank, uint32_t mask,
                       enum clo_hash signature_hash)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(signature_hash);
    struct clo_digest digest;

    for (unsigned i = 0; i < CLO_PCR_COUNT; i++)
        if ((mask >> i & 1) != 0)
            clo_hasher_add(hasher, clo_digest_bytes(&bank->values[i]));
    clo_hasher_get(hasher, &digest);
    clo_buffer_be32(out, 0xff544347);
    clo_buffer_be16(out, 0x8018);
    sized(out, clo_bytes_text("signer"));
    sized(out, clo_bytes_text("nonce"));
    clo_buffer_be64(out, 1234);
    clo_buffer_be32(out, 5);
    clo_buffer_be32(out, 6);
    clo_buffer_u8(out, 1);
    clo_buffer_be64(out, 7);
    clo_buffer_be32(out, 1);
    clo_buffer_be16(out, clo_hash_to_tpm(bank->hash));
    clo_buffer_u8(out, 3);
    for (unsigned i = 0; i < 3; i++)
        clo_buffer_u8(out, (uint8_t)(mask >> (8 * i)));
    sized(out, clo_digest_bytes(&digest));
}

static void make_bank(struct clo_pcr_bank *bank)
{
    clo_pcr_reset(bank, CLO_HASH_SHA256);
    clo_pcr_measure(bank, 4, clo_bytes_text("program"));
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_pcr_bank bank;
    struct clo_quote quote;
    struct clo_error err;

    (void)state;
    make_bank(&bank);
    make_quote(&made, &bank, 0x90, CLO_HASH_SHA256);
    CHECK(clo_quote_parse(clo_buffer_bytes(&made), &quote, &err), err.text);
    CHECK(clo_bytes_equal(quote.qualified_signer, clo_bytes_text("signer")), "signer");
    CHECK(clo_bytes_equal(quote.qualifying_data, clo_bytes_text("nonce")), "extraData");
    CHECK(quote.clock == 1234 && quote.reset_count == 5 && quote.restart_count == 6, "clock");
    CHECK(quote.is_safe && quote.firmware_version == 7, "safe");
    CHECK(quote.selection_count == 1 && quote.selections[0].hash == CLO_HASH_SHA256 &&
                  quote.selections[0].mask == 0x90,
          "selection");
    CHECK(quote.pcr_digest.size == 32, "digest");
    for (size_t size = 0; size < made.size; size++) {
        CHECK(!clo_quote_parse(clo_bytes_slice(clo_buffer_bytes(&made), 0, size), &quote, &err),
              "cut");
        CHECK(err.status == CLO_ERR_FORMAT && strstr(err.text, "truncated") != NULL, err.text);
    }
    clo_buffer_u8(&made, 0);
    CHECK(!clo_quote_parse(clo_buffer_bytes(&made), &quote, &err), "one byte more");
    CHECK(strcmp(err.text, "quote: 1 bytes after its end") == 0, err.text);
}

static void test_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { 0, 0, "quote: magic 0x00544347: no TPM made it" },
        { 5, 0x17, "quote: attestation of type 0x8017" },
        { 49, 9, "quote: 9 PCR selections" },
        { 52, 5, "quote: PCR selection of 5 bytes" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_pcr_bank bank;
    struct clo_quote quote;

    (void)state;
    make_bank(&bank);
    make_quote(&made, &bank, 0x90, CLO_HASH_SHA256);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err;
        uint8_t saved = made.data[cases[i].at];
        made.data[cases[i].at] = cases[i].value;
        CHECK(!clo_quote_parse(clo_buffer_bytes(&made), &quote, &err), cases[i].error);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        made.data[cases[i].at] = saved;
    }
}

static void test_signature_parse(void **state)
{
    static const struct {
        const char *name, *hex, *error;
        enum clo_signature_scheme scheme;
        size_t size;
    } cases[] = {
        { "RSASSA", "0014 000b 0002 aabb", NULL, CLO_RSASSA_PKCS1, 2 },
        { "RSAPSS", "0016 000c 0001 aa", NULL, CLO_RSASSA_PSS, 1 },
        { "ECDSA, short numbers", "0018 000b 0001 05 0002 0102", NULL, CLO_ECDSA_RAW, 64 },
        { "no scheme", "0010 000b", "signature: scheme 0x0010", 0, 0 },
        { "unknown hash", "0014 0012 0001 aa", "signature: unknown hash", 0, 0 },
        { "cut", "0014 000b 0002 aa", "signature: truncated at byte 6", 0, 0 },
        { "more", "0014 000b 0001 aa 00", "signature: 1 bytes after its end", 0, 0 },
        { "nothing", "", "signature: truncated at byte 0", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_quote_signature signature;
        struct clo_error err;
        bool ok = clo_quote_signature_parse(from_hex(cases[i].hex, &bytes), &signature, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!ok || (signature.scheme == cases[i].scheme && signature.size == cases[i].size),
              cases[i].name);
    }
}

/* Numbers are right-aligned: 5, and 0x0102. */
static void test_signature_numbers(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_quote_signature signature;
    struct clo_error err;

    (void)state;
    CHECK(clo_quote_signature_parse(from_hex("0018 000b 0001 05 0002 0102", &bytes), &signature,
                                    &err),
          err.text);
    CHECK(signature.bytes[31] == 5 && clo_bytes_all(clo_bytes(signature.bytes, 31), 0), "r");
    CHECK(signature.bytes[62] == 1 && signature.bytes[63] == 2, "s");
    bytes.size = 0;
    from_hex("0018 000c 0031", &bytes); /* 49 bytes, the first of them not zero */
    for (size_t i = 0; i < 49; i++)
        clo_buffer_u8(&bytes, 1);
    clo_buffer_be16(&bytes, 0);
    CHECK(!clo_quote_signature_parse(clo_buffer_bytes(&bytes), &signature, &err), "too large");
    CHECK(strcmp(err.text, "signature: numbers of 49 and 0 bytes") == 0, err.text);
    bytes.data[6] = 0; /* a leading zero */
    CHECK(clo_quote_signature_parse(clo_buffer_bytes(&bytes), &signature, &err), err.text);
    CHECK(signature.size == 96, "P-384");
}

struct maker {
    struct clo_private_key *key;
    struct clo_buffer quote, signature;
    struct clo_public_key *public_key;
    struct clo_pcr_bank bank;
};

static void make(struct maker *maker, enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bare = { 0 };
    struct clo_error err;

    make_bank(&maker->bank);
    make_quote(&maker->quote, &maker->bank, 0x90, hash);
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &maker->key, &err), err.text);
    CHECK(clo_private_key_public(maker->key, &maker->public_key, &err), err.text);
    CHECK(clo_signature_make(maker->key, CLO_RSASSA_PKCS1, hash, clo_buffer_bytes(&maker->quote),
                             &bare, &err),
          err.text);
    clo_buffer_be16(&maker->signature, TPM_ALG_RSASSA);
    clo_buffer_be16(&maker->signature, clo_hash_to_tpm(hash));
    sized(&maker->signature, clo_buffer_bytes(&bare));
}

static void maker_free(struct maker *maker)
{
    clo_private_key_free(maker->key);
    clo_public_key_free(maker->public_key);
    clo_buffer_free(&maker->quote);
    clo_buffer_free(&maker->signature);
}

static void test_verify(void **state)
{
    CLO_CLEANUP(maker_free) struct maker maker = { 0 };
    struct clo_quote_verified verified;
    struct clo_error err;

    (void)state;
    make(&maker, CLO_HASH_SHA256);
    struct clo_bytes quote = clo_buffer_bytes(&maker.quote);
    struct clo_bytes signature = clo_buffer_bytes(&maker.signature);
    CHECK(clo_quote_verify(quote, signature, maker.public_key, false, &verified, &err), err.text);
    CHECK(verified.hash == CLO_HASH_SHA256, "hash");
    CHECK(clo_quote_covers(&verified, &maker.bank, 0x90, &err), err.text);

    CHECK(!clo_quote_covers(&verified, &maker.bank, 0x10, &err), "fewer");
    CHECK(strcmp(err.text, "quote: of PCRs 0x000090, not 0x000010") == 0, err.text);
    maker.bank.values[7].bytes[0] = 1;
    CHECK(!clo_quote_covers(&verified, &maker.bank, 0x90, &err), "another value");
    CHECK(strcmp(err.text, "quote: its digest is not that of the PCR values") == 0, err.text);
    maker.bank.hash = CLO_HASH_SHA384;
    CHECK(!clo_quote_covers(&verified, &maker.bank, 0x90, &err), "another bank");
    CHECK(strcmp(err.text, "quote: of another bank than sha384") == 0, err.text);

    /* Every byte of what was signed counts. */
    for (size_t i = 0; i < maker.quote.size; i++) {
        maker.quote.data[i] ^= 0x40;
        CHECK(!clo_quote_verify(quote, signature, maker.public_key, false, &verified, &err),
              "changed");
        maker.quote.data[i] ^= 0x40;
    }
    maker.signature.data[maker.signature.size - 1] ^= 1;
    CHECK(!clo_quote_verify(quote, signature, maker.public_key, false, &verified, &err),
          "changed signature");
    CHECK(err.status == CLO_ERR_REFUSED, err.text);
}

static void test_sha1_is_refused(void **state)
{
    CLO_CLEANUP(maker_free) struct maker maker = { 0 };
    struct clo_quote_verified verified;
    struct clo_error err;

    (void)state;
    make(&maker, CLO_HASH_SHA1);
    CHECK(!clo_quote_verify(clo_buffer_bytes(&maker.quote), clo_buffer_bytes(&maker.signature),
                            maker.public_key, false, &verified, &err),
          "SHA-1");
    CHECK(err.status == CLO_ERR_REFUSED && strcmp(err.text, "quote: signed with SHA-1") == 0,
          err.text);
    CHECK(clo_quote_verify(clo_buffer_bytes(&maker.quote), clo_buffer_bytes(&maker.signature),
                           maker.public_key, true, &verified, &err),
          "where it is asked for");
}

/* --- The shared vectors --- */

static void same_quote(const json_t *expected, const struct clo_quote *quote, const char *name)
{
    const struct {
        const char *key;
        struct clo_bytes value;
    } bytes[] = {
        { "qualified_signer", quote->qualified_signer },
        { "extra_data", quote->qualifying_data },
        { "pcr_digest", quote->pcr_digest },
    };
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        { "clock", quote->clock },
        { "reset_count", quote->reset_count },
        { "restart_count", quote->restart_count },
        { "safe", quote->is_safe },
    };
    const json_t *selection = json_array_get(json_object_get(expected, "pcr_selection"), 0);
    size_t i;
    json_t *pcr;
    uint32_t mask = 0;

    for (i = 0; i < CLO_COUNT(bytes); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *hex = clo_json_hex(bytes[i].value);
        CHECK(json_equal(hex, json_object_get(expected, bytes[i].key)), name);
    }
    for (i = 0; i < CLO_COUNT(numbers); i++)
        CHECK((uint64_t)json_integer_value(json_object_get(expected, numbers[i].key)) ==
                      numbers[i].value,
              name);
    CHECK(strtoull(json_string_value(json_object_get(expected, "firmware_version")), NULL, 16) ==
                  quote->firmware_version,
          name);
    json_array_foreach (json_object_get(selection, "pcrs"), i, pcr)
        mask |= 1U << json_integer_value(pcr);
    CHECK(quote->selection_count >= 1 && quote->selections[0].mask == mask, name);
    CHECK(quote->selections[0].hash ==
                  clo_hash_from_name(json_string_value(json_object_get(selection, "hash"))),
          name);
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tpm");
    size_t tried = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *name = json_string_value(json_object_get(entry, "id"));
        struct clo_quote quote;
        struct clo_error err;
        char path[512];
        if (!find_case_file("tpm", entry, "quote.out", path, sizeof path) &&
            !find_case_file("tpm", entry, "quote.msg", path, sizeof path))
            continue;
        read_vector(path, &file);
        CHECK(clo_quote_parse(clo_buffer_bytes(&file), &quote, &err), err.text);
        same_quote(json_object_get(entry, "expected"), &quote, name);
        tried++;
    }
    CHECK(tried >= 3, "the manifest has its cases");
}

/* A signature in tpm2_quote's own form. */
static void test_vector_signatures(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *same = NULL;
    struct clo_quote_verified verified;
    struct clo_digest a;
    struct clo_digest b;
    struct clo_error err;
    bool is_restricted = false;

    (void)state;
    read_vector("tpm/quote-keylime/quote.out", &quote);
    read_vector("tpm/quote-keylime/quotesig.out", &signature);
    read_vector("tpm/quote-keylime/akpub.pem", &pem);
    read_vector("tpm/quote-keylime/ak.pub", &area);
    CHECK(clo_public_key_from_pem(clo_buffer_bytes(&pem), &key, &err), err.text);
    CHECK(clo_quote_verify(clo_buffer_bytes(&quote), clo_buffer_bytes(&signature), key, false,
                           &verified, &err),
          err.text);
    CHECK(clo_tpm_public_parse(clo_buffer_bytes(&area), &same, &is_restricted, &err), err.text);
    CHECK(is_restricted, "an attestation key");
    CHECK(clo_public_key_fingerprint(key, &a, &err) && clo_public_key_fingerprint(same, &b, &err) &&
                  clo_digest_equal(&a, &b),
          "the same key in both forms");
    quote.data[quote.size - 1] ^= 1;
    CHECK(!clo_quote_verify(clo_buffer_bytes(&quote), clo_buffer_bytes(&signature), key, false,
                            &verified, &err),
          "changed");
}

/* Cut anywhere, or with a byte more, a public area is refused. */
static void test_public_areas(void **state)
{
    static const char *const names[] = { "tpm/quote-windows-gcp/ak.tpmt",
                                         "tpm/quote-keylime/ak.pub" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
        read_vector(names[i], &area);
        size_t whole = area.size;
        clo_buffer_u8(&area, 0);
        for (size_t size = 0; size <= area.size; size++) {
            CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
            struct clo_error err;
            bool is_restricted;
            bool ok = clo_tpm_public_parse(clo_bytes(area.data, size), &key, &is_restricted, &err);
            CHECK(ok == (size == whole), names[i]);
            CHECK((key != NULL) == ok, names[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_signature_parse), cmocka_unit_test(test_signature_numbers),
        cmocka_unit_test(test_verify),          cmocka_unit_test(test_sha1_is_refused),
        cmocka_unit_test(test_vectors),         cmocka_unit_test(test_vector_signatures),
        cmocka_unit_test(test_public_areas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
