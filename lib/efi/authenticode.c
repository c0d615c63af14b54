#include "cloister/authenticode.h"

#include <string.h>

#include "lib/efi/authenticode_judge.h"

/* --- What the digest is over --- */

static void add_range(struct clo_authenticode_ranges *out, uint64_t from, uint64_t to)
{
    out->items[out->count].offset = from;
    out->items[out->count++].size = to - from;
}

/* Indexes of the sections with file content, by file offset. */
static size_t order_by_offset(const struct clo_pe *pe, size_t *order)
{
    size_t count = 0;

    for (size_t i = 0; i < pe->section_count; i++) {
        if (pe->sections[i].raw_size == 0)
            continue;
        size_t at = count++;
        while (at > 0 && pe->sections[order[at - 1]].raw_offset > pe->sections[i].raw_offset) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return count;
}

void clo_authenticode_ranges(const struct clo_pe *pe, struct clo_authenticode_ranges *out)
{
    size_t order[CLO_PE_SECTIONS_MAX];
    uint64_t file_end = pe->file_size - pe->certificate_size;
    uint64_t hashed = pe->size_of_headers;

    out->count = 0;
    out->padding = 0;
    add_range(out, 0, pe->checksum_offset);
    add_range(out, pe->checksum_offset + 4, pe->certificate_entry_offset);
    add_range(out, pe->certificate_entry_offset + 8, pe->size_of_headers);
    size_t count = order_by_offset(pe, order);
    for (size_t i = 0; i < count; i++) {
        const struct clo_pe_section *section = &pe->sections[order[i]];
        add_range(out, section->raw_offset, (uint64_t)section->raw_offset + section->raw_size);
        hashed += section->raw_size;
    }
    if (file_end > hashed)
        add_range(out, hashed, file_end);
}

/* Where a gap is, tools that sign do not agree on what is hashed. */
static bool refuse_gaps(const struct clo_pe *pe, struct clo_error *err)
{
    size_t order[CLO_PE_SECTIONS_MAX];
    size_t count = order_by_offset(pe, order);
    uint64_t end = pe->size_of_headers;

    for (size_t i = 0; i < count; i++) {
        const struct clo_pe_section *section = &pe->sections[order[i]];
        if (section->raw_offset != end)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "Authenticode: gaps between the sections (0x%llx bytes at 0x%llx): "
                            "such a file is not signed",
                            (unsigned long long)(section->raw_offset - end),
                            (unsigned long long)end);
        end += section->raw_size;
    }
    return true;
}

bool clo_authenticode_ranges_to_sign(const struct clo_pe *pe, struct clo_authenticode_ranges *out,
                                     struct clo_error *err)
{
    uint64_t file_end = pe->file_size - pe->certificate_size;

    if (!refuse_gaps(pe, err))
        return false;
    clo_authenticode_ranges(pe, out);
    out->padding = (size_t)(8 - file_end % 8) % 8;
    return true;
}

static bool hash_ranges(const struct clo_pe *pe, const struct clo_authenticode_ranges *ranges,
                        enum clo_hash hash, struct clo_digest *out, struct clo_error *err)
{
    static const uint8_t zeros[8];

    if (clo_hash_size(hash) == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "Authenticode: no such hash");
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(hash);
    for (size_t i = 0; i < ranges->count; i++)
        clo_hasher_add(hasher, clo_bytes_slice(pe->file, (size_t)ranges->items[i].offset,
                                               (size_t)ranges->items[i].size));
    clo_hasher_add(hasher, clo_bytes(zeros, ranges->padding));
    clo_hasher_get(hasher, out);
    return true;
}

bool clo_authenticode_digest(const struct clo_pe *pe, enum clo_hash hash, struct clo_digest *out,
                             struct clo_error *err)
{
    struct clo_authenticode_ranges ranges;

    clo_authenticode_ranges(pe, &ranges);
    return hash_ranges(pe, &ranges, hash, out, err);
}

bool clo_authenticode_digest_to_sign(const struct clo_pe *pe, enum clo_hash hash,
                                     struct clo_digest *out, struct clo_error *err)
{
    struct clo_authenticode_ranges ranges;

    return clo_authenticode_ranges_to_sign(pe, &ranges, err) &&
           hash_ranges(pe, &ranges, hash, out, err);
}

bool clo_authenticode_certificate(const struct clo_pe *pe, size_t index, struct clo_buffer *out)
{
    struct clo_authenticode_walk walk = clo_authenticode_walk(pe->certificates);
    struct clo_authenticode_signature signature;
    struct clo_error ignored;
    enum clo_next next;

    while ((next = clo_authenticode_next(&walk, &signature, &ignored)) != CLO_NEXT_END) {
        if (next == CLO_NEXT_FAILED)
            continue;
        if (index < signature.certificate_count) {
            clo_buffer_append(out, signature.certificates[index]);
            return clo_buffer_ok(out);
        }
        index -= signature.certificate_count;
    }
    return false;
}
