#include "cloister/uki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_HEADER_SIZE 40
#define PAGE                4096U
#define ROOM_FOR_SIGNATURE  16384       /* so that signing moves nothing */
#define SCN_DATA            0x40000040U /* CNT_INITIALIZED_DATA, MEM_READ */
#define SCN_CODE            0x60000020U /* CNT_CODE, MEM_EXECUTE, MEM_READ */

/* In the order of systemd's enum, with the release whose stub measures it first. .pcrsig is never
 * measured: it holds signatures over the result. */
static const struct {
    const char *name;
    unsigned since;
} measured[] = {
    { ".linux", 252 }, { ".osrel", 252 },   { ".cmdline", 252 }, { ".initrd", 252 },
    { ".ucode", 256 }, { ".splash", 252 },  { ".dtb", 252 },     { ".uname", 253 },
    { ".sbat", 254 },  { ".pcrpkey", 252 }, { ".profile", 257 }, { ".dtbauto", 257 },
    { ".hwids", 257 }, { ".efifw", 258 },
};

bool clo_uki_is_measured(unsigned stub_version, const char *section)
{
    for (size_t i = 0; i < CLO_COUNT(measured); i++)
        if (strcmp(measured[i].name, section) == 0)
            return stub_version >= measured[i].since;
    return false;
}

const struct clo_pe_section *clo_uki_measured(const struct clo_uki *uki, size_t index)
{
    for (size_t i = 0; i < CLO_COUNT(measured); i++) {
        if (uki->stub_version < measured[i].since)
            continue;
        const struct clo_pe_section *section = clo_pe_section_find(&uki->pe, measured[i].name);
        if (section != NULL && section->virtual_size != 0 && index-- == 0)
            return section;
    }
    return NULL;
}

/* --- Building --- */

