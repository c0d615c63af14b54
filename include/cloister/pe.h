/* PE/COFF images (Microsoft PE Format; UEFI 2.10 section 2.1.1): PE32+ for x86-64 and AArch64,
 * PE32 for what older machines start.
 *
 * Strict where a loader, a signer and a hash could see different files: sections that overlap, lie
 * outside the file or come out of order are refused. Views live as long as the bytes. Large files need
 * not be in memory: their head is parsed, and pieces say where the rest is. */
#ifndef CLOISTER_PE_H
#define CLOISTER_PE_H

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_PE_SECTIONS_MAX    96                /* the loader's own limit */
#define CLO_PE_SIZE_MAX        ((size_t)1 << 31) /* of a file: its fields count to 4 GiB, tools to 2 */
#define CLO_PE_MACHINE_X86_64  0x8664
#define CLO_PE_MACHINE_AARCH64 0xaa64
#define CLO_PE_MACHINE_I386    0x014c
#define CLO_PE_MACHINE_ARM     0x01c2 /* Thumb, as firmware names it */

struct clo_pe_section {
    char name[9];
    uint32_t virtual_size;
    uint32_t virtual_address;
    uint32_t raw_size;
    uint32_t raw_offset;
    uint32_t characteristics;
    struct clo_bytes data; /* the first min(virtual_size, raw_size) bytes */
};

struct clo_pe {
    struct clo_bytes file; /* what was given: all of it, or its head */
    uint64_t file_size;
    uint16_t machine;
    uint64_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint32_t size_of_image;
    uint32_t size_of_headers;
    size_t coff_offset;              /* of the COFF file header, after "PE\0\0" */
    size_t optional_offset;          /* of the optional header */
    size_t checksum_offset;          /* of CheckSum */
    size_t certificate_entry_offset; /* of the data directory entry, 8 bytes */
    size_t section_table_offset;
    uint64_t certificate_offset; /* the attribute certificate table; 0 and 0 if unsigned */
    uint64_t certificate_size;
    struct clo_bytes certificates;                       /* its bytes, where they were given */
    struct clo_pe_section sections[CLO_PE_SECTIONS_MAX]; /* in the order of the table */
    size_t section_count;
};

/* "x86-64"; a machine that this parser knows. */
CLO_API const char *clo_pe_machine_name(uint16_t machine);

CLO_API CLO_MUST_USE bool clo_pe_parse(struct clo_bytes in, struct clo_pe *out,
                                       struct clo_error *err);
/* Of a file of which only the first bytes are here, SizeOfHeaders of them at least. What follows
 * them has an empty view. */
CLO_API CLO_MUST_USE bool clo_pe_parse_head(struct clo_bytes head, uint64_t file_size,
                                            struct clo_pe *out, struct clo_error *err);
/* What parses and is still unsafe or odd: writable and executable sections, wrong alignment, gaps, data
 * after the last section. The n-th, with the file offset of what it speaks of; false at the end. */
struct clo_pe_warning {
    uint64_t offset;
    char text[160];
};
CLO_API bool clo_pe_warning_at(const struct clo_pe *pe, size_t index, struct clo_pe_warning *out);
/* NULL if there is none; the first one of that name. */
CLO_API const struct clo_pe_section *clo_pe_section_find(const struct clo_pe *pe, const char *name);
/* The CheckSum field's value for a file: `at` is where the field lies. */
CLO_API uint32_t clo_pe_checksum(struct clo_bytes file, size_t at);
/* The same in pieces, in any order: `*sum` starts at 0, and the field itself is left out or zero. */
CLO_API void clo_pe_checksum_add(uint64_t *sum, uint64_t at, struct clo_bytes bytes);
CLO_API uint32_t clo_pe_checksum_get(uint64_t sum, uint64_t file_size);

/* --- Files in pieces --- */

/* `size` bytes: in memory, or of a source that only the caller can read, or (neither) zeros. */
struct clo_piece {
    struct clo_bytes bytes;
    void *source;
    uint64_t offset;
    uint64_t size;
};

/* A zeroed struct is an empty list; running out of memory latches. */
struct clo_pieces {
    struct clo_piece *items;
    size_t count;
    size_t capacity;
    uint64_t size;
    bool failed;
};

CLO_API void clo_pieces_free(struct clo_pieces *pieces); /* for CLO_CLEANUP */
CLO_API void clo_pieces_bytes(struct clo_pieces *pieces, struct clo_bytes bytes);
CLO_API void clo_pieces_source(struct clo_pieces *pieces, void *source, uint64_t offset,
                               uint64_t size);
CLO_API void clo_pieces_zero(struct clo_pieces *pieces, uint64_t size);
CLO_API void clo_pieces_add(struct clo_pieces *pieces, const struct clo_pieces *more);

/* A section of an image that is to be. */
struct clo_pe_part {
    char name[9];
    uint32_t characteristics;
    uint64_t virtual_size;     /* in memory: zeros after the pieces, or less than they are */
    uint32_t virtual_address;  /* kept where it can be; 0: the next that is free */
    bool is_fixed;             /* code that knows its address: it stays, or it fails */
    struct clo_pieces content; /* borrowed */
};

/* Appends to `out` an unsigned image with the headers of `from` and these sections in this order,
 * one after the other, at its alignments (pages at least). `head` is filled, and borrowed by `out`. */
CLO_API CLO_MUST_USE bool clo_pe_lay_out(const struct clo_pe *from, struct clo_pe_part *parts,
                                         size_t count, struct clo_buffer *head,
                                         struct clo_pieces *out, struct clo_error *err);

CLO_END_C

#endif
