/* What an ELF program asks of the loader (System V ABI, gABI 4.1): interpreter, libraries, search
 * path. Read from the file, never run. 64-bit little-endian only. */
#ifndef CLOISTER_IMAGE_ELF64_H
#define CLOISTER_IMAGE_ELF64_H

#include "cloister/base.h"

#define CLO_ELF_NEEDED_MAX 128

struct clo_elf {
    uint16_t machine;
    const char *interpreter; /* NULL: none. Strings lie in the input, NUL-terminated */
    const char *search_path; /* DT_RUNPATH, else DT_RPATH; NULL: none */
    const char *needed[CLO_ELF_NEEDED_MAX];
    size_t needed_count;
    size_t loaded; /* the end of what is loaded: sections and symbols come after it */
};

CLO_MUST_USE bool clo_elf_parse(struct clo_bytes in, struct clo_elf *out, struct clo_error *err);

/* The program as the kernel and the loader read it, without what a debugger wants. */
CLO_MUST_USE bool clo_elf_strip(struct clo_buffer *file, struct clo_error *err);

#endif