static uint64_t align(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

struct new_section {
    const char *name;
    struct clo_bytes data;
    uint32_t characteristics;
};

struct layout {
    uint64_t memory_end;
    uint64_t file_end;
    uint32_t file_alignment;
    uint32_t memory_alignment;
};

static bool add_section(uint8_t *header, const struct new_section *section, struct layout *layout,
                        struct clo_error *err)
{
    uint64_t address = align(layout->memory_end, layout->memory_alignment);
    uint64_t raw_size = align(section->data.size, layout->file_alignment);

    layout->memory_end = address + section->data.size;
    if (layout->memory_end > INT32_MAX || layout->file_end + raw_size > INT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes make the image larger than 2 GiB",
                        section->name, section->data.size);
    memset(header, 0, SECTION_HEADER_SIZE);
    memcpy(header, section->name, strnlen(section->name, 8));
    clo_put_le32(header + 8, (uint32_t)section->data.size);
    clo_put_le32(header + 12, (uint32_t)address);
    clo_put_le32(header + 16, (uint32_t)raw_size);
    clo_put_le32(header + 20, (uint32_t)layout->file_end);
    clo_put_le32(header + 36, section->characteristics);
    layout->file_end += raw_size;
    return true;
}

/* The stub as it will stand in front: unsigned, nothing behind its last section. */
static bool check_stub(const struct clo_pe *stub, struct layout *layout, struct clo_error *err)
{
    *layout = (struct layout){
        .memory_alignment = stub->section_alignment < PAGE ? PAGE : stub->section_alignment,
        .file_alignment = stub->file_alignment,
        .memory_end = stub->size_of_headers,
        .file_end = stub->size_of_headers,
    };
    if (layout->file_alignment < 512 || layout->file_alignment > 65536 ||
        (layout->file_alignment & (layout->file_alignment - 1)) != 0 ||
        layout->memory_alignment > 1U << 20)
        return clo_fail(err, CLO_ERR_FORMAT, "alignments 0x%x and 0x%x", layout->file_alignment,
                        layout->memory_alignment);
    for (size_t i = 0; i < stub->section_count; i++) {
        const struct clo_pe_section *section = &stub->sections[i];
        uint64_t file_end = (uint64_t)section->raw_offset + section->raw_size;
        uint64_t memory_end = (uint64_t)section->virtual_address + section->virtual_size;
        if (section->raw_size > 0 && file_end > layout->file_end)
            layout->file_end = file_end;
        if (memory_end > layout->memory_end)
            layout->memory_end = memory_end;
    }
    if (clo_pe_section_find(stub, ".linux") != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "is a whole UKI, not a stub");
    if (clo_pe_section_find(stub, ".sdmagic") == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "is no systemd stub: .sdmagic is missing");
    layout->file_end = align(layout->file_end, layout->file_alignment);
    return true;
}

bool clo_uki_build(const struct clo_uki_parts *parts, struct clo_buffer *out, struct clo_error *err)
{
    const struct new_section sections[] = {
        { ".osrel", parts->osrel, SCN_DATA },  { ".cmdline", parts->cmdline, SCN_DATA },
        { ".uname", parts->uname, SCN_DATA },  { ".initrd", parts->initrd, SCN_DATA },
        { ".linux", parts->kernel, SCN_CODE },
    };
    CLO_CLEANUP(clo_freep) struct clo_pe *stub = malloc(sizeof *stub);
    struct layout layout;
    size_t start = out->size;
    size_t added = 0;

    if (stub == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    if (!clo_pe_parse(parts->stub, stub, err) || !check_stub(stub, &layout, err))
        return clo_wrap(err, "stub");
    if (parts->kernel.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "UKI: there is no kernel");
    for (size_t i = 0; i < CLO_COUNT(sections); i++)
        added += sections[i].data.size > 0;
    size_t table_end =
            stub->section_table_offset + (stub->section_count + added) * SECTION_HEADER_SIZE;
    if (stub->section_count + added > CLO_PE_SECTIONS_MAX || table_end > stub->size_of_headers)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "stub: its header has room for %zu more sections, %zu are needed",
                        (stub->size_of_headers - stub->section_table_offset) / SECTION_HEADER_SIZE -
                                stub->section_count,
                        added);

    size_t whole = (size_t)layout.file_end;
    for (size_t i = 0; i < CLO_COUNT(sections); i++)
        if (!clo_add(whole, (size_t)align(sections[i].data.size, layout.file_alignment), &whole))
            return clo_fail(err, CLO_ERR_FORMAT, "UKI: too large");
    clo_buffer_reserve(out, whole + ROOM_FOR_SIGNATURE);
    uint64_t stub_end = layout.file_end;
    clo_buffer_append(out, clo_bytes_slice(parts->stub, 0, (size_t)stub_end));
    if (!clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    clo_buffer_zero(out, (size_t)stub_end - (out->size - start));

    uint8_t *image = out->data + start;
    size_t at = stub->section_table_offset + stub->section_count * SECTION_HEADER_SIZE;
    for (size_t i = 0; i < CLO_COUNT(sections); i++) {
        if (sections[i].data.size == 0)
            continue;
        if (!add_section(image + at, &sections[i], &layout, err))
            return false;
        at += SECTION_HEADER_SIZE;
    }
    clo_put_le16(image + stub->coff_offset + 2, (uint16_t)(stub->section_count + added));
    clo_put_le32(image + stub->optional_offset + 56,
                 (uint32_t)align(layout.memory_end, layout.memory_alignment)); /* SizeOfImage */
    clo_put_le32(image + stub->checksum_offset, 0);
    memset(image + stub->certificate_entry_offset, 0, 8);
    for (size_t i = 0; i < CLO_COUNT(sections); i++) {
        size_t padding =
                (size_t)align(sections[i].data.size, layout.file_alignment) - sections[i].data.size;
        clo_buffer_append(out, sections[i].data);
        clo_buffer_zero(out, padding);
    }
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* --- Reading --- */

/* .sdmagic: "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####". */
static void read_magic(struct clo_bytes magic, struct clo_uki *uki)
{
    static const char before[] = "LoaderInfo: ";
    const uint8_t *start = memmem(magic.data, magic.size, before, strlen(before));

    if (start == NULL)
        return;
    start += strlen(before);
    size_t left = magic.size - (size_t)(start - magic.data);
    const uint8_t *end = memmem(start, left, " ####", 5);
    size_t size = end == NULL ? 0 : (size_t)(end - start);
    if (size == 0 || size >= sizeof uki->stub)
        return;
    memcpy(uki->stub, start, size);
    uki->stub[size] = '\0';
    clo_sanitize(uki->stub);
    if (strncmp(uki->stub, "systemd-stub ", 13) == 0)
        uki->stub_version = (unsigned)strtoul(uki->stub + 13, NULL, 10);
}

bool clo_uki_parse(struct clo_bytes in, struct clo_uki *out, struct clo_error *err)
{
    out->stub[0] = '\0';
    out->stub_version = 0;
    if (!clo_pe_parse(in, &out->pe, err))
        return false;
    const struct clo_pe_section *magic = clo_pe_section_find(&out->pe, ".sdmagic");
    if (clo_pe_section_find(&out->pe, ".linux") == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no UKI: section .linux is missing");
    if (magic == NULL)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "no UKI of systemd's stub: section .sdmagic is missing");
    read_magic(magic->data, out);
    for (size_t i = 0; i < out->pe.section_count; i++) {
        const struct clo_pe_section *section = &out->pe.sections[i];
        if (section->virtual_size > section->raw_size && clo_uki_is_measured(999, section->name))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "section %s: 0x%x bytes in memory, 0x%x in the file", section->name,
                            section->virtual_size, section->raw_size);
        for (size_t k = 0; k < i; k++)
            if (strcmp(out->pe.sections[k].name, section->name) == 0 &&
                clo_uki_is_measured(999, section->name))
                return clo_fail(err, CLO_ERR_UNSUPPORTED,
                                "section %s is there twice (several profiles)", section->name);
    }
    return true;
}

bool clo_kernel_release(struct clo_bytes kernel, char *out, size_t size)
{
    struct clo_reader r = clo_reader(kernel);

    r.at = 0x202;
    if (kernel.size < 0x210)
        return false;
    struct clo_bytes magic = clo_read_bytes(&r, 4);
    if (memcmp(magic.data, "HdrS", 4) != 0)
        return false;
    r.at = 0x20e;
    size_t at = (size_t)clo_read_le16(&r) + 0x200; /* kernel_version */
    struct clo_bytes text = clo_bytes_slice(kernel, at, 256);
    size_t length = 0;
    while (length < text.size && text.data[length] > ' ' && text.data[length] < 0x7f)
        length++;
    if (length == 0 || length >= size)
        return false;
    memcpy(out, text.data, length);
    out[length] = '\0';
    return true;
}
