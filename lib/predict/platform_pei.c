/* PEI runs from memory, so a module's global variables are a part of the volume that is measured. In
 * edk2 of 2022 PlatformPei keeps there what it found of the machine (OvmfPkg: PlatformPei,
 * PlatformInitLib; edk2-stable202211), and the memory types that the variable store asks for. Newer
 * ones keep it elsewhere, and leave addresses of their own that depend on how memory was handed out.
 *
 * Where the variables lie is not written anywhere: it follows from the code's references to them, which
 * must be there for every field. */
#include "lib/predict/platform_pei.h"

#include <stdlib.h>
#include <string.h>

/* 222c386d-5abc-4fb4-b124-fbb82488acf4 */
static const struct clo_guid guid_platform_pei = { { 0x6d, 0x38, 0x2c, 0x22, 0xbc, 0x5a, 0xb4, 0x4f,
                                                     0xb1, 0x24, 0xfb, 0xb8, 0x24, 0x88, 0xac,
                                                     0xf4 } };
/* SmmAccessPei, 6c0e75b4-b0b9-44d1-8210-3377d7b4e066: there in builds that need SMM */
static const struct clo_guid guid_smm_access = { { 0xb4, 0x75, 0x0e, 0x6c, 0xb9, 0xb0, 0xd1, 0x44,
                                                   0x82, 0x10, 0x33, 0x77, 0xd7, 0xb4, 0xe0,
                                                   0x66 } };
/* 4c19049f-4137-4dd3-9c10-8b97a83ffdfa */
static const struct clo_guid guid_memory_types = { { 0x9f, 0x04, 0x19, 0x4c, 0x37, 0x41, 0xd3, 0x4d,
                                                     0x9c, 0x10, 0x8b, 0x97, 0xa8, 0x3f, 0xfd,
                                                     0xfa } };

#define GIB           ((uint64_t)1 << 30)
#define MAGIC_PE32    0x10b
#define RELOC_HIGHLOW 3
#define SECTIONS_MAX  16

/* EFI_HOB_PLATFORM_INFO, packed, and after it two flags of QemuFwCfgPeiLib. */
enum {
    HOST_BRIDGE = 0x18,
    SMM_REQUIRED = 0x28,
    SMRAM_AT_DEFAULT = 0x29,
    TSEG_MIB = 0x2a,
    FIRST_NON_ADDRESS = 0x2c,
    ADDRESS_WIDTH = 0x34,
    UC32_BASE = 0x35,
    MMIO64_BASE = 0x46,
    MMIO64_SIZE = 0x4e,
    MMIO32_BASE = 0x56,
    MMIO32_SIZE = 0x5a,
    IO_BASE = 0x5e,
    IO_SIZE = 0x66,
    CPUS_AT_BOOT = 0x76,
    CPUS_MAX = 0x7a,
    CPUS_DEFAULT = 0x7e,
    FW_CFG_SUPPORTED = 0x8a,
    FW_CFG_DMA = 0x8b,
    INFO_SIZE = 0x8c,
};
static const uint8_t fields[] = { HOST_BRIDGE,
                                  0x23,
                                  0x27, /* boot mode, S3 */
                                  SMM_REQUIRED,
                                  SMRAM_AT_DEFAULT,
                                  TSEG_MIB,
                                  FIRST_NON_ADDRESS,
                                  ADDRESS_WIDTH,
                                  UC32_BASE,
                                  0x39,
                                  MMIO64_BASE,
                                  MMIO64_SIZE,
                                  MMIO32_BASE,
                                  MMIO32_SIZE,
                                  IO_BASE,
                                  IO_SIZE,
                                  CPUS_AT_BOOT,
                                  CPUS_MAX,
                                  CPUS_DEFAULT,
                                  0x82,
                                  0x86, /* memory kept for S3 */
                                  FW_CFG_SUPPORTED,
                                  FW_CFG_DMA };
