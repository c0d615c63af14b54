#include "cloister/igvm.h"

#include "cloister/json.h"
#include "igvm_cases.h"
#include "lib/base/put.h"

static bool measure(const struct clo_buffer *file, enum clo_vmm vmm, struct clo_igvm_launch *out,
                    struct clo_error *err)
{
    struct clo_igvm igvm;

    if (!clo_igvm_parse(clo_buffer_bytes(file), &igvm, err))
        fail_msg("%s", err->text);
    return clo_igvm_measure(&igvm, vmm, out, err);
}

static void check_case(const char *name, const json_t *entry, const char *key, enum clo_vmm vmm)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    const char *wanted = json_string_value(json_object_get(entry, key));
    char path[64], text[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_igvm_launch launch;
    struct clo_error err;

    snprintf(path, sizeof path, "%s.igvm", name);
    read_igvm_file(path, &file);
    bool ok = measure(&file, vmm, &launch, &err);
    CHECK(ok == (wanted != NULL), name);
    if (ok)
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&launch.digest), text), wanted) == 0, name);
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *cases = NULL;
    struct clo_error err;
    const char *name;
    json_t *entry;

    (void)state;
    read_igvm_file("cases.json", &text);
    CHECK(clo_json_parse(clo_buffer_bytes(&text), &cases, &err), err.text);
    CHECK(json_object_size(cases) == 6, "cases");
    json_object_foreach (cases, name, entry) {
        check_case(name, entry, "qemu", CLO_VMM_QEMU);
        check_case(name, entry, "hyperv", CLO_VMM_HYPERV);
    }
}

static void test_what_else(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer agrees = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_igvm_launch launch;
    struct clo_error err;

    (void)state;
    read_igvm_file("everything.igvm", &file);
    CHECK(measure(&file, CLO_VMM_QEMU, &launch, &err), err.text);
    CHECK(launch.has_policy && launch.policy == 0xb0000, "SNP's policy, not TDX's");
    CHECK(launch.vmsa_count == 1 && !launch.has_id_block && !launch.is_relocatable, "the rest");
    CHECK(launch.measured_pages == 2 + 5 + 3 + 1 + 512, "pages");
    read_igvm_file("id-block.igvm", &agrees);
    CHECK(measure(&agrees, CLO_VMM_QEMU, &launch, &err), err.text);
    CHECK(launch.has_id_block && launch.id_block_agrees, "agrees");
    /* One for another platform is none of ours. */
    clo_put_le32(agrees.data + find_igvm_header(&agrees, 0x30b, 0), 1U << 31);
    seal_igvm(&agrees);
    CHECK(measure(&agrees, CLO_VMM_QEMU, &launch, &err), err.text);
    CHECK(!launch.has_id_block && !launch.id_block_agrees, "of another platform");
    read_igvm_file("id-block-of-another.igvm", &other);
    CHECK(measure(&other, CLO_VMM_QEMU, &launch, &err), err.text);
    CHECK(launch.has_id_block && !launch.id_block_agrees, "does not");
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *file;
        enum clo_vmm vmm;
        uint32_t type;
        size_t nth, at;
        uint32_t value;
        const char *error;
    } cases[] = {
        { "no SNP platform", "minimal.igvm", CLO_VMM_QEMU, 0x1, 0, 4, 0x00010300,
          "IGVM: it is for no SEV-SNP platform" },
        { "two of them", "everything.igvm", CLO_VMM_QEMU, 0x1, 2, 4, 0x00010200,
          "IGVM: it is for more than one SEV-SNP platform" },
        { "EC2", "minimal.igvm", CLO_VMM_EC2, 0x101, 0, 0, 0, "IGVM: VMM ec2 loads no such files" },
        { "an area twice", "everything.igvm", CLO_VMM_QEMU, 0x301, 1, 8, 7,
          "IGVM: header at 0xb0: parameter area 7: is there twice" },
        { "an area nobody declared", "everything.igvm", CLO_VMM_QEMU, 0x303, 0, 12, 9,
          "IGVM: header at 0x258: parameter area 9: inserted, but not declared" },
        { "a VMSA elsewhere", "minimal.igvm", CLO_VMM_QEMU, 0x304, 0, 0, 0xffffe000,
          "IGVM: header at 0x68: VP context at 0xffffffffe000: QEMU with KVM has it at "
          "0xfffffffff000" },
        { "half a VMSA", "minimal.igvm", CLO_VMM_HYPERV, 0x304, 0, 12, 8336 - 4095,
          "IGVM: header at 0x68: VP context: the file ends within its VMSA" },
        { "two VMSAs", "two-vmsas.igvm", CLO_VMM_QEMU, 0x304, 0, 0, 0xfffff000, NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        struct clo_igvm_launch launch;
        struct clo_error err;
        read_igvm_file(cases[i].file, &file);
        size_t start = find_igvm_header(&file, cases[i].type, cases[i].nth);
        clo_put_le32(file.data + start + cases[i].at, cases[i].value);
        if (cases[i].error == NULL) /* and the high half of the address */
            clo_put_le32(file.data + start + 4, 0xffff);
        seal_igvm(&file);
        CHECK(!measure(&file, cases[i].vmm, &launch, &err), cases[i].name);
        const char *error = cases[i].error != NULL
                                    ? cases[i].error
                                    : "IGVM: header at 0x70: more than one VP context: QEMU with "
                                      "KVM can set the first CPU's alone";
        CHECK(strcmp(err.text, error) == 0, err.text);
    }
}

