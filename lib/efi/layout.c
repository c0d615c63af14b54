/* A new PE file from an old one's headers and a list of sections (Microsoft PE Format, section table):
 * only headers are written here; contents stay pieces that the caller copies. */
#include <stdlib.h>
#include <string.h>

#include "cloister/pe.h"
#include "lib/base/put.h"

#define SECTION_HEADER_SIZE 40
#define PAGE                4096U
#define CNT_CODE            0x20U
#define OPT_SIZE_OF_DATA    8 /* SizeOfInitializedData, in the optional header */
#define OPT_SIZE_OF_IMAGE   56
#define OPT_SIZE_OF_HEADERS 60
#define COFF_SYMBOLS        8 /* PointerToSymbolTable and NumberOfSymbols */

/* --- Pieces --- */

void clo_pieces_free(struct clo_pieces *pieces)
{
    free(pieces->items);
    *pieces = (struct clo_pieces){ 0 };
}

static void add_piece(struct clo_pieces *pieces, struct clo_piece piece)
{
    if (piece.size == 0 || pieces->failed)
        return;
    if (piece.size > INT64_MAX - pieces->size) {
        pieces->failed = true;
        return;
    }
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity == 0 ? 8 : 2 * pieces->capacity;
        struct clo_piece *items = reallocarray(pieces->items, capacity, sizeof *items);
        if (items == NULL) {
            pieces->failed = true;
            return;
        }
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->count++] = piece;
    pieces->size += piece.size;
}

void clo_pieces_bytes(struct clo_pieces *pieces, struct clo_bytes bytes)
{
    add_piece(pieces, (struct clo_piece){ .bytes = bytes, .size = bytes.size });
}

void clo_pieces_source(struct clo_pieces *pieces, void *source, uint64_t offset, uint64_t size)
{
    add_piece(pieces, (struct clo_piece){ .source = source, .offset = offset, .size = size });
}

void clo_pieces_zero(struct clo_pieces *pieces, uint64_t size)
{
    add_piece(pieces, (struct clo_piece){ .size = size });
}

void clo_pieces_add(struct clo_pieces *pieces, const struct clo_pieces *more)
{
    for (size_t i = 0; i < more->count; i++)
        add_piece(pieces, more->items[i]);
    pieces->failed = pieces->failed || more->failed;
}

/* --- Layout --- */

static uint64_t align(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

struct layout {
    uint64_t memory_end;
    uint64_t file_end;
    uint32_t file_alignment;
    uint32_t memory_alignment;
};

static bool start(const struct clo_pe *from, const struct clo_pe_part *parts, size_t count,
                  struct layout *layout, struct clo_error *err)
{
    uint64_t table_end = from->section_table_offset + (uint64_t)SECTION_HEADER_SIZE * count;

    *layout = (struct layout){
        .memory_alignment = from->section_alignment < PAGE ? PAGE : from->section_alignment,
        .file_alignment = from->file_alignment,
    };
    if (layout->file_alignment < 512 || layout->file_alignment > 65536 ||
        (layout->file_alignment & (layout->file_alignment - 1)) != 0 ||
        layout->memory_alignment > 1U << 20)
        return clo_fail(err, CLO_ERR_FORMAT, "alignments 0x%x and 0x%x", layout->file_alignment,
                        layout->memory_alignment);
    if (count > CLO_PE_SECTIONS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%zu sections, at most %d", count,
                        CLO_PE_SECTIONS_MAX);
    /* The header grows where the table needs it: nothing lies before the first section. */
    uint64_t headers = table_end > from->size_of_headers ? table_end : from->size_of_headers;
    layout->file_end = align(headers, layout->file_alignment);
    layout->memory_end = layout->file_end;
    if (count > 0 && parts[0].is_fixed && parts[0].virtual_address < layout->file_end)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "its header has no room for %zu sections: the first one is at 0x%x", count,
                        parts[0].virtual_address);
    return true;
}