#define INFO_ALIGNMENT 32

/* --- The module --- */

struct module {
    struct clo_bytes image;
    size_t offset; /* of the image, in the volume */
    bool is_32_bit;
    uint32_t base;          /* of a 32-bit image */
    size_t text, text_size; /* sections; run in place, they lie in memory as in the file */
    size_t data, data_size;
    size_t relocations, relocations_size;
    uint8_t *referenced; /* a byte for each of the data section's: code refers to it */
};

static void module_free(struct module *module)
{
    free(module->referenced);
}

static bool read_sections(struct module *module, struct clo_reader *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct clo_bytes name = clo_read_bytes(r, 8);
        clo_read_skip(r, 4);
        size_t address = clo_read_le32(r);
        size_t size = clo_read_le32(r);
        size_t offset = clo_read_le32(r);
        clo_read_skip(r, 16);
        if (!clo_reader_ok(r) || offset != address || offset > module->image.size ||
            size > module->image.size - offset)
            return false;
        if (memcmp(name.data, ".text\0\0", 8) == 0) {
            module->text = offset;
            module->text_size = size;
        } else if (memcmp(name.data, ".data\0\0", 8) == 0) {
            module->data = offset;
            module->data_size = size;
        } else if (memcmp(name.data, ".reloc\0", 8) == 0) {
            module->relocations = offset;
            module->relocations_size = size;
        }
    }
    return module->text_size > 0 && module->data_size >= INFO_SIZE;
}

static bool read_headers(struct module *module)
{
    struct clo_reader r = clo_reader(module->image);

    clo_read_skip(&r, 0x3c);
    size_t start = clo_read_le32(&r);
    r.at = 0;
    clo_read_skip(&r, start);
    struct clo_bytes signature = clo_read_bytes(&r, 4);
    clo_read_skip(&r, 2);
    size_t count = clo_read_le16(&r);
    clo_read_skip(&r, 12);
    size_t optional = clo_read_le16(&r);
    clo_read_skip(&r, 2);
    if (!clo_reader_ok(&r) || memcmp(signature.data, "PE\0", 4) != 0 || count > SECTIONS_MAX ||
        optional < 32)
        return false;
    module->is_32_bit = clo_read_le16(&r) == MAGIC_PE32;
    clo_read_skip(&r, 26);
    module->base = clo_read_le32(&r);
    clo_read_skip(&r, optional - 32);
    return clo_reader_ok(&r) && read_sections(module, &r, count);
}

static void refer(struct module *module, uint64_t address)
{
    if (address >= module->data && address - module->data < module->data_size)
        module->referenced[address - module->data] = 1;
}

/* 32-bit code holds addresses, and the relocations tell where. */
static void follow_relocations(struct module *module)
{
    struct clo_reader r = clo_reader(
            clo_bytes_slice(module->image, module->relocations, module->relocations_size));

    while (clo_reader_left(&r) >= 8) {
        uint32_t page = clo_read_le32(&r);
        uint32_t size = clo_read_le32(&r);
        for (uint32_t at = 8; at + 2 <= size && clo_reader_left(&r) >= 2; at += 2) {
            uint16_t entry = clo_read_le16(&r);
            struct clo_reader value =
                    clo_reader(clo_bytes_slice(module->image, (size_t)page + (entry & 0xfff), 4));
            if (entry >> 12 == RELOC_HIGHLOW)
                refer(module, (uint64_t)clo_read_le32(&value) - module->base);
        }
        if (size < 8)
            return;
    }
}

/* 64-bit code counts from the next instruction: after the distance up to 4 bytes of operand follow.
 * What is not an instruction refers here and there too. */
