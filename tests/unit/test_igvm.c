#include "cloister/igvm.h"
#include "lib/base/put.h"

#include "igvm_cases.h"

enum {
    IGVM_TYPE_AREA = 0x301,
    IGVM_TYPE_PAGE = 0x302,
    IGVM_TYPE_INSERT = 0x303,
    IGVM_TYPE_VP = 0x304,
};

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_igvm igvm;
    struct clo_error err;

    (void)state;
    read_igvm_file("everything.igvm", &file);
    CHECK(clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), err.text);
    CHECK(igvm.format_version == 2 && igvm.platform_count == 3, "version, platforms");
    CHECK(igvm.platforms[1].platform_type == CLO_IGVM_SEV_SNP &&
                  igvm.platforms[1].compatibility_mask == 1 &&
                  igvm.platforms[1].platform_version == 1,
          "SNP");
}

/* One number of a good file changed; the checksum is right again. */
static void test_refused(void **state)
{
    static const struct {
        const char *name;
        const char *file;
        uint32_t type; /* 0: `at` is in the file */
        size_t nth, at;
        uint32_t value;
        const char *error;
    } cases[] = {
        { "signature", "minimal.igvm", 0, 0, 0, 0x4e564749, "IGVM: no signature IGVM" },
        { "version", "minimal.igvm", 0, 0, 4, 3, "IGVM: version 3, expected 1 or 2" },
        { "architecture", "everything.igvm", 0, 0, 24, 1,
          "IGVM: architecture 1 with pages of 4096 bytes" },
        { "pages", "everything.igvm", 0, 0, 28, 65536,
          "IGVM: architecture 0 with pages of 65536 bytes" },
        { "size", "minimal.igvm", 0, 0, 16, 8337, "IGVM: 8336 bytes, its header says 8337" },
        { "headers in the fixed one", "minimal.igvm", 0, 0, 8, 16,
          "IGVM: variable headers at 0x10, size 0x70: not in the file" },
        { "headers at an odd place", "minimal.igvm", 0, 0, 8, 28,
          "IGVM: variable headers at 0x1c, size 0x70: not in the file" },
        { "headers beyond the end", "minimal.igvm", 0, 0, 12, 8336,
          "IGVM: variable headers at 0x18, size 0x2090: not in the file" },
        { "headers far beyond the end", "minimal.igvm", 0, 0, 8, 0xfffffff8,
          "IGVM: variable headers at 0xfffffff8, size 0x70: not in the file" },
        { "a header that is longer than all", "minimal.igvm", 0, 0, 28, 4096,
          "IGVM: header at 0x18: type 0x1, size 4096: the headers end before" },
        { "padding", "minimal.igvm", IGVM_TYPE_VP, 0, 20, 1,
          "IGVM: header at 0x68: the padding after it is not zero" },
        { "a type nobody knows", "minimal.igvm", 0, 0, 24, 0x2,
          "IGVM: header at 0x18: type 0x2 is unknown, and must not be ignored" },
        { "another size", "minimal.igvm", 0, 0, 24, 0x307,
          "IGVM: header at 0x18: VP count: 16 bytes, expected 8" },
        { "a section that was over", "minimal.igvm", 0, 0, 48, 0x1,
          NULL }, /* a second platform: refused for its mask, below */
        { "two bits", "minimal.igvm", 1, 0, 0, 3,
          "IGVM: header at 0x18: supported platform: compatibility mask 0x3 has not one bit" },
        { "a mask of another", "everything.igvm", 1, 2, 0, 2,
          "IGVM: header at 0x50: supported platform: compatibility mask 0x2 is another one's" },
        { "page: address", "minimal.igvm", IGVM_TYPE_PAGE, 0, 0, 0x1001,
          "IGVM: header at 0x48: page data: address 0x1001 is not a page's" },
        { "page: flags", "minimal.igvm", IGVM_TYPE_PAGE, 0, 16, 8,
          "IGVM: header at 0x48: page data: reserved bits are not zero" },
        { "page: reserved", "minimal.igvm", IGVM_TYPE_PAGE, 0, 20, 0x10000,
          "IGVM: header at 0x48: page data: reserved bits are not zero" },
        { "page: type", "minimal.igvm", IGVM_TYPE_PAGE, 0, 20, 4,
          "IGVM: header at 0x48: page data: data type 4" },
        { "page: secrets of 2 MiB", "everything.igvm", IGVM_TYPE_PAGE, 10, 20, 1,
          "IGVM: header at 0x2e0: page data: data type 1" },
        { "page: 2 MiB at an odd place", "minimal.igvm", IGVM_TYPE_PAGE, 0, 16, 1,
          "IGVM: header at 0x48: page data: address 0x1000 is none of 2 MiB" },
        { "page: data in the headers", "minimal.igvm", IGVM_TYPE_PAGE, 0, 12, 0x18,
          "IGVM: header at 0x48: page data: 0x1000 bytes of data at 0x18 are not in the file's "
          "data" },
        { "page: data beyond the end", "minimal.igvm", IGVM_TYPE_PAGE, 0, 12, 8336 - 4095,
          "IGVM: header at 0x48: page data: 0x1000 bytes of data at 0x1091 are not in the file's "
          "data" },
        { "page: data far beyond the end", "minimal.igvm", IGVM_TYPE_PAGE, 0, 12, 0xfffff000,
          "IGVM: header at 0x48: page data: 0x1000 bytes of data at 0xfffff000 are not in the "
          "file's data" },
        { "page: data of as much beyond the end", "minimal.igvm", IGVM_TYPE_PAGE, 0, 12, 8336,
          "IGVM: header at 0x48: page data: 0x1000 bytes of data at 0x2090 are not in the file's "
          "data" },
        { "area: size", "everything.igvm", IGVM_TYPE_AREA, 0, 0, 100,
          "IGVM: header at 0x98: parameter area: 0x64 bytes: no whole pages, or too many" },
        { "area: 64 MiB and a page", "everything.igvm", IGVM_TYPE_AREA, 0, 0, 0x4001000,
          "IGVM: header at 0x98: parameter area: 0x4001000 bytes: no whole pages, or too many" },
        { "area: data beyond the end", "everything.igvm", IGVM_TYPE_AREA, 0, 12, 29440,
          "IGVM: header at 0x98: parameter area: 0x3000 bytes of data at 0x7300 are not in the "
          "file's data" },
        { "insert: address", "everything.igvm", IGVM_TYPE_INSERT, 0, 0, 0x20004,
          "IGVM: header at 0x258: parameter insert: address 0x20004 is not a page's" },
        { "VP: address", "minimal.igvm", IGVM_TYPE_VP, 0, 0, 0xfffff001,
          "IGVM: header at 0x68: VP context: address 0xfffffffff001 is not a page's" },
        { "VP: reserved", "minimal.igvm", IGVM_TYPE_VP, 0, 16, 0x10000,
          "IGVM: header at 0x68: VP context: reserved bits are not zero" },
        { "VP: no data", "minimal.igvm", IGVM_TYPE_VP, 0, 12, 0,
          "IGVM: header at 0x68: VP context: no data" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_igvm igvm;
        struct clo_error err;
        read_igvm_file(cases[i].file, &file);
        size_t start =
                cases[i].type == 0 ? 0 : find_igvm_header(&file, cases[i].type, cases[i].nth);
        clo_put_le32(file.data + start + cases[i].at, cases[i].value);
        if (igvm_u32(&file, 8) < file.size)
            seal_igvm(&file);
        CHECK(!clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), cases[i].name);
        CHECK(cases[i].error == NULL || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

/* Only measurements in CoRIM may be of any size: here in place of a VP context, which has 20 bytes. */
static void test_any_size(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_igvm igvm;
    struct clo_error err;

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    clo_put_le32(file.data + find_igvm_header(&file, IGVM_TYPE_VP, 0) - 8, 0x314);
    seal_igvm(&file);
    CHECK(clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), err.text);
}

static void test_checksum(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_igvm igvm;
    struct clo_error err;

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    file.data[24 + 8 + 4] = 1; /* the platform's highest VTL */
    CHECK(!clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), "checksum");
    CHECK(strncmp(err.text, "IGVM: checksum 0x", 17) == 0, err.text);
    seal_igvm(&file);
    CHECK(clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), err.text);
    CHECK(igvm.platforms[0].highest_vtl == 1, "VTL");
}

