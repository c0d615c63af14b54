/* A small dynamic program, as far as the loader looks at it (System V gABI): ELF header, three program
 * headers, interpreter, dynamic section, strings. */
#ifndef CLOISTER_TEST_ELF_MAKER_H
#define CLOISTER_TEST_ELF_MAKER_H

#include <elf.h>

#include "test.h"

struct elf_spec {
    const char *needed[4];
    const char *run_path;
};

/* Where things are in the file, for tests that change them. */
enum {
    ELF_INTERP_HEADER = 64 + 56,
    ELF_DYNAMIC_HEADER = 64 + 2 * 56,
    ELF_INTERP = 64 + 3 * 56,
    ELF_DYNAMIC = ELF_INTERP + 16,
};
#define ELF_INTERPRETER "/lib64/ld-x.so"

static inline void elf_header(struct clo_buffer *out, uint32_t type, uint64_t at, uint64_t size)
{
    clo_buffer_le32(out, type);
    clo_buffer_le32(out, 5);
    for (int i = 0; i < 3; i++)
        clo_buffer_le64(out, at);
    clo_buffer_le64(out, size);
    clo_buffer_le64(out, size);
    clo_buffer_le64(out, 8);
}

static inline void elf_dynamic(struct clo_buffer *out, uint64_t tag, uint64_t value)
{
    clo_buffer_le64(out, tag);
    clo_buffer_le64(out, value);
}

static inline void elf_make(struct clo_buffer *out, const struct elf_spec *spec)
{
    static const uint8_t ident[EI_NIDENT] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer strings = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer dynamic = { 0 };
    size_t count = 0;

    while (count < CLO_COUNT(spec->needed) && spec->needed[count] != NULL)
        count++;
    size_t dynamic_size = 16 * (count + 2 + (spec->run_path != NULL));
    clo_buffer_u8(&strings, 0);
    for (size_t i = 0; i < count; i++) {
        elf_dynamic(&dynamic, DT_NEEDED, strings.size);
        clo_buffer_append(&strings, clo_bytes(spec->needed[i], strlen(spec->needed[i]) + 1));
    }
    if (spec->run_path != NULL) {
        elf_dynamic(&dynamic, DT_RUNPATH, strings.size);
        clo_buffer_append(&strings, clo_bytes(spec->run_path, strlen(spec->run_path) + 1));
    }
    elf_dynamic(&dynamic, DT_STRTAB, ELF_DYNAMIC + dynamic_size);
    elf_dynamic(&dynamic, DT_NULL, 0);

    clo_buffer_append(out, clo_bytes(ident, sizeof ident));
    clo_buffer_le16(out, ET_DYN);
    clo_buffer_le16(out, EM_X86_64);
    clo_buffer_le32(out, 1);
    clo_buffer_le64(out, 0);
    clo_buffer_le64(out, 64);
    clo_buffer_zero(out, 14);
    clo_buffer_le16(out, sizeof(Elf64_Phdr));
    clo_buffer_le16(out, 3);
    clo_buffer_zero(out, 6);
    elf_header(out, PT_LOAD, 0, ELF_DYNAMIC + dynamic_size + strings.size);
    elf_header(out, PT_INTERP, ELF_INTERP, sizeof ELF_INTERPRETER);
    elf_header(out, PT_DYNAMIC, ELF_DYNAMIC, dynamic_size);
    clo_buffer_append(out, clo_bytes(ELF_INTERPRETER, sizeof ELF_INTERPRETER));
    clo_buffer_align(out, 8);
    clo_buffer_append(out, clo_buffer_bytes(&dynamic));
    clo_buffer_append(out, clo_buffer_bytes(&strings));
    if (!clo_buffer_ok(out))
        fail_msg("out of memory");
}

#endif
