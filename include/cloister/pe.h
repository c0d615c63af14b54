/* PE/COFF images (Microsoft PE Format; UEFI 2.10 section 2.1.1): PE32+ for x86-64 and AArch64.
 *
 * Strict where a loader, a signer and a hash could see different files: sections that overlap, lie
 * outside the file or come out of order are refused. Views live as long as the bytes. */
#ifndef CLOISTER_PE_H
#define CLOISTER_PE_H

#include "cloister/base.h"

#define CLO_PE_SECTIONS_MAX    96 /* the loader's own limit */
#define CLO_PE_MACHINE_X86_64  0x8664
#define CLO_PE_MACHINE_AARCH64 0xaa64

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
    struct clo_bytes file;
    uint16_t machine;
    uint64_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint32_t size_of_image;
    uint32_t size_of_headers;
    size_t coff_offset;              /* of the COFF file header, behind "PE\0\0" */
    size_t optional_offset;          /* of the optional header */
    size_t checksum_offset;          /* of CheckSum */
    size_t certificate_entry_offset; /* of the data directory entry, 8 bytes */
    size_t section_table_offset;
    struct clo_bytes certificates; /* the attribute certificate table; empty if unsigned */
    struct clo_pe_section sections[CLO_PE_SECTIONS_MAX]; /* in the order of the table */
    size_t section_count;
};

CLO_API CLO_MUST_USE bool clo_pe_parse(struct clo_bytes in, struct clo_pe *out,
                                       struct clo_error *err);
/* NULL if there is none; the first one of that name. */
CLO_API const struct clo_pe_section *clo_pe_section_find(const struct clo_pe *pe, const char *name);
/* The CheckSum field's value for a file: `at` is where the field lies. */
CLO_API uint32_t clo_pe_checksum(struct clo_bytes file, size_t at);

#endif
