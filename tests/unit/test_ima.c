#include "cloister/ima.h"

#include "cloister/encoding.h"
#include "vectors.h"

/* One entry: PCR, template digest, name, and its data with a size in front where the template has one. */
static void put_entry(struct clo_buffer *out, unsigned pcr, const char *name, struct clo_bytes data,
                      bool is_violation)
{
    struct clo_digest digest = { .hash = CLO_HASH_SHA1 };

    if (!is_violation)
        clo_hash(CLO_HASH_SHA1, data, &digest);
    clo_buffer_le32(out, pcr);
    clo_buffer_append(out, clo_digest_bytes(&digest));
    clo_buffer_le32(out, (uint32_t)strlen(name));
    clo_buffer_text(out, name);
    clo_buffer_le32(out, (uint32_t)data.size);
    clo_buffer_append(out, data);
}

static void put_field(struct clo_buffer *out, struct clo_bytes field)
{
    clo_buffer_le32(out, (uint32_t)field.size);
    clo_buffer_append(out, field);
}

static struct clo_ima *parse(const struct clo_buffer *file)
{
    struct clo_ima *list;
    struct clo_error err;

    if (!clo_ima_parse(clo_buffer_bytes(file), &list, &err))
        fail_msg("%s", err.text);
    return list;
}

static bool is_text(struct clo_bytes bytes, const char *text)
{
    return clo_bytes_equal(bytes, clo_bytes_text(text));
}