/* The same area again, where the second area was; two ID blocks. */
static void test_twice(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer two = { 0 };
    struct clo_igvm_launch launch;
    struct clo_error err;

    (void)state;
    read_igvm_file("everything.igvm", &file);
    size_t insert = find_igvm_header(&file, 0x303, 1);
    clo_put_le32(file.data + insert + 8, 1);
    clo_put_le32(file.data + insert + 12, 7);
    seal_igvm(&file);
    CHECK(!measure(&file, CLO_VMM_QEMU, &launch, &err), "inserted twice");
    CHECK(strcmp(err.text, "IGVM: header at 0x270: parameter area 7: inserted twice") == 0,
          err.text);
    /* The headers again, without the platform and the policy: one page, one VMSA, one ID block. */
    read_igvm_file("id-block.igvm", &two);
    size_t block = find_igvm_header(&two, 0x30b, 0) - 8;
    CHECK(block + 704 == 24 + igvm_u32(&two, 12), "the last header");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    clo_buffer_append(&again, clo_bytes(two.data, block + 704));
    clo_buffer_append(&again, clo_bytes(two.data + block, 704));
    clo_buffer_append(&again, clo_bytes(two.data, two.size)); /* any data */
    clo_put_le32(again.data + 12, igvm_u32(&two, 12) + 704);
    clo_put_le32(again.data + 16, (uint32_t)again.size);
    clo_put_le32(again.data + find_igvm_header(&again, 0x302, 0) + 12, (uint32_t)(block + 2 * 704));
    clo_put_le32(again.data + find_igvm_header(&again, 0x304, 0) + 12, (uint32_t)(block + 2 * 704));
    seal_igvm(&again);
    CHECK(!measure(&again, CLO_VMM_QEMU, &launch, &err), "two ID blocks");
    CHECK(strstr(err.text, ": more than one SNP ID block") != NULL, err.text);
}

/* As many parameter areas as can be, and one more: each declared, none inserted. */
static void test_areas(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    for (uint32_t count = 256; count <= 257; count++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer many = { 0 };
        struct clo_igvm_launch launch;
        struct clo_error err;
        clo_buffer_append(&many, clo_bytes(file.data, 0x48));
        for (uint32_t i = 0; i < count; i++) {
            clo_buffer_le32(&many, 0x301);
            clo_buffer_le32(&many, 16);
            clo_buffer_le64(&many, CLO_LAUNCH_PAGE);
            clo_buffer_le32(&many, i);
            clo_buffer_le32(&many, 0);
        }
        clo_put_le32(many.data + 12, (uint32_t)(many.size - 24));
        clo_put_le32(many.data + 16, (uint32_t)many.size);
        seal_igvm(&many);
        bool ok = measure(&many, CLO_VMM_QEMU, &launch, &err);
        CHECK(ok == (count == 256), "256, 257");
        CHECK(ok || strstr(err.text, ": more than 256 parameter areas") != NULL, err.text);
    }
}

static void test_relocatable(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer moved = { 0 };
    struct clo_igvm_launch launch;
    struct clo_error err;
    uint8_t region[56] = { 0x02, 0x01, 0, 0, 48 };

    (void)state;
    read_igvm_file("minimal.igvm", &file);
    clo_buffer_append(&moved, clo_bytes(file.data, 0x48));
    clo_buffer_append(&moved, clo_bytes(region, sizeof region));
    clo_buffer_append(&moved, clo_bytes(file.data + 0x48, file.size - 0x48));
    clo_put_le32(moved.data + 12, igvm_u32(&file, 12) + 56);
    clo_put_le32(moved.data + 16, (uint32_t)moved.size);
    for (uint32_t type = 0x302; type <= 0x304; type += 2) {
        size_t at = find_igvm_header(&moved, type, 0) + 12;
        clo_put_le32(moved.data + at, igvm_u32(&moved, at) + 56);
    }
    seal_igvm(&moved);
    CHECK(measure(&moved, CLO_VMM_QEMU, &launch, &err), err.text);
    CHECK(launch.is_relocatable, "said");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_what_else),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_areas),   cmocka_unit_test(test_relocatable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