static void follow_distances(struct module *module)
{
    static const uint8_t operands[] = { 0, 1, 2, 4 };
    const uint8_t *text = module->image.data + module->text;

    for (size_t at = 1; at + 4 <= module->text_size; at++) {
        if ((text[at - 1] & 0xc7) != 0x05)
            continue;
        struct clo_reader r = clo_reader(clo_bytes(text + at, 4));
        int64_t distance = (int32_t)clo_read_le32(&r);
        for (size_t i = 0; i < CLO_COUNT(operands); i++)
            refer(module, (uint64_t)((int64_t)(module->text + at + 4 + operands[i]) + distance));
    }
}

static bool open_module(const struct clo_volume *pei, struct module *out, struct clo_error *err)
{
    struct clo_volume_file file;
    struct clo_volume_section section;
    size_t at = 0;

    if (!clo_volume_find(pei, &guid_platform_pei, &file))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: no PlatformPei in its PEI volume");
    do {
        if (clo_volume_section_next(file.data, &at, &section, err) != CLO_NEXT_ITEM)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: PlatformPei is not a PE image");
    } while (section.type != CLO_SECTION_PE32);
    out->image = section.data;
    out->offset = file.offset + section.offset;
    if (!read_headers(out))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "firmware: PlatformPei is not laid out to run in place");
    out->referenced = calloc(1, out->data_size);
    if (out->referenced == NULL)
        return clo_out_of_memory(err);
    if (out->is_32_bit)
        follow_relocations(out);
    else
        follow_distances(out);
    return true;
}

static bool is_info(const struct module *module, size_t at)
{
    for (size_t i = 0; i < CLO_COUNT(fields); i++)
        if (module->referenced[at + fields[i]] == 0)
            return false;
    return clo_bytes_all(clo_bytes_slice(module->image, module->data + at, INFO_SIZE), 0);
}

/* Where the variable lies, in the volume. */
static bool find_info(const struct module *module, size_t *out, struct clo_error *err)
{
    size_t found = 0;

    for (size_t at = 0; at + INFO_SIZE <= module->data_size; at++) {
        if ((module->data + at) % INFO_ALIGNMENT != 0 || !is_info(module, at))
            continue;
        *out = module->offset + module->data + at;
        found++;
    }
    return found == 1 ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "firmware: its PlatformPei keeps what it knows of the machine elsewhere than "
                    "edk2 of November 2022");
}

/* --- What it found of the machine --- */

static void put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* QEMU's q35 puts as much below 4 GiB: less than 2.75 GiB all, else 2 GiB. */
static uint64_t low_memory(const struct clo_machine *machine)
{
    return machine->memory >= 0xb0000000U ? 2 * GIB : machine->memory;
}

/* The PCI window above memory: 32 GiB, or an eighth of the address space where that fits too. */
static void put_window(uint8_t *info, const struct clo_machine *machine)
{
    uint64_t end = 4 * GIB + (machine->memory - low_memory(machine));
    uint64_t size = 32 * GIB;
    uint64_t base = (end + size - 1) / size * size;
    uint64_t space = (uint64_t)1 << machine->address_bits;

    put(info + FIRST_NON_ADDRESS, base + size, 8);
    if (size < space / 8 && base + space / 8 < space) {
        size = space / 8;
        base = space - size;
    }
    put(info + MMIO64_BASE, base, 8);
    put(info + MMIO64_SIZE, size, 8);
}

static void put_info(uint8_t *info, const struct clo_machine *machine, bool needs_smm)
{
    put(info + HOST_BRIDGE, 0x29c0, 2);
    if (needs_smm) {
        put(info + SMM_REQUIRED, 1, 1);
        put(info + SMRAM_AT_DEFAULT, 1, 1);
        put(info + TSEG_MIB, 16, 2);
    }
    put_window(info, machine);
    put(info + ADDRESS_WIDTH, machine->address_bits, 1);
    put(info + UC32_BASE, low_memory(machine) <= 2 * GIB ? 0x80000000U : 0xb0000000U, 4);
    put(info + MMIO32_BASE, 0xc0000000U, 4);
    put(info + MMIO32_SIZE, 0x3c000000U, 4);
    put(info + IO_BASE, 0x6000, 8);
    put(info + IO_SIZE, 0xa000, 8);
    put(info + CPUS_AT_BOOT, machine->vcpus, 4);
    put(info + CPUS_MAX, machine->vcpus, 4);
    put(info + CPUS_DEFAULT, 64, 4);
    put(info + FW_CFG_SUPPORTED, 1, 1);
    put(info + FW_CFG_DMA, 1, 1);
}

