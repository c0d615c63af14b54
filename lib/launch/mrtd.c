/* MRTD: SHA-384 over a record of 128 bytes for each page added, and for each 256 bytes measured another
 * with the bytes after it. */
#include <string.h>

#include "cloister/tdvf.h"
#include "lib/base/put.h"

#define RECORD_SIZE 128
#define GPA_AT      16
#define CHUNK_SIZE  256
#define CHUNKS      (CLO_TDVF_PAGE / CHUNK_SIZE)
#define ADDS        49 /* records at once: about as many bytes as a page's chunks take */

/* What is hashed at once: the fixed bytes are written once, addresses and data each time. */
struct stream {
    struct clo_hasher *hasher;
    uint8_t adds[ADDS][RECORD_SIZE];
    size_t add_count;
    uint8_t page[CHUNKS][RECORD_SIZE + CHUNK_SIZE];
};

static void put_address(uint8_t *record, uint64_t address)
{
    clo_put_le64(record + GPA_AT, address);
}

static void init(struct stream *stream)
{
    *stream = (struct stream){ .hasher = clo_hasher_new(CLO_HASH_SHA384) };
    for (size_t i = 0; i < ADDS; i++)
        memcpy(stream->adds[i], "MEM.PAGE.ADD", 12);
    for (size_t i = 0; i < CHUNKS; i++)
        memcpy(stream->page[i], "MR.EXTEND", 9);
}

static void flush_adds(struct stream *stream)
{
    clo_hasher_add(stream->hasher, clo_bytes(stream->adds, stream->add_count * RECORD_SIZE));
    stream->add_count = 0;
}

static void add_page(struct stream *stream, const struct clo_tdvf_section *section, uint64_t page)
{
    if ((section->attributes & CLO_TDVF_PAGE_AUG) != 0)
        return;
    put_address(stream->adds[stream->add_count++], section->address + page * CLO_TDVF_PAGE);
    if (stream->add_count == ADDS)
        flush_adds(stream);
}

static void extend_page(struct stream *stream, const struct clo_tdvf_section *section,
                        uint64_t page)
{
    const uint8_t *data = section->data.data + page * CLO_TDVF_PAGE;
    uint64_t address = section->address + page * CLO_TDVF_PAGE;

    flush_adds(stream);
    for (size_t i = 0; i < CHUNKS; i++) {
        put_address(stream->page[i], address + i * CHUNK_SIZE);
        memcpy(stream->page[i] + RECORD_SIZE, data + i * CHUNK_SIZE, CHUNK_SIZE);
    }
    clo_hasher_add(stream->hasher, clo_bytes(stream->page, sizeof stream->page));
}

static void add_section(struct stream *stream, const struct clo_tdvf_section *section,
                        enum clo_tdx_page_order order)
{
    uint64_t pages = section->memory_size / CLO_TDVF_PAGE;
    bool extends = (section->attributes & CLO_TDVF_MR_EXTEND) != 0;
    bool is_single_pass = order == CLO_TDX_SINGLE_PASS;

    for (uint64_t page = 0; page < pages; page++) {
        add_page(stream, section, page);
        if (extends && is_single_pass)
            extend_page(stream, section, page);
    }
    for (uint64_t page = 0; extends && !is_single_pass && page < pages; page++)
        extend_page(stream, section, page);
}

void clo_tdvf_mrtd(const struct clo_tdvf *tdvf, enum clo_tdx_page_order order,
                   struct clo_digest *out)
{
    struct stream stream;

    init(&stream);
    for (size_t i = 0; i < tdvf->count; i++)
        add_section(&stream, &tdvf->sections[i], order);
    flush_adds(&stream);
    clo_hasher_get(stream.hasher, out);
    clo_hasher_free(stream.hasher);
}