static void test_fields(void **state)
{
    static const struct {
        const char *name, *prefix, *hash;
    } cases[] = {
        { "ima-ng", "sha256:", "sha256" },
        { "ima-sig", "sha1:", "sha1" },
        { "ima-ngv2", "ima:sha512:", "sha512" },
        { "ima-sigv2", "verity:sha256:", "sha256" },
        { "ima-odd", "none", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer digest = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = NULL;
        clo_buffer_append(&digest, clo_bytes(cases[i].prefix, strlen(cases[i].prefix) + 1));
        clo_buffer_text(&digest, "12345");
        put_field(&data, clo_buffer_bytes(&digest));
        put_field(&data, clo_bytes("/usr/bin/true", 14));
        put_field(&data, clo_bytes_text("a signature"));
        put_entry(&file, 10, cases[i].name, clo_buffer_bytes(&data), false);
        list = parse(&file);
        const struct clo_ima_entry *entry = clo_ima_at(list, 0);
        CHECK(clo_ima_count(list) == 1 && is_text(entry->template_name, cases[i].name), "name");
        CHECK(clo_ima_is_list(clo_buffer_bytes(&file)), "is known for what it is");
        if (cases[i].hash == NULL) {
            CHECK(entry->file_name.data == NULL, cases[i].name);
            continue;
        }
        CHECK(is_text(entry->file_hash, cases[i].hash), cases[i].name);
        CHECK(is_text(entry->file_digest, "12345"), cases[i].name);
        CHECK(is_text(entry->file_name, "/usr/bin/true"), cases[i].name);
    }
}

/* Each bank's own hash of the data; SHA-1 padded with zeros; ones for a violation. */
static void test_replay(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = NULL;
    struct clo_digest sha1;
    struct clo_digest padded = { .hash = CLO_HASH_SHA256 };
    struct clo_digest ones = { .hash = CLO_HASH_SHA256 };
    struct clo_pcr_bank bank;
    struct clo_pcr_bank expected;
    struct clo_error err;

    (void)state;
    put_entry(&file, 10, "ima-ng", clo_bytes_text("data"), false);
    put_entry(&file, 10, "ima-ng", clo_bytes_text("more"), true);
    list = parse(&file);
    clo_hash(CLO_HASH_SHA1, clo_bytes_text("data"), &sha1);
    memcpy(padded.bytes, sha1.bytes, 20);
    memset(ones.bytes, 0xff, 32);

    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    CHECK(clo_ima_replay(list, CLO_IMA_EACH_BANK, &bank, &err), err.text);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    clo_pcr_measure(&expected, 10, clo_bytes_text("data"));
    clo_pcr_extend(&expected, 10, &ones);
    CHECK(clo_digest_equal(&bank.values[10], &expected.values[10]), "each bank's own");

    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    CHECK(clo_ima_replay(list, CLO_IMA_PADDED_SHA1, &bank, &err), err.text);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    clo_pcr_extend(&expected, 10, &padded);
    clo_pcr_extend(&expected, 10, &ones);
    CHECK(clo_digest_equal(&bank.values[10], &expected.values[10]), "padded");

    file.data[4 + 20 + 4 + 6 + 4] ^= 1; /* the first entry's is */
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    CHECK(!clo_ima_replay(list, CLO_IMA_EACH_BANK, &bank, &err), "changed data");
    CHECK(strcmp(err.text, "entry 0: its data does not lead to its template digest") == 0,
          err.text);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } cases[] = {
        { "PCR 24", "18000000 0000000000000000000000000000000000000000 01000000 78 00000000",
          "entry 0: PCR 24" },
        { "no template name", "0a000000 0000000000000000000000000000000000000000 00000000",
          "entry 0: template name of 0 bytes" },
        { "long template name", "0a000000 0000000000000000000000000000000000000000 41000000",
          "entry 0: template name of 65 bytes" },
        { "the oldest form, long name",
          "0a000000 0000000000000000000000000000000000000000 03000000 696d61 "
          "0000000000000000000000000000000000000000 00010000",
          "entry 0: name of 256 bytes, at most 255 expected" },
        { "data cut short",
          "0a000000 0000000000000000000000000000000000000000 01000000 78 02000000 00",
          "entry 0: truncated at byte 33" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = NULL;
        struct clo_error err;
        for (const char *at = cases[i].hex; *at != '\0'; at++)
            if (*at != ' ') {
                CHECK(clo_hex_read(clo_bytes(at, 2), &file, &err), err.text);
                at++;
            }
        CHECK(!clo_ima_parse(clo_buffer_bytes(&file), &list, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* tpm2-tss's own lists, all three templates' entries: every truncation but those between two entries is
 * refused, and every entry's data leads to its template digest. */
static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tpm");
    size_t i;
    json_t *entry;
    size_t tried = 0;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = NULL;
        const char *id = json_string_value(json_object_get(entry, "id"));
        struct clo_pcr_bank bank;
        struct clo_error err;
        char path[256];
        if (!find_case_file("tpm", entry, "ima.bin", path, sizeof path))
            continue;
        read_vector(path, &file);
        struct clo_bytes in = clo_buffer_bytes(&file);
        CHECK(clo_ima_is_list(in), id);
        if (strstr(id, "invalidated") != NULL) {
            /* Collected without its last byte, the NUL of a name. */
            CHECK(!clo_ima_parse(in, &list, &err), id);
            CHECK(strcmp(err.text, "entry 0: truncated at byte 38") == 0, err.text);
            clo_buffer_u8(&file, 0);
            in = clo_buffer_bytes(&file);
        }
        list = parse(&file);
        CHECK(clo_ima_count(list) > 0, id);
        clo_pcr_reset(&bank, CLO_HASH_SHA1);
        CHECK(clo_ima_replay(list, CLO_IMA_EACH_BANK, &bank, &err), err.text);
        for (size_t size = 1; size < in.size; size++) {
            CLO_CLEANUP(clo_ima_freep) struct clo_ima *cut = NULL;
            bool is_boundary = false;
            for (size_t k = 0; k < clo_ima_count(list); k++) {
                size_t end = clo_ima_at(list, k)->offset;
                is_boundary = is_boundary || (size >= end && size <= end + 7);
            }
            is_boundary = is_boundary || size >= in.size - clo_ima_stray(list);
            CHECK(clo_ima_parse(clo_bytes_slice(in, 0, size), &cut, &err) == is_boundary, id);
        }
        tried++;
    }
    CHECK(tried >= 3, "lists");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