/* A section that is over does not come back: the guest policy, moved after the pages. */
static void test_order(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    uint8_t policy[24], page[32];
    struct clo_igvm igvm;
    struct clo_error err;

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    memcpy(policy, file.data + 0x30, sizeof policy);
    memcpy(page, file.data + 0x48, sizeof page);
    memcpy(file.data + 0x30, page, sizeof page);
    memcpy(file.data + 0x50, policy, sizeof policy);
    seal_igvm(&file);
    CHECK(!clo_igvm_parse(clo_buffer_bytes(&file), &igvm, &err), "order");
    CHECK(strcmp(err.text, "IGVM: header at 0x50: guest policy: comes after a later section") == 0,
          err.text);
}

static void test_truncations(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_igvm igvm;
    struct clo_error err;

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    for (size_t size = 0; size < file.size; size++)
        CHECK(!clo_igvm_parse(clo_bytes(file.data, size), &igvm, &err), "truncated");
    /* Also where the header says that it is so long. */
    for (size_t size = 24; size < file.size; size++) {
        CLO_CLEANUP(clo_freep) uint8_t *part = malloc(size);
        memcpy(part, file.data, size);
        clo_put_le32(part + 16, (uint32_t)size);
        if (size < 24 + igvm_u32(&file, 12))
            clo_put_le32(part + 12, (uint32_t)(size - 24));
        struct clo_buffer view = { .data = part, .size = size };
        seal_igvm(&view);
        bool ok = clo_igvm_parse(clo_buffer_bytes(&view), &igvm, &err);
        CHECK(!ok || (size - 24) % 8 == 0 || size >= 24 + igvm_u32(&file, 12) - 4 ||
                      size - 24 <= 24,
              "truncated headers");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_checksum),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_truncations), cmocka_unit_test(test_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
