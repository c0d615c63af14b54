#include "cloister/tdvf.h"

#include "fuzz.h"

/* Sections lie in the image and next to each other; MRTD is the same twice; a HOB names all of the
 * memory, each byte once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t memory = 0xc0000000;
    struct clo_bytes in = clo_bytes(data, size);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
    struct clo_digest first;
    struct clo_digest second;
    struct clo_tdvf tdvf;
    struct clo_error err;
    uint64_t pages = 0;

    if (!clo_tdvf_parse(in, &tdvf, &err))
        return 0;
    MUST(tdvf.count > 0 && tdvf.count <= CLO_TDVF_SECTIONS_MAX);
    for (size_t i = 0; i < tdvf.count; i++) {
        const struct clo_tdvf_section *section = &tdvf.sections[i];
        MUST(lies_within(section->data, in) && section->data.size <= section->memory_size);
        MUST((section->attributes & CLO_TDVF_MR_EXTEND) == 0 ||
             section->data.size == section->memory_size);
        pages += section->memory_size / CLO_TDVF_PAGE;
    }
    if (pages < 4096) {
        clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &first);
        clo_tdvf_mrtd(&tdvf, CLO_TDX_SINGLE_PASS, &second);
        MUST(clo_digest_equal(&first, &second));
        clo_tdvf_mrtd(&tdvf, CLO_TDX_TWO_PASS, &second);
    }
    if (!clo_tdvf_hob(&tdvf, memory, &hob, &err)) {
        MUST(hob.size == 0);
        return 0;
    }
    uint64_t sum = 0;
    uint64_t end = 0;
    for (size_t at = 56; at < hob.size; at += 48) {
        struct clo_reader r = clo_reader(clo_bytes(hob.data + at + 32, 16));
        uint64_t start = clo_read_le64(&r);
        uint64_t length = clo_read_le64(&r);
        MUST(start >= end && length > 0);
        end = start + length;
        sum += length;
    }
    MUST(sum == memory);
    return 0;
}
