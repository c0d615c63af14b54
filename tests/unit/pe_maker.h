/* Small PE32+ images made in memory (Microsoft PE Format): what a stub or a UKI looks like. */
#ifndef CLOISTER_TEST_PE_MAKER_H
#define CLOISTER_TEST_PE_MAKER_H

#include "cloister/pe.h"
#include "test.h"

enum {
    PE_AT = 64,          /* e_lfanew */
    PE_COFF = PE_AT + 4, /* NumberOfSections is 2 bytes after */
    PE_OPTIONAL = PE_COFF + 20,
    PE_CHECKSUM = PE_OPTIONAL + 64,
    PE_DIRECTORIES = PE_OPTIONAL + 112,
    PE_SECTIONS = PE_OPTIONAL + 240,
    PE_HEADERS_SIZE = 0x400,
};

struct pe_section {
    const char *name;
    struct clo_bytes data;
};

#define PE_SDMAGIC "#### LoaderInfo: systemd-stub 257.1 ####"

/* A stub of systemd's, as far as we look at it. */
static const struct pe_section pe_stub[] = {
    { ".text", { (const uint8_t *)"code", 4 } },
    { ".sdmagic", { (const uint8_t *)PE_SDMAGIC, sizeof PE_SDMAGIC } },
};

static inline size_t pe_align(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static inline void pe_make(struct clo_buffer *out, const struct pe_section *sections, size_t count)
{
    size_t file_at = PE_HEADERS_SIZE;
    size_t memory_at = 0x1000;

    clo_buffer_text(out, "MZ");
    clo_buffer_zero(out, 58);
    clo_buffer_le32(out, PE_AT);
    clo_buffer_append(out, clo_bytes("PE\0\0", 4));
    clo_buffer_le16(out, CLO_PE_MACHINE_X86_64);
    clo_buffer_le16(out, (uint16_t)count);
    clo_buffer_zero(out, 12);
    clo_buffer_le16(out, 240);
    clo_buffer_le16(out, 0x22);
    clo_buffer_le16(out, 0x20b);
    clo_buffer_zero(out, 22);
    clo_buffer_le64(out, 0x140000000);
    clo_buffer_le32(out, 0x1000); /* SectionAlignment */
    clo_buffer_le32(out, 0x200);  /* FileAlignment */
    clo_buffer_zero(out, 16);
    clo_buffer_le32(out, 0x10000); /* SizeOfImage */
    clo_buffer_le32(out, PE_HEADERS_SIZE);
    clo_buffer_le32(out, 0); /* CheckSum */
    clo_buffer_zero(out, 40);
    clo_buffer_le32(out, 16);
    clo_buffer_zero(out, 16 * 8);
    for (size_t i = 0; i < count; i++) {
        size_t raw = pe_align(sections[i].data.size, 0x200);
        clo_buffer_text(out, sections[i].name);
        clo_buffer_zero(out, 8 - strlen(sections[i].name));
        clo_buffer_le32(out, (uint32_t)sections[i].data.size);
        clo_buffer_le32(out, (uint32_t)memory_at);
        clo_buffer_le32(out, (uint32_t)raw);
        clo_buffer_le32(out, (uint32_t)file_at);
        clo_buffer_zero(out, 12);
        clo_buffer_le32(out, 0x40000040);
        file_at += raw;
        memory_at += pe_align(sections[i].data.size, 0x1000);
    }
    clo_buffer_zero(out, PE_HEADERS_SIZE - out->size);
    for (size_t i = 0; i < count; i++) {
        clo_buffer_append(out, sections[i].data);
        clo_buffer_align(out, 0x200);
    }
    if (!clo_buffer_ok(out))
        fail_msg("out of memory");
}

static inline void pe_put(struct clo_buffer *file, size_t at, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        file->data[at + i] = (uint8_t)(value >> (8 * i));
}

#endif
