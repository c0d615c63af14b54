#include "cloister/tdvf.h"
#include "tdvf_maker.h"

static void make(struct clo_tdvf *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_error err;

    tdvf_make(tdvf_parts, CLO_COUNT(tdvf_parts), &image);
    if (!clo_tdvf_parse(clo_buffer_bytes(&image), out, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < out->count; i++)
        out->sections[i].data = clo_bytes(NULL, 0); /* the image goes away */
}

/* From logs of real guests: shared/vectors/tdx-eventlog, coco-ccel_data_ovmf, intel-ccel-unpadded and
 * dstack-json-log. Their firmware asks for the same memory as the image of this test. */
static void test_logged(void **state)
{
    static const struct {
        uint64_t gib;
        const char *digest;
    } cases[] = {
        { 2, "0b8772e5b0b41b83" },
        { 8, "2e070cda358b5aa0" },
        { 64, "8ae1e425351df799" },
    };
    struct clo_tdvf tdvf;

    (void)state;
    make(&tdvf);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        struct clo_digest digest;
        struct clo_error err;
        CHECK(clo_tdvf_hob(&tdvf, cases[i].gib << 30, &hob, &err), err.text);
        clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&hob), &digest);
        clo_hex_text(clo_digest_bytes(&digest), hex);
        CHECK(strncmp(hex, cases[i].digest, 16) == 0, cases[i].digest);
    }
}

static uint64_t at(const struct clo_buffer *hob, size_t offset)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(clo_buffer_bytes(hob), offset, 8));

    return clo_read_le64(&r);
}

/* Where low memory ends, and what a range of its own is. */
static void test_ranges(void **state)
{
    static const struct {
        const char *name;
        uint64_t memory;
        size_t ranges;
        uint64_t last_at, last_size;
    } cases[] = {
        { "all of it low", 0xaffff000, 8, 0x820000, 0xaffff000 - 0x820000 },
        { "from here on it is split", 0xb0000000, 9, 0x100000000, 0x30000000 },
        { "no byte after the last section", 0x820000, 7, 0x810000, 0x10000 },
    };
    struct clo_tdvf tdvf;

    (void)state;
    make(&tdvf);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
        struct clo_error err;
        CHECK(clo_tdvf_hob(&tdvf, cases[i].memory, &hob, &err), err.text);
        CHECK(hob.size == 56 + 48 * cases[i].ranges, cases[i].name);
        CHECK(at(&hob, 48) == 0x809000 + hob.size + 8, cases[i].name);
        CHECK(at(&hob, hob.size - 16) == cases[i].last_at, cases[i].name);
        CHECK(at(&hob, hob.size - 8) == cases[i].last_size, cases[i].name);
    }
    CHECK(clo_qemu_low_memory(0xafffffff) == 0xafffffff, "all low");
    CHECK(clo_qemu_low_memory(0xb0000000) == 0x80000000, "split");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t memory;
        const char *error;
    } cases[] = {
        { "none", 0, "0x0 bytes of memory: expected whole pages" },
        { "half a page", 0x80000800, "0x80000800 bytes of memory: expected whole pages" },
        { "too much", (uint64_t)1 << 47, "0x800000000000 bytes of memory: expected whole pages" },
        { "too little", 0x81f000, "section 2 does not lie in 0x81f000 bytes of memory" },
    };
    struct clo_tdvf tdvf;
    struct clo_tdvf other;
    struct clo_error err;

    (void)state;
    make(&tdvf);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
        CHECK(!clo_tdvf_hob(&tdvf, cases[i].memory, &hob, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_USAGE && strcmp(err.text, cases[i].error) == 0, err.text);
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
    other = tdvf;
    other.sections[4].type = CLO_TDVF_TEMP_MEM;
    CHECK(!clo_tdvf_hob(&other, 1U << 30, &hob, &err) &&
                  strcmp(err.text, "the image has no place for a TD HOB") == 0,
          err.text);
    other = tdvf;
    other.sections[5].type = CLO_TDVF_PERM_MEM;
    CHECK(!clo_tdvf_hob(&other, 1U << 30, &hob, &err) &&
                  strcmp(err.text, "section 5: QEMU does not load PERM_MEM") == 0,
          err.text);
    other = tdvf;
    other.sections[4].memory_size = 0; /* as no parsed one has it */
    CHECK(!clo_tdvf_hob(&other, 1U << 30, &hob, &err), "no room");
    other = tdvf;
    other.sections[5].address = 0x811000; /* in section 2 */
    CHECK(!clo_tdvf_hob(&other, 1U << 30, &hob, &err) &&
                  strcmp(err.text, "section 5 does not lie in 0x40000000 bytes of memory") == 0,
          err.text);
    CHECK(hob.size == 0, "nothing is written on failure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logged),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