/* --- Memory types: firmware notes how much of each it used, and the next boot sets that aside --- */

#define TYPES      5
#define TYPES_SIZE ((TYPES + 1) * 8)

static uint32_t le32_at(struct clo_bytes bytes, size_t at)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(bytes, at, 4));

    return clo_read_le32(&r);
}

static bool is_types(struct clo_bytes array)
{
    static const uint32_t order[TYPES] = { 10, 9, 0, 5,
                                           6 }; /* ACPI NVS and tables, reserved, runtime */

    for (size_t i = 0; i < TYPES; i++)
        if (le32_at(array, 8 * i) != order[i] || le32_at(array, 8 * i + 4) == 0)
            return false;
    uint32_t end = le32_at(array, (size_t)8 * TYPES);
    return end >= 14 && end <= 16 && le32_at(array, (size_t)8 * TYPES + 4) == 0;
}

static bool find_types(const struct module *module, size_t *out, struct clo_error *err)
{
    size_t found = 0;

    for (size_t at = 0; at + TYPES_SIZE <= module->data_size; at += 8) {
        if (!is_types(clo_bytes_slice(module->image, module->data + at, TYPES_SIZE)))
            continue;
        *out = module->offset + module->data + at;
        found++;
    }
    return found == 1 ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: PlatformPei has no table of memory types");
}

/* The variable's first record of a type counts, where it asks for more. */
static void raise_types(uint8_t *types, struct clo_bytes variable)
{
    if (variable.size % 8 != 0)
        return;
    for (size_t i = 0; i < TYPES; i++) {
        uint8_t *record = types + 8 * i;
        uint32_t type = le32_at(clo_bytes(record, 8), 0);
        size_t at = 0;
        while (at < variable.size && le32_at(variable, at) != type)
            at += 8;
        if (at < variable.size && le32_at(variable, at + 4) > le32_at(clo_bytes(record, 8), 4))
            put(record + 4, le32_at(variable, at + 4), 4);
    }
}

static bool check_machine(const struct clo_machine *machine, struct clo_error *err)
{
    if (machine->memory < GIB / 8 || machine->memory > 512 * GIB || machine->vcpus == 0 ||
        machine->vcpus > 255)
        return clo_fail(err, CLO_ERR_USAGE, "firmware: a machine of %llu MiB and %u vCPUs",
                        (unsigned long long)(machine->memory >> 20), machine->vcpus);
    return (machine->address_bits >= 36 && machine->address_bits <= 40) ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: addresses of %u bits, known are 36 to 40",
                    machine->address_bits);
}

bool platform_pei_run(const struct clo_volume *pei, const struct clo_machine *machine,
                      const struct clo_varstore *store, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(module_free) struct module module = { 0 };
    struct clo_volume_file ignored;
    size_t info = 0, types = 0;

    bool needs_smm = clo_volume_find(pei, &guid_smm_access, &ignored);
    if (!check_machine(machine, err) || !open_module(pei, &module, err) ||
        !find_info(&module, &info, err) || !find_types(&module, &types, err))
        return false;
    size_t start = out->size;
    clo_buffer_append(out, pei->bytes);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    put_info(out->data + start + info, machine, needs_smm);
    const struct clo_efivar *variable =
            store == NULL ? NULL
                          : clo_varstore_find(store, "MemoryTypeInformation", &guid_memory_types);
    if (needs_smm && variable != NULL)
        raise_types(out->data + start + types, variable->data);
    return true;
}