/* Where section `part` goes, and its header. */
static bool place(struct clo_pe_part *part, struct layout *layout, uint8_t *header,
                  struct clo_error *err)
{
    uint64_t raw_size = align(part->content.size, layout->file_alignment);
    uint64_t size = part->virtual_size;
    uint64_t address = part->virtual_address;

    if (part->is_fixed && address < layout->memory_end)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "section %s: at address 0x%llx, and what is before it ends at 0x%llx",
                        part->name, (unsigned long long)address,
                        (unsigned long long)layout->memory_end);
    if (!part->is_fixed &&
        (address < layout->memory_end || address % layout->memory_alignment != 0))
        address = align(layout->memory_end, layout->memory_alignment);
    if (part->content.failed)
        return clo_out_of_memory(err);
    if (part->content.size > INT32_MAX || size > INT32_MAX || address + size > INT32_MAX ||
        layout->file_end + raw_size > INT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %llu bytes make the image larger than 2 GiB",
                        part->name, (unsigned long long)part->content.size);
    layout->memory_end = address + size;
    part->virtual_address = (uint32_t)address;
    memset(header, 0, SECTION_HEADER_SIZE);
    memcpy(header, part->name, strnlen(part->name, 8));
    clo_put_le32(header + 8, (uint32_t)size);
    clo_put_le32(header + 12, (uint32_t)address);
    clo_put_le32(header + 16, (uint32_t)raw_size);
    clo_put_le32(header + 20, raw_size == 0 ? 0 : (uint32_t)layout->file_end);
    clo_put_le32(header + 36, part->characteristics);
    layout->file_end += raw_size;
    return true;
}

static void patch(const struct clo_pe *from, const struct layout *layout, size_t count,
                  uint32_t headers, uint64_t data, uint8_t *head)
{
    clo_put_le16(head + from->coff_offset + 2, (uint16_t)count);
    memset(head + from->coff_offset + COFF_SYMBOLS, 0, 8);
    clo_put_le32(head + from->optional_offset + OPT_SIZE_OF_DATA, (uint32_t)data);
    clo_put_le32(head + from->optional_offset + OPT_SIZE_OF_IMAGE,
                 (uint32_t)align(layout->memory_end, layout->memory_alignment));
    clo_put_le32(head + from->optional_offset + OPT_SIZE_OF_HEADERS, headers);
    clo_put_le32(head + from->checksum_offset, 0);
    memset(head + from->certificate_entry_offset, 0, 8);
}

bool clo_pe_lay_out(const struct clo_pe *from, struct clo_pe_part *parts, size_t count,
                    struct clo_buffer *head, struct clo_pieces *out, struct clo_error *err)
{
    struct layout layout;
    uint64_t data = 0;

    if (!start(from, parts, count, &layout, err))
        return false;
    uint32_t headers = (uint32_t)layout.file_end;
    head->size = 0;
    clo_buffer_append(head, clo_bytes_slice(from->file, 0, from->section_table_offset));
    clo_buffer_zero(head, headers - from->section_table_offset);
    if (!clo_buffer_ok(head))
        return clo_out_of_memory(err);
    uint8_t *header = head->data + from->section_table_offset;
    for (size_t i = 0; i < count; i++, header += SECTION_HEADER_SIZE) {
        if (!place(&parts[i], &layout, header, err))
            return false;
        if ((parts[i].characteristics & CNT_CODE) == 0)
            data += align(parts[i].content.size, layout.file_alignment);
    }
    patch(from, &layout, count, headers, data, head->data);
    clo_pieces_bytes(out, clo_buffer_bytes(head));
    for (size_t i = 0; i < count; i++) {
        clo_pieces_add(out, &parts[i].content);
        clo_pieces_zero(out, align(parts[i].content.size, layout.file_alignment) -
                                     parts[i].content.size);
    }
    return !out->failed || clo_out_of_memory(err);
}
