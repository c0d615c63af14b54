#include "image/elf64.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

/* A string inside the file, or NULL where it is not one. */
static const char *string_at(struct clo_bytes in, uint64_t offset)
{
    if (offset >= in.size || memchr(in.data + offset, 0, in.size - offset) == NULL)
        return NULL;
    return (const char *)in.data + offset;
}

struct segment {
    uint64_t offset;
    uint64_t address;
    uint64_t size;
};

#define LOADS_MAX 32

struct loads {
    struct segment items[LOADS_MAX];
    size_t count;
};

static bool to_offset(const struct loads *loads, uint64_t address, uint64_t *out)
{
    for (size_t i = 0; i < loads->count; i++) {
        const struct segment *load = &loads->items[i];
        if (address >= load->address && address - load->address < load->size) {
            *out = load->offset + (address - load->address);
            return true;
        }
    }
    return false;
}

static bool read_dynamic(struct clo_bytes in, const struct segment *dynamic,
                         const struct loads *loads, struct clo_elf *out, struct clo_error *err)
{
    struct clo_bytes table = clo_bytes_slice(in, dynamic->offset, dynamic->size);
    struct clo_reader r = clo_reader(table);
    uint64_t strings = 0;
    uint64_t runpath = 0;
    uint64_t rpath = 0;
    uint64_t needed[CLO_ELF_NEEDED_MAX];
    size_t count = 0;
    bool has_strings = false;

    while (clo_reader_left(&r) >= 16) {
        uint64_t tag = clo_read_le64(&r);
        uint64_t value = clo_read_le64(&r);
        if (tag == DT_NULL)
            break;
        if (tag == DT_STRTAB)
            has_strings = to_offset(loads, value, &strings);
        else if (tag == DT_RUNPATH)
            runpath = value;
        else if (tag == DT_RPATH)
            rpath = value;
        else if (tag == DT_NEEDED) {
            if (count == CLO_ELF_NEEDED_MAX)
                return clo_fail(err, CLO_ERR_FORMAT, "ELF: more than %d libraries",
                                CLO_ELF_NEEDED_MAX);
            needed[count++] = value;
        }
    }
    if (!has_strings && count > 0)
        return clo_fail(err, CLO_ERR_FORMAT, "ELF: no string table");
    for (size_t i = 0; i < count; i++) {
        uint64_t at;
        const char *name =
                __builtin_add_overflow(strings, needed[i], &at) ? NULL : string_at(in, at);
        if (name == NULL || *name == '\0')
            return clo_fail(err, CLO_ERR_FORMAT, "ELF: library name %zu lies outside the file", i);
        out->needed[out->needed_count++] = name;
    }
    uint64_t path = runpath != 0 ? runpath : rpath;
    uint64_t at;
    if (path != 0 && !__builtin_add_overflow(strings, path, &at))
        out->search_path = string_at(in, at);
    return true;
}

bool clo_elf_parse(struct clo_bytes in, struct clo_elf *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_elf elf = { 0 };
    struct loads loads = { .count = 0 };
    struct segment dynamic = { 0 };

    struct clo_bytes ident = clo_read_bytes(&r, EI_NIDENT);
    if (!clo_reader_ok(&r) || memcmp(ident.data, ELFMAG, SELFMAG) != 0 ||
        ident.data[EI_CLASS] != ELFCLASS64 || ident.data[EI_DATA] != ELFDATA2LSB)
        return clo_fail(err, CLO_ERR_FORMAT, "no 64-bit little-endian ELF file");
    clo_read_skip(&r, 2);
    elf.machine = clo_read_le16(&r);
    clo_read_skip(&r, 12);
    uint64_t headers = clo_read_le64(&r);
    clo_read_skip(&r, 14);
    uint16_t header_size = clo_read_le16(&r);
    uint16_t header_count = clo_read_le16(&r);
    if (!clo_reader_ok(&r) || header_size != sizeof(Elf64_Phdr) || headers > in.size ||
        (uint64_t)header_count * header_size > in.size - headers)
        return clo_fail(err, CLO_ERR_FORMAT, "ELF: program headers lie outside the file");
    elf.loaded = (size_t)headers + (size_t)header_count * header_size;
    r.at = (size_t)headers;
    for (unsigned i = 0; i < header_count; i++) {
        struct segment segment;
        uint32_t type = clo_read_le32(&r);
        clo_read_skip(&r, 4);
        segment.offset = clo_read_le64(&r);
        segment.address = clo_read_le64(&r);
        clo_read_skip(&r, 8);
        segment.size = clo_read_le64(&r);
        clo_read_skip(&r, 16);
        if (segment.offset > in.size || segment.size > in.size - segment.offset)
            return clo_fail(err, CLO_ERR_FORMAT, "ELF: segment %u lies outside the file", i);
        if (segment.offset + segment.size > elf.loaded)
            elf.loaded = (size_t)(segment.offset + segment.size);
        if (type == PT_INTERP && (elf.interpreter = string_at(in, segment.offset)) == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "ELF: interpreter without an end");
        if (type == PT_LOAD && loads.count < LOADS_MAX)
            loads.items[loads.count++] = segment;
        if (type == PT_DYNAMIC)
            dynamic = segment;
    }
    if (dynamic.size > 0 && !read_dynamic(in, &dynamic, &loads, &elf, err))
        return false;
    *out = elf;
    return true;
}

bool clo_elf_strip(struct clo_buffer *file, struct clo_error *err)
{
    struct clo_elf elf;

    if (!clo_elf_parse(clo_buffer_bytes(file), &elf, err))
        return false;
    /* No section is left: neither a table of them nor a name. */
    memset(file->data + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
    memset(file->data + offsetof(Elf64_Ehdr, e_shnum), 0, 2 * sizeof(Elf64_Half));
    file->size = elf.loaded;
    return true;
}
