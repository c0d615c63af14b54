/* Firmware volumes made by the test: files with sections, and OVMF's packing of two volumes. */
#ifndef CLOISTER_TEST_FIRMWARE_MAKER_H
#define CLOISTER_TEST_FIRMWARE_MAKER_H

#include <lzma.h>

#include "lib/base/put.h"
#include "lib/launch/firmware.h"
#include "test.h"

static inline void volume_begin(struct clo_buffer *out)
{
    clo_buffer_zero(out, 32);
    clo_buffer_le64(out, 0); /* its size */
    clo_buffer_text(out, "_FVH");
    clo_buffer_le32(out, 0x0004feff);
    clo_buffer_le16(out, 72);
    clo_buffer_le16(out, 0); /* its sum */
    clo_buffer_le16(out, 0);
    clo_buffer_u8(out, 0);
    clo_buffer_u8(out, 2);
    clo_buffer_zero(out, 16); /* the block map */
}

static inline void volume_sum(struct clo_buffer *volume)
{
    uint16_t sum = 0;

    clo_put_le16(volume->data + 50, 0);
    for (size_t i = 0; i < 72; i += 2)
        sum = (uint16_t)(sum + (volume->data[i] | volume->data[i + 1] << 8));
    clo_put_le16(volume->data + 50, (uint16_t)-sum);
}

/* Free space up to `size`, and what the header says of all of it. */
static inline void volume_end(struct clo_buffer *out, size_t size)
{
    while (out->size < size)
        clo_buffer_u8(out, 0xff);
    clo_put_le32(out->data + 32, (uint32_t)size);
    volume_sum(out);
    if (!clo_buffer_ok(out) || out->size != size)
        fail_msg("the volume is too small");
}

static inline void volume_file(struct clo_buffer *out, const struct clo_guid *name, uint8_t type,
                               struct clo_bytes sections)
{
    uint32_t size = (uint32_t)(24 + sections.size);

    while (out->size % 8 != 0)
        clo_buffer_u8(out, 0xff);
    clo_buffer_guid(out, name);
    clo_buffer_le16(out, 0xaa00);
    clo_buffer_u8(out, type);
    clo_buffer_u8(out, 0);
    clo_buffer_le16(out, (uint16_t)size);
    clo_buffer_u8(out, (uint8_t)(size >> 16));
    clo_buffer_u8(out, 0xf8);
    clo_buffer_append(out, sections);
}

/* With a header of 8 bytes, as large ones have. */
static inline void volume_large_section(struct clo_buffer *out, uint8_t type, struct clo_bytes data)
{
    clo_buffer_zero(out, (4 - out->size % 4) % 4);
    clo_buffer_le16(out, 0xffff);
    clo_buffer_u8(out, 0xff);
    clo_buffer_u8(out, type);
    clo_buffer_le32(out, (uint32_t)(8 + data.size));
    clo_buffer_append(out, data);
}

static inline void volume_section(struct clo_buffer *out, uint8_t type, struct clo_bytes data)
{
    uint32_t size = (uint32_t)(4 + data.size);

    clo_buffer_zero(out, (4 - out->size % 4) % 4);
    clo_buffer_le16(out, (uint16_t)size);
    clo_buffer_u8(out, (uint8_t)(size >> 16));
    clo_buffer_u8(out, type);
    clo_buffer_append(out, data);
}

static inline void lzma_pack(struct clo_bytes in, struct clo_buffer *out)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_options_lzma options;
    uint8_t chunk[4096];
    lzma_ret result = LZMA_OK;

    if (lzma_lzma_preset(&options, 1) || lzma_alone_encoder(&stream, &options) != LZMA_OK)
        fail_msg("no LZMA encoder");
    stream.next_in = in.data;
    stream.avail_in = in.size;
    while (result == LZMA_OK) {
        stream.next_out = chunk;
        stream.avail_out = sizeof chunk;
        result = lzma_code(&stream, LZMA_FINISH);
        clo_buffer_append(out, clo_bytes(chunk, sizeof chunk - stream.avail_out));
    }
    lzma_end(&stream);
    if (result != LZMA_STREAM_END)
        fail_msg("LZMA: %d", (int)result);
}

/* The packed file's section: GUIDed, its data after 24 bytes of header. */
static inline void firmware_guided(struct clo_bytes content, struct clo_buffer *out)
{
    static const struct clo_guid lzma = { { 0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42, 0x9d,
                                            0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer guided = { 0 };

    clo_buffer_guid(&guided, &lzma);
    clo_buffer_le16(&guided, 24);
    clo_buffer_le16(&guided, 1);
    lzma_pack(content, &guided);
    volume_section(out, CLO_SECTION_GUIDED, clo_buffer_bytes(&guided));
}

/* An image of `before` bytes, and the volume that has PEI's and DXE's packed. */
static inline void make_firmware(size_t before, struct clo_bytes pei, struct clo_bytes dxe,
                                 struct clo_buffer *out)
{
    static const struct clo_guid name = { { 0x92, 0xd7 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sections = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };

    volume_section(&content, 0x19, clo_bytes_text("padding"));
    volume_large_section(&content, CLO_SECTION_VOLUME, pei);
    volume_section(&content, CLO_SECTION_VOLUME, dxe);
    firmware_guided(clo_buffer_bytes(&content), &sections);
    volume_begin(&volume);
    volume_file(&volume, &name, 0xf0, clo_bytes_text("a pad file"));
    volume_file(&volume, &name, 0x0b, clo_buffer_bytes(&sections));
    volume_end(&volume, 0x8000);
    clo_buffer_zero(out, before);
    clo_buffer_append(out, clo_buffer_bytes(&volume));
    clo_buffer_zero(out, 0x1000);
}

#endif
